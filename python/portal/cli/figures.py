"""The figures of a Portal in words, for `portal status`.

The Portal that was asked may be of another version: a figure that it does not tell is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = tuple[str, str]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def describe_figures(answer: Mapping[str, Any], seconds: Callable[[float], str]) -> list[Row]:
    """Make rows of the `gauges` and `counters` in an answer; `seconds` says how long in words."""
    gauges, counters = answer.get("gauges", {}), answer.get("counters", {})
    rows = (
        ("Game", _game(gauges, counters, seconds)),
        ("Players", _players(gauges)),
        ("Unsent", _of(gauges, "unsent_bytes", "unsent_limit_bytes", describe_bytes)),
        ("Held", _held(gauges)),
        ("Memory", _process(gauges)),
    )
    return [(label, "; ".join(parts)) for label, found in rows if (parts := list(found))]


def describe_bytes(size: float) -> str:
    """Say how many bytes: `512 B`, `48.3 MiB`."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.1f} {UNITS[unit]}" if unit else f"{size:.0f} B"


def _game(
    gauges: Mapping[str, Any], counters: Mapping[str, int], seconds: Callable[[float], str]
) -> Iterator[str]:
    connected = gauges.get("server_connected_seconds")
    if connected is not None:
        yield f"connected for {seconds(connected)}"
    for name, word in (
        ("server_starts", "started"),
        ("server_reloads", "reloaded"),
        ("server_losses", "lost"),
    ):
        if count := counters.get(name):
            yield f"{word} {count} time{'' if count == 1 else 's'}"
    if waiting := gauges.get("server_waiting_messages"):
        yield f"{waiting} messages wait for it"


def _players(gauges: Mapping[str, Any]) -> Iterator[str]:
    for name, word in (
        ("player_connections", "connected"),
        ("half_open_connections", "half-open"),
        ("http_connections", "served by HTTP"),
    ):
        for text in _of(gauges, name, f"{name}_limit", "{:.0f}".format):
            yield f"{text} {word}"
    for name, word in (("sessions_logged_in", "logged in"), ("sessions_paused", "paused")):
        if name in gauges:
            yield f"{gauges[name]} {word}"


def _held(gauges: Mapping[str, Any]) -> Iterator[str]:
    if "held_messages" in gauges:
        yield f"{gauges['held_messages']} messages, {describe_bytes(gauges.get('held_bytes', 0))}"


def _process(gauges: Mapping[str, Any]) -> Iterator[str]:
    yield from _of(gauges, "process_resident_memory_bytes", "memory_limit_bytes", describe_bytes)
    for text in _of(gauges, "process_open_fds", "process_max_fds", "{:.0f}".format):
        yield f"{text} descriptors"


def _of(
    gauges: Mapping[str, Any], name: str, limit: str, show: Callable[[float], str]
) -> Iterator[str]:
    if name in gauges:
        yield show(gauges[name]) + (f" of {show(gauges[limit])}" if limit in gauges else "")
