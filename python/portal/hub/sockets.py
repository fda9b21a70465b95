"""What the hub wants of a socket besides its bytes.

A peer that vanishes (a host without power, a cable pulled) says nothing, so it has to be asked.
While nothing is unsent the kernel's keepalive does that, whether the player's client gets a NOP
now and then or not. While something is unsent there are no keepalives, only repetitions for a
quarter of an hour: hence the bound on them, which ends the connection after the same time.
"""

import socket
import struct
from contextlib import suppress

# Silence before the first question. Below it a phone would be woken for nothing, and players whose
# clients get a NOP every 30 s are never asked.
KEEPALIVE_IDLE_SECONDS = 60
# So many questions, so far apart, stay without an answer: a tunnel is longer than a lost packet.
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_COUNT = 4
# The same two minutes where something is unsent; in milliseconds, as the kernel wants them.
UNACKNOWLEDGED_MILLISECONDS = 1000 * (
    KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_COUNT
)

# More than the kernel keeps of unread input; memory that stays empty costs nothing.
DISCARD_BYTES = 8 * 1024 * 1024


def prepare(sock: socket.socket, address: str) -> None:
    """Set a connected socket up for the hub; `address` is the peer's IP, "" on a UNIX socket.

    Raises OSError when the peer has gone already.
    """
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return
    # Else a reply waits for the peer's acknowledgement of the last one: 44 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if not is_local(sock, address):
        # It ends a peer too that is there and takes nothing. On this machine nobody vanishes, and
        # a game that stands still in a debugger is waited for.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)


def is_local(sock: socket.socket, address: str) -> bool:
    """Whether a socket's peer is on this machine; `address` is the peer's IP, "" on a UNIX socket.

    So it is on a loopback address, and where it has the address that this end has: the kernel
    takes no packet from outside that claims to be from here. A socket that is closed has no
    address any more, so that only loopback counts.
    """
    if not address or address.startswith("127.") or address == "::1":
        return True
    with suppress(OSError):
        return bool(sock.getsockname()[0] == address)
    return False


def reset_at_close(sock: socket.socket) -> None:
    """Let closing a socket reset the connection, so that its peer sees no orderly end."""
    if sock.family != socket.AF_UNIX:
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def take_error(sock: socket.socket) -> OSError | None:
    """Return what ended a socket, None where nothing is known; the kernel tells it once."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(code, "the connection was reset") if code else None


def discard_input(sock: socket.socket) -> int:
    """Read what has come by now without heeding it; returns the number of bytes.

    Unread input at the closing of a socket would cost the peer the last line it was sent.
    """
    with suppress(OSError):
        return len(sock.recv(DISCARD_BYTES))
    return 0
