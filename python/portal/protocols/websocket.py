"""Websockets: the way in for browsers, and for clients that would rather speak JSON than telnet.

`WebSocketProtocol` makes a `WebSocketSession` of each connection whose opening handshake was
accepted (`portal.protocols.opening` reads that). What a message looks like is the format's
(`portal.wire.formats`), what a frame looks like the codec's (`portal.wire.websocket`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from portal.config import Config
from portal.errors import LocalProtocolError, RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.protocols.player import REMEMBERED_LENGTH, PlayerProtocol, PlayerSession
from portal.session import SessionHandler
from portal.throttle import TokenBucket
from portal.wire.formats import FORMATS, Format, choose_format
from portal.wire.forwarded import find_client, parse_networks
from portal.wire.upgrade import Upgrade, refuse
from portal.wire.websocket import (
    NORMAL,
    POLICY_VIOLATION,
    CloseReceived,
    Event,
    PongReceived,
    ProtocolFailed,
    WebSocketCodec,
)

if TYPE_CHECKING:
    from portal.hub.timers import DeadlineQueue

log = structlog.get_logger(__name__)

TOO_MANY_ERRORS = "too many messages that could not be read"
# A text of no more characters is not looked at twice: 1 KiB, whatever is in it, is below any limit
# on lines that makes sense.
SHORT_LENGTH = 256
NO_TEXT = 'expected ["text", ["one line"], {}]'
# A client that asks for it (`?status=1`) is told how the game is: no other would know the message.
WANTS_STATUS = "status=1"
# The names by which a client says how large its window is, and the flags they become.
SIZES = {"screenwidth": "SCREENWIDTH", "screenheight": "SCREENHEIGHT"}
LARGEST_SIZE = 10_000


class WebSocketProtocol(PlayerProtocol):
    """Makes the sessions of every websocket, whichever port it came in by."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        hub: Hub,
        sessionhandler: SessionHandler,
        *,
        protocol_key: str = "websocket",
    ) -> None:
        super().__init__(config, metrics, hub, sessionhandler, protocol_key=protocol_key)
        self.trusted_proxies = parse_networks(config.http.trusted_proxies)
        self.pings: DeadlineQueue[WebSocketSession] = hub.deadlines(
            config.websocket.ping_seconds, WebSocketSession.ping
        )
        self.pongs: DeadlineQueue[WebSocketSession] = hub.deadlines(
            config.websocket.pong_seconds, WebSocketSession.miss_pong
        )
        self._last: tuple[str, Format, bytes] | None = None

    def open(self, connection: Connection, upgrade: Upgrade, received: bytes) -> None:
        """Answer a client that asks for a websocket, and begin its session.

        `received` is what came behind the head of the request. A page that is not among
        `websocket.origins` is refused, where any are named.
        """
        origins = self.config.websocket.origins
        if origins and upgrade.origin and upgrade.origin not in origins:
            self.metrics.websocket_handshakes_refused += 1
            log.info("origin_refused", address=connection.address, origin=upgrade.origin[:200])
            connection.write(refuse(403, "This page may not connect here."))
            connection.close("its origin is not allowed")
            return
        session = WebSocketSession(self, connection, upgrade)
        connection.write(upgrade.accept(session.subprotocol))
        connection.protocol = session
        self._start(session)
        self.sessionhandler.connect(session)
        if received:
            session.receive_data(received)

    def restore(self, connection: Connection, state: Mapping[str, Any]) -> "WebSocketSession":
        """Go on with a session that `WebSocketSession.get_state` wrote down.

        Nothing is sent, and the sessionhandler is not told: it is the one that restores.
        """
        session = WebSocketSession(self, connection, None)
        session.set_state(state)
        self._start(session)
        return session

    def forget(self, session: "WebSocketSession") -> None:
        """Let no deadline of a session expire any more."""
        super().forget(session)
        self.pings.cancel(session)
        self.pongs.cancel(session)

    def frame_text(self, form: Format, text: str) -> bytes:
        """Make the frame of a text without options; it serves for all who are sent the same.

        Only the last one is remembered: what is said to a room is said to all of it at once.
        """
        last = self._last
        if last is not None and last[0] == text and last[1] is form:
            return last[2]
        frame = form.frame_text(text)
        if len(text) <= REMEMBERED_LENGTH:
            self._last = (text, form, frame)
        return frame

    def _start(self, session: "WebSocketSession") -> None:
        self.pings.start(session)


