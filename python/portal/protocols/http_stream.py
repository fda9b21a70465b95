"""A connection as hypercorn is given it: one request at a time, and nothing that it should not see.

Hypercorn reads ahead and decides by itself what a connection is. So each request is looked at here
first (`portal.wire.http`): a wrong one is refused, one for a websocket is kept back, and the next
one waits until the one before is answered.
"""

import socket
from typing import Any, NoReturn, Protocol

import structlog
import trio

from portal.config import KIB, HttpConfig
from portal.errors import RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.stream import ConnectionStream
from portal.metrics import Metrics
from portal.protocols.opening import TOO_LONG, TOO_SLOW
from portal.wire.body import Body
from portal.wire.http import HEAD_END, Head, read_head

log = structlog.get_logger(__name__)

TOO_LARGE = "A request's body may have {} bytes."
TOO_SHORT = "The body was shorter than its Content-Length."

PIECE_BYTES = 64 * KIB  # of a body, handed on in one go
# So much of a body has to come in `http.body_seconds`; a longer one has that time again.
BODY_STEP_BYTES = 64 * KIB
# Answers of which another may follow; until then nothing is said that could not be taken back.
INFORMATIONAL = b"HTTP/1.1 1"


# Stands for the request of which there is none yet.
NOTHING = Head(data=b"", target=b"", body_bytes=0, chunked=False, wants_websocket=False)


class Refuser(Protocol):
    """Who answers what is refused: `OpeningProtocol.refuse`."""

    def __call__(self, connection: Connection, status: int, text: str) -> None:
        """Answer, and close the connection."""
        ...


