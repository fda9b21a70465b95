"""The way from the sessions to the game: the link of the Server that is connected now.

The order of one absence of the Server, which every function below serves:

1. An order is forwarded (`forward_order`), or the link is lost (`lost`): holding begins.
2. Messages that were sent and never answered are handed over as uncertain. Those that the Server
   gave back, and those that still waited for the window, are kept like all later ones.
3. A new Server introduces itself by PSYNC. It gets the sessions that a Server has acknowledged.
4. It answers: newcomers follow as PCONN, then what was kept, in order (`_synchronised`).

Two Servers are never served at once: a second PSYNC from another connection replaces the first.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from portal import __version__
from portal.amp.commands import (
    NOT_BEGUN,
    AdminPortal2Server,
    MsgPortal2Server,
    Operation,
    PackedCommand,
)
from portal.amp.link import Answered
from portal.config import AmpConfig
from portal.delivery import Sent
from portal.errors import ConnectionLost, RemoteAMPError, RemoteProtocolError, ServerUnavailable
from portal.holding import Reason
from portal.messages import AnyMessage
from portal.session import Session
from portal.sessionhandler import PortalSessionHandler
from portal.supervisor import Supervisor

log = structlog.get_logger(__name__)

# What a Server is told about the order it leaves under.
RESTART_MODES: Mapping[str, str] = {
    Operation.SRELOAD: "reload",
    Operation.SRESET: "reset",
    Operation.SSHUTD: "shutdown",
    Operation.PSHUTD: "shutdown",
}

Outgoing = tuple[type[PackedCommand], Any, Answered, Any]

NOT_INTRODUCED = "introduce yourself by PSYNC first"

# What a box has beside its payload: keys, the command's name, the tag, a stream's own bytes.
BOX_OVERHEAD = 128


class GameLink(Protocol):
    """A link that leads to a game: `portal.amp.link.Link`, or `portal.local_link.LocalLink`.

    What is sent is answered once, by `answered(context, error)` as `portal.amp.link` has it. A link
    that ends has every answer that is left given, and calls `LinkedServer.lost`.
    """

    name: str
    max_payload: int
    unanswered_bytes: int

    @property
    def unanswered(self) -> int:
        """How many messages have not been answered."""
        ...

    def encode_packed(self, sessid: int | list[int], kwargs: Mapping[str, Any] | str, /) -> Any:
        """Make the payload for `send_payload`, whose length counts against the window.

        A text in place of kwargs is a message that is nothing else.
        """
        ...

    def send_payload(
        self,
        command: type[PackedCommand],
        payload: Any,
        answered: Answered | None = None,
        context: object = None,
    ) -> None:
        """Send a payload."""
        ...

    def prefer(self) -> None:
        """Be served before everything else from now on."""
        ...

    def close(self, reason: str = "") -> None:
        """End the link, after what was sent."""
        ...


class LinkedServer:
    """The `ServerLink` of the sessionhandler, over whichever link leads to the game.

    `send_msg` and `send_admin` send at once while fewer bytes are unanswered than the Server's
    window allows (`window_bytes`), and keep the order otherwise. `admin` and `data` take what a
    Server sends. `at_change` is called whenever a Server has synchronised or is gone.
    """

    def __init__(
        self,
        config: AmpConfig,
        sessionhandler: PortalSessionHandler,
        supervisor: Supervisor,
        at_change: Callable[[], None],
    ) -> None:
        self.config = config
        self.sessionhandler = sessionhandler
        self.supervisor = supervisor
        self.at_change = at_change
        self.link: GameLink | None = None
        self.info: dict[str, Any] = {}
        self.waiting: deque[Outgoing] = deque()
        self._uncertain: list[Sent] = []
        self._not_begun: list[Sent] = []
        self.window_bytes = config.window_bytes
        self._operations = {
            Operation.SLOGIN: self._login,
            Operation.SDISCONN: self._disconnect,
            Operation.SDISCONNALL: self._disconnect_all,
            Operation.SSYNC: self._sync,
            Operation.SCONN: self._connect_bot,
            **dict.fromkeys(RESTART_MODES, self._order),
        }

    # ---- to the Server: the ServerLink of the sessionhandler

    def send_msg(self, session: Session, message: AnyMessage, secret: bool) -> None:
        """Send a player's message; the sessionhandler hears when it is answered.

        `secret` is kept with it until then: a text that must not be repeated to anybody.
        """
        sessid = session.sessid
        context = (sessid, message, secret)
        self._send(MsgPortal2Server, sessid, message, self._message_answered, context)

    def send_admin(self, operation: str, sessid: int = 0, **kwargs: Any) -> None:
        """Send one operation about a session, in order with its messages."""
        if self.link is not None:
            self._allow_payload(self.link)
        kwargs["operation"] = operation
        self._send(AdminPortal2Server, sessid, kwargs, self._admin_answered, (operation, sessid))

    def _send(
        self,
        command: type[PackedCommand],
        sessid: int,
        kwargs: dict[str, Any] | str,
        answered: Answered,
        context: Any,
    ) -> None:
        link = self.link
        if link is None:
            raise ServerUnavailable("no Server is connected")
        payload = link.encode_packed(sessid, kwargs)
        unanswered = link.unanswered_bytes
        if self.waiting or (unanswered and not self._fits(link, unanswered, payload)):
            self.waiting.append((command, payload, answered, context))
        else:
            link.send_payload(command, payload, answered, context)

    def _allow_payload(self, link: GameLink) -> None:
        """Let a sync of everybody through: refusing it would log them out."""
        each = self.config.payload_bytes_per_session
        link.max_payload = self.config.payload_bytes + each * len(self.sessionhandler.sessions)

    def _fits(self, link: GameLink, unanswered: int, payload: Any) -> bool:
        """Whether the window takes a payload; one that is larger than it goes by itself."""
        return not unanswered or (
            unanswered + len(payload) + BOX_OVERHEAD <= self.window_bytes
            and link.unanswered < self.config.window_messages
        )

    def _send_waiting(self) -> None:
        link = self.link
        while self.waiting and link is not None:
            if not self._fits(link, link.unanswered_bytes, self.waiting[0][1]):
                return
            command, payload, answered, context = self.waiting.popleft()
            link.send_payload(command, payload, answered, context)

    def _message_answered(self, context: Sent, error: Exception | None) -> None:
        if error is not None:
            if isinstance(error, ConnectionLost):
                self._uncertain.append(context)
                return
            if isinstance(error, RemoteAMPError) and error.code == NOT_BEGUN:
                self._give_back(context)
                return
            log.warning("server_refused_message", sessid=context[0], error=str(error))
        self.sessionhandler.message_answered(context[0])
        if self.waiting:
            self._send_waiting()

    def _give_back(self, context: Sent) -> None:
        """Take note that a Server leaves, ordered or not: it has not begun with this message.

        It is kept from when the link is gone, and with it all that the Server still gives back.
        """
        if not self._not_begun:
            self.sessionhandler.begin_holding(Reason.LOST)
            self._keep_waiting()
        self._not_begun.append(context)

    def _admin_answered(self, context: tuple[str, int], error: Exception | None) -> None:
        operation, sessid = context
        if isinstance(error, ConnectionLost):
            return
        if error is not None:
            log.warning("server_refused_operation", operation=ord(operation), error=str(error))
        if operation == Operation.PCONN:
            self.sessionhandler.session_acknowledged(sessid)
        if self.waiting:
            self._send_waiting()

    # ---- the Server's coming and going

    def forward_order(self, operation: str) -> None:
        """Tell the Server to reload, reset or leave; input is held from this moment on.

        The Server goes on running commands for about a second after its last sync, so a line sent
        now could be carried out by a game whose memory is already written down.
        """
        link = self.link
        if link is None:
            return
        returns = operation in (Operation.SRELOAD, Operation.SRESET)
        self.sessionhandler.begin_holding(Reason.RESTARTING if returns else Reason.STOPPED)
        self._keep_waiting()
        sent = Operation.SSHUTD if operation == Operation.PSHUTD else operation
        kwargs = {"operation": sent, "server_restart_mode": RESTART_MODES[operation]}
        self._tell(link, kwargs, self._admin_answered, (sent, 0))

    @staticmethod
    def _tell(
        link: GameLink,
        kwargs: dict[str, Any],
        answered: Answered | None = None,
        context: object = None,
    ) -> None:
        """Send an operation about everybody, past what waits for the window."""
        link.send_payload(AdminPortal2Server, link.encode_packed(0, kwargs), answered, context)

    def _keep_waiting(self) -> None:
        """Keep what was never sent, ahead of all that comes later; none of it is in doubt."""
        waiting, self.waiting = self.waiting, deque()
        for command, _, _, context in waiting:
            if command is MsgPortal2Server:
                self.sessionhandler.keep(*context)

    def lost(self, link: GameLink) -> None:
        """Take notice that a link has ended or is closing, after all of its asks have failed."""
        if link is not self.link:
            return
        log.info("server_link_lost", link=link.name)
        self.link = None
        self.info = {}
        self.sessionhandler.link = None
        self.sessionhandler.begin_holding(Reason.LOST)
        self._keep_not_begun()
        self._report_uncertain()
        self._keep_waiting()
        self.supervisor.link_lost()
        self.at_change()

    def close(self, reason: str = "it did not leave in time") -> None:
        """Close the link of a Server that does not leave; it may dial in again."""
        if self.link is not None:
            self.link.close(reason)

    def _keep_not_begun(self) -> None:
        """Keep what was given back: in its order, in front of what came after it."""
        not_begun, self._not_begun = self._not_begun, []
        for context in reversed(not_begun):
            self.sessionhandler.keep(*context, first=True)

    def _report_uncertain(self) -> None:
        uncertain, self._uncertain = self._uncertain, []
        self.sessionhandler.server_lost(uncertain)

    def _synchronise(self, link: GameLink, kwargs: dict[str, Any]) -> None:
        """Make the link of a Server that introduced itself the one, and hand it the sessions."""
        info = kwargs.get("info_dict") or {}
        pid = kwargs.get("spid")
        if not isinstance(info, dict) or not isinstance(pid, int | None):
            raise RemoteProtocolError("BadIntroduction", "expected a dict and a number")
        old = self.link
        if old is not None and old is not link:
            log.warning("server_link_replaced", old=old.name, new=link.name)
            self._dismiss(old)
        self.link = link
        self.info = info
        own = info.get("library") == "portal.game"
        self.window_bytes = self.config.own_window_bytes if own else self.config.window_bytes
        link.prefer()
        self._allow_payload(link)
        self.sessionhandler.begin_holding(Reason.RESTARTING, announce=False)
        answer = {
            "operation": Operation.PSYNC,
            "server_restart_mode": self.supervisor.restart_mode,
            "sessiondata": self.sessionhandler.acknowledged_sync_data(keeps_characters=own),
            "portal_start_time": self.sessionhandler.portal_start_time,
            "portal_info": {"library": "portal", "version": __version__},
        }
        self._tell(link, answer, self._synchronised, (link, pid))

    def _dismiss(self, old: GameLink) -> None:
        """Let an older Server go for good: one that only lost its link would dial in again.

        Closing its link brings `lost` with it: what it has not answered is uncertain from now on.
        """
        kwargs = {"operation": Operation.SSHUTD, "server_restart_mode": "shutdown"}
        self._tell(old, kwargs)
        old.close("another Server took over")

    def _synchronised(self, context: tuple[GameLink, int | None], error: Exception | None) -> None:
        link, pid = context
        if link is not self.link or isinstance(error, ConnectionLost):
            return
        if error is not None:
            # A stock Server fails here when one of its objects does; it is up all the same.
            log.error("server_failed_in_sync", error=str(error))
        self.sessionhandler.link = self
        self.supervisor.server_connected(pid)
        self.sessionhandler.server_ready()
        self.at_change()

    # ---- from the Server

    def data(self, link: GameLink, sessid: int | list[int], kwargs: dict[str, Any] | str) -> None:
        """Deliver a message of the game, or a text alone, to one session or to several.

        Raises ServerUnavailable for a link that is not the Server's.
        """
        if link is not self.link:
            raise ServerUnavailable(NOT_INTRODUCED)
        self.sessionhandler.data_out_to(sessid, kwargs)

    def admin(self, link: GameLink, sessid: int | list[int], kwargs: dict[str, Any]) -> None:
        """Do an operation of the game.

        Raises RemoteProtocolError for one that is not known, and ServerUnavailable for any but
        PSYNC on a link that is not the Server's.
        """
        operation = str(kwargs.get("operation"))
        if operation == Operation.PSYNC:
            self._synchronise(link, kwargs)
            return
        if link is not self.link:
            raise ServerUnavailable(NOT_INTRODUCED)
        handle = self._operations.get(operation)
        if handle is None or not isinstance(sessid, int):
            raise RemoteProtocolError("UnknownOperation", repr(operation)[:40])
        handle(sessid, kwargs)

    def _order(self, _sessid: int, kwargs: dict[str, Any]) -> None:
        """Pass an order of the game on; the supervisor has `forward_order` send it back."""
        self.supervisor.order(str(kwargs["operation"]))

    def _login(self, sessid: int, kwargs: dict[str, Any]) -> None:
        session = self.sessionhandler.sessions.get(sessid)
        if session is not None:
            self.sessionhandler.server_logged_in(session, kwargs.get("sessiondata") or {})

    def _disconnect(self, sessid: int, kwargs: dict[str, Any]) -> None:
        session = self.sessionhandler.sessions.get(sessid)
        if session is not None:
            self.sessionhandler.server_disconnect(session, str(kwargs.get("reason") or ""))

    def _disconnect_all(self, _sessid: int, kwargs: dict[str, Any]) -> None:
        self.sessionhandler.server_disconnect_all(str(kwargs.get("reason") or ""))

    def _sync(self, _sessid: int, kwargs: dict[str, Any]) -> None:
        clean = bool(kwargs.get("clean", True))
        self.sessionhandler.server_session_sync(kwargs.get("sessiondata") or {}, clean)
        if clean:
            self.supervisor.server_synced_out()

    def _connect_bot(self, _sessid: int, kwargs: dict[str, Any]) -> None:
        self.sessionhandler.server_connect(
            str(kwargs.get("protocol_path") or ""), kwargs.get("config") or {}
        )
