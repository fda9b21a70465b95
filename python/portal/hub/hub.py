"""The hub: one task that serves every socket of the process.

Sockets are registered with a poller (`portal.hub.poller`). One trio task waits until any of them
is ready, then does one **tick**:

    read    the Server's link first, then at most `tick_guests` sockets of guests (who want a page,
            or have not begun to play) and `tick_events` of players, one recv each; the bytes
            go to the connection's protocol at once, as plain function calls
    bury    connections that ended: sockets closed, protocols told
    flush   connections that were written to: one send each, of all that was written

Each phase is bounded in time (`phase_seconds`); what it does not get to is done in the next tick,
after other tasks have run. Before each tick they are let go first, for the time of a phase, so
that the hub stays a good neighbour when it is saturated; and a tick is shorter while they want to.

A protocol's exception ends its connection and never comes here.
"""

import socket
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import structlog
import trio

from portal.config import HubConfig
from portal.errors import ConnectionLost
from portal.hub.agenda import Agenda
from portal.hub.connection import Connection
from portal.hub.dialler import dial_tcp, dial_unix
from portal.hub.poller import GUEST, LINK, PLAYER, READABLE, Event, Poller
from portal.hub.protocol import ConnectionProtocol, Flushable
from portal.hub.sockets import prepare
from portal.hub.timers import DeadlineQueue, T, Timers
from portal.metrics import Metrics

log = structlog.get_logger(__name__)

MakeProtocol = Callable[[Connection], ConnectionProtocol]

SHUTTING_DOWN = "the hub is shutting down"

# Sweeps that are looked back on for the lag: 15 seconds, as often as figures are usually asked for.
LAG_SWEEPS = 60


class _Steps(trio.abc.Instrument):
    """Counts the steps of all tasks in the run."""

    def __init__(self) -> None:
        self.taken = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - trio's
        self.taken += 1


