"""The task that runs the Server process, as the table of `lifecycle` says.

Whatever happens is handed to the table as an event, and what the table answers is done at once:
a process is started or ended, an order is sent, the one deadline there can be is set or ended.

The Server runs in a process session of its own, so that Ctrl-C at the Portal's terminal does not
reach it (`portal.server_process`). Nothing here blocks: the start itself happens in a thread.
"""

import math
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
import trio

from portal.amp.commands import Operation
from portal.config import ServerConfig
from portal.deadline import Deadline
from portal.errors import ServerUnavailable
from portal.holding import Reason
from portal.lifecycle import Action, Event, Lifecycle, State
from portal.metrics import Metrics
from portal.server_process import ServerProcess, find_stranger, start_process

log = structlog.get_logger(__name__)

# How long a Server may take to obey SIGTERM when the Portal itself is cut short.
CUT_SHORT_SECONDS = 1.0
# Evennia's launcher answers in milliseconds, unless somebody has stopped it.
LAUNCHER_SECONDS = 10.0

EVENTS: Mapping[str, Event] = {
    Operation.SRELOAD: Event.RELOAD,
    Operation.SRESET: Event.RESET,
    Operation.SSHUTD: Event.STOP,
    Operation.PSHUTD: Event.STOP,
}
# What an action sends, and what the next Server is told about why its predecessor left.
ORDERS: Mapping[Action, tuple[str, str]] = {
    Action.SEND_RELOAD: (Operation.SRELOAD, "reload"),
    Action.SEND_RESET: (Operation.SRESET, "reset"),
    Action.SEND_STOP: (Operation.SSHUTD, "shutdown"),
}


def _patience(config: ServerConfig) -> dict[str, Any]:
    names = ("failed_starts", "restart_seconds", "restart_factor", "restart_max_seconds")
    return {name: getattr(config, name) for name in names}


def _nothing(*_: object) -> None:
    """Stand in for a callback until somebody sets one."""


