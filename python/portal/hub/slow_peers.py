"""What becomes of peers that do not read what they are sent.

A plain limit in bytes would cut a healthy phone that is sent one long text, so the kernel is tried
first and only what it leaves over counts, by three bounds:

- above the soft bound a peer that takes nothing at all for the grace period is cut;
- above the hard bound it is cut at once, since the trickle of a slow reader is progress too;
- all together may not pass the total: limits per connection allow that many times over. Then those
  with most unsent are cut first.

The Server's link is counted and never cut: what may be underway there is
bounded by AMP's window, and a game that thinks for ten seconds is no attacker.
"""

from typing import TYPE_CHECKING

import structlog

from portal.config import HubConfig
from portal.hub.poller import LINK
from portal.hub.timers import Timers
from portal.metrics import Metrics

if TYPE_CHECKING:
    from portal.hub.connection import Connection

log = structlog.get_logger(__name__)


class SlowPeers:
    """The connections of one hub with something unsent; `total` is the sum of their bytes."""

    __slots__ = ("_config", "_grace", "_metrics", "_unsent", "total")

    def __init__(self, config: HubConfig, metrics: Metrics, timers: Timers) -> None:
        self._config = config
        self._metrics = metrics
        self._grace = timers.make_queue(config.unsent_grace_seconds, self._end_grace)
        self._unsent: dict[Connection, int] = {}
        self.total = 0

    def reconfigure(self, config: HubConfig) -> None:
        """Go by other bounds, from the next send of each connection on."""
        self._config = config
        self._grace.set_seconds(config.unsent_grace_seconds)

    def settle(self, connection: "Connection", *, progress: bool) -> None:
        """Take note of what a send has left over; `progress`: the kernel took something.

        May cut the connection: its `abort` is called before this returns.
        """
        unsent = connection.unsent
        self.total += unsent - self._unsent.pop(connection, 0)
        if unsent:
            self._unsent[connection] = unsent
        if connection.rank is LINK or unsent <= self._config.unsent_soft_bytes:
            self._grace.cancel(connection)
        elif unsent > self._config.unsent_hard_bytes:
            self._cut(connection, "read too slowly: too much was waiting for it")
        elif progress or connection not in self._grace:
            self._grace.start(connection)

    def forget(self, connection: "Connection") -> None:
        """Count a connection no longer, because it has ended."""
        self.total -= self._unsent.pop(connection, 0)
        self._grace.cancel(connection)

    def cut_largest(self) -> None:
        """Bring the total back under its bound, if it is above: call it once a tick."""
        bound = self._config.unsent_total_bytes
        if self.total <= bound:
            return
        for connection in sorted(self._unsent, key=self._unsent.__getitem__, reverse=True):
            if self.total <= bound:
                return
            if connection.rank is not LINK:
                self._cut(connection, "read too slowly: too much was waiting for everybody")

    def _end_grace(self, connection: "Connection") -> None:
        if connection.rank is not LINK:
            self._cut(connection, "read too slowly: it took nothing for a while")

    def _cut(self, connection: "Connection", reason: str) -> None:
        self._metrics.slow_readers_cut += 1
        log.warning(
            "slow_reader_cut",
            sessid=connection.sessid,
            address=connection.address,
            unsent=connection.unsent,
            reason=reason,
        )
        connection.abort(reason)
