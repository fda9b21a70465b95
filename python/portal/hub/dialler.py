"""Dialling out: a socket that is connected, without blocking anybody until it is."""

import os
import socket
from typing import Any

import trio


async def dial_tcp(host: str, port: int) -> socket.socket:
    """Connect to a host, trying each of its addresses in turn.

    Returns a socket that does not block; the caller owns it. It waits as long as the kernel does
    (minutes for a host that is silent), so bound it by a cancel scope; on cancel nothing is left
    open.

    Raises OSError: that of the last address, when none could be reached.
    """
    last = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await trio.socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        try:
            return await _dial(socket.socket(family, kind, protocol), address)
        except OSError as error:
            last = error
    raise last


async def dial_unix(path: str) -> socket.socket:
    """Connect to a UNIX socket; as `dial_tcp` in all else."""
    return await _dial(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


async def _dial(sock: socket.socket, address: Any) -> socket.socket:
    sock.setblocking(False)
    try:
        try:
            sock.connect(address)
        except BlockingIOError:
            # A UNIX socket whose backlog is full says the same, but never becomes connected.
            if sock.family == socket.AF_UNIX:
                raise
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code)) from None
        else:
            await trio.lowlevel.checkpoint()
    except BaseException:
        sock.close()
        raise
    return sock
