"""Delivery: how a player's message gets to the Server, and what becomes of it when it does not.

Every message that is taken in ends in one of four ways: the Server answers it; it is refused, and
the player is told; it is uncertain, and `portal.holding.judge` decides; or its session ends.
On the way it is in exactly one place: kept in `holding`, or with the link (sent or about to be).

Pure: the link does what sends, the caller's `tell` and `show_state` what shows.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import structlog

from portal.config import Config
from portal.errors import PortalError
from portal.holding import (
    HELD_TOO_MUCH,
    KEPT_IN_VAIN,
    NOT_SENT,
    Absence,
    Holding,
    Reason,
    extract_text,
    judge,
    tell_out_of_character,
)
from portal.messages import AnyMessage, Message, text_to_message
from portal.metrics import Metrics
from portal.session import Session

Sent = tuple[int, AnyMessage, bool]
"""What a link was given of a session: (sessid, message, secret)."""

log = structlog.get_logger(__name__)


class ServerLink(Protocol):
    """The way from the sessionhandler to the game; what is sent arrives in order.

    For each message it calls `message_answered` of the sessionhandler, or hands the message to
    its `server_lost` or `keep`; for each PCONN that is answered it calls `session_acknowledged`.
    """

    def send_msg(self, session: Session, message: AnyMessage, secret: bool) -> None:
        """Send a player's message. The text of a secret one may not be repeated to anybody.

        A message that is a text and nothing else comes as that, a `str`; whoever wants a dict makes
        it by `portal.messages.text_to_message`.
        Raises PortalError when it can never be sent.
        """
        ...

    def send_admin(self, operation: str, sessid: int = 0, **kwargs: Any) -> None:
        """Send one operation about a session, in order with its messages."""
        ...


class Delivery:
    """Sends messages on while the Server is there, and keeps them while it is away.

    `link` is None while there is no Server; `sessions` is the sessionhandler's table. A session
    with `limits.unanswered_messages` unanswered is paused, and resumed at half of that: a game
    that is behind shall not fill memory.
    """

    __slots__ = (
        "absence",
        "holding",
        "link",
        "metrics",
        "resend",
        "sessions",
        "show_state",
        "shown_state",
        "tell",
        "unanswered_limit",
    )

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        sessions: Mapping[int, Session],
        tell: Callable[[Session, str], None],
        show_state: Callable[[Session, str], None],
    ) -> None:
        self.link: ServerLink | None = None
        self.absence = Absence()
        self.holding = Holding(config.limits.held_lines, config.limits.held_bytes)
        self.resend = config.server.resend_uncertain
        self.unanswered_limit = config.limits.unanswered_messages
        self.metrics = metrics
        self.sessions = sessions
        self.tell = tell
        self.show_state = show_state
        self.shown_state = self.absence.state

    def reconfigure(self, config: Config) -> None:
        """Go by other limits from now on; what is kept already stays kept."""
        self.holding.lines = config.limits.held_lines
        self.holding.size = config.limits.held_bytes
        self.unanswered_limit = config.limits.unanswered_messages
        self.resend = config.server.resend_uncertain

    def take(
        self, session: Session, message: AnyMessage, secret: bool, *, released: bool = False
    ) -> None:
        """Take a message: it is sent, kept, or refused with a word to the player.

        One that was kept and is `released` is not kept again.
        """
        link = self.link
        if link is None or (self.absence.away and not released):
            self._hold(session, text_to_message(message), secret)
            return
        session.unanswered += 1
        if session.unanswered >= self.unanswered_limit and not session.input_paused:
            session.input_paused = True
            session.pause_input()
        try:
            link.send_msg(session, message, secret)
        except PortalError as error:
            self.settle(session)
            self.metrics.inputs_refused += 1
            log.warning("input_not_sent", sessid=session.sessid, reason=str(error))
            if extract_text(text_to_message(message)) is not None:
                self.tell(session, NOT_SENT)

    def settle(self, session: Session) -> None:
        """One message fewer of a session is with the link: answered, or handed back."""
        session.unanswered -= 1
        if session.input_paused and session.unanswered * 2 <= self.unanswered_limit:
            session.input_paused = False
            session.resume_input()

    def begin_holding(self, reason: Reason, *, announce: bool = True) -> None:
        """Keep what is taken from now on; with `announce` tell everybody who was not told yet."""
        self.absence.begin(reason)
        self._show_state()
        if announce:
            self._announce_absence()

    def explain_absence(self, reason: Reason) -> None:
        """Tell everybody why the Server is away now, if it is and that is news."""
        self.absence.explain(reason)
        self._show_state()
        if self.absence.away:
            self._announce_absence()

    def tell_absence(self, session: Session) -> None:
        """Tell a player that the Server is away, once in an absence."""
        if self.absence.must_tell(session.sessid):
            self.tell(session, self.absence.reason.value)

    def take_back_uncertain(self, uncertain: Iterable[Sent]) -> None:
        """Take back (sessid, message, secret) that were sent and never answered, in their order.

        What shall be sent again goes in front of everything kept, and goes out at once if these
        are an older Server's and the next one is at work already.
        """
        again: dict[int, list[tuple[Mapping[str, Any], bool]]] = {}
        for sessid, message, secret in uncertain:
            self.metrics.inputs_uncertain += 1
            session = self.sessions.get(sessid)
            if session is None:
                continue
            self.settle(session)
            verdict = judge(text_to_message(message), secret, self.resend)
            if verdict.resend is not None:
                self.metrics.inputs_redelivered += 1
                again.setdefault(sessid, []).append((verdict.resend, secret))
            elif verdict.report:
                self.tell(session, verdict.report)
        for sessid, messages in again.items():
            self.holding.restore(sessid, messages, first=True)
        if not self.absence.away:
            self.release()

    def take_back_unsent(
        self, sessid: int, message: AnyMessage, secret: bool, *, first: bool = False
    ) -> None:
        """Take back a message that the link took and did not send; it is kept behind the others.

        With `first` it is one that the Server was sent and did not begin: it goes in front of what
        came later. Take several of these back in reverse order.
        """
        session = self.sessions.get(sessid)
        if session is not None:
            self.settle(session)
            self.metrics.inputs_held += 1
            self.holding.restore(sessid, [(text_to_message(message), secret)], first=first)

    def release(self) -> None:
        """Send all that is kept; then the Server is no longer away.

        Nothing new overtakes what was kept, for the Server counts as away until the last of it is
        sent. When the Server is lost or ordered away in the midst of it, the rest stays kept.
        """
        absence = self.absence
        absence.away = True
        while not absence.recalled and self.link is not None and (kept := self.holding.take()):
            sessid, message, secret = kept
            self.metrics.inputs_released += 1
            self.take(self.sessions[sessid], dict(message), secret, released=True)
        if not absence.recalled:
            absence.end()
            self._show_state()

    def return_kept(self, sessions: Iterable[Session]) -> None:
        """Keep nothing of these any more, and tell each which lines will not be carried out.

        Their characters are gone with a Server that died. What was meant for them would mean
        something else to the account that is left, if it meant anything.
        """
        for session in sessions:
            for message, secret in self.holding.drop(session.sessid):
                text = extract_text(message)
                if text is not None:
                    self.metrics.inputs_returned += 1
                    self.tell(session, tell_out_of_character(text, secret))

    def tell_kept_in_vain(self) -> None:
        """Tell those of whom lines are kept that nobody will get them: the Portal ends."""
        for session in list(self.sessions.values()):
            if self.holding.has_text(session.sessid):
                self.tell(session, KEPT_IN_VAIN)

    def forget(self, sessid: int) -> None:
        """Forget a session that is gone, with what was kept of it."""
        self.holding.drop(sessid)
        self.absence.forget(sessid)

    def get_state(self) -> dict[str, Any]:
        """Return plain data; it holds what players typed. What the link has is the link's."""
        return {"holding": self.holding.get_state(), "absence": self.absence.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was called, with the Server away."""
        self.holding.set_state(state["holding"])
        self.absence.set_state(state["absence"])

    def _show_state(self) -> None:
        state = self.absence.state
        if state != self.shown_state:
            self.shown_state = state
            for session in list(self.sessions.values()):
                self.show_state(session, state)

    def _announce_absence(self) -> None:
        # Where nothing is kept it is told to those who type all the same, and to nobody else.
        if self.absence.keeps:
            for session in list(self.sessions.values()):
                self.tell_absence(session)

    def _hold(self, session: Session, message: Message, secret: bool) -> None:
        self.tell_absence(session)
        sessid = session.sessid
        if self.absence.accepts(sessid) and self.holding.keep(sessid, message, secret):
            self.metrics.inputs_held += 1
            return
        self.metrics.inputs_refused += 1
        # A client's message that is too large leaves no gap in what the player types.
        if extract_text(message) is not None and self.absence.refuse(sessid):
            self.tell(session, HELD_TOO_MUCH)
