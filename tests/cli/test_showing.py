"""What people are shown."""

import pytest

from portal.cli.showing import (
    describe_seconds,
    describe_sessions,
    describe_start,
    describe_status,
)


@pytest.fixture
def session(asked):
    return asked.answers["sessions"]["sessions"][0]


def test_status_for_people(portal, asked):
    lines = portal("status").stdout.splitlines()
    assert lines == [
        "Portal    Portal demo, version 1.2, pid 10",
        "Uptime    1 h 2 min",
        "Server    CONNECTED, pid 11 (demo 3)",
        "Sessions  3 (telnet 2, websocket 1)",
        "Telnet    127.0.0.1 4000, ::1 4000",
        "AMP       127.0.0.1:4006",
        "",
        "messages_in                             5",
    ]


def test_status_of_a_portal_without_anything(asked):
    answer = asked.answers["status"] | {
        "server": {"state": "DOWN", "pid": None, "info": {}},
        "sessions": {},
        "addresses": {"telnet": [], "amp": "/run/portal"},
        "counters": {"messages_in": 0},
    }
    lines = [line.rstrip() for line in describe_status(answer).splitlines()]
    assert lines[2:] == [
        "Server    DOWN, pid -",
        "Sessions  0",
        "Telnet",
        "AMP       unix:/run/portal",
    ]


def test_sessions_for_people(portal, asked):
    assert portal("sessions").stdout.splitlines() == [
        "sessid  protocol   address   name  idle",
        "1       telnet     10.0.0.9  Ann   1 d 1 h",
        "12      websocket  local     -     0 s",
        "2 sessions",
    ]


def test_a_name_does_not_steer_the_terminal(session):
    entry = session | {"uname": "A\x1b[2Jnn"}
    text = describe_sessions([entry])
    assert "\x1b" not in text
    assert "A?[2Jnn" in text
    assert text.endswith("\n1 session")


def test_a_session_that_is_logged_in_without_a_name(session):
    assert "?" in describe_sessions([session | {"uname": None}])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 s"),
        (86400 + 3600 + 61, "1 d 1 h"),
    ],
)
def test_durations(seconds, text):
    assert describe_seconds(seconds) == text


def test_the_other_ways_in_are_shown_where_they_are(asked):
    addresses = {
        "telnet": [["0.0.0.0", 23]],
        "websocket": [["127.0.0.1", 4002]],
        "http": [["127.0.0.1", 4001], ["::1", 4001]],
        "amp": ["127.0.0.1", 4006],
    }
    text = describe_status(asked.answers["status"] | {"addresses": addresses})
    assert text.splitlines()[4:8] == [
        "Telnet    0.0.0.0 23",
        "Websocket 127.0.0.1 4002",
        "HTTP      127.0.0.1 4001, ::1 4001",
        "AMP       127.0.0.1:4006",
    ]


@pytest.mark.parametrize(
    ("addresses", "lines"),
    [
        ({"telnet": [], "amp": "/run/amp"}, []),
        ({"telnet": [("0.0.0.0", 23), ("::", 23)], "amp": "/run/amp"}, [
            "Play:   telnet 127.0.0.1 23",
            "Play:   telnet ::1 23",
        ]),
        ({"telnet": [("::1", 23)], "http": [("0.0.0.0", 80), ("::", 80)], "amp": "/run/amp"}, [
            "Play:   telnet ::1 23",
            "Play:   http://127.0.0.1:80/ in a browser",
            "Play:   http://[::1]:80/ in a browser",
        ]),
    ],
)  # fmt: skip
def test_how_to_play(addresses, lines):
    text = describe_start({"name": "Harbour", "portal_pid": 5} | addresses)
    assert text.splitlines() == [
        "Harbour is running (pid 5). Ctrl-C stops it.",
        *lines,
        "Manage: portal status --amp-socket /run/amp   (also sessions, reload, stop)",
    ]
