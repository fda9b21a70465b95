"""The game as a program: what it registers, and the life of its process.

    at_start  ->  dial the Portal  ->  its sessions (at_sync)  ->  at_connect, messages, ...
    an order to leave, or a signal  ->  functions in flight end  ->  at_stop
              ->  all sessions are written down at the Portal  ->  the link is closed  ->  return

The next process of the game finds its sessions at the Portal again.
"""

import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar, overload

import structlog
import trio

from portal import __version__, logs
from portal.amp.commands import Operation
from portal.config import (
    MIB,
    AmpConfig,
    HubConfig,
    amp_address_from_environment,
    amp_secret_from_environment,
    portal_pid_from_environment,
)
from portal.errors import LocalProtocolError
from portal.game.amp_client import AmpClient
from portal.game.inputfuncs import Hook, Hooks, InputFunction, InputFunctions
from portal.game.parent import wait_until_gone
from portal.game.sessionhandler import ServerSessionHandler
from portal.game.workers import Workers
from portal.hub.hub import Hub
from portal.metrics import Metrics

log = structlog.get_logger(__name__)

# What a Portal is told of every game on this library.
LIBRARY = {"library": "portal.game", "library_version": __version__}
# The only connection of this hub is the Portal's, and to be cut from it costs everybody's lines.
HUB_CONFIG = HubConfig(unsent_soft_bytes=32 * MIB, unsent_hard_bytes=128 * MIB)
# Together well below the 10 seconds that an order leaves a Server before SIGTERM. When the Portal
# itself stops they are 5, and SIGTERM then cuts the wait for functions short: `at_stop` is called.
DRAIN_SECONDS = 5.0
SYNC_SECONDS = 2.0


class Client(Protocol):
    """What has the link to the Portal: over AMP, or in the Portal's own process."""

    leaving: bool
    """Set when the game begins to leave: no other link is made from then on."""

    async def leave(self, seconds: float) -> bool:
        """Write every session down at the Portal, and close the link.

        Each of the two takes at most so many seconds. Returns whether the Portal has confirmed it.
        """
        ...


# Makes the link; it is given what the Portal is told of the game, and a nursery for its tasks.
Connect = Callable[[trio.Nursery, Mapping[str, Any]], Awaitable[Client]]
HookT = TypeVar("HookT", bound=Hook)
InputFunctionT = TypeVar("InputFunctionT", bound=InputFunction)


