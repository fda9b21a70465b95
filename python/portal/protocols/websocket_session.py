"""A player on a websocket: messages in and out, and whether the client is still there.

What a message looks like is the format's (`portal.wire.formats`), what a frame looks like the
codec's (`portal.wire.websocket`). `portal.protocols.websocket` makes the sessions.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from portal.config import Config
from portal.errors import LocalProtocolError, RemoteProtocolError
from portal.hub.connection import Connection
from portal.protocols.player import PlayerSession
from portal.throttle import TokenBucket
from portal.wire.formats import DEFAULT, FORMATS, choose_format
from portal.wire.upgrade import Upgrade
from portal.wire.websocket import (
    GOING_AWAY,
    NO_STATUS,
    NORMAL,
    POLICY_VIOLATION,
    Event,
    PongReceived,
    ProtocolFailed,
    WebSocketCodec,
)

if TYPE_CHECKING:
    from portal.protocols.browser import Page
    from portal.protocols.websocket import WebSocketProtocol

log = structlog.get_logger(__name__)

TOO_MANY_ERRORS = "too many messages that could not be read"
NO_TEXT = 'expected ["text", ["one line"], {}]'
# A client that asks for it (`?status=1`) is told how the game is: no other would know the message.
WANTS_STATUS = "status=1"
# The names by which a client says how large its window is, and the flags they become.
SIZES = {"screenwidth": "SCREENWIDTH", "screenheight": "SCREENHEIGHT"}
LARGEST_SIZE = 10_000
# How browsers close when their player does.
CLOSED_PAGE = (NORMAL, GOING_AWAY, NO_STATUS)
CONNECTED_ANEW = "this page has connected anew"
# What of the opening handshake is kept.
HANDSHAKE = ("path", "query", "origin", "subprotocol")


class WebSocketSession(PlayerSession):
    """A player on a websocket; its connection calls it as the protocol.

    `path`, `query`, `origin` and `subprotocol` are those of the opening handshake ("" and None
    where there were none). `echo_hidden` tells whether the client was asked to hide what is typed.
    `admitted` is the address for which it counts, if that is not its connection's. `page` is what
    it is of a browser that shares its login with the game's website.
    """

    __slots__ = (
        "_ended",
        "_errors",
        "_heard",
        "_hidden",
        "admitted",
        "codec",
        "format",
        "origin",
        "page",
        "path",
        "query",
        "subprotocol",
    )

    protocol: "WebSocketProtocol"

    def __init__(self, protocol: "WebSocketProtocol", connection: Connection, address: str) -> None:
        super().__init__(protocol, connection, address)
        self.admitted = ""
        self.page: Page | None = None
        self.path = self.query = self.origin = ""
        self.subprotocol: str | None = None
        self.format = DEFAULT
        self.codec = WebSocketCodec(protocol.config.limits.subnegotiation_bytes)
        self._errors: TokenBucket | None = None
        self._heard = False  # something came in since the last ping
        self._hidden = False
        self._ended = False
        self.protocol_flags.update(
            dict.fromkeys(("UTF-8", "OOB", "ANSI", "XTERM256", "TRUECOLOR"), True)
            | {"CLIENTNAME": "websocket"}
        )

    def note_handshake(self, upgrade: Upgrade) -> None:
        """Take over what the client asked for."""
        self.path, self.query, self.origin = upgrade.path, upgrade.query, upgrade.origin
        self.format, self.subprotocol = choose_format(upgrade.subprotocols)

    # ---- what the connection calls

    def receive_data(self, data: bytes) -> None:
        """Take in what the client sent: messages go to the game, controls are answered here."""
        self._heard = True
        codec = self.codec
        reason = ""
        events = codec.receive_data(data, self.admit)
        if codec.output and not codec.closing:
            self.connection.write(codec.data_to_send())  # pongs, before what messages bring
        for event in events:
            if self._ended:
                break
            if isinstance(event, (str, bytes)):
                self._receive(event)
            else:
                reason = self._act_on(event) or reason
        if codec.output:
            self.connection.write(codec.data_to_send())
        if codec.closed:
            self._end(reason)

    def receive_eof(self) -> None:
        """Let a client go that ended its input without a word."""
        self.connection.close("it left without closing")

    def connection_lost(self, error: Exception | None) -> None:
        """End the session, whatever ended the connection."""
        self.protocol.release(self)
        if self.page is not None:
            self.page.at_loss()
        super().connection_lost(error)

    # ---- what the sessionhandler calls

    @property
    def echo_hidden(self) -> bool:
        """Whether the player's typing is hidden now (a password)."""
        return self._hidden

    def disconnect(self, reason: str = "") -> None:
        """Show the reason and close with code 1000; what is unsent is still delivered."""
        super().disconnect(reason)
        self._close(NORMAL, self.protocol.rendering.markup.to_plain(reason))

    def give_way(self) -> None:
        """End without a word to the player: the page has another connection."""
        self._close(NORMAL, CONNECTED_ANEW)

    def at_login(self) -> None:
        """Let the website know."""
        if self.page is not None:
            self.page.at_login()

    def at_logout(self) -> None:
        """Let the website know."""
        if self.page is not None:
            self.page.at_logout()

    def at_reconfigured(self, config: Config) -> None:
        """Go by other limits on messages, and on those that cannot be read."""
        super().at_reconfigured(config)
        self.codec.set_limit(config.limits.subnegotiation_bytes)
        if self._errors is not None:
            self._errors.set_rate(config.websocket.errors_per_second, config.websocket.error_burst)

    def at_server_state(self, state: str) -> None:
        """Tell a client that wants to know how the game is now."""
        if WANTS_STATUS in self.query.split("&"):
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
            if text is None:
                return
            text = str(text)
        options = kwargs.get("options")
        if options or len(args) > 1 or len(kwargs) > (options is not None) or self._is_special():
            self._send_with_options(text, args[1:], kwargs, options or {})
        elif not self.codec.closed:
            self.connection.write(self.protocol.rendering.render_frame(text, self.format))

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
        self._heard = False
        self.protocol.pongs.start(self)

    def miss_pong(self) -> None:
        """Cut a client that has not answered.

        One that is not read just now may have, and one that has not got everything yet may lack
        the ping: that it makes progress is the hub's to see. One that talks is there, though it
        knows no pings.
        """
        if self.input_paused or self._flooding or self.connection.unsent:
            self.protocol.pongs.start(self)
            return
        if self._heard:
            self.ping()  # what is a minute old tells nothing
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
        for name in HANDSHAKE:
            state[name] = getattr(self, name)
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what `get_state` wrote down; limits on rates begin anew."""
        super().set_state(state)
        self.codec.set_state(state["codec"])
        self._hidden = state["hidden"]
        self.format = FORMATS[state["format"]]
        for name in HANDSHAKE:
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
                elif len(text) > self.protocol.short_length and self._is_too_long(text):
                    self._tell_too_long()
                else:
                    echoed = self._flags.get("LOCALECHO") and not self._hidden
                    if kwargs:
                        self.data_in(text=[[text], kwargs])
                    else:
                        self.data_in(text)
                    if echoed:
                        self.echo_line(text)
            elif name == "websocket_close":
                self._note_closed()
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
        known, learnt = self._flags, {}
        for name, flag in SIZES.items():
            size = options.get(name)
            if type(size) is int and 0 < size <= LARGEST_SIZE and known.get(flag) != {0: size}:
                learnt[flag] = {0: size}
        # Each change is told to the game, so they have the limit of other controls.
        if learnt and self.admit():
            self.protocol_flags.update(learnt)
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
        if isinstance(event, ProtocolFailed):
            self.protocol.metrics.websocket_protocol_errors += 1
            log.info("websocket_failed", sessid=self.sessid, code=event.code, reason=event.reason)
            return "it broke the protocol"
        if isinstance(event, PongReceived):
            self.protocol.pongs.cancel(self)
            self.protocol.pings.start(self)
        else:
            log.debug("websocket_closed", sessid=self.sessid, code=event.code)
            if event.code in CLOSED_PAGE:
                self._note_closed()
        return ""

    def _note_closed(self) -> None:
        if self.page is not None:
            self.page.at_close()

    def _is_special(self) -> bool:
        """Whether the player wants texts in another way than most."""
        flags = self._flags
        return bool(flags.get("RAW") or flags.get("NOCOLOR") or flags.get("SCREENREADER"))

    def _send_with_options(
        self,
        text: str,
        more: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: dict[str, Any],
    ) -> None:
        shown = self.format.encode_text(
            self.protocol.rendering.markup,
            text,
            self._read_look(options),
            as_is=bool(options.get("client_raw")),
        )
        rest = {name: value for name, value in kwargs.items() if name != "options"}
        echo = options.get("echo")
        if echo is not None:
            self._hidden = not echo
            rest["options"] = {"echo": bool(echo)}
        self._send("prompt" if options.get("send_prompt") else "text", [shown, *more], rest)

    def _send(self, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> None:
        self.connection.write(self.codec.encode_text(self.format.encode(name, args, kwargs)))

    def _resume_reading(self) -> None:
        super()._resume_reading()
        if self in self.protocol.pongs:  # the answer to the ping may have waited unread
            self.protocol.pongs.start(self)

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
