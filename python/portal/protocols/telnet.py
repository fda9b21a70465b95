"""Telnet: the oldest way in, and the one that every MUD client has.

`TelnetProtocol` makes a `TelnetSession` for each connection of a listener. The session is known to
the game at once; what the client can do follows when the negotiation has settled, or when its
time is up, for many clients leave some offers unanswered for ever.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from portal.config import Config
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.protocols.player import PlayerProtocol, PlayerSession
from portal.protocols.rendering import Rendering
from portal.session import SessionHandler
from portal.wire.charset import find_encoding
from portal.wire.events import (
    CharsetAgreed,
    Command,
    Event,
    LineTooLong,
    OptionEnabled,
    OptionRefused,
    SubnegotiationTooLong,
    TerminalType,
    WindowSize,
)
from portal.wire.options import SGA
from portal.wire.telnet import CRLF, KEEPALIVE, TelnetCodec, decode_text
from portal.wire.terminal_type import terminal_flags

log = structlog.get_logger(__name__)

# Browsers, scanners and crawlers try every port. `PRI` begins HTTP/2.
_HTTP_METHODS = frozenset(
    b"GET POST HEAD PUT DELETE OPTIONS CONNECT PATCH TRACE PRI PROPFIND".split()
)
# The first line that is not empty may be a request; some clients begin with an empty one. Whoever
# presses Enter more often than that is a player.
_HTTP_LINES = 4
# Between two looks whether a client that sends no more has its answers; somebody waits for that.
LOOK_SECONDS = 0.25
_NO_HTTP = b"HTTP/1.0 400 This is the telnet port of a game, not a web server\r\n\r\n"


class TelnetProtocol(PlayerProtocol):
    """Makes the sessions of a telnet port; what they share is kept here once."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        hub: Hub,
        sessionhandler: SessionHandler,
        rendering: Rendering | None = None,
        *,
        protocol_key: str = "telnet",
    ) -> None:
        super().__init__(config, metrics, hub, sessionhandler, rendering, protocol_key=protocol_key)
        telnet = config.telnet
        self.handshakes = hub.deadlines(telnet.handshake_seconds, TelnetSession.at_settled)
        self.endings = hub.deadlines(LOOK_SECONDS, TelnetSession.end_when_answered)
        self.keepalives = hub.deadlines(telnet.keepalive_seconds, TelnetSession.keep_alive)

    def make_protocol(self, connection: Connection) -> "TelnetSession":
        """Begin a session on a new connection: offer the options and tell the sessionhandler."""
        session = TelnetSession(self, connection)
        connection.write(session.codec.offers)
        self._start(session)
        self.sessionhandler.connect(session)
        return session

    def restore(self, connection: Connection, state: Mapping[str, Any]) -> "TelnetSession":
        """Go on with a session that `TelnetSession.get_state` wrote down.

        Nothing is sent, and the sessionhandler is not told: it is the one that restores.
        """
        session = TelnetSession(self, connection)
        session.set_state(state)
        self._start(session)
        return session

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration; its encoding is for players who come from now on."""
        super().reconfigure(config)
        self.handshakes.set_seconds(config.telnet.handshake_seconds)
        self.keepalives.set_seconds(config.telnet.keepalive_seconds)

    def forget(self, session: "TelnetSession") -> None:
        """Let no deadline of a session expire any more."""
        super().forget(session)
        self.handshakes.cancel(session)
        self.endings.cancel(session)
        self.keepalives.cancel(session)

    def _start(self, session: "TelnetSession") -> None:
        if not session.settled:
            self.handshakes.start(session)
        self.keep_alive(session)

    def keep_alive(self, session: "TelnetSession") -> None:
        """Have a session send its next NOP in time, where there are any."""
        if self.keepalives.seconds > 0:
            self.keepalives.start(session)


class TelnetSession(PlayerSession):
    """A player on telnet; its connection calls it as the protocol.

    It ends when the connection ends, by whichever side. `settled` tells whether the game has been
    told of the client's abilities; from then on it is told of every change.
    """

    __slots__ = ("_end_at", "_guesses", "codec", "settled")

    protocol: TelnetProtocol

    def __init__(self, protocol: TelnetProtocol, connection: Connection) -> None:
        super().__init__(protocol, connection, connection.address)
        limits, telnet = protocol.config.limits, protocol.config.telnet
        self.codec = TelnetCodec(limits.line_bytes, limits.subnegotiation_bytes, telnet.encoding)
        self.protocol_flags["ENCODING"] = telnet.encoding
        self.settled = False
        self._guesses = _HTTP_LINES  # so many lines more may be HTTP
        self._end_at = 0.0  # when a client that sends no more is let go, answered or not

    # ---- what the connection calls

    def receive_data(self, data: bytes) -> None:
        """Take in what the client sent: lines go to the game, the rest is negotiated here."""
        codec = self.codec
        events = codec.receive_data(data, self.admit)
        if codec.output:
            self.connection.write(codec.data_to_send())
        changed = False
        for event in events:
            if not isinstance(event, bytes):
                changed = self._take(event) or changed
                continue
            if self._guesses and self._turn_away(event):
                return
            if codec.hidden:
                self.connection.write(CRLF)  # the player's Enter was not shown either
            try:
                text = event.decode(codec.encoding)  # nearly every line
            except UnicodeDecodeError:
                others = self.protocol.config.telnet.more_encodings
                text = decode_text(event, codec.encoding, others)
            echoed = self._flags.get("LOCALECHO") and not codec.hidden
            self.data_in(text)
            if echoed:
                self.echo_line(text)
        if self.settled:
            if changed:
                self.sessionhandler.sync(self)
        elif codec.settled:
            self.at_settled()

    def receive_eof(self) -> None:
        """Let a client go that sends no more: at once, or when its last lines are answered."""
        self._end_at = self.protocol.now() + self.protocol.config.telnet.answer_seconds
        self.end_when_answered()

    # ---- what the sessionhandler calls

    @property
    def echo_hidden(self) -> bool:
        """Whether the player's typing is hidden now (a password)."""
        return self.codec.hidden

    def disconnect(self, reason: str = "") -> None:
        """Show the reason and close; what is unsent is still delivered."""
        super().disconnect(reason)
        self.connection.close(reason)

    def at_reconfigured(self, config: Config) -> None:
        """Go by other limits on lines and subnegotiations, and by another rhythm of NOPs."""
        super().at_reconfigured(config)
        limits = config.limits
        self.codec.set_limits(limits.line_bytes, limits.subnegotiation_bytes)
        if config.telnet.keepalive_seconds <= 0:
            self.protocol.keepalives.cancel(self)
        elif self not in self.protocol.keepalives:
            self.protocol.keep_alive(self)

    def load_sync_data(self, data: Mapping[str, Any]) -> None:
        """Take over what the game says; an encoding that it sets counts from here on."""
        before = self.protocol_flags.get("ENCODING")
        super().load_sync_data(data)
        name = self.protocol_flags.get("ENCODING")
        if name == before:
            return
        encoding = find_encoding(name) if isinstance(name, str) else None
        if encoding is None:
            log.warning("unknown_encoding", sessid=self.sessid)
            self.protocol_flags["ENCODING"] = before
        else:
            self.codec.encoding = encoding

    def send_text(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a text (markup) with a line end after it; None is shown to nobody.

        Its `options`: `raw` leaves markup as it is; `nocolor` takes it away, and `screenreader`
        decorations with it; `ansi`, `xterm256`, `truecolor` and `mxp` say what the client can show;
        `echo` False hides what is typed from here on, True shows it again; `send_prompt` makes it
        a prompt. What an option does not say, the protocol flags do.
        """
        text = args[0] if args else ""
        if type(text) is not str:
            if text is None:
                return
            text = str(text)
        options = kwargs.get("options") or None
        codec = self.codec
        look = None if options else self._look
        if look is None:
            look = self._read_look(options)
        rendering = self.protocol.rendering
        if options:
            echo = options.get("echo")
            if echo is not None:
                self.connection.write(codec.show_input() if echo else codec.hide_input())
            if options.get("send_prompt"):
                self.connection.write(rendering.render_prompt(text, look, codec.encoding))
                return
        self.connection.write(rendering.render_line(text, look, codec.encoding))

    def send_prompt(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a prompt, without a line end; marked by a GA for clients that insist on it."""
        options = {**(kwargs.get("options") or {}), "send_prompt": True}
        self.send_text(*args, options=options)

    def send_default(self, cmdname: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave out what plain telnet has no way to say."""
        self.protocol.metrics.messages_unsupported += 1

    # ---- what the deadlines call

    def at_settled(self) -> None:
        """Tell the game of the client's abilities: all is answered, or the time is up."""
        self.settled = True
        self.protocol.handshakes.cancel(self)
        self.sessionhandler.sync(self)

    def end_when_answered(self) -> None:
        """Close after the end of input, unless the game still has to answer; then look again."""
        if not self.sessionhandler.is_waiting(self):
            self.connection.close()
        elif self.protocol.now() >= self._end_at:
            self.connection.close("its last lines were not answered in time")
        else:
            self.protocol.endings.start(self)

    def at_storm(self, *, first: bool) -> None:
        """Count a negotiation that was not acted on; log the first."""
        self.protocol.metrics.negotiations_throttled += 1
        if first:
            log.warning("negotiations_throttled", sessid=self.sessid, address=self.address)

    def keep_alive(self) -> None:
        """Send a NOP, unless the player has switched that off, and again when it is time."""
        if not self._flags.get("NOPKEEPALIVE"):
            self.connection.write(KEEPALIVE)
        self.protocol.keep_alive(self)

    # ---- state

    def get_state(self) -> dict[str, Any]:
        """Return everything that must survive in another process, as plain data.

        What the connection has not sent yet is the connection's own.
        """
        state = super().get_state()
        state["codec"] = self.codec.get_state()
        state["settled"] = self.settled
        state["guesses"] = self._guesses
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what `get_state` wrote down; limits on rates begin anew."""
        super().set_state(state)
        self.codec.set_state(state["codec"])
        self.settled = state["settled"]
        self._guesses = state["guesses"]

    # ---- parts of the above

    def _turn_away(self, line: bytes) -> bool:
        """Whether one of the first lines is an HTTP request; it is answered, and that is all."""
        self._guesses = 0 if line else self._guesses - 1
        if not _is_http(line):
            return False
        self.protocol.metrics.http_on_telnet += 1
        log.info("http_on_telnet", sessid=self.sessid, address=self.address)
        self.connection.write(_NO_HTTP)
        self.connection.close("HTTP on the telnet port")
        return True

    def _take(self, event: Event) -> bool:
        """Act on what the client said; returns whether the game has to hear of it."""
        match event:
            case WindowSize(width, height):
                sizes = {"SCREENWIDTH": width, "SCREENHEIGHT": height}
                return self._learn({name: {0: size} for name, size in sizes.items() if size})
            case TerminalType(names):
                return self._learn(terminal_flags(names))
            case CharsetAgreed(encoding):
                self.codec.encoding = encoding
                return self._learn({"ENCODING": encoding, "UTF-8": encoding == "utf-8"})
            case OptionEnabled(option=option, local=True) if option == SGA:
                return self._learn({"NOPROMPTGOAHEAD": True})
            case OptionRefused(option=option, local=True) if option == SGA:
                return self._learn({"NOPROMPTGOAHEAD": False})
            case LineTooLong(limit):
                if self.tell_too_long(limit):
                    log.info("line_too_long", sessid=self.sessid, limit=limit)
            case Command(0):  # NUL between lines
                if text := self.protocol.config.telnet.idle_command:
                    self.data_in(text)
            case SubnegotiationTooLong(limit):
                self.protocol.metrics.subnegotiations_too_long += 1
                log.debug("subnegotiation_too_long", sessid=self.sessid, limit=limit)
            case _:
                pass  # what had to be answered was answered by the codec
        return False

    def _learn(self, flags: Mapping[str, Any]) -> bool:
        known = self.protocol_flags
        changed = any(known.get(name) != value for name, value in flags.items())
        known.update(flags)
        return changed


def _is_http(line: bytes) -> bool:
    method, _, rest = line.partition(b" ")
    if b" HTTP/" in rest:
        return method in _HTTP_METHODS
    # HTTP/0.9 has no version; with a word behind the path it is a sentence.
    return method == b"GET" and rest.startswith(b"/") and b" " not in rest
