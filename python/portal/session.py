"""A session: one player's connection as the game sees it.

A session *has* a connection and a codec; the classes in `portal.protocols` add them. This class
is what all of them share: who it is, what the game and the Portal keep in step (the sync data),
and the hooks by which messages go in and out. It knows no socket, task or clock.

The way of a line:

    IN   a protocol calls session.data_in(line)  ->  sessionhandler.data_in
    OUT  sessionhandler.data_out  ->  session.data_out(message)  ->  session.send_text(...)
"""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from portal.config import Config
from portal.markup import read_look
from portal.messages import is_normal, normalise
from portal.throttle import Throttle

log = structlog.get_logger(__name__)

# What the two processes keep in step, with the types each may have.
SYNC_ATTRIBUTES: Mapping[str, tuple[Any, ...]] = {
    "protocol_key": (str,),
    "address": (str,),
    "suid": (int, type(None)),
    "sessid": (int,),
    "uid": (int, type(None)),
    "csessid": (str, type(None)),
    "uname": (str, type(None)),
    "logged_in": (bool,),
    "puid": (int, type(None)),
    "conn_time": (float, int),
    "cmd_last": (float, int),
    "cmd_last_visible": (float, int),
    "cmd_total": (int,),
    "protocol_flags": (dict,),
    "server_data": (dict,),
}

# The Portal alone decides these; a Server that sends other values is not heard.
PORTAL_ATTRIBUTES = frozenset({"sessid", "protocol_key", "address"})

# What a later word about a connection carries (PCONNSYNC). Nothing that the game decides is
# among it: the game may have changed that since, and this would put it back.
CONNECTION_ATTRIBUTES = (
    "protocol_key",
    "address",
    "sessid",
    "csessid",
    "conn_time",
    "protocol_flags",
)

# Tables by window number; text formats with text keys only would turn their keys into text.
NUMBERED_FLAGS = ("SCREENWIDTH", "SCREENHEIGHT")


class SessionHandler(Protocol):
    """What a session needs of the handler that holds it."""

    def connect(self, session: "Session") -> None:
        """Take a session in and give it its number."""
        ...

    def sync(self, session: "Session") -> None:
        """Tell the game what is new about a session."""
        ...

    def disconnect(self, session: "Session") -> None:
        """Forget a session whose connection ended."""
        ...

    def is_waiting(self, session: "Session") -> bool:
        """Whether the game still has to answer something that the player said."""
        ...

    def data_in(self, session: "Session", text: str | None = None, /, **kwargs: Any) -> None:
        """Take in a message of a player: a text alone, or commands by name."""
        ...


