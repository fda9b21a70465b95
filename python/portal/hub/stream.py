"""A connection of the hub as a trio stream, for protocols that read as a story.

HTTP, and whatever else wants a task of its own for each connection, stands on this. It costs a
task and some kilobytes each, so it is not for players by the thousand.
"""

import trio

from portal.hub.connection import Connection

# More unread input pauses the connection, more unsent output makes `send_all` wait: enough for a
# busy line, and ten times a thousand of them are still little.
HIGH_WATER_BYTES = 64 * 1024


class ConnectionStream(trio.abc.HalfCloseableStream):
    """A trio stream on a hub's connection; it makes itself the connection's protocol.

    `received` is what was read before and comes out first. `send_all` raises BrokenResourceError
    when the peer takes nothing for `send_seconds`, and the connection is then aborted. Cancelling
    `send_all` leaves what was written to be sent; cancelling `receive_some` loses nothing.
    Closing is that of `Connection.close`: what was written still goes out.
    """

    def __init__(
        self, connection: Connection, received: bytes = b"", *, send_seconds: float = 30.0
    ) -> None:
        self.connection = connection
        self.send_seconds = send_seconds
        self._buffer = bytearray(received)
        self._eof = False
        self._lost = False
        self._closed = False
        self._paused = False
        self._changed = trio.Event()
        connection.protocol = self

    # ---- what the connection calls

    def receive_data(self, data: bytes) -> None:
        """Keep what came for the next `receive_some`."""
        self._buffer += data
        if len(self._buffer) > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self.connection.pause_reading()
        self._wake()

    def receive_eof(self) -> None:
        """Hear that the peer sends no more; the connection stays open for the answer."""
        self._eof = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - of every protocol
        """Hear that it has ended."""
        self._eof = self._lost = True
        self._wake()

    # ---- what a task calls

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come, at least a byte; b"" at the end of the input.

        Raises ClosedResourceError after `aclose`.
        """
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            if self._closed:
                raise trio.ClosedResourceError
            if self._eof:
                return b""
            await self._changed.wait()
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[: len(data)]
        if self._paused and len(self._buffer) <= HIGH_WATER_BYTES:
            self._paused = False
            self.connection.resume_reading()
        return data

    def take_received(self) -> bytes:
        """Take what nobody has read yet."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; returns when no more than the high-water mark is unsent.

        Raises BrokenResourceError when the connection is lost or too slow, ClosedResourceError
        after `aclose` or `send_eof`.
        """
        self._require_open()
        self.connection.write(bytes(data))
        await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        """Return when there is room; see `send_all`."""
        self._require_open()
        await trio.lowlevel.checkpoint()
        if self.connection.unsent <= HIGH_WATER_BYTES:
            return
        with trio.move_on_after(self.send_seconds):
            while self.connection.unsent and not self._lost:
                self.connection.call_when_sent(self._wake)
                await self._changed.wait()
        if self._lost or self.connection.unsent:
            self.connection.abort("took nothing of a long answer for too long")
            raise trio.BrokenResourceError("the peer has gone, or reads too slowly")

    async def send_eof(self) -> None:
        """Send no more; the peer is read on only to see it close."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close, after what was written has been sent; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.connection.close()
            self._wake()
        await trio.lowlevel.checkpoint()

    def _require_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._lost:
            raise trio.BrokenResourceError

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
