"""Showing answers to people."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from portal.cli.figures import describe_figures
from portal.config import amp_address_to_text


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def find_way(host: str) -> str:
    """Return the address to dial on this machine for one that something listens at."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared


def describe_start(info: Mapping[str, Any]) -> str:
    """Say what has started and how to reach it; `info` is what `Portal.info` tells."""
    lines = [f"{info['name']} is running (pid {info['portal_pid']}). Ctrl-C stops it."]
    for host, port in info["telnet"]:
        lines.append(f"Play:   telnet {find_way(host)} {port}")
    for host, port in info.get("http", ()):
        where = find_way(host)
        name = f"[{where}]" if ":" in where else where
        lines.append(f"Play:   http://{name}:{port}/ in a browser")
    amp = info["amp"]
    where = f"--amp-socket {shlex.quote(amp)}" if isinstance(amp, str) else f"--amp-port {amp[1]}"
    lines.append(f"Manage: portal status {where}   (also sessions, reload, stop)")
    return "\n".join(lines)


def describe_status(answer: Mapping[str, Any]) -> str:
    """Say in a few lines how a Portal is; `answer` is that to the query "status"."""
    server = answer["server"]
    game = " ".join(
        server["info"][key] for key in ("servername", "version") if server["info"].get(key)
    )
    by_protocol = answer["sessions"]
    counts = ", ".join(f"{name} {count}" for name, count in sorted(by_protocol.items()))
    addresses = answer["addresses"]
    ports = [
        (label, ", ".join(f"{host} {port}" for host, port in addresses[name]))
        for label, name in (("Telnet", "telnet"), ("Websocket", "websocket"), ("HTTP", "http"))
        if name == "telnet" or addresses.get(name)
    ]
    amp = addresses["amp"]
    lines = [
        ("Portal", f"{answer['name']}, version {answer['version']}, pid {answer['pid']}"),
        ("Uptime", describe_seconds(answer["uptime"])),
        ("Server", f"{server['state']}, pid {server['pid'] or '-'}" + (game and f" ({game})")),
        ("Sessions", f"{sum(by_protocol.values())}" + (counts and f" ({counts})")),
        *describe_figures(answer, describe_seconds),
        *ports,
        ("AMP", amp_address_to_text(amp if isinstance(amp, str) else (amp[0], amp[1]))),
    ]
    counters = [(name, value) for name, value in answer["counters"].items() if value]
    text = [f"{label:9} {value}" for label, value in lines]
    if counters:
        text += ["", *(f"{name:28} {value:>12}" for name, value in counters)]
    return "\n".join(text)


def describe_sessions(entries: Sequence[Mapping[str, Any]]) -> str:
    """List sessions in columns; each entry is one of the answer to the query "sessions"."""
    rows = [("sessid", "protocol", "address", "name", "idle")]
    for entry in entries:
        name = entry["uname"] or ("-" if not entry["logged_in"] else "?")
        rows.append(
            (
                str(entry["sessid"]),
                entry["protocol_key"],
                entry["address"] or "local",
                _printable(name),
                describe_seconds(entry["idle"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    count = len(entries)
    return "\n".join([*lines, f"{count} session{'' if count == 1 else 's'}"])


def describe_seconds(seconds: float) -> str:
    """Write a duration in its two largest units: "3 d 4 h", "12 s"."""
    rest = max(int(seconds), 0)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _printable(text: str) -> str:
    """Show a player's text harmlessly: it must not steer the operator's terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)
