"""A deadline: one thing that happens if nothing else does in time."""

from collections.abc import Callable

import trio


class Deadline:
    """At most one call that is due later; setting another takes its place.

    It waits in a task of `nursery`, which must run.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scope: trio.CancelScope | None = None

    def set(self, seconds: float, expired: Callable[[], None]) -> None:
        """Have `expired` called in so many seconds, unless it is ended or set anew before."""
        self.end()
        self._scope = scope = trio.CancelScope(deadline=trio.current_time() + seconds)
        self._nursery.start_soon(self._wait, scope, expired)

    def bring_forward(self, seconds: float) -> None:
        """Let what is due later than in so many seconds be due then."""
        if self._scope is not None:
            soon = trio.current_time() + seconds
            self._scope.deadline = min(self._scope.deadline, soon)

    def end(self) -> None:
        """Let nothing be due any more."""
        if self._scope is not None:
            self._scope.cancel()
            self._scope = None

    async def _wait(self, scope: trio.CancelScope, expired: Callable[[], None]) -> None:
        with scope:
            await trio.sleep_forever()
        if self._scope is scope:
            self._scope = None
            expired()