class Session:
    """One player's (or bot's) connection; `sessid` is its number, 0 until it is connected.

    `init_session` must be called before anything else. Times are seconds since the epoch.
    `acknowledged` tells whether a Server knows of the session, `unanswered` how many messages the
    Server has not answered yet; both belong to the sessionhandler, like the attributes after them.
    """

    __slots__ = (
        "_flags",
        "_look",
        "_server_data",
        "acknowledged",
        "address",
        "cmd_last",
        "cmd_last_visible",
        "cmd_total",
        "conn_time",
        "csessid",
        "extra",
        "input_paused",
        "logged_in",
        "protocol_key",
        "puid",
        "sessid",
        "sessionhandler",
        "suid",
        "throttle",
        "uid",
        "uname",
        "unanswered",
    )

    protocol_key: str
    address: str
    sessionhandler: SessionHandler
    sessid: int
    suid: int | None
    uid: int | None
    uname: str | None
    csessid: str | None
    puid: int | None
    logged_in: bool
    conn_time: float
    cmd_last: float
    cmd_last_visible: float
    cmd_total: int
    _flags: dict[str, Any]
    _look: int | None  # of a text without options; None when it has to be read
    extra: dict[str, Any] | None
    acknowledged: bool
    unanswered: int
    input_paused: bool
    throttle: Throttle | None

    def init_session(self, protocol_key: str, address: str, sessionhandler: SessionHandler) -> None:
        """Begin: `protocol_key` names the way in ("telnet"), `address` is the player's IP.

        The session is not known to the handler before `sessionhandler.connect(session)`.
        """
        self.protocol_key = protocol_key
        self.address = address
        self.sessionhandler = sessionhandler
        self.sessid = 0
        self.suid = self.uid = self.puid = None
        self.uname = self.csessid = None
        self.logged_in = False
        self.conn_time = self.cmd_last = self.cmd_last_visible = 0.0
        self.cmd_total = 0
        self.protocol_flags = {
            "ENCODING": "utf-8",
            "SCREENREADER": False,
            "INPUTDEBUG": False,
            "RAW": False,
            "NOCOLOR": False,
            "LOCALECHO": False,
        }
        self._server_data: dict[str, Any] | None = None
        self.extra = None
        self.acknowledged = False
        self.unanswered = 0
        self.input_paused = False
        self.throttle = None  # made with the first message; most sessions are silent

    @property
    def protocol_flags(self) -> dict[str, Any]:
        """What the client can do; take it from here whenever you change it, and keep it nowhere.

        Whoever takes it may change it, so how texts are shown is read from it anew after that.
        """
        self._look = None
        return self._flags

    @protocol_flags.setter
    def protocol_flags(self, value: dict[str, Any]) -> None:
        self._look = None
        self._flags = value

    def _read_look(self, options: dict[str, Any] | None = None) -> int:
        """How a text is shown (`portal.markup.read_look`); without options it is kept."""
        if options:
            return read_look(self._flags, options)
        look = self._look = read_look(self._flags)
        return look

    @property
    def server_data(self) -> dict[str, Any]:
        """What the game keeps with the session; it comes back after the game's restart."""
        if self._server_data is None:
            self._server_data = {}
        return self._server_data

    @server_data.setter
    def server_data(self, value: dict[str, Any]) -> None:
        self._server_data = value

    # ---- hooks of a protocol

    @property
    def echo_hidden(self) -> bool:
        """Whether the player's typing is hidden now (a password): it is then never repeated."""
        return False

    @property
    def close_reason(self) -> str:
        """Why its connection ended, for the log; "" where nobody gave a reason.

        Never a player's words, nor the game's.
        """
        return ""

    def disconnect(self, reason: str = "") -> None:
        """Show the reason and end the connection.

        A protocol extends this: it calls `super().disconnect(reason)` and then closes its
        connection, whose end calls `sessionhandler.disconnect(self)`.
        """
        if reason:
            self.data_out({"text": [[reason], {"options": {}}]})

    def at_login(self) -> None:
        """Take note that the game has logged the session in; its attributes are set already."""

    def at_logout(self) -> None:
        """Take note that the game sends the player away (quit); `disconnect` follows."""

    def at_sync(self) -> None:
        """Take note that the game has changed attributes or flags of the session."""

    def at_server_state(self, state: str) -> None:
        """Take note of how the game is: "connected", or why it is away (`holding.Absence.state`).

        Called when the session begins and whenever that changes.
        """

    def at_reconfigured(self, config: Config) -> None:
        """Go by another configuration from now on; a protocol extends this with its own limits."""
        if self.throttle is not None:
            self.throttle.reconfigure(config.limits)

    def pause_input(self) -> None:
        """Read nothing more from this player: the game is behind with its messages."""

    def resume_input(self) -> None:
        """Read on after `pause_input`."""

    def at_throttled(self) -> None:
        """Read nothing for a while of a player who sends more than is allowed."""

    # ---- messages

    def data_in(self, text: str | None = None, /, **kwargs: Any) -> None:
        """Take a message from the player: a text, or any commands by name (`text="look"`)."""
        if type(text) is str and not kwargs:  # nearly every message
            self.sessionhandler.data_in(self, text)
            return
        if text is not None:
            kwargs = {"text": text, **kwargs}
        self.sessionhandler.data_in(self, **kwargs)

    def data_out(self, message: Mapping[str, Any] | str | None = None, /, **kwargs: Any) -> None:
        """Send a message to the player through the `send_<name>` hooks, `prompt` last.

        Give a message, a text, or commands as keyword arguments (`text="hello"`). Each command
        calls `send_<name>(*args, **kwargs)`, or `send_default(name, *args, **kwargs)` where the
        session has no hook of that name; a text alone calls `send_text(text)`. What a hook raises
        is passed on; the sessionhandler catches it.
        """
        if isinstance(message, str):
            if not kwargs:  # nearly every message
                self.send_text(message)
                return
            message = {"text": message}
        if kwargs:
            message = normalise({**(message or {}), **kwargs})
        elif not message:
            return
        elif len(message) == 1:  # nearly every other
            command = message.get("text")
            if (
                type(command) is list
                and len(command) == 2
                and type(command[0]) is list
                and type(command[1]) is dict
            ):
                self.send_text(*command[0], **command[1])
                return
        if not is_normal(message):
            message = normalise(message)
        for name, (args, options) in message.items():
            if name == "text":
                self.send_text(*args, **options)
                continue
            hook = None if name == "default" else getattr(self, "send_" + name, None)
            if hook is None:
                self.send_default(name, *args, **options)
            else:
                hook(*args, **options)

    def msg(self, message: Mapping[str, Any] | str | None = None, /, **kwargs: Any) -> None:
        """Send a message to the player: another name of `data_out`."""
        self.data_out(message, **kwargs)

    def send_text(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a text (markup) with a line end after it."""
        self.send_default("text", *args, **kwargs)

    def send_prompt(self, /, *args: Any, **kwargs: Any) -> None:
        """Show a prompt, without a line end."""
        self.send_default("prompt", *args, **kwargs)

    def send_default(self, cmdname: str, /, *args: Any, **kwargs: Any) -> None:
        """Send any other command; a protocol that has no way to do so leaves it out."""

    # ---- what the game and the Portal keep in step

    def get_sync_data(self) -> dict[str, Any]:
        """Everything the game is told about the session, with what it gave us to keep."""
        data = dict(self.extra) if self.extra else {}
        for name in SYNC_ATTRIBUTES:
            data[name] = getattr(self, name) if name != "server_data" else self._server_data or {}
        data["protocol_flags"] = dict(self._flags)
        return data

    def get_connection_data(self) -> dict[str, Any]:
        """Return the part of the sync data that the connection decides (for PCONNSYNC)."""
        data = {name: getattr(self, name) for name in CONNECTION_ATTRIBUTES}
        data["protocol_flags"] = dict(self.protocol_flags)
        return data

    def load_sync_data(self, data: Mapping[str, Any]) -> None:
        """Take over what the game says about the session.

        Known attributes are set and `protocol_flags` are updated one by one. Unknown attributes
        are kept in `extra` and handed back by `get_sync_data`, which is how a game's own survive
        its restart. What only the Portal decides (sessid, address, protocol_key) stays, as does
        an attribute for which a value of a wrong type is given; that is logged.
        """
        for name, value in data.items():
            types = SYNC_ATTRIBUTES.get(name)
            if types is None:
                self._keep_extra(name, value)
            elif name in PORTAL_ATTRIBUTES:
                continue
            elif not isinstance(value, types):
                kind = type(value).__name__
                log.warning("sync_value_ignored", sessid=self.sessid, attribute=name, type=kind)
            elif name == "protocol_flags":
                self.protocol_flags.update(value)
            else:
                setattr(self, name, value)

    def _keep_extra(self, name: str, value: object) -> None:
        # Names of this class that are no sync attributes are the Portal's own.
        if hasattr(type(self), name):
            return
        if self.extra is None:
            self.extra = {}
        self.extra[name] = value

    # ---- state

    def get_state(self) -> dict[str, Any]:
        """Everything that must survive in another process, as plain data.

        A protocol adds what it has itself. The result may hold what the player typed: keep it
        as you would keep a password.
        """
        return {
            "sync": self.get_sync_data(),
            "extra": sorted(self.extra or ()),
            "acknowledged": self.acknowledged,
            "unanswered": self.unanswered,
            "input_paused": self.input_paused,
            "throttle": self.throttle and self.throttle.get_state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what `get_state` wrote down; call it after `init_session`.

        The throttle is given back by the sessionhandler, which knows the rates.
        """
        sync = dict(state["sync"])
        self.extra = {name: sync.pop(name) for name in state["extra"]} or None
        for name, value in sync.items():
            setattr(self, name, dict(value) if isinstance(value, dict) else value)
        for name in NUMBERED_FLAGS:
            if name in self._flags:
                table = self._flags[name]
                self._flags[name] = {int(key): size for key, size in table.items()}
        self.acknowledged = state["acknowledged"]
        self.unanswered = state["unanswered"]
        self.input_paused = state["input_paused"]
