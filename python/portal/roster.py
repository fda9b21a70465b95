"""The roster: which sessions are live, by their numbers, and the log of their coming and going.

The session log is three events at INFO, with the player's real address: `session_opened`,
`session_logged_in` and `session_closed`. It never holds what a player typed, nor the words with
which a game sends somebody away: those may be another player's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from portal.config import LimitsConfig
from portal.metrics import Metrics
from portal.session import Session
from portal.throttle import Throttle

log = structlog.get_logger(__name__)

# Why a session ended, where nobody gave a reason.
IT_LEFT = "it left"


class Roster:
    """The live sessions of one Portal, by their sessid in `sessions`.

    A sessid is never used twice. `wall` gives seconds since the epoch.
    """

    __slots__ = ("_next_sessid", "metrics", "sessions", "wall")

    def __init__(self, metrics: Metrics, wall: Callable[[], float]) -> None:
        self.metrics = metrics
        self.wall = wall
        self.sessions: dict[int, Session] = {}
        self._next_sessid = 1

    def __contains__(self, session: Session) -> bool:
        return self.sessions.get(session.sessid) is session

    def enter(self, session: Session) -> None:
        """Give a session its number and the time."""
        session.sessid = self._next_sessid
        self._next_sessid += 1
        session.conn_time = session.cmd_last = session.cmd_last_visible = self.wall()
        self.sessions[session.sessid] = session
        self.metrics.sessions_opened += 1
        log.info(
            "session_opened",
            sessid=session.sessid,
            protocol=session.protocol_key,
            address=session.address,
        )

    def note_login(self, session: Session) -> None:
        """Log that the game has logged a session in."""
        log.info(
            "session_logged_in",
            sessid=session.sessid,
            address=session.address,
            uname=session.uname,
            seconds=self._age(session),
        )

    def leave(self, session: Session, reason: str = "") -> None:
        """Forget a session; `reason` says why it ended, if it was not its connection that did."""
        del self.sessions[session.sessid]
        self.metrics.sessions_closed += 1
        log.info(
            "session_closed",
            sessid=session.sessid,
            protocol=session.protocol_key,
            address=session.address,
            uname=session.uname,
            seconds=self._age(session),
            commands=session.cmd_total,
            reason=reason or session.close_reason or IT_LEFT,
        )

    def find_acknowledged(self, *, without_puid: bool) -> list[Session]:
        """Return the sessions that a Server knows; it may have left them without their `puid`."""
        known = [session for session in self.sessions.values() if session.acknowledged]
        if without_puid:
            for session in known:
                session.puid = None
        return known

    def get_state(self) -> dict[str, Any]:
        """Return everything that must survive in another process, as plain data."""
        return {
            "next_sessid": self._next_sessid,
            "sessions": [session.get_state() for session in self.sessions.values()],
        }

    def set_state(
        self,
        state: Mapping[str, Any],
        make_session: Callable[[Mapping[str, Any]], Session],
        limits: LimitsConfig,
    ) -> None:
        """Hold the sessions that `get_state` wrote down, in place of those that are held now.

        `make_session` makes each on its connection, and gives it its state; `limits` are those of
        their throttles.
        """
        self._next_sessid = state["next_sessid"]
        self.sessions.clear()
        for each in state["sessions"]:
            session = make_session(each)
            self.sessions[session.sessid] = session
            if each["throttle"] is not None:
                session.throttle = Throttle(limits)
                session.throttle.set_state(each["throttle"])
            if session.input_paused:
                session.pause_input()

    def _age(self, session: Session) -> float:
        return round(self.wall() - session.conn_time, 1)
