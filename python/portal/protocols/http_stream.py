"""A connection as hypercorn is given it: one request at a time, and nothing that it should not see.

Hypercorn reads ahead and decides by itself what a connection is. So each request is looked at here
first (`portal.wire.http`): a wrong one is refused, one for a websocket is kept back, and the next
one waits until the one before is answered.
"""

import socket
from typing import Any, NoReturn, Protocol

import structlog
import trio

from portal.config import HttpConfig
from portal.errors import RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.stream import ConnectionStream
from portal.metrics import Metrics
from portal.protocols.opening import TOO_LONG, TOO_SLOW
from portal.wire.http import HEAD_END, Head, read_head

log = structlog.get_logger(__name__)

TOO_LARGE = "A request's body may have {} bytes."


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
    whoever has a request waits in its line.
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
        self._idle = True  # no request is being answered
        self._left = 0  # bytes of the request that hypercorn has not got yet
        self._deadline = 0.0  # when its body has to be there

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

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next part of a request, the first with its whole head.

        It does not return for anything else: then the scope is cancelled.
        """
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        if not self._left:
            await self._begin_request()
        with trio.move_on_at(self._deadline):
            while not self._buffer and not self.eof:
                await self._wait_for_change()
        if not self._buffer:
            await self._stop_in_body()
        data = self._take(self._left if max_bytes is None else min(max_bytes, self._left))
        self._left -= len(data)
        return data

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
        if request.body_bytes > self._config.body_bytes:
            await self._stop(413, TOO_LARGE.format(self._config.body_bytes))
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
        self._left = len(request.data) + request.body_bytes
        self._deadline = trio.current_time() + self._config.body_seconds
        self._idle = False

    async def _stop_in_body(self) -> NoReturn:
        # Nothing of an answer has gone out: applications read the body first (`measure_requests`).
        if self.eof:
            await self._stop(400, "The body was shorter than its Content-Length.")
        await self._stop(408, TOO_SLOW)

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
