"""The life of the Server process, as one table: what is true, what happens, what to do about it.

The Portal outlives its Server. In between the Server may be started, die, be told to reload, come
back by itself, or be started by somebody else. All of that is decided here, without a process, a
socket or a clock; `supervisor.py` feeds the events in and does what it is told.

The states are what an operator sees:

    DOWN        there is no Server, and none is on its way
    STARTING    one is on its way: waiting for its turn, starting, or dialling in again
    CONNECTED   a Server has answered PSYNC and runs the game
    RELOADING   it was told to reload: it writes its sessions down and leaves; a new one follows
    RESETTING   the same, with a cold start of the game
    STOPPING    it was told to leave for good; nothing follows

A Server has two ends that do not end together: its process and its link. So there are several
events for its end. LINK_LOST is a link that dropped while the process still lives: it may dial in
again, as every Server does. CRASHED and LEFT say that nothing is left of it, neither process nor
link. LEFT is an end that nobody has to mend: the Server had sent a full SSYNC (it wrote everything
down and left by itself, as `evennia skill` makes it), or the Portal had not started it. A new one
is started after CRASHED only, or where an order asked for it.

How often that is tried: the first restart waits `restart_seconds`, each further one `factor` times
as long, up to `max_seconds`. A Server that reaches CONNECTED ends the series. `failed_starts`
starts in a row that never did make the table give up, since by then it is no accident; the players
stay, and the next order to start or reload begins a new series.

Every pair of state and event is in TRANSITIONS, also where nothing is done, so that nothing is
left to chance. `docs/lifecycle.md` shows the same table.
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """How the Server is."""

    DOWN = "DOWN"
    STARTING = "STARTING"
    CONNECTED = "CONNECTED"
    RELOADING = "RELOADING"
    RESETTING = "RESETTING"
    STOPPING = "STOPPING"


class Event(StrEnum):
    """What happens to the Server, or is wanted of it."""

    START = "START"  # it shall run
    RELOAD = "RELOAD"  # it shall write its sessions down and be started anew
    RESET = "RESET"  # the same, with a cold start of the game
    STOP = "STOP"  # it shall leave for good
    CONNECTED = "CONNECTED"  # it has answered PSYNC
    LINK_LOST = "LINK_LOST"  # its link dropped, its process lives
    CRASHED = "CRASHED"  # nothing is left of it, and it should have been there
    LEFT = "LEFT"  # nothing is left of it, and nobody has to mend that
    EXPIRED = "EXPIRED"  # it took too long to connect, or to leave
    NO_COMMAND = "NO_COMMAND"  # there is nothing to start one with
    FAILED = "FAILED"  # its last start but one too many has failed


class Action(StrEnum):
    """What the supervisor does now. Each but IGNORE ends the deadline that runs."""

    IGNORE = "IGNORE"  # nothing, and a deadline that runs goes on
    START = "START"  # start a process, unless one runs; it must connect in time
    START_LATER = "START_LATER"  # the same after a delay
    AWAIT_LINK = "AWAIT_LINK"  # it must dial in again in time
    SETTLE = "SETTLE"  # it runs: no deadline
    SEND_RELOAD = "SEND_RELOAD"  # tell it to reload; it must be gone in time
    SEND_RESET = "SEND_RESET"
    SEND_STOP = "SEND_STOP"
    END_PROCESS = "END_PROCESS"  # SIGTERM, then SIGKILL; where it is not ours, its link is closed
    REST = "REST"  # it is gone: no deadline
    GIVE_UP = "GIVE_UP"  # the same, and say so loudly


Row = Mapping[Event, tuple[State, Action]]


def _leaving(state: State, gone: tuple[State, Action], **others: tuple[State, Action]) -> Row:
    """Make the row of a Server that was told to leave: what does not matter any more is ignored."""
    ignored = (state, Action.IGNORE)
    row = dict.fromkeys(Event, ignored)
    row[Event.CRASHED] = row[Event.LEFT] = gone
    row[Event.EXPIRED] = (state, Action.END_PROCESS)
    # Another Server took the game over while this one was leaving.
    row[Event.CONNECTED] = (State.CONNECTED, Action.SETTLE)
    row[Event.STOP] = (State.STOPPING, Action.SEND_STOP)
    return row | {Event[name]: entry for name, entry in others.items()}


_ROWS: Mapping[State, Row] = {
    State.DOWN: {
        Event.START: (State.STARTING, Action.START),
        Event.RELOAD: (State.STARTING, Action.START),
        Event.RESET: (State.STARTING, Action.START),
        Event.STOP: (State.DOWN, Action.IGNORE),
        Event.CONNECTED: (State.CONNECTED, Action.SETTLE),
        Event.LINK_LOST: (State.DOWN, Action.IGNORE),
        Event.CRASHED: (State.DOWN, Action.IGNORE),
        Event.LEFT: (State.DOWN, Action.IGNORE),
        Event.EXPIRED: (State.DOWN, Action.IGNORE),
        Event.NO_COMMAND: (State.DOWN, Action.IGNORE),
        Event.FAILED: (State.DOWN, Action.IGNORE),
    },
    State.STARTING: {
        # An order cuts the delay short. One that starts already is as new as a reload makes it.
        Event.START: (State.STARTING, Action.START),
        Event.RELOAD: (State.STARTING, Action.START),
        Event.RESET: (State.STARTING, Action.START),
        Event.STOP: (State.STOPPING, Action.END_PROCESS),
        Event.CONNECTED: (State.CONNECTED, Action.SETTLE),
        Event.LINK_LOST: (State.STARTING, Action.IGNORE),
        Event.CRASHED: (State.STARTING, Action.START_LATER),
        Event.LEFT: (State.DOWN, Action.REST),
        Event.EXPIRED: (State.STARTING, Action.END_PROCESS),
        Event.NO_COMMAND: (State.DOWN, Action.REST),
        Event.FAILED: (State.DOWN, Action.GIVE_UP),
    },
    State.CONNECTED: {
        Event.START: (State.CONNECTED, Action.IGNORE),
        Event.RELOAD: (State.RELOADING, Action.SEND_RELOAD),
        Event.RESET: (State.RESETTING, Action.SEND_RESET),
        Event.STOP: (State.STOPPING, Action.SEND_STOP),
        Event.CONNECTED: (State.CONNECTED, Action.SETTLE),
        Event.LINK_LOST: (State.STARTING, Action.AWAIT_LINK),
        Event.CRASHED: (State.STARTING, Action.START_LATER),
        Event.LEFT: (State.DOWN, Action.REST),
        Event.EXPIRED: (State.CONNECTED, Action.IGNORE),
        Event.NO_COMMAND: (State.CONNECTED, Action.IGNORE),
        Event.FAILED: (State.CONNECTED, Action.IGNORE),
    },
    State.RELOADING: _leaving(State.RELOADING, (State.STARTING, Action.START)),
    State.RESETTING: _leaving(State.RESETTING, (State.STARTING, Action.START)),
    State.STOPPING: _leaving(
        State.STOPPING,
        (State.DOWN, Action.REST),
        STOP=(State.STOPPING, Action.IGNORE),
        # It had not dialled in yet when it was to leave, so it could not be told.
        CONNECTED=(State.STOPPING, Action.SEND_STOP),
    ),
}

TRANSITIONS: Mapping[tuple[State, Event], tuple[State, Action]] = {
    (state, event): row[event] for state, row in _ROWS.items() for event in Event
}


class Lifecycle:
    """Where one Server's life stands, and how often it was started in vain.

    `failed_starts` is a number of starts, the delays are in seconds. `state` and the counts are
    plain data.
    """

    __slots__ = ("_factor", "_failed_starts", "_max", "_restart", "restarts", "starts", "state")

    def __init__(
        self,
        *,
        failed_starts: int,
        restart_seconds: float,
        restart_factor: float,
        restart_max_seconds: float,
    ) -> None:
        self.state = State.DOWN
        self.starts = 0  # since a Server was last connected, or an order began anew
        self.restarts = 0  # those of them that had to wait
        self.set_patience(failed_starts, restart_seconds, restart_factor, restart_max_seconds)

    def set_patience(
        self,
        failed_starts: int,
        restart_seconds: float,
        restart_factor: float,
        restart_max_seconds: float,
    ) -> None:
        """Go by other numbers and delays, also within a series of starts."""
        self._failed_starts = failed_starts
        self._restart = restart_seconds
        self._factor = restart_factor
        self._max = restart_max_seconds

    @property
    def delay(self) -> float:
        """The seconds that a START_LATER waits, from when it is told."""
        # The exponent is bounded: a float overflows long after the maximum has taken over.
        return min(self._restart * self._factor ** min(self.restarts - 1, 64), self._max)

    def handle(self, event: Event) -> Action:
        """Take an event in; the caller must do what is returned, at once.

        A crash that ends the last start of a series is told as GIVE_UP.
        """
        exhausted = self.starts >= self._failed_starts
        if event is Event.CRASHED and self.state is State.STARTING and exhausted:
            event = Event.FAILED
        self.state, action = TRANSITIONS[self.state, event]
        if action is Action.START:
            self.starts, self.restarts = 1, 0
        elif action is Action.START_LATER:
            self.starts += 1
            self.restarts += 1
        elif action is Action.SETTLE:
            self.starts = self.restarts = 0
        return action


def table() -> str:
    """Draw TRANSITIONS as a Markdown table: a row for each event, a column for each state."""
    lines = [
        "| event | " + " | ".join(state.value for state in State) + " |",
        "|---" * (len(State) + 1) + "|",
    ]
    for event in Event:
        cells = [_cell(state, *TRANSITIONS[state, event]) for state in State]
        lines.append(f"| {event.value} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(state: State, target: State, action: Action) -> str:
    if state is target:
        return "-" if action is Action.IGNORE else f"*{action.value}*"
    return f"**{target.value}**, *{action.value}*"
