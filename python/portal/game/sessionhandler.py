"""The sessionhandler of the game's side: the sessions that the Portal told of, by their sessid.

What the Portal says comes in by `receive_message` and `receive_admin`, in the order of its stream,
and goes to the functions and hooks of the game; what the game does with its sessions goes out over
`portal`, the link that is there now.

When the link is lost the sessions stay. The next Portal that answers decides: if it is the same
one, what it does not know any more is gone and the rest goes on; if it is another (its
`portal_start_time` differs), all of them are gone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import structlog

from portal.amp.commands import Operation
from portal.amp.payload import dumps
from portal.errors import LocalProtocolError, NotBegun, RemoteProtocolError, ServerUnavailable
from portal.game.inputfuncs import Hooks, InputError
from portal.game.session import ServerSession
from portal.game.workers import LEAVING, Answer, Workers
from portal.messages import Message, is_normal, normalise

log = structlog.get_logger(__name__)

GONE = "The connection to the player is gone."
PORTAL_ENDED = "The Portal has ended."


class PortalLink(Protocol):
    """The way to the Portal; what is sent arrives in order, or not at all when it is lost."""

    def send_message(self, sessid: int | list[int], message: Message) -> None:
        """Send a message to one session, or to each of several."""
        ...

    def send_admin(self, operation: str, sessid: int = 0, **kwargs: Any) -> None:
        """Send one operation about a session or about all."""
        ...


class ServerSessionHandler:
    """The live sessions of one game.

    `portal` is None while there is none that has synchronised; what is sent then is dropped.
    `wall` gives seconds since the epoch. `at_order(operation)` is called when the Portal tells
    the game to leave, `at_synchronised()` when it has handed over its sessions.
    """

    def __init__(
        self,
        hooks: Hooks,
        workers: Workers,
        *,
        wall: Callable[[], float],
        at_order: Callable[[str], None],
        at_synchronised: Callable[[], None],
    ) -> None:
        self.hooks = hooks
        self.workers = workers
        self.wall = wall
        self.at_order = at_order
        self.at_synchronised = at_synchronised
        self.portal: PortalLink | None = None
        self.leaving = False
        self.portal_start_time: float | None = None
        self._sessions: dict[int, ServerSession] = {}
        self._operations: dict[str, Callable[[int, Mapping[str, Any]], None]] = {
            Operation.PCONN: self._connected,
            Operation.PCONNSYNC: self._connection_changed,
            Operation.PDISCONN: self._disconnected,
            Operation.PDISCONNALL: self._all_disconnected,
            Operation.PSYNC: self._synchronised,
            Operation.SRELOAD: self._ordered,
            Operation.SRESET: self._ordered,
            Operation.SSHUTD: self._ordered,
        }

    # ---- questions

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[ServerSession]:
        return iter(list(self._sessions.values()))

    def __contains__(self, session: object) -> bool:
        return isinstance(session, ServerSession) and self.get(session.sessid) is session

    def get(self, sessid: int) -> ServerSession | None:
        """Return the live session of that number."""
        return self._sessions.get(sessid)

    def all(self) -> list[ServerSession]:
        """Return every live session, the oldest first."""
        return list(self._sessions.values())

    def logged_in(self) -> list[ServerSession]:
        """Return the live sessions that are logged in, the oldest first."""
        return [session for session in self._sessions.values() if session.logged_in]

    # ---- what the game does

    def msg(self, sessions: Iterable[ServerSession], text: object = None, /, **kwargs: Any) -> None:
        """Send one message to several sessions: it crosses to the Portal once.

        Written as in `ServerSession.msg`. Sessions that have ended are passed over; to none of
        them, or without a Portal, nothing is sent.
        Raises LocalProtocolError for values nested too deep.
        """
        if text is not None:
            kwargs = {"text": text, **kwargs}
        numbers = [session.sessid for session in sessions if session.connected]
        message = normalise(kwargs)
        if self.portal is not None and numbers and message:
            self.portal.send_message(numbers[0] if len(numbers) == 1 else numbers, message)

    def data_out(self, session: ServerSession, /, **kwargs: Any) -> None:
        """Send a message to one session; see `ServerSession.msg`."""
        message = normalise(kwargs)
        if self.portal is not None and session.connected and message:
            self.portal.send_message(session.sessid, message)

    def login(self, session: ServerSession, uid: int, uname: str) -> None:
        """Log a session in and tell the Portal (SLOGIN); then `at_login` is called.

        One that has ended meanwhile, while its password was looked at, stays as it is.
        """
        if session not in self:
            return
        session.uid, session.uname, session.logged_in = uid, uname, True
        if self.portal is not None:
            data = {"logged_in": True, "uid": uid, "uname": uname}
            self.portal.send_admin(Operation.SLOGIN, session.sessid, sessiondata=data)
        self.hooks.call("at_login", session)

    def disconnect(self, session: ServerSession, reason: str = "") -> None:
        """End a session and tell the Portal (SDISCONN), which shows the reason."""
        if session in self:
            if self.portal is not None:
                self.portal.send_admin(Operation.SDISCONN, session.sessid, reason=reason)
            self._drop(session, reason)

    def save(self, sessions: Iterable[ServerSession]) -> None:
        """Write what the game decides about these sessions down at the Portal (SSYNC, partial)."""
        data = {session.sessid: session.get_sync_data() for session in sessions if session in self}
        if self.portal is not None and data:
            self.portal.send_admin(Operation.SSYNC, sessiondata=data, clean=False)

    def order(self, operation: str) -> None:
        """Ask the Portal for SRELOAD, SRESET, SSHUTD or PSHUTD.

        Raises ServerUnavailable while no Portal is connected.
        """
        if self.portal is None:
            raise ServerUnavailable("no Portal is connected")
        self.portal.send_admin(operation)

    def get_all_sync_data(self) -> dict[int, dict[str, Any]]:
        """Return what the game decides, of every session.

        A `server_data` that cannot be written is left out and logged, so that it costs nobody
        else anything; the Portal then keeps what was saved before.
        """
        return _writable(self._sessions.values())

    # ---- what the Portal says

    def receive_message(self, sessid: int, message: Message, defer: Callable[[], Answer]) -> None:
        """Hand a player's message to the game; `defer` takes over its answer.

        One of a session that has ended meanwhile is passed over.
        Raises NotBegun while the game leaves or no Portal has synchronised, and InputError when it
        was not carried out, or is no message.
        """
        session = self._sessions.get(sessid)
        if self.leaving or self.portal is None:
            raise NotBegun(LEAVING)
        if session is None:
            log.debug("message_of_unknown_session", sessid=sessid)
        elif not is_normal(message):
            raise InputError("expected {name: [args, kwargs]}")
        else:
            if "text" in message:
                session.cmd_last = self.wall()
            self.call_inputfuncs(session, message, defer)

    def call_inputfuncs(
        self, session: ServerSession, message: Message, defer: Callable[[], Answer]
    ) -> None:
        """Call the functions of a message, now or in the session's turn (`Workers.receive`)."""
        self.workers.receive(session, message, defer)

    def begin_leaving(self) -> None:
        """Begin nothing more: what waits is given back to the Portal, and so is what still comes.

        The Portal keeps it for the next process. What has been begun goes on.
        """
        self.leaving = True
        for session in self._sessions.values():
            self.workers.give_back(session)

    def receive_admin(self, sessid: int, kwargs: Mapping[str, Any]) -> None:
        """Do what an operation of the Portal says.

        Raises RemoteProtocolError for one that is not known.
        """
        operation = str(kwargs.get("operation"))
        handle = self._operations.get(operation)
        if handle is None:
            raise RemoteProtocolError("UnknownOperation", repr(operation)[:40])
        handle(sessid, kwargs)

    def portal_lost(self) -> None:
        """Take note that the link is gone: sessions stay, what they have in their inboxes goes.

        The Portal tells the players that those lines were not confirmed.
        """
        self.portal = None
        for session in self._sessions.values():
            self.workers.forget(session)

    def portal_connect(self, data: Mapping[str, Any]) -> ServerSession:
        """Begin a session that is new to the game, and call `at_connect`."""
        old = self._sessions.get(data["sessid"])
        if old is not None:
            self._drop(old, GONE)
        session = self._sessions[data["sessid"]] = ServerSession(data["sessid"], data, self)
        self.hooks.call("at_connect", session)
        return session

    def portal_session_sync(self, data: Mapping[str, Any]) -> None:
        """Take over what is new about a session's connection."""
        session = self._sessions.get(data["sessid"])
        if session is not None:
            session.load_connection_data(data)

    def portal_sessions_sync(
        self, sessiondata: Mapping[int, Mapping[str, Any]], portal_start_time: float | None = None
    ) -> None:
        """Make the sessions of a Portal the game's, and call `at_sync` for those it did not know.

        Sessions that the game has and the Portal has not are dropped. Of those that both have the
        game's own data is the newer, and is told to the Portal.
        """
        another = self.portal_start_time not in (None, portal_start_time)
        self.portal_start_time = portal_start_time
        for session in self:
            # Hooks may have ended one that is still to come.
            if session.connected and (another or session.sessid not in sessiondata):
                self._drop(session, GONE)
        kept = self.all()
        for sessid, data in sessiondata.items():
            session_or_none = self._sessions.get(sessid)
            if session_or_none is None:
                self._sessions[sessid] = ServerSession(sessid, data, self)
            else:
                session_or_none.load_connection_data(data)
        if self.portal is not None and kept:
            self.portal.send_admin(Operation.SSYNC, sessiondata=_writable(kept), clean=False)
        for session in self:
            if session.connected and session not in kept:
                self.hooks.call("at_sync", session)

    def portal_disconnect(self, session: ServerSession) -> None:
        """End a session whose connection is gone, and call `at_disconnect`."""
        self._drop(session, GONE)

    def portal_disconnect_all(self) -> None:
        """End every session: the Portal ends."""
        for session in self:
            if session.connected:
                self._drop(session, PORTAL_ENDED)

    # ---- the operations

    def _connected(self, _sessid: int, kwargs: Mapping[str, Any]) -> None:
        self.portal_connect(kwargs["sessiondata"])

    def _connection_changed(self, sessid: int, kwargs: Mapping[str, Any]) -> None:
        self.portal_session_sync({**kwargs["sessiondata"], "sessid": sessid})

    def _disconnected(self, sessid: int, _kwargs: Mapping[str, Any]) -> None:
        session = self._sessions.get(sessid)
        if session is not None:
            self.portal_disconnect(session)

    def _all_disconnected(self, _sessid: int, _kwargs: Mapping[str, Any]) -> None:
        self.portal_disconnect_all()

    def _synchronised(self, _sessid: int, kwargs: Mapping[str, Any]) -> None:
        sessiondata = kwargs.get("sessiondata") or {}
        log.info(
            "portal_synchronised",
            sessions=len(sessiondata),
            mode=kwargs.get("server_restart_mode"),
        )
        self.portal_sessions_sync(sessiondata, kwargs.get("portal_start_time"))
        self.at_synchronised()

    def _ordered(self, _sessid: int, kwargs: Mapping[str, Any]) -> None:
        self.at_order(str(kwargs["operation"]))

    def _drop(self, session: ServerSession, reason: str) -> None:
        del self._sessions[session.sessid]
        session.connected = False
        self.workers.forget(session)
        self.hooks.call("at_disconnect", session, reason)


def _writable(sessions: Iterable[ServerSession]) -> dict[int, dict[str, Any]]:
    result = {}
    for session in sessions:
        data = result[session.sessid] = session.get_sync_data()
        try:
            dumps(session.sessid, data)
        except LocalProtocolError as error:
            log.warning("server_data_not_plain", sessid=session.sessid, reason=str(error))
            del data["server_data"]
    return result
