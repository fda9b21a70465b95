"""The figures of a Portal in words."""

import pytest

from portal.app import Portal
from portal.cli.figures import describe_bytes, describe_figures
from portal.config import Config, HttpConfig
from portal.metrics import look_up

GAUGES = {
    "server_connected_seconds": 90.0,
    "server_waiting_messages": 7,
    "player_connections": 13,
    "player_connections_limit": 20_000,
    "half_open_connections": 0,
    "half_open_connections_limit": 1000,
    "http_connections": 2,
    "http_connections_limit": 1000,
    "sessions_logged_in": 11,
    "sessions_paused": 1,
    "unsent_bytes": 1536,
    "unsent_limit_bytes": 256 * 1024**2,
    "held_messages": 3,
    "held_bytes": 120,
    "process_resident_memory_bytes": 50 * 1024**2,
    "memory_limit_bytes": 1024**3,
    "process_open_fds": 33,
    "process_max_fds": 65_536,
}
COUNTERS = {"server_starts": 3, "server_reloads": 1, "server_losses": 0}


def describe(gauges, counters=COUNTERS):
    return dict(describe_figures({"gauges": gauges, "counters": counters}, "{:.0f} s".format))


def test_all_of_them():
    assert describe(GAUGES) == {
        "Game": "connected for 90 s; started 3 times; reloaded 1 time; 7 messages wait for it",
        "Players": (
            "13 of 20000 connected; 0 of 1000 half-open; 2 of 1000 served by HTTP; "
            "11 logged in; 1 paused"
        ),
        "Unsent": "1.5 KiB of 256.0 MiB",
        "Held": "3 messages, 120 B",
        "Memory": "50.0 MiB of 1.0 GiB; 33 of 65536 descriptors",
    }


@pytest.mark.parametrize("name", GAUGES)
def test_of_a_portal_that_does_not_tell_one(name):
    """One of another version, or on another kernel."""
    gauges = {each: figure for each, figure in GAUGES.items() if each != name}
    assert describe(gauges)


def test_of_a_portal_that_tells_none():
    assert describe_figures({}, str) == []


def test_of_a_real_one():
    portal = Portal(Config(http=HttpConfig(enabled=False)))
    found = describe(look_up(portal.gauges), portal.metrics.as_dict())
    assert found.keys() == {"Players", "Unsent", "Held", "Memory"}
    assert found["Players"].startswith("0 of 20000 connected; 0 of 1000 half-open")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (50_646_630, "48.3 MiB"),
        (1024**5, "1024.0 TiB"),
    ],
)
def test_bytes(size, text):
    assert describe_bytes(size) == text
