"""Websockets: the way in for browsers, and for clients that would rather speak JSON than telnet.

`WebSocketProtocol` makes a `WebSocketSession` of each connection whose opening handshake was
accepted (`portal.protocols.opening` reads that).
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from portal.config import Config
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.hub.listener import Admission
from portal.hub.poller import PLAYER
from portal.metrics import Metrics
from portal.protocols.player import PlayerProtocol
from portal.protocols.rendering import Rendering
from portal.protocols.websocket_session import WebSocketSession
from portal.session import SessionHandler
from portal.wire.browser_query import BrowserQuery, is_own_page, read_query
from portal.wire.forwarded import Proxies
from portal.wire.http import refuse
from portal.wire.upgrade import Upgrade

if TYPE_CHECKING:
    from portal.protocols.browser import Browsers

log = structlog.get_logger(__name__)

LONGEST_CHARACTER = 4  # bytes in UTF-8
WRONG_ORIGIN = "This page may not connect here."


class WebSocketProtocol(PlayerProtocol):
    """Makes the sessions of every websocket, whichever port it came in by.

    With `browsers` a client may name its browser, and is logged in as that is on the game's website
    (`portal.wire.browser_query`).
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        hub: Hub,
        sessionhandler: SessionHandler,
        rendering: Rendering | None = None,
        *,
        proxies: Proxies,
        admission: Admission,
        protocol_key: str = "websocket",
    ) -> None:
        super().__init__(config, metrics, hub, sessionhandler, rendering, protocol_key=protocol_key)
        self.proxies = proxies
        self.admission = admission
        self.browsers: Browsers | None = None
        # A text of so few characters is short enough, whatever is in it.
        self.short_length = config.limits.line_bytes // LONGEST_CHARACTER
        self.pings = hub.deadlines(config.websocket.ping_seconds, WebSocketSession.ping)
        self.pongs = hub.deadlines(config.websocket.pong_seconds, WebSocketSession.miss_pong)

    def open(self, connection: Connection, upgrade: Upgrade, received: bytes) -> None:
        """Answer a client that asks for a websocket, and begin its session.

        `received` is what came behind the head of the request. A page that is not among
        `websocket.origins` is refused, where any are named, and so is one of another host that
        names a browser, and a client behind a proxy that comes too often, as it would be without.
        """
        address = self.proxies.find_client(connection.address, upgrade.headers)
        query = None if self.browsers is None else read_query(upgrade.query)
        if not self._may_connect(connection, upgrade, query):
            log.info("origin_refused", address=address, origin=upgrade.origin[:200])
            self._refuse(connection, 403, WRONG_ORIGIN)
            return
        behind_proxy = address if address != connection.address else ""
        if behind_proxy and (reason := self.admission.admit_client(address, self.now())):
            log.info("client_refused", address=address, reason=reason)
            self._refuse(connection, 503, reason)
            return
        session = WebSocketSession(self, connection, address)
        session.admitted = behind_proxy
        session.note_handshake(upgrade)
        connection.write(upgrade.accept(session.subprotocol))
        connection.protocol = session
        connection.rank = PLAYER
        self.pings.start(session)
        if self.browsers is not None:
            self.browsers.describe(session, "websocket", query)
        if self.browsers is None or query is None:
            self._begin(session, received)
        else:
            session.page = self.browsers.enter(query, session, session.give_way)
            connection.pause_reading()
            session.page.begin(partial(self._begin_later, session, received))

    def restore(self, connection: Connection, state: Mapping[str, Any]) -> WebSocketSession:
        """Go on with a session that `WebSocketSession.get_state` wrote down.

        Nothing is sent, and the sessionhandler is not told: it is the one that restores.
        """
        session = WebSocketSession(self, connection, connection.address)
        session.set_state(state)
        self.pings.start(session)
        query = read_query(session.query)
        if self.browsers is not None and query is not None:
            session.page = self.browsers.enter(query, session, session.give_way)
        return session

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration; origins and proxies are those of who comes from now on."""
        super().reconfigure(config)
        self.proxies.reconfigure(config.http)
        self.short_length = config.limits.line_bytes // LONGEST_CHARACTER
        self.pings.set_seconds(config.websocket.ping_seconds)
        self.pongs.set_seconds(config.websocket.pong_seconds)

    def release(self, session: WebSocketSession) -> None:
        """Let another come in from its address, when its connection has ended."""
        if session.admitted:
            self.admission.release_client(session.admitted)

    def forget(self, session: WebSocketSession) -> None:
        """Let no deadline of a session expire any more."""
        super().forget(session)
        self.pings.cancel(session)
        self.pongs.cancel(session)

    def _may_connect(
        self, connection: Connection, upgrade: Upgrade, query: BrowserQuery | None
    ) -> bool:
        origin, origins = upgrade.origin, self.config.websocket.origins
        if not origin or origin in origins:
            return True
        if origins:
            return False
        hosts = self.proxies.find_hosts(connection.address, upgrade.host, upgrade.headers)
        return query is None or is_own_page(origin, hosts)

    def _begin(self, session: WebSocketSession, received: bytes) -> None:
        self.sessionhandler.connect(session)
        if received:
            session.receive_data(received)

    def _begin_later(self, session: WebSocketSession, received: bytes) -> None:
        """Begin when it is known who the player is; until then nothing more was read."""
        try:
            self._begin(session, received)
            if not session.input_paused:
                session.resume_input()
        except Exception:
            # The hub's own barrier is not around this.
            self.metrics.protocol_crashes += 1
            log.exception("protocol_failed", address=session.address)
            session.connection.abort("internal error")

    def _refuse(self, connection: Connection, status: int, text: str) -> None:
        self.metrics.websocket_handshakes_refused += 1
        connection.write(refuse(status, text))
        connection.close(text)
