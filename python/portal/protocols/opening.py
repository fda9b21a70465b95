"""The first seconds of a connection that should speak HTTP: until the head of a request is there.

    too slow, too long, no HTTP ....... refused in a line
    Upgrade: websocket ................ `WebSocketProtocol.open`
    anything else ..................... whatever the port was given for it (`serve`)

A connection costs its socket and the bytes of its head until then, and only so many may be in
this state. When one more comes the oldest has to go: an honest client takes a few milliseconds, so
it is not the honest ones who are old. An address has a smaller share of its own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from portal.config import Config
from portal.errors import RemoteProtocolError
from portal.hub.addresses import Tally
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.hub.listener import LOGGED_BURST, LOGGED_PER_SECOND
from portal.hub.poller import GUEST
from portal.metrics import Metrics
from portal.protocols.websocket import WebSocketProtocol
from portal.throttle import TokenBucket
from portal.wire.http import HEAD_END, read_head, refuse
from portal.wire.upgrade import read_upgrade

if TYPE_CHECKING:
    from portal.hub.timers import DeadlineQueue

log = structlog.get_logger(__name__)

Serve = Callable[[Connection, bytes], None]

NO_HTTP = "This port speaks HTTP and websocket."
ONLY_WEBSOCKETS = "This port speaks websocket only."
TOO_LONG = "A request's head may have {} bytes."
TOO_SLOW = "Your request took too long."
TOO_MANY = "Too many requests of your address are not finished. Please try again."


class OpeningProtocol:
    """Reads the heads of requests on every port for browsers.

    Share one among them: the bounds on half-open connections are those of all together.
    """

    def __init__(
        self, config: Config, metrics: Metrics, hub: Hub, websocket: WebSocketProtocol
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.websocket = websocket
        self.now = hub.now
        self._logged = TokenBucket(LOGGED_PER_SECOND, LOGGED_BURST)
        self.tally = Tally(config.http.half_open_per_address, websocket.proxies.trust)
        self.waiting: DeadlineQueue[Opening] = hub.deadlines(
            config.http.head_seconds, Opening.expire
        )

    def reconfigure(self, config: Config) -> None:
        """Go by other bounds from now on, also for the requests that are being read."""
        self.config = config
        self.tally.limit = config.http.half_open_per_address
        self.waiting.set_seconds(config.http.head_seconds)

    def make_websocket(self, connection: Connection) -> "Opening":
        """Begin on a connection of the websockets' own port."""
        return self.begin(connection, self.refuse_all_else)

    def begin(self, connection: Connection, serve: Serve) -> "Opening":
        """Begin on a connection; `serve(connection, received)` gets what is no websocket.

        It is given all that was read, and makes its own protocol that of the connection.
        """
        connection.rank = GUEST
        network = self.tally.enter(connection.address)
        opening = Opening(self, connection, serve, network or "")
        if network is None:
            self.refuse(connection, 503, TOO_MANY, ("Retry-After", "5"))
            return opening
        if len(self.waiting) >= self.config.http.half_open:
            self.waiting.first().give_way()
        self.waiting.start(opening)
        return opening

    def refuse(
        self, connection: Connection, status: int, text: str, *headers: tuple[str, str]
    ) -> None:
        """Answer a request in a line, and close its connection."""
        self.metrics.websocket_handshakes_refused += 1
        if self._logged.take(self.now()):
            refused = self.metrics.websocket_handshakes_refused
            address = connection.address
            log.info(
                "request_refused", address=address, status=status, reason=text, refused=refused
            )
        connection.write(refuse(status, text, *headers))
        connection.close(text)

    def note_dropped(self) -> None:
        """Count a connection that gave way to another."""
        self.metrics.half_open_dropped += 1
        if self._logged.take(self.now()):
            log.warning("half_open_dropped", dropped=self.metrics.half_open_dropped)

    def refuse_all_else(self, connection: Connection, _received: bytes) -> None:
        """Answer what is no websocket, where only these are served."""
        self.refuse(connection, 426, ONLY_WEBSOCKETS, ("Upgrade", "websocket"))

    def refuse_wrong(self, connection: Connection, error: RemoteProtocolError) -> None:
        """Answer a request that `read_head` or `read_upgrade` does not take."""
        status = int(error.name)
        version = [("Sec-WebSocket-Version", "13")] if status == 426 else []
        self.refuse(connection, status, error.text, *version)


class Opening:
    """One connection whose request is still being read; the connection calls it as the protocol."""

    __slots__ = ("_connection", "_head", "_network", "_protocol", "_serve")

    def __init__(
        self,
        protocol: OpeningProtocol,
        connection: Connection,
        serve: Serve,
        network: str | bytes,
    ) -> None:
        self._protocol = protocol
        self._connection = connection
        self._serve = serve
        self._network = network
        self._head = b""

    def receive_data(self, data: bytes) -> None:
        """Take a part of the head, and with its last part go on."""
        seen = max(0, len(self._head) - len(HEAD_END) + 1)
        received = self._head = self._head + data if self._head else data
        if not received[:1].isalpha():
            self._refuse(400, NO_HTTP)
            return
        end = received.find(HEAD_END, seen)
        limit = self._protocol.config.http.head_bytes
        if end > limit or (end < 0 and len(received) > limit):
            self._refuse(431, TOO_LONG.format(limit))
        elif end >= 0:
            self._leave()
            self._open(received, end + len(HEAD_END))

    def receive_eof(self) -> None:
        """Let a client go that ended its input before it had asked for anything."""
        self._leave()
        self._connection.close("it sent no request")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - of every protocol
        """Forget it."""
        self._leave()

    def expire(self) -> None:
        """Refuse a client that is too slow.

        One that sent nothing at all gets no answer: browsers connect before they know whether
        they will ask for anything, and would show it as that to their next question.
        """
        self._protocol.metrics.handshakes_timed_out += 1
        if self._head:
            self._refuse(408, TOO_SLOW)
        else:
            self._leave()
            self._connection.close("it sent no request")

    def give_way(self) -> None:
        """End at once, for one that comes."""
        self._protocol.note_dropped()
        self._leave()
        self._connection.abort("too many connections had not finished their request")

    def _open(self, received: bytes, size: int) -> None:
        protocol, connection = self._protocol, self._connection
        head = received[:size]
        try:
            upgrade = read_upgrade(head) if read_head(head).wants_websocket else None
        except RemoteProtocolError as error:
            protocol.refuse_wrong(connection, error)
            return
        if upgrade is None:
            self._serve(connection, received)
        else:
            protocol.websocket.open(connection, upgrade, received[size:])

    def _refuse(self, status: int, text: str) -> None:
        self._leave()
        self._protocol.refuse(self._connection, status, text)

    def _leave(self) -> None:
        """Be half-open no more."""
        protocol = self._protocol
        protocol.waiting.cancel(self)
        network, self._network = self._network, ""
        protocol.tally.leave(network)
