"""A connection of the hub as a trio stream, for protocols that read as a story.

HTTP, and whatever else wants a task of its own for each connection, stands on this. It costs a
task and some kilobytes each, so it is not for players by the thousand.
"""

import trio

from portal.hub.connection import Connection
from portal.hub.sockets import reset_at_close

# More unread input pauses the connection, more unsent output makes `send_all` wait: enough for a
# busy line, and ten times a thousand of them are still little.
HIGH_WATER_BYTES = 64 * 1024
# What a peer has to take of a long write in `send_seconds`, if it does not take all: half a
# kilobyte a second is less than any line has, and a trickle below it holds a task for hours.
PROGRESS_BYTES = 16 * 1024


class ConnectionStream(trio.abc.Stream):
    """A trio stream on a hub's connection; it makes itself the connection's protocol.

    `received` is what was read before and comes out first. `send_all` raises BrokenResourceError
    when the peer takes too little for `send_seconds`, and the connection is then aborted.
    Cancelling `send_all` leaves what was written to be sent; cancelling `receive_some` loses
    nothing. Closing is that of `Connection.close`: what was written still goes out.
    `lost` tells whether the connection has ended, `eof` whether the peer sends no more.
    """

    def __init__(
        self, connection: Connection, received: bytes = b"", *, send_seconds: float = 30.0
    ) -> None:
        self.connection = connection
        self.send_seconds = send_seconds
        self.eof = False
        self.lost = False
        self._buffer = bytearray(received)
        self._closed = False
        self._paused = False
        self._changed = trio.Event()  # something came in, or ended
        self._sent = trio.Event()  # all was sent, or the connection has ended
        connection.protocol = self

    # ---- what the connection calls

    def receive_data(self, data: bytes) -> None:
        """Keep what came for the next `receive_some`."""
        self._buffer += data
        if len(self._buffer) > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self.connection.pause_reading()
        self._wake_reader()

    def receive_eof(self) -> None:
        """Hear that the peer sends no more; the connection stays open for the answer."""
        self.eof = True
        self._wake_reader()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - of every protocol
        """Hear that it has ended."""
        self.eof = self.lost = True
        self._wake_reader()
        self._wake_writer()

    # ---- what a task calls

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come, at least a byte; b"" at the end of the input.

        Raises ClosedResourceError after `aclose`.
        """
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        while not self._buffer and not self.eof:
            await self._wait_for_change()
        return self._take(max_bytes)

    def take_received(self) -> bytes:
        """Take what nobody has read yet; whatever comes from now on is read."""
        return self._take(None)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; returns when little of it is unsent.

        Raises BrokenResourceError when the connection is lost or too slow, ClosedResourceError
        after `aclose`.
        """
        self._require_open()
        self.connection.write(bytes(data))
        await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        """Return when there is room: at once up to the high-water mark, else when all is sent."""
        self._require_open()
        await trio.lowlevel.checkpoint()
        if self.connection.unsent > HIGH_WATER_BYTES:
            while self.connection.unsent and not self.lost:
                await self._wait_for_progress()
        if self.lost:
            raise trio.BrokenResourceError("the peer has gone")

    async def aclose(self) -> None:
        """Close, after what was written has been sent; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.connection.close()
            self._wake_reader()
        await trio.lowlevel.checkpoint()

    def cut_slow_reader(self) -> None:
        """End a connection whose peer takes too little."""
        self.connection.abort("read too slowly: it took too little of a long answer")

    def break_off(self, reason: str) -> None:
        """End at once, by a reset: the peer shall not take what it has for the whole."""
        reset_at_close(self.connection._socket)
        self.connection.abort(reason)

    def abandon(self) -> None:
        """Close from outside: a task that sends gets BrokenResourceError, at once.

        What was written is still sent.
        """
        self.connection.close()
        self.connection_lost(None)

    # ---- parts of the above

    async def _wait_for_change(self) -> None:
        """Return when something has come in or ended; ClosedResourceError once it is closed."""
        await self._changed.wait()
        if self._closed:
            raise trio.ClosedResourceError

    def _take(self, max_bytes: int | None) -> bytes:
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[: len(data)]
        if self._paused and len(self._buffer) <= HIGH_WATER_BYTES:
            self._paused = False
            self.connection.resume_reading()
        return data

    async def _wait_for_progress(self) -> None:
        unsent = self.connection.unsent
        self.connection.call_when_sent(self._wake_writer)
        with trio.move_on_after(self.send_seconds):
            await self._sent.wait()
            return
        if self.connection.unsent > unsent - PROGRESS_BYTES:
            self.cut_slow_reader()
            raise trio.BrokenResourceError("the peer reads too slowly")

    def _require_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self.lost:
            raise trio.BrokenResourceError("the peer has gone")

    def _wake_reader(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _wake_writer(self) -> None:
        self._sent.set()
        self._sent = trio.Event()
