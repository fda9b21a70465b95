"""Telnet options: which there are, and how two sides come to agree on one (RFC 854, RFC 1143).

**The rows.** `OPTIONS` is the only list of options. A row says whether this side offers to perform
an option (WILL) or asks the client to (DO), what it answers when the client begins, and what
handles the option's subnegotiations. A new option is a new row, and a module for its handler if
it has one.

**The table.** Agreement is RFC 1143's queue method, once for each option and direction. What
arrives is a YES (WILL or DO) to an option that is welcome here, a YES to one that is not, or a NO
(WONT or DONT); `RECEIVED` says what becomes of the state, what is answered and what happened.
`REQUESTED` says the same for what this side wishes. A YES or NO is answered only where it changes
something, so two sides can never go on answering each other.

An option that clients obey without ever answering (`silent`) never waits in one of the two THEN
states: the new word is sent at once, and an answer to the old one is passed over.

    OFF               neither side wants it
    REFUSED           off; the client wants it and was told no, once
    ON                agreed
    OFFERED           this side said yes and waits for the answer
    OFFERED_THEN_OFF  the same, but by now it wants it off
    CLOSING           this side said no and waits for the answer
    CLOSING_THEN_ON   the same, but by now it wants it on
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from portal._native import telnet_escape
from portal.wire import charset, terminal_type, window_size
from portal.wire.events import Event, OptionDisabled, OptionEnabled, OptionRefused

IAC, DONT, DO, WONT, WILL, SB, GA, AYT, NOP, SE = 255, 254, 253, 252, 251, 250, 249, 246, 241, 240

ECHO, SGA, TIMING_MARK = 1, 3, 6

# An event, or bytes for the client; in the order in which they are to happen.
Output = bytes | Event


class Handler(Protocol):
    """What handles the subnegotiations of one option for one client.

    What its methods return is done in order: events go up, bytes are payloads to send.
    """

    @property
    def settled(self) -> bool:
        """Whether it waits for nothing that was asked."""
        ...

    @property
    def fresh(self) -> bool:
        """Whether it is as it was made, so that it need not be kept."""
        ...

    def at_enabled(self, *, local: bool) -> list[Output]:
        """Begin: the option was agreed on."""
        ...

    def at_disabled(self, *, local: bool) -> list[Output]:
        """End: the option was switched off or refused."""
        ...

    def receive(self, payload: bytes) -> list[Output]:
        """Read a payload, which may come at any time and hold anything."""
        ...

    def get_state(self) -> Any:
        """Return what must be written down, as plain data."""
        ...

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A row: an option that is known here."""

    code: int
    name: str
    offer: bool = False  # this side offers to perform it, at once
    ask: bool = False  # the client is asked to perform it, at once
    may_perform: bool = False  # DO is answered WILL
    may_ask: bool = False  # WILL is answered DO
    # The client's abilities are not complete without it. Not so where usual clients stay silent.
    awaited: bool = False
    # Each DO is answered WILL, and nothing is agreed on.
    momentary: bool = False
    # Clients obey without answering, so a change of mind does not wait for the answer.
    silent: bool = False
    make_handler: Callable[[], Handler] | None = None


# In the order in which they are offered.
OPTIONS = (
    Option(
        code=terminal_type.CODE,
        name="TTYPE",
        ask=True,
        may_ask=True,
        awaited=True,
        make_handler=terminal_type.TerminalTypeNegotiation,
    ),
    Option(
        code=window_size.CODE,
        name="NAWS",
        ask=True,
        may_ask=True,
        awaited=True,
        make_handler=window_size.WindowSizeNegotiation,
    ),
    Option(
        code=charset.CODE,
        name="CHARSET",
        offer=True,
        may_perform=True,
        may_ask=True,
        make_handler=charset.CharsetNegotiation,
    ),
    # Never offered: together with ECHO it puts plain telnet clients into character mode.
    Option(code=SGA, name="SGA", may_perform=True, may_ask=True),
    # Performed while a password is typed, and only then; nothing is really echoed.
    Option(code=ECHO, name="ECHO", silent=True),
    Option(code=TIMING_MARK, name="TIMING-MARK", momentary=True),
)

ROWS: Mapping[int, Option] = MappingProxyType({row.code: row for row in OPTIONS})

OFF, REFUSED, ON, OFFERED, OFFERED_THEN_OFF, CLOSING, CLOSING_THEN_ON = range(7)
WELCOME, UNWELCOME, NO = range(3)
ENABLED, DISABLED, DENIED = OptionEnabled, OptionDisabled, OptionRefused
Happening = type[OptionEnabled] | type[OptionDisabled] | type[OptionRefused]