class GameServer:
    """A game behind a Portal.

    Register functions with the decorators, then `run`. `amp` is where the Portal listens for it:
    a host and a port, or the path of a UNIX socket; by default what the environment says
    (PORTAL_AMP, which a Portal sets for the game it starts). `config` bounds what the Portal may
    send, and holds the secret for a Portal on another machine (default: PORTAL_AMP_SECRET).
    `name` and `version` are shown by `portal status`.

    `sessions` is the `ServerSessionHandler`, `metrics` counts what the link does. A GameServer
    serves once.
    """

    def __init__(
        self,
        name: str = "game",
        *,
        amp: tuple[str, int] | str | None = None,
        config: AmpConfig | None = None,
        version: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.amp = amp_address_from_environment() if amp is None else amp
        self.config = AmpConfig(secret=amp_secret_from_environment()) if config is None else config
        self.metrics = Metrics()
        self._hooks = Hooks()
        self._functions = InputFunctions()
        self._workers = Workers(self._functions)
        self._leaving = trio.Event()
        self._synchronised = trio.Event()
        self._served = False
        self._stopped = False
        self.sessions = ServerSessionHandler(
            self._hooks,
            self._workers,
            wall=time.time,
            at_order=self._ordered,
            at_synchronised=self._synchronised.set,
        )

    # ---- what a game registers

    @overload
    def inputfunc(self, function: InputFunctionT) -> InputFunctionT: ...

    @overload
    def inputfunc(self, function: str) -> Callable[[InputFunctionT], InputFunctionT]: ...

    def inputfunc(self, function: Any) -> Any:
        """Register a function for messages of its name: `function(session, *args, **kwargs)`.

        `@game.inputfunc("name")` gives another name; lines that players type are called "text".
        The function may be asynchronous: then later messages of the same session wait for it, and
        nobody else's do. `default(session, cmdname, *args, **kwargs)` gets what no other takes.
        A message is answered when its function has returned. What a function raises is logged,
        and the player is told in a line.
        """
        if isinstance(function, str):
            return lambda decorated: self._add(function, decorated)
        return self._add(function.__name__, function)

    def _add(self, name: str, function: InputFunctionT) -> InputFunctionT:
        self._functions.add(name, function)
        return function

    def at_start(self, hook: HookT) -> HookT:
        """Register what is called before the Portal is dialled; what it raises ends the game."""
        return self._hook("at_start", hook)

    def at_stop(self, hook: HookT) -> HookT:
        """Register what is called once before the game leaves, while it can still write.

        It is called after `at_start` in any case but a crash of the process.
        """
        return self._hook("at_stop", hook)

    def at_connect(self, hook: HookT) -> HookT:
        """Register what is called with a session that has just connected: greet it."""
        return self._hook("at_connect", hook)

    def at_sync(self, hook: HookT) -> HookT:
        """Register what is called with a session that was there before this process began.

        Who is logged in, and `server_data`, are as the last process wrote them down.
        """
        return self._hook("at_sync", hook)

    def at_login(self, hook: HookT) -> HookT:
        """Register what is called with a session after its `login`."""
        return self._hook("at_login", hook)

    def at_disconnect(self, hook: HookT) -> HookT:
        """Register what is called as `hook(session, reason)` when a session has ended."""
        return self._hook("at_disconnect", hook)

    def _hook(self, name: str, hook: HookT) -> HookT:
        self._hooks.add(name, hook)
        return hook

    # ---- what a game asks of its Portal

    def reload(self) -> None:
        """Ask the Portal to restart the game; its order to leave follows. Players stay.

        Raises ServerUnavailable while no Portal is connected, as the next two do.
        """
        self.sessions.order(Operation.SRELOAD)

    def reset(self) -> None:
        """Ask the Portal to restart the game, which is told that this was no mere reload."""
        self.sessions.order(Operation.SRESET)

    def shutdown(self, *, portal: bool = False) -> None:
        """Ask the Portal to let the game end, and with `portal` to end itself as well."""
        self.sessions.order(Operation.PSHUTD if portal else Operation.SSHUTD)

    # ---- the life of the process

    def stop(self) -> None:
        """Leave in order, of its own accord; `serve` then returns. The Portal starts no other."""
        self._leaving.set()

    def _ordered(self, operation: str) -> None:
        log.info("portal_orders", operation=ord(operation))
        self._leaving.set()

    def run(self) -> None:
        """Serve until the Portal orders the game to leave, or SIGTERM or SIGINT comes.

        The game also leaves when the Portal that started it (PORTAL_PID) is gone. It starts trio,
        and sets up the logs where the program has not done so. A second signal ends it at once,
        without a word to the Portal.
        """
        if not structlog.is_configured():
            logs.configure()
        trio.run(self._serve_until_signal, restrict_keyboard_interrupt_to_checkpoints=True)

    async def _serve_until_signal(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._watch_signals, nursery.cancel_scope)
            if (pid := portal_pid_from_environment()) is not None:
                nursery.start_soon(self._watch_portal, pid)
            await self.serve()
            nursery.cancel_scope.cancel()

    async def _watch_signals(
        self,
        cancel_scope: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                log.info("signal_received", signal=signal.Signals(number).name)
                if self._leaving.is_set():
                    cancel_scope.cancel()
                self.stop()

    async def _watch_portal(self, pid: int) -> None:
        await wait_until_gone(pid)
        log.warning("portal_is_gone", portal_pid=pid)
        self.stop()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until the Portal orders the game to leave, or `stop` is called.

        It is started once a Portal has handed over its sessions. A lost Portal is dialled again,
        for ever. Functions in flight get 5 seconds to end; the rest of leaving takes a few more.
        Cancelling is like a crash, but for `at_stop`: the Portal keeps the players, and what the
        sessions had not saved is lost.
        Raises what an `at_start` raises, and LocalProtocolError when it served before.
        """
        await self.serve_by(self._dial, task_status=task_status)

    async def serve_by(
        self, connect: Connect, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve over a link that `connect(nursery, info)` makes; otherwise as `serve`.

        `Portal.play` has one for a game in the process of its Portal. The link hands what comes
        from the Portal to `sessions`.
        """
        if self._served:
            raise LocalProtocolError("a GameServer serves once")
        self._served = True
        self._hooks.start()
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._workers.run)
                info = {"servername": self.name, "version": self.version, **LIBRARY}
                client = await connect(nursery, info)
                nursery.start_soon(self._report_start, task_status)
                await self._leaving.wait()
                await self._leave(client)
                nursery.cancel_scope.cancel()
        finally:
            self._stop_hooks()

    async def _dial(self, nursery: trio.Nursery, info: Mapping[str, Any]) -> AmpClient:
        hub = Hub(HUB_CONFIG, self.metrics)
        await nursery.start(hub.run)
        client = AmpClient(
            self.amp,
            self.config,
            self.metrics,
            hub=hub,
            sessionhandler=self.sessions,
            info=info,
        )
        await nursery.start(client.run)
        return client

    async def _report_start(self, task_status: trio.TaskStatus[None]) -> None:
        await self._synchronised.wait()
        task_status.started()

    async def _leave(self, client: Client) -> None:
        client.leaving = True
        self.sessions.begin_leaving()
        await self._workers.drain(DRAIN_SECONDS)
        self._stop_hooks()
        written = await client.leave(SYNC_SECONDS)
        log.info("game_leaves", sessions=len(self.sessions), written_down=written)

    def _stop_hooks(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._hooks.call("at_stop")
