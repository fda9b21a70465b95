"""The first seconds of a connection that should speak HTTP: until the head of a request is there.

    too slow, too long, no HTTP ....... refused in a line
    Upgrade: websocket ................ `WebSocketProtocol.open`
    anything else ..................... whatever the port was given for it (`serve`)

A connection costs its socket and the bytes of its head until then, and only so many may be in
this state: the oldest has to go when one more comes. An honest client takes a few milliseconds,
so it is not the honest ones who are old.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from portal.config import Config
from portal.errors import RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.protocols.websocket import WebSocketProtocol
from portal.wire.upgrade import HEAD_END, is_upgrade, read_upgrade, refuse

if TYPE_CHECKING:
    from portal.hub.timers import DeadlineQueue

log = structlog.get_logger(__name__)

Serve = Callable[[Connection, bytes], None]

ONLY_WEBSOCKETS = "This port speaks websocket only."


class OpeningProtocol:
    """Reads the heads of requests on every port for browsers.

    Share one among them: the bound on half-open connections is that of all together.
    """

    def __init__(
        self, config: Config, metrics: Metrics, hub: Hub, websocket: WebSocketProtocol
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.websocket = websocket
        self.waiting: DeadlineQueue[Opening] = hub.deadlines(
            config.http.head_seconds, Opening.expire
        )

    def make_websocket(self, connection: Connection) -> "Opening":
        """Begin on a connection of the websockets' own port."""
        return self.begin(connection, refuse_all_else)

    def begin(self, connection: Connection, serve: Serve) -> "Opening":
        """Begin on a connection; `serve(connection, received)` gets what is no websocket.

        It is given all that was read, and makes its own protocol that of the connection.
        """
        if len(self.waiting) >= self.config.http.half_open:
            self.waiting.first().give_way()
        opening = Opening(self, connection, serve)
        self.waiting.start(opening)
        return opening


class Opening:
    """One connection whose request is still being read; the connection calls it as the protocol."""

    __slots__ = ("_connection", "_head", "_protocol", "_serve")

    def __init__(self, protocol: OpeningProtocol, connection: Connection, serve: Serve) -> None:
        self._protocol = protocol
        self._connection = connection
        self._serve = serve
        self._head = b""

    def receive_data(self, data: bytes) -> None:
        """Take a part of the head, and with its last part go on."""
        seen = max(0, len(self._head) - len(HEAD_END) + 1)
        received = self._head = self._head + data if self._head else data
        if not received[:1].isalpha():
            self._refuse(400, "This port speaks HTTP and websocket.")
            return
        end = received.find(HEAD_END, seen)
        limit = self._protocol.config.http.head_bytes
        if end > limit or (end < 0 and len(received) > limit):
            self._refuse(431, f"A request's head may have {limit} bytes.")
        elif end >= 0:
            self._protocol.waiting.cancel(self)
            self._open(received, end + len(HEAD_END))

    def receive_eof(self) -> None:
        """Let a client go that ended its input before it had asked for anything."""
        self._connection.close("it sent no request")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - of every protocol
        """Forget it."""
        self._protocol.waiting.cancel(self)

    def expire(self) -> None:
        """Refuse a client that is too slow."""
        self._protocol.metrics.handshakes_timed_out += 1
        self._refuse(408, "Your request took too long.")

    def give_way(self) -> None:
        """End at once, for one that comes."""
        self._protocol.metrics.half_open_dropped += 1
        self._protocol.waiting.cancel(self)
        self._connection.abort("too many connections had not finished their request")

    def _open(self, received: bytes, size: int) -> None:
        head = received[:size]
        if not is_upgrade(head):
            self._serve(self._connection, received)
            return
        try:
            upgrade = read_upgrade(head)
        except RemoteProtocolError as error:
            status = int(error.name)
            version = [("Sec-WebSocket-Version", "13")] if status == 426 else []
            self._connection.write(refuse(status, error.text, *version))
            self._end("its handshake was wrong")
            return
        self._protocol.websocket.open(self._connection, upgrade, received[size:])

    def _refuse(self, status: int, text: str) -> None:
        self._connection.write(refuse(status, text))
        self._end(text)

    def _end(self, reason: str) -> None:
        self._protocol.metrics.websocket_handshakes_refused += 1
        self._protocol.waiting.cancel(self)
        log.info("request_refused", address=self._connection.address, reason=reason)
        self._connection.close(reason)


def refuse_all_else(connection: Connection, _received: bytes) -> None:
    """Answer what is no websocket, where only these are served."""
    connection.write(refuse(426, ONLY_WEBSOCKETS, ("Upgrade", "websocket")))
    connection.close(ONLY_WEBSOCKETS)
