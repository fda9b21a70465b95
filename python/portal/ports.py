"""The ports that a configuration names, opened: what the system says becomes one clear line."""

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from portal.config import AmpConfig, HttpConfig, LimitsConfig, TelnetConfig, WebSocketConfig
from portal.errors import ServiceError
from portal.hub.listener import open_tcp_sockets, open_unix_socket

PlayerPort = TelnetConfig | WebSocketConfig | HttpConfig


def open_player_port(name: str, port: PlayerPort, backlog: int) -> list[socket.socket]:
    """Listen on a port for players and those beside it, on all hosts; `name` is said in errors.

    Raises ServiceError when it cannot be had, and then leaves none open.
    """
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for number in (port.port, *_more_ports(port)):
            where = f"{', '.join(port.hosts)} port {number}"
            found = _open(name, where, partial(open_tcp_sockets, port.hosts, number, backlog))
            opened += [undo.enter_context(sock) for sock in found]
        undo.pop_all()
    return opened


def open_amp_port(amp: AmpConfig, backlog: int) -> list[socket.socket]:
    """Listen for games and the command line, on a port or a UNIX socket; raises as above."""
    if amp.socket is not None:
        path = amp.socket
        return _open("amp", path, lambda: [open_unix_socket(path, backlog)])
    where = f"{amp.host} port {amp.port}"
    return _open("amp", where, partial(open_tcp_sockets, [amp.host], amp.port, backlog))


def limit_amp(connections: int) -> LimitsConfig:
    """Limit the AMP port by one number: it is for few, who come often and from one address."""
    return LimitsConfig(
        connections=connections,
        connections_per_address=connections,
        connections_per_second=float(connections),
        connection_burst=connections,
    )


def find_dialled(address: tuple[str, int] | str) -> tuple[str, int] | str:
    """Return where to dial on this machine what listens at an address."""
    if isinstance(address, str):
        return str(Path(address).absolute())
    host, port = address
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared


def _more_ports(port: PlayerPort) -> tuple[int, ...]:
    return () if isinstance(port, WebSocketConfig) else port.more_ports


def _open(name: str, where: str, opener: Callable[[], list[socket.socket]]) -> list[socket.socket]:
    try:
        return opener()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError(name, f"cannot listen at {where}: {reason}") from error