class HttpStream(ConnectionStream):
    """One connection of pages.

    `scope` is cancelled when there is nothing more to serve: the connection is lost or was
    refused, the client has ended its input and has its answers, or it asks for a websocket.
    `upgrade` is then the head of that request, None else. `turn` is shared by all connections:
    whoever has a request waits in its line. `target` is what the request asks for, byte for byte.

    Whoever answers a request may set `bare`, for this one: then the answer gets none of the headers
    that all others have.

    Of a body hypercorn is given as much as somebody wants (`want_body`), one piece each time, and
    its own queue is never full: it would wait for ever for an application that has ended.
    """

    def __init__(
        self,
        connection: Connection,
        received: bytes,
        config: HttpConfig,
        *,
        metrics: Metrics,
        turn: trio.Lock,
        refuse: Refuser,
    ) -> None:
        super().__init__(connection, received, send_seconds=config.send_seconds)
        self.scope = trio.CancelScope()
        self.upgrade: bytes | None = None
        self.socket = _Socket(connection)
        self._config = config
        self._metrics = metrics
        self._turn = turn
        self._refuse = refuse
        self.target = b""
        self.bare = False
        self._idle = True  # no request is being answered
        self._left = 0  # bytes in the buffer that hypercorn may have
        self._body = Body(NOTHING)
        self._limit = 0  # of the body
        self._ends_with_input = False
        self._wanted = False  # somebody waits for a piece of the body
        self._waited = 0.0  # seconds for the client, since the last `body_bytes` of the body
        self._measured = 0  # bytes of the body until then
        self._answered = False  # the answer has begun

    def receive_eof(self) -> None:
        """Hear that the client sends no more, which some answers do not outlive."""
        super().receive_eof()
        if self._ends_with_input and not self._idle:
            self.scope.cancel()

    def connection_lost(self, error: Exception | None) -> None:
        """End what still answers: nobody is there to hear it."""
        super().connection_lost(error)
        self.scope.cancel()

    def cut_slow_reader(self) -> None:
        """Count it, and log it, as the hub does with its own."""
        self._metrics.slow_readers_cut += 1
        unsent = self.connection.unsent
        super().cut_slow_reader()
        address, reason = self.connection.address, self.connection.close_reason
        log.warning("slow_reader_cut", address=address, unsent=unsent, reason=reason)

    def at_answered(self) -> None:
        """Go on to the next request."""
        self._idle = True
        self._wake_reader()

    def end_with_input(self) -> None:
        """Give the answer up, and the connection, when the client ends its input, or if it has.

        Browsers do that which have left, and what works for them need not go on.
        """
        self._ends_with_input = True
        if self.eof:
            self.scope.cancel()

    def limit_body(self, limit: int) -> None:
        """Take no longer body than this with the request that is being answered."""
        self._limit = limit

    def want_body(self) -> None:
        """Let the next piece of the request's body come."""
        self._wanted = True
        self._wake_reader()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next part of a request, the first with its whole head.

        It does not return for anything else: then the scope is cancelled.
        """
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        if not self._left:
            if self._body.ended:
                await self._begin_request()
            else:
                await self._read_body()
        data = self._take(self._left if max_bytes is None else min(max_bytes, self._left))
        self._left -= len(data)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send a part of the answer; as `ConnectionStream.send_all`."""
        if not self._answered:
            self._answered = not bytes(data).startswith(INFORMATIONAL)
        await super().send_all(data)

    async def aclose(self) -> None:
        """Close, unless the connection is to become a websocket."""
        if self.upgrade is None:
            await super().aclose()

    # ---- parts of the above

    async def _begin_request(self) -> None:
        while not self._idle:
            await self._wait_for_change()
        size = await self._wait_for_head()
        head = bytes(self._buffer[:size])
        try:
            request = read_head(head)
        except RemoteProtocolError as error:
            await self._stop(int(error.name), error.text)
        if request.wants_websocket:
            del self._buffer[:size]
            self.upgrade = head
            await self._stop()
        config = self._config
        self._limit = config.body_bytes if config.upstream is None else config.upload_bytes
        if request.body_bytes > self._limit:
            await self._stop(413, TOO_LARGE.format(self._limit))
        await self._wait_for_turn()
        self._hand_over(request, size)

    async def _wait_for_head(self) -> int:
        limit, seen = self._config.head_bytes, 0
        while True:
            end = self._buffer.find(HEAD_END, seen)
            if 0 <= end <= limit:
                return end + len(HEAD_END)
            if end > limit or len(self._buffer) > limit:
                await self._stop(431, TOO_LONG.format(limit))
            if self.eof:
                await self._stop()
            seen = max(0, len(self._buffer) - len(HEAD_END) + 1)
            await self._wait_for_change()

    async def _wait_for_turn(self) -> None:
        """Let one request begin in each pass of trio: a flood of them shall hold nobody else up."""
        async with self._turn:
            await trio.lowlevel.checkpoint()

    def _hand_over(self, request: Head, size: int) -> None:
        self._buffer[:size] = request.data
        self._left = len(request.data)
        self.target = request.target
        self._body = Body(request)
        self._waited = 0.0
        self._measured = 0
        self._answered = self._idle = self._wanted = False
        self.bare = self._ends_with_input = False

    async def _read_body(self) -> None:
        while not self._wanted:
            await self._wait_for_change()
        self._wanted = False
        body = self._body
        if body.announced <= self._limit:
            await self._wait_for_body()
        try:
            self._left = body.measure(bytes(self._buffer[:PIECE_BYTES]))
        except RemoteProtocolError as error:
            await self._stop_in_body(int(error.name), error.text)
        if max(body.size, body.announced) > self._limit:
            await self._stop_in_body(413, TOO_LARGE.format(self._limit))
        if body.size - self._measured >= BODY_STEP_BYTES:
            self._measured = body.size
            self._waited = 0.0

    async def _wait_for_body(self) -> None:
        """Wait for the client, and for no longer than it is given for so much of a body."""
        began = trio.current_time()
        with trio.move_on_after(self._config.body_seconds - self._waited):
            while not self._buffer and not self.eof:
                await self._wait_for_change()
        self._waited += trio.current_time() - began
        if not self._buffer and self.eof:
            await self._stop_in_body(400, TOO_SHORT)
        if not self._buffer:
            await self._stop_in_body(408, TOO_SLOW)

    async def _stop_in_body(self, status: int, text: str) -> NoReturn:
        """Refuse a body, in a line unless the answer is under way already."""
        if self._answered:
            self.break_off(text)
            status = 0
        await self._stop(status, text)

    async def _stop(self, status: int = 0, text: str = "") -> NoReturn:
        """Serve nothing more, after a refusal if there is a status."""
        if status:
            self._refuse(self.connection, status, text)
        self.scope.cancel()
        await trio.sleep_forever()


class _Socket:
    """What hypercorn asks a socket: who is there. Where it is itself matters to no page."""

    def __init__(self, connection: Connection) -> None:
        peer = connection.peer
        self._peer = None if isinstance(peer, str) else peer
        self.family = socket.AF_INET

    def getpeername(self) -> Any:
        """Return the address of the other end, None for a UNIX socket."""
        return self._peer

    def getsockname(self) -> None:
        """Return nothing, which ASGI allows."""