class WebSocketSession(PlayerSession):
    """A player on a websocket; its connection calls it as the protocol.

    `path`, `query`, `origin` and `subprotocol` are those of the opening handshake ("" and None
    where there were none). `echo_hidden` tells whether the client was asked to hide what is typed.
    """

    __slots__ = (
        "_ended",
        "_errors",
        "_hidden",
        "codec",
        "format",
        "origin",
        "path",
        "query",
        "subprotocol",
    )

    protocol: WebSocketProtocol

    def __init__(
        self, protocol: WebSocketProtocol, connection: Connection, upgrade: Upgrade | None
    ) -> None:
        address = connection.address
        offered: tuple[str, ...] = ()
        if upgrade is not None:
            address = find_client(address, upgrade.headers, protocol.trusted_proxies)
            offered = upgrade.subprotocols
        super().__init__(protocol, connection, address)
        self.path = "" if upgrade is None else upgrade.path
        self.query = "" if upgrade is None else upgrade.query
        self.origin = "" if upgrade is None else upgrade.origin
        self.format, self.subprotocol = choose_format(offered)
        self.codec = WebSocketCodec(protocol.config.limits.subnegotiation_bytes)
        self._errors: TokenBucket | None = None
        self._hidden = False
        self._ended = False
        self.protocol_flags.update(
            {"UTF-8": True, "OOB": True, "ANSI": True, "XTERM256": True, "CLIENTNAME": "websocket"}
        )

    # ---- what the connection calls

    def receive_data(self, data: bytes) -> None:
        """Take in what the client sent: messages go to the game, controls are answered here."""
        codec = self.codec
        reason = ""
        events = codec.receive_data(data, self.admit)
        if codec.output and not codec.closing:
            self.connection.write(codec.data_to_send())  # pongs, before what messages bring
        for event in events:
            if not isinstance(event, str | bytes):
                reason = self._act_on(event) or reason
            elif not self._ended:
                self._receive(event)
        if codec.output:
            self.connection.write(codec.data_to_send())
        if codec.closed:
            self._end(reason)

    def receive_eof(self) -> None:
        """Let a client go that ended its input without a word."""
        self.connection.close("it left without closing")

    # ---- what the sessionhandler calls

    @property
    def echo_hidden(self) -> bool:
        """Whether the player's typing is hidden now (a password)."""
        return self._hidden

    def disconnect(self, reason: str = "") -> None:
        """Show the reason and close with code 1000; what is unsent is still delivered."""
        super().disconnect(reason)
        self._close(NORMAL, reason)

    def at_server_state(self, state: str) -> None:
        """Tell a client that wants to know how the game is now."""
        if WANTS_STATUS in self.query:
            self._send("portal_status", [state], {})

    def send_text(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a text (markup) as HTML, in a message of its own.

        Its `options`: `raw` leaves markup as it is, and `client_raw` beside it HTML too; `nocolor`
        and `screenreader` take markup away; `echo` False asks the client to hide what is typed
        from here on, True to show it again; `send_prompt` makes it a prompt. What an option does
        not say, the protocol flags do. Other arguments go to the client as they are.
        """
        text = args[0] if args else ""
        if type(text) is not str:
            text = "" if text is None else str(text)
        options = kwargs.get("options")
        if options or len(args) > 1 or len(kwargs) > 1 or self._is_special():
            self._send_with_options(text, args[1:], kwargs, options or {})
        elif not self.codec.closed:
            self.connection.write(self.protocol.frame_text(self.format, text))

    def send_prompt(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a prompt; see `send_text`."""
        options = {**(kwargs.get("options") or {}), "send_prompt": True}
        self.send_text(*args, **{**kwargs, "options": options})

    def send_default(self, cmdname: str, /, *args: Any, **kwargs: Any) -> None:
        """Send any other command as it is; its `options` were for the Portal."""
        kwargs.pop("options", None)
        self._send(cmdname, list(args), kwargs)

    # ---- what the deadlines call

    def ping(self) -> None:
        """Ask the client whether it is there, and wait for its answer."""
        self.connection.write(self.codec.encode_ping())
        self.protocol.pongs.start(self)

    def miss_pong(self) -> None:
        """Cut a client that has not answered; one that is not read just now may have."""
        if self.input_paused or self._flooding:
            self.protocol.pongs.start(self)
            return
        self.protocol.metrics.websocket_pings_unanswered += 1
        log.info("ping_unanswered", sessid=self.sessid, address=self.address)
        self.connection.abort("it did not answer a ping")

    def at_storm(self, *, first: bool) -> None:
        """Count a control frame that was not acted on; log the first."""
        self.protocol.metrics.controls_throttled += 1
        if first:
            log.warning("controls_throttled", sessid=self.sessid, address=self.address)

    # ---- state

    def get_state(self) -> dict[str, Any]:
        """Return everything that must survive in another process, as plain data.

        What the connection has not sent yet is the connection's own.
        """
        state = super().get_state()
        state["codec"] = self.codec.get_state()
        state["hidden"] = self._hidden
        state["format"] = self.format.name
        for name in ("path", "query", "origin", "subprotocol"):
            state[name] = getattr(self, name)
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what `get_state` wrote down; limits on rates begin anew."""
        super().set_state(state)
        self.codec.set_state(state["codec"])
        self._hidden = state["hidden"]
        self.format = FORMATS[state["format"]]
        for name in ("path", "query", "origin", "subprotocol"):
            setattr(self, name, state[name])

    # ---- parts of the above

    def _receive(self, frame: str | bytes) -> None:
        """Hand a message on; one that cannot be read is answered, and costs its sender."""
        try:
            name, args, kwargs = self.format.decode(frame)
            if name == "text":
                text = args[0] if len(args) == 1 else None
                if type(text) is not str:
                    self._refuse(NO_TEXT)
                elif len(text) > SHORT_LENGTH and self._is_too_long(text):
                    self._tell_too_long()
                elif kwargs:
                    self.data_in(text=[[text], kwargs])
                else:
                    self.data_in(text=text)
            elif name == "websocket_close":
                self._close(NORMAL, "")
            else:
                if name == "client_options":
                    self._learn_size(kwargs)
                self.data_in(**{name: [args, kwargs]})
        except RemoteProtocolError as error:
            self._refuse(error.text)
        except LocalProtocolError as error:  # what normalising does not take
            self._refuse(str(error))

    def _is_too_long(self, text: str) -> bool:
        return len(text.encode("utf-8", "replace")) > self.protocol.config.limits.line_bytes

    def _tell_too_long(self) -> None:
        limit = self.protocol.config.limits.line_bytes
        if self.tell_too_long(limit):
            log.info("line_too_long", sessid=self.sessid, limit=limit)

    def _learn_size(self, options: Mapping[str, Any]) -> None:
        """Note the size of the client's window; the message still goes on to the game."""
        changed = False
        for name, flag in SIZES.items():
            size = options.get(name)
            if type(size) is int and 0 < size <= LARGEST_SIZE:
                changed = changed or self.protocol_flags.get(flag) != {0: size}
                self.protocol_flags[flag] = {0: size}
        if changed:
            self.sessionhandler.sync(self)

    def _refuse(self, reason: str) -> None:
        """Tell a client what was wrong with its message; one that goes on and on is closed."""
        self.protocol.metrics.websocket_messages_malformed += 1
        errors = self._errors
        if errors is None:
            settings = self.protocol.config.websocket
            errors = self._errors = TokenBucket(settings.errors_per_second, settings.error_burst)
        if errors.take(self.protocol.now()):
            self._send("error", [reason], {})
            return
        log.warning("malformed_messages", sessid=self.sessid, address=self.address)
        self._close(POLICY_VIOLATION, TOO_MANY_ERRORS)

    def _act_on(self, event: Event) -> str:
        """Heed a control frame, which the codec has answered; says why if it ends the session."""
        match event:
            case PongReceived() if not self._ended:
                self.protocol.pongs.cancel(self)
                self.protocol.pings.start(self)
            case CloseReceived(code):
                log.debug("websocket_closed", sessid=self.sessid, code=code)
            case ProtocolFailed(code, reason):
                self.protocol.metrics.websocket_protocol_errors += 1
                log.info("websocket_failed", sessid=self.sessid, code=code, reason=reason)
                return "it broke the protocol"
        return ""

    def _is_special(self) -> bool:
        """Whether the player wants texts in another way than most."""
        flags = self.protocol_flags
        return bool(flags.get("RAW") or flags.get("NOCOLOR") or flags.get("SCREENREADER"))

    def _send_with_options(
        self,
        text: str,
        more: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        flags = self.protocol_flags
        shown = self.format.encode_text(
            text,
            raw=bool(options.get("raw", flags.get("RAW"))),
            as_is=bool(options.get("client_raw")),
            plain=bool(
                options.get("nocolor", flags.get("NOCOLOR"))
                or options.get("screenreader", flags.get("SCREENREADER"))
            ),
        )
        rest = {name: value for name, value in kwargs.items() if name != "options"}
        echo = options.get("echo")
        if echo is not None:
            self._hidden = not echo
            rest["options"] = {"echo": bool(echo)}
        self._send("prompt" if options.get("send_prompt") else "text", [shown, *more], rest)

    def _send(self, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> None:
        self.connection.write(self.codec.encode_text(self.format.encode(name, args, kwargs)))

    def _close(self, code: int, reason: str) -> None:
        self.connection.write(self.codec.encode_close(code, reason))
        self._end(reason)

    def _end(self, reason: str = "") -> None:
        """End the session at once, and the connection when its peer has read all."""
        if not self._ended:
            self._ended = True
            self.protocol.forget(self)
            self.connection.close(reason)
            self.sessionhandler.disconnect(self)