class Hub:
    """Every socket of a process, and the deadlines of what stands on them.

    Sockets and deadlines may be added before `run`, and are served once it runs. Nothing here may
    be called from another thread.

    Raises ServiceError on a system without epoll.
    """

    def __init__(self, config: HubConfig, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self._poller = Poller()
        self._timers = Timers(self.now)
        self._agenda = Agenda(config, metrics, self._poller, self._timers)
        self._connections: dict[int, Connection] = {}
        self._events: Iterator[Event] = iter(())
        self._unread = False  # the last tick was cut before the end of its events
        self._steps = _Steps()
        self._limit = config.tick_events  # of this tick
        self._tick_time = 0.0  # when the tick that is underway began, 0 between ticks
        self._full = False  # the poller had as many events as it was asked for, so perhaps more
        self._lags: deque[float] = deque(maxlen=LAG_SWEEPS)

    @property
    def connections(self) -> int:
        """How many sockets it serves, those that are closing among them."""
        return len(self._connections)

    @property
    def unsent(self) -> int:
        """The bytes that the kernel would not take yet, on all connections together."""
        return self._agenda.slow_peers.total

    @property
    def lag(self) -> float:
        """How many seconds late a task came to run at most, of late: see LAG_SWEEPS."""
        return max(self._lags, default=0.0)

    def now(self) -> float:
        """Seconds on the clock of the hub's deadlines, which never goes back.

        It stands still within a tick: looking at the clock for every line would cost more than
        the throttle that wants to know.
        """
        return self._tick_time or trio.current_time()

    def deadlines(self, seconds: float, expired: Callable[[T], None]) -> DeadlineQueue[T]:
        """Make a queue of deadlines that are all so many seconds long.

        Make one for each kind of deadline, at the start: it is swept as long as the hub runs.
        """
        return self._timers.make_queue(seconds, expired)

    def flush_later(self, layer: Flushable) -> None:
        """Have `layer.flush()` called at the end of the tick; call it once until then.

        For what stands between a protocol and its connection and works best on all that a tick
        has written: encryption, compression. It writes to the connection, whose own flush follows.
        It must not raise.
        """
        self._agenda.flush_layer_later(layer)

    def add_socket(
        self,
        sock: socket.socket,
        make_protocol: MakeProtocol,
        *,
        peer: tuple[Any, ...] | str | None = None,
        ended: Callable[[Connection], None] | None = None,
    ) -> Connection:
        """Serve a connected socket from now on; the hub owns it, also if this raises.

        `make_protocol(connection)` returns the object that is given what comes in; it may write
        already. `peer` saves a system call to one that knows it. `ended(connection)` is called
        once, after the protocol's `connection_lost`; it must not raise.

        Raises ConnectionLost when the hub is shutting down, OSError when the peer has gone
        already, and what `make_protocol` raises.
        """
        if self._agenda.stopping:
            sock.close()
            raise ConnectionLost(SHUTTING_DOWN)
        try:
            if peer is None:
                peer = sock.getpeername()
            prepare(sock, "" if isinstance(peer, str) else peer[0])
            connection = Connection(sock, peer, self._agenda, ended)
        except BaseException:
            sock.close()
            raise
        self._connections[sock.fileno()] = connection
        try:
            connection.protocol = make_protocol(connection)
        except BaseException:
            connection.abort("its protocol could not be made")
            raise
        return connection

    async def connect_tcp(self, host: str, port: int, make_protocol: MakeProtocol) -> Connection:
        """Dial a host, trying each of its addresses in turn; see `add_socket` for the rest.

        Bound it by a cancel scope: a silent host takes minutes. Raises OSError when it cannot be
        reached, and what `add_socket` raises.
        """
        return self.add_socket(await dial_tcp(host, port), make_protocol)

    async def connect_unix(self, path: str, make_protocol: MakeProtocol) -> Connection:
        """Dial a UNIX socket; raises as `connect_tcp` does."""
        return self.add_socket(await dial_unix(path), make_protocol)

    def reconfigure(self, config: HubConfig) -> None:
        """Go by other bounds from the next tick on, with the connections that it has, too."""
        self.config = config
        self._limit = config.tick_events
        self._agenda.reconfigure(config)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve every socket until cancelled; call it once.

        It reports that it has started at once. On cancel, and if it fails, every connection is
        closed: what was written is still sent, for at most `drain_seconds` in all, shielded from
        the cancel; then each protocol is told that its connection is lost. So stop last what
        others need for their goodbyes.
        """
        trio.lowlevel.add_instrument(self._steps)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sweep)
                task_status.started()
                while True:
                    await self._wait()
                    self._tick()
        finally:
            with trio.CancelScope(shield=True):
                await self._drain()
            trio.lowlevel.remove_instrument(self._steps)

    async def _wait(self) -> None:
        """Wait until there is something to do, then let others go first.

        They have their turns, for a phase's time, until nobody else took a step in two of them. In
        one says little: trio shuffles each turn, so who wants to run may come before this task in
        one turn and after it in the next. After a sleep it does: else each tick would pay for two.
        """
        before = self._steps.taken
        if self._unread or self._full or not self._agenda.empty:
            quiet = 2
            await trio.lowlevel.checkpoint()
        else:
            quiet = 1
            self._agenda.asleep = True
            try:
                await trio.lowlevel.wait_readable(self._poller.fileno())
            finally:
                self._agenda.asleep = False
        self._limit = self.config.tick_events
        end = perf_counter() + self.config.phase_seconds
        while perf_counter() < end:
            if self._steps.taken > before + 1:
                quiet = 2
                self._limit = min(self._limit, self.config.tick_events_crowded)
            elif quiet == 1:
                return
            else:
                quiet = 1
            before = self._steps.taken
            await trio.lowlevel.checkpoint()

    def _tick(self) -> None:
        self._tick_time = trio.current_time()
        received = self._read_first()
        received += self._read()
        self.metrics.ticks += 1
        self.metrics.bytes_received += received
        # While events of one poll are left no descriptor may become free: they would be taken for
        # those of the next socket that gets it.
        if not self._unread:
            self._bury(perf_counter() + self.config.phase_seconds)
        self._flush()
        self._tick_time = 0.0

    def _read_first(self) -> int:
        """Serve links, then guests; what is left for want of time is reported again next time."""
        received = 0
        for fd, event in self._poller.poll(LINK, self.config.tick_events):
            received += self._connections[fd].receive_event(event)
        end = perf_counter() + self.config.phase_seconds
        for fd, event in self._poller.poll(GUEST, self.config.tick_guests):
            received += self._connections[fd].receive_event(event)
            if perf_counter() > end:
                break
        return received

    def _read(self) -> int:
        """Serve what is left of the last poll, or else what a new one brings."""
        if not self._unread:
            events = self._poller.poll(PLAYER, self._limit)
            self._full = len(events) == self._limit
            self._events = iter(events)
        received = 0
        find = self._connections.get
        end = perf_counter() + self.config.phase_seconds
        for fd, event in self._events:
            connection = find(fd)
            if connection is None:
                continue  # the poller's own
            if event == READABLE:
                received += connection.receive()
            else:
                received += connection.receive_event(event)
            if perf_counter() > end:
                self._unread = True
                self.metrics.ticks_cut += 1
                return received
        self._unread = False
        return received

    def _bury(self, end: float) -> None:
        doomed = self._agenda.doomed
        done = 0
        # It grows while it is gone through: the loss of one connection ends others.
        for connection, error in doomed:
            # First, since the protocol may well add a socket, which gets the same descriptor.
            del self._connections[connection.fileno()]
            connection.bury(error)
            done += 1
            if perf_counter() > end:
                break
        del doomed[:done]
        self.metrics.connections_lost += done

    def _flush(self) -> None:
        urgent, dirty = self._agenda.urgent, self._agenda.dirty
        sent = done = 0
        for connection in urgent:
            sent += connection.flush()
        urgent.clear()
        end = perf_counter() + self.config.phase_seconds
        for each in dirty:
            sent += each.flush()
            done += 1
            if perf_counter() > end:
                break
        del dirty[:done]
        self.metrics.bytes_sent += sent
        self._agenda.slow_peers.cut_largest()

    async def _sweep(self) -> None:
        while True:
            due = trio.current_time() + self.config.sweep_seconds
            await trio.sleep_until(due)
            self._lags.append(trio.current_time() - due)
            while self._timers.sweep():
                await trio.lowlevel.checkpoint()

    async def _drain(self) -> None:
        """Say goodbye to everybody, within bounds, and release all there is."""
        self._agenda.stopping = True
        for connection in tuple(self._connections.values()):
            connection.stop(SHUTTING_DOWN)
        with trio.move_on_after(self.config.drain_seconds):
            while self._connections:
                await self._wait()
                self._tick()
        if self._connections:
            log.warning("hub_drain_cut", connections=len(self._connections))
        for connection in tuple(self._connections.values()):
            connection.abort(SHUTTING_DOWN)
        self._bury(float("inf"))
        self._poller.close()
