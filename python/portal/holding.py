"""Input kept while the Server is away, and the rule for what a dead Server left unanswered.

Three things can be true of a message when the Server goes away:

- **kept**: it was not sent. It waits here, in order, and is sent once to the next Server.
- **done**: the Server answered it. Nobody needs to know of it any more.
- **uncertain**: it was sent and not answered. The Server may have died before it, of it, or after
  it. `judge` is the rule for these, and the only place where it stands.

Pure: no clock, no socket, no session. A session is its number here and a message any mapping
`{name: [args, kwargs]}`.
"""

import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Kept = tuple[Mapping[str, Any], bool]
"""A message, and whether its text is secret (typed with echo hidden, or before login)."""


class Reason(StrEnum):
    """Why the Server is away, in the words that players are told."""

    STARTING = "The game is starting; what you type is kept."
    RESTARTING = "The game is restarting; what you type is kept."
    LOST = "The game has stopped answering; what you type is kept until it is back."
    STOPPED = "The game has been stopped; what you type is kept until it is started again."
    GIVEN_UP = (
        "The game does not start; what you type is kept, but the game does not come back by itself."
    )
    CLOSING = "What you type now is thrown away: the game is shutting down."


# A Server that was told to leave drops its link too, and one that is lost may dial in and leave.
# What players were told before is then still true, and these are not told on top of it.
FIRST_ONLY = frozenset({Reason.RESTARTING, Reason.LOST})

# What else players are told.
HELD_TOO_MUCH = "No more can be kept: what you type is thrown away until the game is back."
KEPT_IN_VAIN = "What was kept of your lines is lost: the game shuts down without it."
NOT_SENT = "Your line could not be sent to the game; it was thrown away."
UNCERTAIN = "Your line was not confirmed and may not have been carried out: "
UNCERTAIN_UNNAMED = "A line of yours was not confirmed and may not have been carried out."
OUT_OF_CHARACTER = "The game came back without your character; this was not done: "
OUT_OF_CHARACTER_UNNAMED = (
    "The game came back without your character; a line of yours was not done."
)

# A report repeats a line so that the player knows it again; more of it would only push the rest
# off the screen.
REPORT_LENGTH = 200

# Controls, halves of characters, and what ends a line or a paragraph.
UNSHOWN = frozenset({"Cc", "Cs", "Zl", "Zp"})

# The flag in a message's options that tells the game it may have seen the message before.
REDELIVERED = "redelivered"


