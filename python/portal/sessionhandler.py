"""The sessionhandler: holds the live sessions and moves messages between them and the Server.

Its hot path is two functions: `data_in` (a player's message: throttle, normalise, send) and
`data_out_to` (the game's message: find the session, show it). The rest is the order of things
when sessions or Servers come and go:

- A session is **announced** to the Server (PCONN) when it connects, and **acknowledged** once the
  Server has answered that. Only acknowledged sessions are handed to a new Server in its PSYNC;
  the others are announced anew, so that newcomers get their greeting.
- While the Server is **away**, input is kept (`portal.holding`). It is away from the start, from
  `begin_holding` on, and until `server_ready` has sent on all that was kept.

It knows no AMP: the Server is behind the `ServerLink` in `link`, None while there is none.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from portal.amp.commands import Operation
from portal.bot_request import ConnectBot, refuse_bot
from portal.config import Config
from portal.delivery import Delivery, Sent, ServerLink
from portal.errors import ServerUnavailable
from portal.holding import Reason
from portal.messages import AnyMessage, has_longer_text, normalise
from portal.metrics import Metrics
from portal.roster import Roster
from portal.session import Session
from portal.throttle import Throttle

log = structlog.get_logger(__name__)

TOO_MANY_OOB = "Your client is sending messages too fast; some were thrown away."
DROPPED = "The game does not know this session any more."
# What the log says of a session that was ended here: the words of a game may be a player's.
BY_GAME = "the game ended it"
BY_SYNC = "the game did not know it any more"
BY_PORTAL = "the Portal stopped"

__all__ = ["PortalSessionHandler", "ServerLink"]  # the link is looked for here


class PortalSessionHandler:
    """The live sessions of one Portal, by their sessid in `sessions`, which is never used twice.

    `now` is a clock for rates, `wall` gives seconds since the epoch. `link` is set by whoever
    connects the Server, before `server_ready`, and is None again before `begin_holding`.
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.limits = config.limits
        self.metrics = metrics
        self.now = now
        self.wall = wall
        self.portal_start_time = wall()
        self.roster = Roster(metrics, wall)
        self.sessions = self.roster.sessions
        self.delivery = Delivery(config, metrics, self.sessions, self._tell, self._show_state)
        self.absence = self.delivery.absence
        self.connect_bot: ConnectBot = refuse_bot
        self._synced_out = False  # the last Server gave us everything before it left
        self._lost: list[Session] = []  # whose characters a new Server does not know

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on, with every session that lives, too."""
        self.limits = config.limits
        self.delivery.reconfigure(config)
        for session in list(self.sessions.values()):
            self._call(session, session.at_reconfigured, config)

    @property
    def link(self) -> ServerLink | None:
        """The way to the Server, None while there is none."""
        return self.delivery.link

    @link.setter
    def link(self, link: ServerLink | None) -> None:
        self.delivery.link = link

    # ---- sessions come and go

    def connect(self, session: Session) -> None:
        """Take a session in, give it its number and announce it to the Server."""
        self.roster.enter(session)
        self._show_state(session, self.absence.state)
        if self.absence.away or self.link is None:
            self.delivery.tell_absence(session)
        else:
            self._announce(self.link, session)

    def sync(self, session: Session) -> None:
        """Tell the Server what is new about a session's connection (PCONNSYNC).

        While the Server is away the next one is told. A session that is not connected is ignored.
        """
        if session not in self.roster:
            return
        if self.link is None:
            self.absence.changed.add(session.sessid)
        elif session.acknowledged or not self.absence.away:
            self._send_connection(self.link, session)

    def disconnect(self, session: Session) -> None:
        """Forget a session whose connection ended, and tell the Server, once (PDISCONN).

        What was kept of it is forgotten. A session that is not (or no longer) held is ignored.
        """
        if session in self.roster:
            self._forget(session)
            self._send_end(session.sessid)

    def disconnect_all(self, reason: str = "") -> None:
        """End every session, at the Portal's end; the Server is told in one word (PDISCONNALL)."""
        if self.link is not None:
            self.link.send_admin(Operation.PDISCONNALL)
        self.delivery.tell_kept_in_vain()
        for session in list(self.sessions.values()):
            self._end(session, reason, BY_PORTAL)

    # ---- messages

    def data_in(self, session: Session, text: str | None = None, /, **kwargs: Any) -> None:
        """Take a player's message in, a text or else kwargs: it is sent, kept, or refused.

        A refused message is counted and the player is told, now and then. When the Server is behind
        with its answers the session is paused; what it has read already is still taken.
        """
        if self.sessions.get(session.sessid) is not session:
            return
        now = self.now()
        throttle = session.throttle
        if throttle is None:
            throttle = session.throttle = Throttle(self.limits)
        if text is not None or "text" in kwargs:
            if not throttle.commands.take(now):
                self.metrics.commands_throttled += 1
                self._throttle(session, throttle, now, self.limits.too_fast_text)
                return
            session.cmd_last = self.wall()
            session.cmd_total += 1
        elif not throttle.oob.take(now):
            self.metrics.oob_throttled += 1
            self._throttle(session, throttle, now, TOO_MANY_OOB)
            return
        message = normalise(kwargs) if text is None else text
        if self.limits.line_characters and has_longer_text(message, self.limits.line_characters):
            self.metrics.lines_too_long += 1
            self._throttle(session, throttle, now, self.limits.say_too_long())
            return
        self.metrics.messages_in += 1
        secret = not session.logged_in or session.echo_hidden
        self.delivery.take(session, message, secret)

    def data_out_to(self, sessid: int | list[int], message: Mapping[str, Any] | str) -> None:
        """Show a message of the game, or a text alone, to one session, or to each of a list.

        A session that has ended meanwhile is passed over and counted.
        """
        for each in sessid if isinstance(sessid, list) else (sessid,):
            session = self.sessions.get(each)
            if session is None:
                self.metrics.messages_undeliverable += 1
                log.debug("message_to_unknown_session", sessid=each)
                continue
            self.metrics.messages_out += 1
            try:
                session.data_out(message)
            except Exception:
                self.metrics.hook_failures += 1
                log.exception("session_hook_failed", sessid=each, hook="data_out")

    def data_out(self, session: Session, message: Mapping[str, Any]) -> None:
        """Show a message to a session; what its hooks raise costs this message and is logged."""
        self.metrics.messages_out += 1
        self._call(session, session.data_out, message)

    def announce_all(self, message: str) -> None:
        """Show a text to every session."""
        for session in list(self.sessions.values()):
            self._tell(session, message)

    # ---- what the Server orders

    def server_connect(self, protocol_path: str, config: Mapping[str, Any]) -> None:
        """Start a bot (SCONN) by `connect_bot`: a ServiceError of that is what the Server gets."""
        self.connect_bot(protocol_path, config)

    def server_disconnect(self, session: Session, reason: str = "") -> None:
        """End a session because the game says so (SDISCONN): the reason is shown before."""
        if session in self.roster:
            self._call(session, session.at_logout)
            self._end(session, reason, BY_GAME)
            self._send_end(session.sessid)

    def server_disconnect_all(self, reason: str = "") -> None:
        """End every session because the game says so (SDISCONNALL)."""
        for session in list(self.sessions.values()):
            self.server_disconnect(session, reason)

    def server_logged_in(self, session: Session, data: Mapping[str, Any]) -> None:
        """Take note that the game has logged a session in (SLOGIN), and call its `at_login`."""
        self._call(session, session.load_sync_data, data)
        self.roster.note_login(session)
        self._call(session, session.at_login)

    def server_session_sync(
        self, sessiondata: Mapping[int, Mapping[str, Any]], clean: bool = True
    ) -> None:
        """Take over what the game says about its sessions (SSYNC), and call their `at_sync`.

        With `clean` the data is all that the game has: a session that is not in it is ended,
        unless no Server acknowledged it yet, for then the Server wrote this before it knew.
        """
        for sessid, data in sessiondata.items():
            session = self.sessions.get(sessid)
            if session is not None:
                self._call(session, session.load_sync_data, data)
                self._call(session, session.at_sync)
        if clean:
            self._synced_out = True
            for session in list(self.sessions.values()):
                if session.acknowledged and session.sessid not in sessiondata:
                    self._end(session, DROPPED, BY_SYNC)

    # ---- the Server comes and goes: the link calls these

    def begin_holding(self, reason: Reason, *, announce: bool = True) -> None:
        """Keep input from now on: an order to leave was forwarded, or the Server is gone.

        With `announce` every player is told why, once; without, each is told when they type. It
        ends with the next `server_ready`. With Reason.CLOSING nothing is kept, and nothing ends it.
        """
        self.delivery.begin_holding(reason, announce=announce)

    def explain_absence(self, reason: Reason) -> None:
        """Tell every player of another reason why the Server is away; nothing if it is not."""
        self.delivery.explain_absence(reason)

    def server_lost(self, uncertain: Iterable[Sent]) -> None:
        """Take back what a Server was sent and never answered: (sessid, message, secret), in order.

        Call it after `begin_holding` and before `keep`; `portal.holding.judge` decides about each.
        """
        self.delivery.take_back_uncertain(uncertain)

    def keep(self, sessid: int, message: AnyMessage, secret: bool, *, first: bool = False) -> None:
        """Take back a message that never reached the game; see `Delivery.take_back_unsent`."""
        self.delivery.take_back_unsent(sessid, message, secret, first=first)

    def acknowledged_sync_data(self, *, keeps_characters: bool = True) -> dict[int, dict[str, Any]]:
        """Return what a new Server is given in PSYNC: the sessions that a Server has acknowledged.

        After a Server that left without a full SSYNC they are given without `puid`: puppeting
        again what may have changed or brought the game down is left to the player. Unless the game
        `keeps_characters` all the same, what they typed since is given back to them, too.
        The caller sends it and calls `server_ready` when it is answered.
        """
        known = self.roster.find_acknowledged(without_puid=not self._synced_out)
        lost = not self._synced_out and not keeps_characters
        self._lost = [session for session in known if session.logged_in] if lost else []
        self._synced_out = False
        self.absence.offer(session.sessid for session in known)
        return {session.sessid: session.get_sync_data() for session in known}

    def server_ready(self) -> None:
        """Begin with a Server that has answered PSYNC: announce newcomers, send what was kept.

        A Server that was ordered away while it still synchronised gets nothing: its successor
        does. Raises ServerUnavailable when `link` is not set.
        """
        link = self.link
        if link is None:
            raise ServerUnavailable("the link is set before the Server is ready")
        absence = self.absence
        if absence.recalled:
            log.info("server_leaves_at_once")
            return
        for sessid in absence.ended:
            link.send_admin(Operation.PDISCONN, sessid)
        for session in list(self.sessions.values()):
            if session.sessid not in absence.offered:
                self._announce(link, session)
            elif session.sessid in absence.changed:
                self._send_connection(link, session)
        self.delivery.return_kept(self._lost)
        self.delivery.release()

    def message_answered(self, sessid: int) -> None:
        """Take note that the Server has answered one message of a session, with whatever."""
        session = self.sessions.get(sessid)
        if session is not None:
            self.delivery.settle(session)

    def session_acknowledged(self, sessid: int) -> None:
        """Take note that the Server has answered a session's PCONN."""
        session = self.sessions.get(sessid)
        if session is not None and self.link is not None:
            session.acknowledged = True

    # ---- questions

    def is_waiting(self, session: Session) -> bool:
        """Whether a line of a session is still to be answered: the link has it, or it is kept."""
        return session.unanswered > 0 or self.delivery.holding.has_text(session.sessid)

    def get_sessions(self, include_unloggedin: bool = False) -> list[Session]:
        """Return the sessions that are logged in, or all of them."""
        return [each for each in self.sessions.values() if include_unloggedin or each.logged_in]

    def count_loggedin(self, include_unloggedin: bool = False) -> int:
        """Count the sessions that are logged in, or all of them."""
        return len(self.get_sessions(include_unloggedin))

    def sessions_from_csessid(self, csessid: str) -> list[Session]:
        """Return the sessions of one browser; an empty csessid is nobody's."""
        return [each for each in self.sessions.values() if csessid and each.csessid == csessid]

    def get_all_sync_data(self) -> dict[int, dict[str, Any]]:
        """Return the sync data of every session by its sessid."""
        return {sessid: each.get_sync_data() for sessid, each in self.sessions.items()}

    # ---- state

    def get_state(self) -> dict[str, Any]:
        """Return everything that must survive in another process, as plain data.

        It holds what players typed: keep it as you would keep a password.
        """
        return {
            **self.roster.get_state(),
            "portal_start_time": self.portal_start_time,
            "delivery": self.delivery.get_state(),
            "synced_out": self._synced_out,
        }

    def set_state(
        self, state: Mapping[str, Any], make_session: Callable[[Mapping[str, Any]], Session]
    ) -> None:
        """Go on where `get_state` was called; a Server is away until it synchronises.

        `make_session` makes each session on its connection, and gives it its state.
        """
        self.roster.set_state(state, make_session, self.limits)
        self.portal_start_time = state["portal_start_time"]
        self.delivery.set_state(state["delivery"])
        self._synced_out = state["synced_out"]

    # ---- parts of the above

    def _forget(self, session: Session, why: str = "") -> None:
        self.roster.leave(session, why)
        self.delivery.forget(session.sessid)

    def _end(self, session: Session, reason: str, why: str) -> None:
        # Forgotten first: the end of its connection then finds nothing more to tell.
        self._forget(session, why)
        self._call(session, session.disconnect, reason)

    def _announce(self, link: ServerLink, session: Session) -> None:
        session.acknowledged = False
        link.send_admin(Operation.PCONN, session.sessid, sessiondata=session.get_sync_data())

    def _send_connection(self, link: ServerLink, session: Session) -> None:
        data = session.get_connection_data()
        link.send_admin(Operation.PCONNSYNC, session.sessid, sessiondata=data)

    def _send_end(self, sessid: int) -> None:
        if self.link is not None:
            self.link.send_admin(Operation.PDISCONN, sessid)
        else:
            self.absence.note_end(sessid)

    def _tell(self, session: Session, text: str) -> None:
        self.data_out(session, {"text": [[text], {"options": {}}]})

    def _show_state(self, session: Session, state: str) -> None:
        self._call(session, session.at_server_state, state)

    def _throttle(self, session: Session, throttle: Throttle, now: float, text: str) -> None:
        if text and throttle.must_tell(now):
            self._tell(session, text)
        # Else dropping what a flood brings would cost as much as serving it.
        self._call(session, session.at_throttled)

    def _call(self, session: Session, hook: Callable[..., None], *args: Any) -> None:
        """Call a hook of a session behind the crash barrier: its fault harms no other session."""
        try:
            hook(*args)
        except Exception:
            self.metrics.hook_failures += 1
            log.exception("session_hook_failed", sessid=session.sessid, hook=hook.__name__)
