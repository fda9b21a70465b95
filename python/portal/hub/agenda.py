"""The agenda: what the connections of a hub leave it to do at the end of its tick.

It is all that a connection knows of its hub. Nothing here is done at once, for two reasons. What
many callbacks write to one connection leaves in one `send`. And a socket that was closed in the
middle of a tick would give its descriptor to the next one accepted, which would then receive the
events that were meant for the old one.
"""

from typing import TYPE_CHECKING

from portal.config import HubConfig
from portal.hub.poller import LINK, Poller
from portal.hub.protocol import Flushable
from portal.hub.slow_peers import SlowPeers
from portal.hub.timers import Timers
from portal.metrics import Metrics

if TYPE_CHECKING:
    from portal.hub.connection import Connection


class Agenda:
    """Connections with something to send (`urgent`, `dirty`) and those that have ended (`doomed`).

    The `urgent` ones are the links to the game: a broadcast to ten thousand players must not
    hold up the Server's link, which is flushed first.
    `asleep` is set by the hub before it waits; the first note taken while it is set wakes the hub
    by the poller, so that what other tasks write leaves as promptly as what a tick writes.
    `stopping` tells connections that close not to wait for their peer any more.
    """

    __slots__ = (
        "_closing",
        "_closing_cap",
        "_discard_bytes",
        "_discarded",
        "asleep",
        "dirty",
        "doomed",
        "metrics",
        "poller",
        "receive_bytes",
        "slow_peers",
        "stopping",
        "urgent",
    )

    def __init__(self, config: HubConfig, metrics: Metrics, poller: Poller, timers: Timers) -> None:
        self.metrics = metrics
        self.poller = poller
        self.receive_bytes = config.receive_bytes
        self.slow_peers = SlowPeers(config, metrics, timers)
        self.urgent: list[Connection] = []
        self.dirty: list[Flushable] = []
        self.doomed: list[tuple[Connection, Exception | None]] = []
        self.asleep = False
        self.stopping = False
        self._closing = timers.make_queue(config.close_seconds, _end)
        self._closing_cap = timers.make_queue(config.close_cap_seconds, _end)
        self._discard_bytes = config.close_discard_bytes
        self._discarded: dict[Connection, int] = {}

    def reconfigure(self, config: HubConfig) -> None:
        """Go by other bounds from now on."""
        self.receive_bytes = config.receive_bytes
        self.slow_peers.reconfigure(config)
        self._closing.set_seconds(config.close_seconds)
        self._closing_cap.set_seconds(config.close_cap_seconds)
        self._discard_bytes = config.close_discard_bytes

    @property
    def empty(self) -> bool:
        """Whether the hub may sleep."""
        return not self.dirty and not self.urgent and not self.doomed

    def flush_later(self, connection: "Connection") -> None:
        """Have the connection flushed at the end of the tick; call it once until then."""
        (self.urgent if connection._rank is LINK else self.dirty).append(connection)
        if self.asleep:
            self._wake()

    def flush_layer_later(self, layer: Flushable) -> None:
        """Have a layer above a connection flushed at the end of the tick; call it once until then.

        What it then writes to its connection leaves with the same tick.
        """
        self.dirty.append(layer)
        if self.asleep:
            self._wake()

    def bury_later(self, connection: "Connection", error: Exception | None) -> None:
        """Have the connection's socket closed, and its protocol told, at the end of the tick."""
        self.slow_peers.forget(connection)
        self._closing.cancel(connection)
        self._closing_cap.cancel(connection)
        self._discarded.pop(connection, None)
        self.doomed.append((connection, error))
        if self.asleep:
            self._wake()

    def begin_closing(self, connection: "Connection") -> None:
        """Bound the time that the connection has left."""
        self._closing.start(connection)
        self._closing_cap.start(connection)

    def prolong_closing(self, connection: "Connection") -> None:
        """Give a closing connection that made progress its time anew, under the cap."""
        self._closing.restart(connection)

    def discard(self, connection: "Connection", size: int) -> None:
        """Count what a closing connection has sent in vain; one that goes on and on is ended."""
        total = self._discarded.get(connection, 0) + size
        self._discarded[connection] = total
        if total > self._discard_bytes:
            connection.abort()

    def _wake(self) -> None:
        self.asleep = False
        self.poller.wake()


def _end(connection: "Connection") -> None:
    """End a connection that did not close in time; it keeps the reason it has."""
    connection.abort()