class Holding:
    """The messages kept for each session, at most `lines` and `size` bytes of each.

    `total` counts all of them. Sessions without kept messages cost nothing.
    """

    __slots__ = ("_queues", "_sizes", "lines", "size", "total")

    def __init__(self, lines: int, size: int) -> None:
        self.lines = lines
        self.size = size
        self.total = 0
        self._queues: dict[int, deque[Kept]] = {}
        self._sizes: dict[int, int] = {}

    @property
    def total_bytes(self) -> int:
        """The bytes of all that is kept, as `measure` estimates them."""
        return sum(self._sizes.values())

    def keep(self, sessid: int, message: Mapping[str, Any], secret: bool) -> bool:
        """Keep a message behind all others of its session; False if there is no room for it."""
        queue = self._queues.get(sessid, ())
        size = self._sizes.get(sessid, 0) + measure(message)
        if len(queue) >= self.lines or size > self.size:
            return False
        self.restore(sessid, [(message, secret)])
        return True

    def restore(self, sessid: int, messages: Iterable[Kept], *, first: bool = False) -> None:
        """Keep what was accepted before, in this order; there is room for it in any case.

        It goes behind all others of its session, or with `first` in front of them.
        """
        kept = list(messages)
        if not kept:
            return
        queue = self._queues.setdefault(sessid, deque())
        if first:
            queue.extendleft(reversed(kept))
        else:
            queue.extend(kept)
        size = sum(measure(message) for message, _ in kept)
        self._sizes[sessid] = self._sizes.get(sessid, 0) + size
        self.total += len(kept)

    def take(self) -> tuple[int, Mapping[str, Any], bool] | None:
        """Hand out one message, its sessid before it; None when nothing is kept.

        Sessions come one after another, the longest waiting first, each with all it has, in
        order. Messages are handed out one at a time, so that each of them is at any moment either
        still kept or in the caller's hands.
        """
        for sessid, queue in self._queues.items():
            message, secret = queue.popleft()
            self.total -= 1
            if queue:
                self._sizes[sessid] -= measure(message)
            else:
                del self._queues[sessid], self._sizes[sessid]
            return sessid, message, secret
        return None

    def drop(self, sessid: int) -> Iterable[Kept]:
        """Keep nothing more for a session; returns what was kept."""
        kept = self._queues.pop(sessid, ())
        self.total -= len(kept)
        self._sizes.pop(sessid, None)
        return kept

    def has_text(self, sessid: int) -> bool:
        """Whether a line is kept for a session."""
        queue = self._queues.get(sessid, ())
        return any(extract_text(message) is not None for message, _ in queue)

    def get_state(self) -> list[list[Any]]:
        """Return plain data: `[sessid, [[message, secret], ...]]` for each session.

        It holds what players typed, secret lines too: keep it as you would keep a password.
        """
        return [
            [sessid, [[dict(message), secret] for message, secret in queue]]
            for sessid, queue in self._queues.items()
        ]

    def set_state(self, state: Iterable[Any]) -> None:
        """Hold what `get_state` wrote down, in place of what is held now."""
        self._queues.clear()
        self._sizes.clear()
        self.total = 0
        for sessid, kept in state:
            self.restore(sessid, [(message, secret) for message, secret in kept])


class Absence:
    """One absence of the Server: who was told of it, and what its successor was given.

    The Server is `away` from the start, for a `reason`. Each absence goes through three calls:
    `begin` (input is kept from now on), `offer` (a new Server is given these sessions) and `end`
    (it has answered, and has got all that was kept). `begin` may come again at any time; after
    `offer` it means that this new Server is leaving too (`recalled`), and only another `offer`
    leads on.
    """

    __slots__ = ("_refused", "_told", "away", "changed", "ended", "offered", "reason", "recalled")

    def __init__(self) -> None:
        self.away = True
        self.recalled = False
        self.reason = Reason.STARTING
        self._told: set[int] = set()
        self._refused: set[int] = set()
        # Of the sessions that the new Server was given: which ended or changed since.
        self.offered: set[int] = set()
        self.ended: list[int] = []
        self.changed: set[int] = set()

    def begin(self, reason: Reason) -> None:
        """Begin; in an absence that has begun before, the reason is taken as by `explain`."""
        self.recalled = True
        if self.away:
            self.explain(reason)
        else:
            self.away = True
            self.reason = reason

    def explain(self, reason: Reason) -> None:
        """Take another reason for this absence, which everybody is then to be told.

        Without an absence nothing happens, nor for a reason that adds nothing (FIRST_ONLY), nor
        once the Portal itself is closing.
        """
        last = self.reason in (reason, Reason.CLOSING)
        if self.away and not last and reason not in FIRST_ONLY:
            self.reason = reason
            self._told.clear()

    def offer(self, sessids: Iterable[int]) -> None:
        """Remember which sessions a new Server is given."""
        self.recalled = False
        self.offered = set(sessids)
        self.ended.clear()
        self.changed.clear()

    def end(self) -> None:
        """End it: the Server is there, and everybody may be told of the next absence."""
        self.away = False
        self._told.clear()
        self._refused.clear()
        self.offer(())

    def must_tell(self, sessid: int) -> bool:
        """Whether a player is to be told of this absence now; True once in it."""
        if sessid in self._told:
            return False
        self._told.add(sessid)
        return True

    @property
    def state(self) -> str:
        """How the Server is, in one word: "connected", or the name of the reason in small."""
        return self.reason.name.lower() if self.away else "connected"

    @property
    def keeps(self) -> bool:
        """Whether a Server may still get what is kept."""
        return self.reason is not Reason.CLOSING

    def accepts(self, sessid: int) -> bool:
        """Whether more of a session may be kept: a line after a refused one may not."""
        return self.keeps and sessid not in self._refused

    def refuse(self, sessid: int) -> bool:
        """Refuse a session's lines until the absence ends; True where the player must be told."""
        if not self.accepts(sessid):
            return False
        self._refused.add(sessid)
        return True

    def forget(self, sessid: int) -> None:
        """Forget a session that is gone."""
        self._told.discard(sessid)
        self._refused.discard(sessid)

    def note_end(self, sessid: int) -> None:
        """Remember that a session is gone which a new Server was given: it must hear of that."""
        if sessid in self.offered:
            self.ended.append(sessid)

    def get_state(self) -> dict[str, Any]:
        """Return plain data. What a Server was given is not in it: the link to it is not either."""
        reason = self.reason if self.away else Reason.RESTARTING
        told, refused = sorted(self._told), sorted(self._refused)
        return {"reason": reason.name, "told": told, "refused": refused}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Be away, with those told whom `get_state` wrote down."""
        self.away = True
        self.reason = Reason[state["reason"]]
        self._told = set(state["told"])
        self._refused = set(state["refused"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an uncertain message: one of the two, or neither.

    `resend` is the message to be sent to the next Server ahead of everything kept, and `report`
    the line that the player is told (markup escaped); None and "" mean that there is none.
    """

    resend: dict[str, Any] | None = None
    report: str = ""


