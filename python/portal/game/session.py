"""A session as the game sees it: one player's connection, which the Portal holds.

The Portal's half is `portal.session.Session`. Both are kept in step: what the connection decides
(address, abilities of the client) comes from there, what the game decides (who is logged in, and
`server_data`) goes there, and comes back after the game's restart.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.game.sessionhandler import ServerSessionHandler
    from portal.game.workers import Inbox

# What the game decides; it is written down at the Portal before the game leaves, and by `save`.
GAME_ATTRIBUTES = ("uid", "uname", "logged_in", "puid", "server_data")


class ServerSession:
    """One player's connection; made by the sessionhandler only.

    `sessid` is its number, never used twice by one Portal. `protocol_key` names the way in
    ("telnet"), `address` is the player's IP ("" on a UNIX socket), `protocol_flags` tell what the
    client can do. Times (`conn_time`, `cmd_last`) are seconds since the epoch.
    `uid uname logged_in puid` say who is logged in, as the game gave it.

    `server_data` is the game's: a dict of plain values (numbers, text, lists, dicts) that survives
    a reload; call `save` after a change that has to survive `kill -9` as well. `memory` is the
    game's too, holds anything, and is gone after a restart. After the end of the session
    (`connected` is False) everything may still be read, and what is sent goes nowhere.
    """

    __slots__ = (
        "_memory",
        "address",
        "cmd_last",
        "conn_time",
        "connected",
        "csessid",
        "inbox",
        "logged_in",
        "protocol_flags",
        "protocol_key",
        "puid",
        "server_data",
        "sessid",
        "sessionhandler",
        "uid",
        "uname",
    )

    def __init__(
        self, sessid: int, data: Mapping[str, Any], sessionhandler: "ServerSessionHandler"
    ) -> None:
        self.sessid = sessid
        self.sessionhandler = sessionhandler
        self.connected = True
        self.protocol_key: str = ""
        self.address: str = ""
        self.csessid: str | None = None
        self.conn_time: float = 0.0
        self.cmd_last: float = 0.0
        self.protocol_flags: dict[str, Any] = {}
        self.load_connection_data(data)
        self.uid: int | None = data.get("uid")
        self.uname: str | None = data.get("uname")
        self.logged_in: bool = bool(data.get("logged_in"))
        self.puid: int | None = data.get("puid")
        self.server_data: dict[str, Any] = dict(data.get("server_data") or {})
        self.inbox: Inbox | None = None  # while asynchronous functions of its run
        self._memory: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<ServerSession {self.sessid} {self.uname or ''}>"

    @property
    def memory(self) -> dict[str, Any]:
        """What the game remembers of the session until it is restarted."""
        if self._memory is None:
            self._memory = {}
        return self._memory

    def msg(self, text: object = None, **kwargs: Any) -> None:
        """Send the player a text (Portal's markup), or any other messages by name.

        `msg("hello")`, `msg(text=("hello", {"options": {"raw": True}}))`, `msg(prompt="> ")`,
        `msg(hp={"now": 10})`: the short forms are those of `portal.messages.normalise`. They are
        sent in the order in which they are given, `prompt` last. While the Portal is away, and
        after the end of the session, nothing is sent.
        Raises LocalProtocolError for values nested too deep.
        """
        if text is not None:
            kwargs = {"text": text, **kwargs}
        self.sessionhandler.data_out(self, **kwargs)

    data_out = msg

    def disconnect(self, reason: str = "") -> None:
        """End the session: the Portal shows the reason and closes the connection.

        The game's `at_disconnect` is called before this returns. A second call does nothing.
        """
        self.sessionhandler.disconnect(self, reason)

    def login(self, uid: int, uname: str) -> None:
        """Take note that the player is logged in as account `uid`, named `uname`.

        The Portal is told at once, so that it survives any end of the game. Then the game's
        `at_login` is called.
        """
        self.sessionhandler.login(self, uid, uname)

    def save(self) -> None:
        """Write what the game decides down at the Portal now, `server_data` above all.

        A reload does so by itself; this is for what has to survive a crash.
        Raises LocalProtocolError when `server_data` holds what cannot be written.
        """
        self.sessionhandler.save([self])

    def load_connection_data(self, data: Mapping[str, Any]) -> None:
        """Take over what the connection decides; what is not in `data` stays."""
        self.protocol_key = data.get("protocol_key", self.protocol_key)
        self.address = data.get("address", self.address)
        self.csessid = data.get("csessid", self.csessid)
        self.conn_time = data.get("conn_time", self.conn_time)
        self.cmd_last = data.get("cmd_last", self.cmd_last)
        self.protocol_flags.update(data.get("protocol_flags") or {})

    def get_sync_data(self) -> dict[str, Any]:
        """Return what the game decides, as the Portal keeps it."""
        return {name: getattr(self, name) for name in GAME_ATTRIBUTES}