# (state, received) -> (new state, answer: yes, no or none, what happened)
RECEIVED: Mapping[tuple[int, int], tuple[int, bool | None, Happening | None]] = MappingProxyType(
    {
        (OFF, WELCOME): (ON, True, ENABLED),
        (OFF, UNWELCOME): (REFUSED, False, None),
        (OFF, NO): (OFF, None, DENIED),
        (REFUSED, WELCOME): (ON, True, ENABLED),
        (REFUSED, UNWELCOME): (REFUSED, None, None),
        (REFUSED, NO): (OFF, None, None),
        (ON, WELCOME): (ON, None, None),
        (ON, UNWELCOME): (ON, None, None),
        (ON, NO): (OFF, False, DISABLED),
        (OFFERED, WELCOME): (ON, None, ENABLED),
        (OFFERED, UNWELCOME): (ON, None, ENABLED),
        (OFFERED, NO): (OFF, None, DENIED),
        (OFFERED_THEN_OFF, WELCOME): (CLOSING, False, None),
        (OFFERED_THEN_OFF, UNWELCOME): (CLOSING, False, None),
        (OFFERED_THEN_OFF, NO): (OFF, None, DENIED),
        # A NO answered by a YES breaks the rules; the RFC takes it for the end of the matter.
        (CLOSING, WELCOME): (OFF, None, DISABLED),
        (CLOSING, UNWELCOME): (OFF, None, DISABLED),
        (CLOSING, NO): (OFF, None, DISABLED),
        (CLOSING_THEN_ON, WELCOME): (ON, None, None),
        (CLOSING_THEN_ON, UNWELCOME): (ON, None, None),
        (CLOSING_THEN_ON, NO): (OFFERED, True, DISABLED),
    }
)

# (state, wished) -> (new state, what is sent: yes, no or nothing)
REQUESTED: Mapping[tuple[int, bool], tuple[int, bool | None]] = MappingProxyType(
    {
        (OFF, True): (OFFERED, True),
        (OFF, False): (OFF, None),
        (REFUSED, True): (OFFERED, True),
        (REFUSED, False): (REFUSED, None),
        (ON, True): (ON, None),
        (ON, False): (CLOSING, False),
        (OFFERED, True): (OFFERED, None),
        (OFFERED, False): (OFFERED_THEN_OFF, None),
        (OFFERED_THEN_OFF, True): (OFFERED, None),
        (OFFERED_THEN_OFF, False): (OFFERED_THEN_OFF, None),
        (CLOSING, True): (CLOSING_THEN_ON, None),
        (CLOSING, False): (CLOSING, None),
        (CLOSING_THEN_ON, True): (CLOSING_THEN_ON, None),
        (CLOSING_THEN_ON, False): (CLOSING, None),
    }
)

# Both directions of an option in one byte.
_SHIFT = 3
_MASK = 7

# So many answers that never came are as good as infinitely many.
_MANY = 200

# For (local, yes): the word. This side speaks of itself with WILL and WONT.
_WORDS = {(True, True): WILL, (True, False): WONT, (False, True): DO, (False, False): DONT}

_OFFERED_CODES = bytes(row.code for row in OPTIONS if row.offer or row.ask)
_OFFERED_STATES = bytes(
    (OFFERED if row.offer else OFF) << _SHIFT | (OFFERED if row.ask else OFF)
    for row in OPTIONS
    if row.offer or row.ask
)
_AWAITED = tuple(row for row in OPTIONS if row.awaited)

# What a client is sent first; the states of a negotiator begin as if it had been.
OFFERS = b"".join(
    bytes([IAC, word, row.code])
    for row in OPTIONS
    for word, wished in ((WILL, row.offer), (DO, row.ask))
    if wished
)