def judge(message: Mapping[str, Any], secret: bool, resend: bool) -> Verdict:
    """Decide about a message that was sent to a Server and never answered.

    It is **not sent again**: the line may be what killed the game, and acting twice is worse than
    not acting. The player is told which line it was; a secret one without its text. Messages
    without a text come from the player's client, not from the player: nobody is told of them.

    With `resend` it is sent again instead, once, with `redelivered: True` in its options, so that
    the game can look whether it has done it already. A message that has the flag was sent twice
    and is reported like all others: else one deadly line would kill each new Server.
    """
    if resend and not _is_redelivered(message):
        return Verdict(resend={name: _flag(command) for name, command in message.items()})
    text = extract_text(message)
    if text is None:
        return Verdict()
    return Verdict(report=UNCERTAIN_UNNAMED if secret else UNCERTAIN + present(text))


def tell_out_of_character(text: str, secret: bool) -> str:
    """Say that a line was not carried out since its player has no character any more."""
    return OUT_OF_CHARACTER_UNNAMED if secret else OUT_OF_CHARACTER + present(text)


def extract_text(message: Mapping[str, Any]) -> str | None:
    """Return the line in a message, or None when it has no text."""
    if "text" not in message:
        return None
    args = message["text"][0]
    return str(args[0]) if args else ""


def present(text: str) -> str:
    """Make a player's line fit to be shown: one line, short, its markup and controls disarmed."""
    shown = "".join(" " if unicodedata.category(char) in UNSHOWN else char for char in text).strip()
    if len(shown) > REPORT_LENGTH:
        shown = shown[:REPORT_LENGTH] + "..."
    return shown.replace("|", "||").replace("{", "{{")


def measure(value: object) -> int:
    """Estimate the bytes of a message: its texts, and eight for anything else in it."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(measure(key) + measure(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(measure, value))
    return 8


def _is_redelivered(message: Mapping[str, Any]) -> bool:
    return any(REDELIVERED in command[1].get("options", ()) for command in message.values())


def _flag(command: list[Any]) -> list[Any]:
    args, kwargs = command
    return [args, {**kwargs, "options": {**kwargs.get("options", {}), REDELIVERED: True}}]
