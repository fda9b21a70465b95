"""What a connection of the hub needs of the object that understands its bytes."""

from typing import Protocol


class ConnectionProtocol(Protocol):
    """What a connection needs of the object that understands its bytes.

    An exception of any of these ends the connection, is logged with the protocol's `sessid` if it
    has one, and reaches nobody else.
    """

    def receive_data(self, data: bytes) -> None:
        """Take what came in: at least one byte, cut anywhere."""

    def receive_eof(self) -> None:
        """Hear that the peer sends no more; the usual answer is `connection.close()`."""

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that the connection has ended: exactly once, and the last call of all.

        `error` is what the socket said or the exception of this protocol, None where either side
        ended the connection on purpose; `connection.close_reason` then tells more.
        """


class Flushable(Protocol):
    """What has something to do at the end of a tick: a connection, or a layer above one."""

    def flush(self) -> int:
        """Send on what was written since; returns how many bytes the kernel took."""


class Nobody:
    """The protocol of a connection that nobody listens to."""

    __slots__ = ()

    def receive_data(self, data: bytes) -> None:
        """Ignore it."""

    def receive_eof(self) -> None:
        """Ignore it."""

    def connection_lost(self, error: Exception | None) -> None:
        """Ignore it."""


NOBODY = Nobody()
