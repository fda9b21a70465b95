"""Token buckets: how often something may happen, with room for a burst.

Pure: the time is an argument, in seconds of whatever clock the caller keeps.
"""

from typing import Any

from portal.config import LimitsConfig

# A player who breaks a rate is told so at most this often.
TELL_SECONDS = 1.0


class TokenBucket:
    """Lets `rate` events a second pass in the long run, and `burst` of them at once.

    A bucket begins full. It costs no timer: it is refilled when it is looked at. `burst` is at
    least 1, else nothing ever passes.
    """

    __slots__ = ("burst", "rate", "stamp", "tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.stamp = 0.0

    def take(self, now: float) -> bool:
        """Take one token; False when there is none, and then nothing is taken.

        A clock that stands before the last look (a bucket read back by another process) refills
        nothing and is gone by from here on.
        """
        tokens = self.tokens
        elapsed = now - self.stamp
        if elapsed > 0.0:
            tokens += elapsed * self.rate
            if tokens > self.burst:  # noqa: PLR1730 - a call of min() for every line costs more
                tokens = self.burst
        self.stamp = now
        if tokens < 1.0:
            self.tokens = tokens
            return False
        self.tokens = tokens - 1.0
        return True

    def set_rate(self, rate: float, burst: float) -> None:
        """Go by another rate and burst; what was saved up beyond the new burst is lost."""
        self.rate = rate
        self.burst = burst
        self.tokens = min(self.tokens, burst)

    def get_state(self) -> list[float]:
        """Return what must be written down: the tokens and the time of the last look."""
        return [self.tokens, self.stamp]

    def set_state(self, state: list[float]) -> None:
        """Go on where `get_state` was called; rate and burst stay as they are here."""
        self.tokens, self.stamp = state


class Throttle:
    """What one session may send: a bucket for commands, one for everything else.

    Out-of-band messages come from the player's client, often many at once; they must not use up
    what the player may type.
    """

    __slots__ = ("commands", "oob", "told")

    def __init__(self, limits: LimitsConfig) -> None:
        self.commands = TokenBucket(limits.commands_per_second, limits.command_burst)
        self.oob = TokenBucket(limits.oob_per_second, limits.oob_burst)
        self.told: float | None = None

    def reconfigure(self, limits: LimitsConfig) -> None:
        """Go by other limits from now on."""
        self.commands.set_rate(limits.commands_per_second, limits.command_burst)
        self.oob.set_rate(limits.oob_per_second, limits.oob_burst)

    def must_tell(self, now: float) -> bool:
        """Whether the player is to be told of a breach now; True at most once a second."""
        if self.told is not None and abs(now - self.told) < TELL_SECONDS:
            return False
        self.told = now
        return True

    def get_state(self) -> list[Any]:
        """Return what must be written down, as plain data."""
        return [self.commands.get_state(), self.oob.get_state(), self.told]

    def set_state(self, state: list[Any]) -> None:
        """Go on where `get_state` was called, at the rates given here."""
        commands, oob, self.told = state
        self.commands.set_state(commands)
        self.oob.set_state(oob)