class Supervisor:
    """Starts, watches, restarts, reloads and stops one Server; a service.

    `environment` is the whole environment of the process. Set `on_order(operation)` to what sends
    an order to the Server that is linked, `on_close()` to what closes its link, `on_stop()` to what
    stops the Portal, and `on_absence(reason)` to what tells the players why there is no Server; all
    are synchronous. `restart_mode` is what the next Server is told: "shutdown" for the first one,
    "reload" or "reset" after such an order, None after a crash. `changed` is set by the next thing
    that happens, and another event takes its place.

    Without a command it starts nothing and follows the Servers that dial in by themselves.
    """

    def __init__(
        self, config: ServerConfig, metrics: Metrics, *, environment: Mapping[str, str]
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.environment = environment
        self.lifecycle = Lifecycle(**_patience(config))
        self.restart_mode: str | None = "shutdown"
        self.connections = 0  # Servers that have connected so far
        self.connected_at: float | None = None  # when the one that is linked did
        self.on_order: Callable[[str], None] = _nothing
        self.on_close: Callable[[], None] = _nothing
        self.on_stop: Callable[[], None] = _nothing
        self.on_absence: Callable[[Reason], None] = _nothing
        self._nursery: trio.Nursery | None = None
        self._process: ServerProcess | None = None
        self._busy = False  # from before the process is started until it is reaped
        self._linked = False
        self._linked_pid: int | None = None
        self._ours = False  # whether the Server that is or was linked is a child of ours
        self._left = False  # whether it wrote everything down before its link was lost
        self._synced_out = -math.inf
        self._portal_stops = False
        self._launcher_starts = False  # whether Evennia's launcher is to say when
        self._deadline: Deadline | None = None
        self.changed = trio.Event()

    def reconfigure(self, config: ServerConfig) -> None:
        """Go by other settings: the command at the next start, times with the next deadline."""
        self.config = config
        self.lifecycle.set_patience(**_patience(config))

    @property
    def state(self) -> State:
        """How the Server is."""
        return self.lifecycle.state

    @property
    def server_pid(self) -> int | None:
        """The pid that a linked Server gave, else that of the child; None without a Server."""
        if self._linked and self._linked_pid is not None:
            return self._linked_pid
        return self.child_pid

    @property
    def child_pid(self) -> int | None:
        """The pid of the process that was started here, whoever is linked; None without one."""
        return None if self._process is None else self._process.pid

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the Server if there is a command, and look after it until cancelled.

        Call `stop_server` before cancelling, or the Server is ended by SIGTERM and, a second
        later, by SIGKILL.
        """
        async with trio.open_nursery() as nursery:
            self._nursery, self._deadline = nursery, Deadline(nursery)
            task_status.started()
            if self.config.command and self.config.autostart:
                self.start()
            await trio.sleep_forever()

    # ---- what is wanted

    def start(self, command: tuple[str, ...] = ()) -> None:
        """Start the Server, now and with all tries ahead of it, unless one is there.

        A `command` is the one from now on.
        """
        if command:
            self.config = msgspec.structs.replace(self.config, command=command)
        self._launcher_starts = False
        self._handle(Event.START)

    def order(self, operation: str, *, by_launcher: bool = False) -> None:
        """Pass on an order of the game or of the launcher, while a Server is linked.

        The launcher of Evennia says itself when the next one is to be started, by `start`, or runs
        that one itself; without a word of it one is started after LAUNCHER_SECONDS.
        SRELOAD, SRESET and SSHUTD are sent to the Server by `on_order`; PSHUTD also stops the
        Portal, by `on_stop`, and needs no Server. Other operations raise KeyError.
        """
        event = EVENTS[operation]
        if self.state is State.STARTING and operation != Operation.PSHUTD:
            # It gives orders before it has answered PSYNC: Evennia's very first start does.
            self._link_up()
        self._launcher_starts = by_launcher
        if operation == Operation.PSHUTD:
            self.on_stop()  # first: players hear of the Portal's end, not of the Server's
        self._handle(event)

    async def reload(self) -> None:
        """Reload the Server, and wait until the new one is connected.

        Where none is there it is started, with all tries ahead of it. Raises ServerUnavailable
        when it does not come, in time or at all. Cancelling does not take the order back.
        """
        await self._renew(Event.RELOAD)

    async def reset(self) -> None:
        """Reload the Server with a cold start of the game; otherwise like `reload`."""
        await self._renew(Event.RESET)

    async def stop_server(self) -> None:
        """Tell the Server to leave since the Portal stops, and wait until it is gone.

        It has `portal_stop_seconds` to leave, and `portal_kill_seconds` to obey SIGTERM. One that
        the Portal did not start has `stranger_stop_seconds`; then its link is closed. Cancelling
        does not take the order back.
        """
        self._portal_stops = True
        self._handle(Event.STOP)
        obey, die = self._patience
        if self._deadline is not None:  # of an order that came before
            self._deadline.bring_forward(obey)
        with trio.move_on_after(obey + die + CUT_SHORT_SECONDS):
            while self.state is not State.DOWN:
                await self.changed.wait()

    @property
    def _patience(self) -> tuple[float, float]:
        """The seconds that a Server has to obey an order, and then SIGTERM."""
        config = self.config
        if not self._portal_stops:
            return config.stop_seconds, config.stop_seconds
        if self._busy:
            return config.portal_stop_seconds, config.portal_kill_seconds
        return config.stranger_stop_seconds, 0.0

    async def connected(self) -> None:
        """Wait until a Server is connected."""
        while self.state is not State.CONNECTED:
            await self.changed.wait()

    async def _renew(self, event: Event) -> None:
        self._require_hope(patient=True)
        connections = self.connections
        # A Server that somebody else runs comes back when they start it again.
        patient = not self.config.command and self.state is not State.DOWN
        self._handle(event)
        seconds = 2 * self.config.stop_seconds + self.config.connect_seconds
        with trio.move_on_after(seconds) as limit:
            while self.connections == connections:
                self._require_hope(patient=patient)
                await self.changed.wait()
        if limit.cancelled_caught:
            raise ServerUnavailable(f"no Server has connected within {seconds:g} seconds")

    def _require_hope(self, *, patient: bool) -> None:
        if self.state is State.STOPPING:
            raise ServerUnavailable("the Server is being stopped")
        if self.state is State.DOWN and not patient:
            raise ServerUnavailable("there is no Server, and none is being started")

    # ---- what happened

    def server_connected(self, pid: int | None) -> None:
        """Take note that a Server has answered PSYNC, and of the pid it gave.

        One in the background that was started by a Portal before this one is followed like ours.
        """
        if not self._linked:
            self.restart_mode = None
            if not self._busy and (found := find_stranger(self.config, pid)):
                self._busy = True
                self._spawn(self._follow, found)
            self._link_up()
        self._linked_pid = pid

    def server_synced_out(self) -> None:
        """Take note of a full SSYNC: if the link drops now, the Server has left by itself."""
        self._synced_out = trio.current_time()

    def link_lost(self) -> None:
        """Take note that the link of a Server has dropped; a Server may take another's place."""
        if not self._linked:
            return
        if self.state is State.CONNECTED:
            self.metrics.server_losses += 1
        self._linked = False
        self._linked_pid = self.connected_at = None
        # A sync of long ago was not its last word.
        self._left = trio.current_time() - self._synced_out <= self.config.stop_seconds
        if self._busy:
            self._handle(Event.LINK_LOST)
        else:
            self._gone()

    def _link_up(self) -> None:
        self._linked = True
        self.connected_at = trio.current_time()
        self._linked_pid = None
        self._synced_out = -math.inf  # its predecessor's
        self._ours = self._busy
        self.connections += 1
        self._launcher_starts = False
        self.metrics.server_connections += 1
        self._handle(Event.CONNECTED)

    def _gone(self) -> None:
        """Neither process nor link is there any more."""
        self._handle(Event.LEFT if self._left or not self._ours else Event.CRASHED)

    # ---- what is done about it

    def _handle(self, event: Event) -> None:
        before = self.state
        action = self.lifecycle.handle(event)
        log.debug("lifecycle", event_name=event.value, action=action.value)
        if self.state is not before:
            log.info("server_state", state=self.state.value, was=before.value, cause=event.value)
            if before is State.DOWN and self.state is State.STARTING and self.config.command:
                self.on_absence(Reason.STARTING)
        if action is not Action.IGNORE:
            if self._deadline is not None:
                self._deadline.end()
            self._do(action)
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    def _do(self, action: Action) -> None:
        config = self.config
        if action is Action.START and self._launcher_starts:
            self._set_deadline(LAUNCHER_SECONDS, self._start_process)
        elif action is Action.START:
            self._start_process()
        elif action is Action.START_LATER:
            delay = self.lifecycle.delay
            log.warning("server_restarts", seconds=delay, start=self.lifecycle.starts)
            self._set_deadline(delay, self._start_process)
        elif action is Action.AWAIT_LINK:
            self._set_deadline(config.connect_seconds, self._expire)
        elif action is Action.END_PROCESS:
            self._end_process()
        elif action is Action.GIVE_UP:
            log.critical("server_given_up", starts=self.lifecycle.starts, command=config.command[0])
            self.on_absence(Reason.GIVEN_UP)
        elif action in ORDERS:
            operation, self.restart_mode = ORDERS[action]
            self.metrics.server_reloads += action is not Action.SEND_STOP
            self._set_deadline(self._patience[0], self._expire)
            self.on_order(operation)

    def _expire(self) -> None:
        log.warning("server_too_slow", state=self.state.value, pid=self.server_pid)
        self._handle(Event.EXPIRED)

    def _start_process(self) -> None:
        if not self.config.command:
            self._handle(Event.NO_COMMAND)
            return
        self._set_deadline(self.config.connect_seconds, self._expire)
        if not self._busy:
            self._busy = self._ours = True
            self._left = False
            self._spawn(self._run_process)

    async def _run_process(self) -> None:
        try:
            process = await start_process(self.config, self.environment)
        except OSError as error:
            log.warning("server_not_started", command=self.config.command[0], error=str(error))
            self._at_exit()
        else:
            self.metrics.server_starts += 1
            log.info("server_started", pid=process.pid, start=self.lifecycle.starts)
            await self._follow(process)

    async def _follow(self, process: ServerProcess) -> None:
        """Wait for the end of a process; when cancelled, end it first."""
        self._process = process
        if self.state is State.STOPPING:  # it was told while the thread was at it
            self._end_process()
        try:
            await process.wait()
        finally:
            if process.lives:
                await self._cut_short(process)
            self._process = None
            log.info("server_exited", pid=process.pid, code=process.returncode)
        self._at_exit()

    def _at_exit(self) -> None:
        self._busy = False
        if not self._linked:
            self._gone()

    async def _cut_short(self, process: ServerProcess) -> None:
        with trio.CancelScope(shield=True):
            process.signal(signal.SIGTERM)
            with trio.move_on_after(CUT_SHORT_SECONDS):
                await process.wait()
            process.signal(signal.SIGKILL)
            await process.wait()

    def _end_process(self) -> None:
        if self._process is not None:
            log.warning("server_terminated", pid=self._process.pid)
            self._process.signal(signal.SIGTERM)
            self._set_deadline(self._patience[1], self._kill_process)
        elif not self._busy and not self._linked:
            self._gone()
        else:
            self._close_link()

    def _kill_process(self) -> None:
        if self._process is not None:
            log.warning("server_killed", pid=self._process.pid)
            self._process.signal(signal.SIGKILL)
        else:
            self._close_link()

    def _close_link(self) -> None:
        """Let a Server go that does not leave and that is not ours to signal."""
        if self._linked:
            log.warning("server_does_not_leave", pid=self.server_pid)
            self.on_close()

    def _set_deadline(self, seconds: float, expired: Callable[[], None]) -> None:
        if self._deadline is None:
            raise ServerUnavailable("the supervisor does not run")
        self._deadline.set(seconds, expired)

    def _spawn(self, task: Callable[..., Awaitable[object]], *args: object) -> None:
        if self._nursery is None:
            raise ServerUnavailable("the supervisor does not run")
        self._nursery.start_soon(task, *args)
