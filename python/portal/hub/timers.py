"""Deadlines without a task or a timer object each: queues that one task sweeps.

All items of a queue run for the same time. So the order in which they were started is the order in
which they expire, and a sweep looks at the due ones only.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Hashable)

# At most so many callbacks in one go; ten thousand keepalives at once would hold everybody up.
SWEEP_ITEMS = 64


class DeadlineQueue(Generic[T]):
    """Items that expire `seconds` after they were started, unless they are cancelled before.

    `expired(item)` is called by a sweep, so up to one sweep's interval late, and never early; by
    then the item is no longer in the queue, and may be started again. An exception of `expired` is
    logged and costs that item only. Items are held by identity or equality, as in a dict. Make one
    with `Hub.deadlines`, which has it swept.
    """

    __slots__ = ("_clock", "_expired", "_running", "seconds")

    def __init__(
        self, seconds: float, expired: Callable[[T], None], clock: Callable[[], float]
    ) -> None:
        self.seconds = seconds
        self._expired = expired
        self._clock = clock
        self._running: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, item: object) -> bool:
        return item in self._running

    def first(self) -> T:
        """Return the item that expires first; LookupError when none is running."""
        for item in self._running:
            return item
        raise LookupError("nothing is running")

    def start(self, item: T) -> None:
        """Let the item expire `seconds` from now; one that runs already begins anew."""
        running = self._running
        running.pop(item, None)  # a dict keeps the place of a key that is merely overwritten
        running[item] = self._clock() + self.seconds

    def restart(self, item: T) -> None:
        """Begin anew with an item; one that is not running is started."""
        self.start(item)

    def set_seconds(self, seconds: float) -> None:
        """Let items run for another time; those that run already too, counted from their start."""
        shift = seconds - self.seconds
        self.seconds = seconds
        if shift:
            for item in self._running:
                self._running[item] += shift

    def cancel(self, item: T) -> None:
        """Let the item run no longer; one that is not running is left alone."""
        self._running.pop(item, None)

    def sweep(self, now: float) -> bool:
        """Call `expired` for items whose time has come, at most SWEEP_ITEMS of them.

        Returns whether more may be due: let others run, then sweep again.
        """
        due: list[T] = []
        running = self._running
        for item, when in running.items():
            if when > now or len(due) == SWEEP_ITEMS:
                break
            due.append(item)
        for item in due:
            # The callback of an earlier item may have cancelled this one, or started it anew.
            if running.get(item, now + 1) <= now:
                del running[item]
                self._expire(item)
        return len(due) == SWEEP_ITEMS

    def _expire(self, item: T) -> None:
        try:
            self._expired(item)
        except Exception:
            # The barrier between one deadline and all the others.
            log.exception("deadline_failed", callback=getattr(self._expired, "__qualname__", ""))


class Timers:
    """Every deadline queue of one hub; `clock` gives seconds and never goes back."""

    __slots__ = ("_clock", "_queues")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queues: list[DeadlineQueue[Any]] = []

    def make_queue(self, seconds: float, expired: Callable[[T], None]) -> DeadlineQueue[T]:
        """Make a queue that is swept with the others from now on."""
        queue = DeadlineQueue(seconds, expired, self._clock)
        self._queues.append(queue)
        return queue

    def sweep(self) -> bool:
        """Sweep every queue once; returns whether any of them may have more that is due."""
        now = self._clock()
        unfinished = [queue for queue in self._queues if queue.sweep(now)]
        return bool(unfinished)