class OptionNegotiator:
    """The options of one client, from the moment at which it is sent `OFFERS`.

    `receive` and `receive_subnegotiation` return events, and bytes that must be sent as they are,
    in this order. It exists once for each player, so it is small: option codes and their states
    are two strings of bytes, shared by all clients that have answered nothing yet, and handlers
    are kept while they have anything to remember.
    """

    __slots__ = ("_codes", "_handlers", "_overdue", "_states")

    def __init__(self) -> None:
        self._codes = _OFFERED_CODES
        self._states = _OFFERED_STATES
        self._handlers: dict[int, Handler] | None = None
        self._overdue: dict[int, int] | None = None

    def is_enabled(self, option: int, *, local: bool) -> bool:
        """Whether an option is agreed on: performed by this side (`local`) or by the client."""
        return self._get(option, local) == ON

    @property
    def settled(self) -> bool:
        """Whether every awaited option was answered, and all it asks was answered too."""
        for row in _AWAITED:
            local = row.offer
            state = self._get(row.code, local)
            if state == OFFERED:
                return False
            if state == ON:
                handler = self._handler(row)
                if handler and not handler.settled:
                    return False
        return True

    def receive(self, verb: int, option: int) -> list[Output]:
        """Take in WILL, WONT, DO or DONT and an option."""
        local = verb in (DO, DONT)
        row = ROWS.get(option)
        if row is not None and row.momentary:
            return [bytes([IAC, WILL, option])] if verb == DO else []
        if local and self._is_overdue(option):
            return []
        if verb in (WONT, DONT):
            word = NO
        else:
            word = WELCOME if row and (row.may_perform if local else row.may_ask) else UNWELCOME
        state, answer, happened = RECEIVED[self._get(option, local), word]
        self._set(option, local, state)
        outputs: list[Output] = []
        if answer is not None:
            outputs.append(bytes([IAC, _WORDS[local, answer], option]))
        if happened is not None and row is not None:
            outputs.append(happened(option, local))
            outputs.extend(self._tell_handler(row, happened is ENABLED, local))
        return outputs

    def receive_subnegotiation(self, option: int, payload: bytes) -> list[Output]:
        """Take in the payload of a subnegotiation; one that nobody handles is ignored."""
        row = ROWS.get(option)
        handler = self._handler(row) if row else None
        if handler is None:
            return []
        outputs = handler.receive(payload)
        self._keep(option, handler)
        return _framed(option, outputs)

    def request(self, option: int, *, wished: bool, local: bool) -> bytes:
        """Wish an option on or off; returns what is to be sent, which may be nothing."""
        before = self._get(option, local)
        state, word = REQUESTED[before, wished]
        if state in (OFFERED_THEN_OFF, CLOSING_THEN_ON) and ROWS[option].silent:
            # A client that obeys and never answers would stay in the dark. So the new word is
            # sent at once, and the answer to the old one, should it come, is old news.
            self._overdue = self._overdue or {}
            self._overdue[option] = min(self._overdue.get(option, 0) + 1, _MANY)
            state, word = OFFERED if wished else CLOSING, wished
        self._set(option, local, state)
        return b"" if word is None else bytes([IAC, _WORDS[local, word], option])

    def get_state(self) -> dict[str, Any]:
        """Return everything that must be written down, as plain data."""
        return {
            "states": [list(each) for each in zip(self._codes, self._states, strict=True)],
            "overdue": [list(each) for each in (self._overdue or {}).items()],
            "handlers": [
                [code, handler.get_state()] for code, handler in (self._handlers or {}).items()
            ],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was called; nothing is to be sent for it."""
        self._codes = bytes(code for code, _ in state["states"])
        self._states = bytes(both for _, both in state["states"])
        self._overdue = dict(state["overdue"]) or None
        self._handlers = None
        for code, each in state["handlers"]:
            row = ROWS.get(code)
            handler = self._handler(row) if row else None
            if handler is not None:
                handler.set_state(each)
                self._keep(code, handler)

    # ---- parts of the above

    def _get(self, option: int, local: bool) -> int:
        place = self._codes.find(option)
        both = self._states[place] if place >= 0 else OFF
        return both >> _SHIFT if local else both & _MASK

    def _set(self, option: int, local: bool, state: int) -> None:
        place = self._codes.find(option)
        if place < 0:
            if state == OFF:
                return
            place = len(self._codes)
            self._codes += bytes([option])
            self._states += bytes([OFF])
        states = self._states
        both = states[place]
        new = state << _SHIFT | both & _MASK if local else both & ~_MASK | state
        if new == both:
            return
        self._states = states[:place] + bytes([new]) + states[place + 1 :]

    def _is_overdue(self, option: int) -> bool:
        """Whether an answer belongs to a word that was taken back since."""
        overdue = self._overdue
        if overdue is None or option not in overdue:
            return False
        overdue[option] -= 1
        if not overdue[option]:
            del overdue[option]
        self._overdue = overdue or None
        return True

    def _handler(self, row: Option) -> Handler | None:
        """Return the handler of an option, or a new one; `_keep` decides what becomes of it."""
        if row.make_handler is None:
            return None
        return (self._handlers or {}).get(row.code) or row.make_handler()

    def _keep(self, option: int, handler: Handler) -> None:
        handlers = self._handlers or {}
        handlers.pop(option, None)
        if not handler.fresh:
            handlers[option] = handler
        self._handlers = handlers or None

    def _tell_handler(self, row: Option, enabled: bool, local: bool) -> list[Output]:
        handler = self._handler(row)
        if handler is None:
            return []
        hook = handler.at_enabled if enabled else handler.at_disabled
        outputs = hook(local=local)
        self._keep(row.code, handler)
        return _framed(row.code, outputs)


def _framed(option: int, outputs: list[Output]) -> list[Output]:
    """Put payloads between SB and SE."""
    return [
        b"%c%c%c%b%c%c" % (IAC, SB, option, telnet_escape(each), IAC, SE)
        if isinstance(each, bytes)
        else each
        for each in outputs
    ]
