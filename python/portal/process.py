"""A process that is a Portal: logs, signals, descriptors, the collector, and an exit code.

`run_process` is all that the command line needs. A program of one's own that embeds a Portal uses
`portal.app` instead, which touches nothing of the process around it.
"""

import contextlib
import gc
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from portal.app import Info, Portal
from portal.config import NOTE_NAME, Config
from portal.errors import ServerUnavailable, ServiceError
from portal.gauges import describe_log
from portal.reconfiguration import Reconfiguration
from portal.server_process import become_subreaper, read_pid
from portal.systemd import Notifier

if TYPE_CHECKING:
    from portal.evennia.game import Game

log = structlog.get_logger(__name__)

# A collection of ten thousand sessions takes 6 to 13 ms; few of them, and none of what start-up
# made, are worth looking at.
COLLECTOR_THRESHOLD = (50_000, 20, 100)

PID_FILE_MODE = 0o644


def run_process(
    config: Config,
    ready: Callable[[Info], None],
    reread: Callable[[], Config] | None = None,
    *,
    evennia: "Game | None" = None,
) -> int:
    """Be a Portal until a signal or an order ends it; returns the exit code of the process.

    `ready(info)` is called once: when a Server is connected or, without a command to start one,
    when the Portal listens. SIGTERM and SIGINT stop it in order (0); a second one drops everything
    (1). SIGHUP opens the log file anew, and takes over what it can of the configuration that
    `reread()` makes. SIGUSR1 reloads the game. A systemd that started it is told how it is.
    `evennia` is the game of Evennia's that it stands in front of.
    Raises ConfigError, and ServiceError for an address that cannot be had.
    """
    reconfiguration = Reconfiguration(config.log, reread)
    notifier = Notifier.from_environment(os.environ)
    with contextlib.closing(reconfiguration), contextlib.closing(notifier):
        raise_descriptor_limit()
        become_subreaper()
        portal = Portal(config, evennia=evennia)
        reconfiguration.begin(portal)
        for note in () if evennia is None else evennia.notes:
            getattr(log, note.level)(note.event, **note.values)
        portal.gauges += describe_log(lambda: reconfiguration.log_lines_lost)
        portal.open()
        with noted(config.directory, portal.info()), pid_noted(config.pid_file) as forget_pid:
            portal.on_stopped = forget_pid
            try:
                # A KeyboardInterrupt inside a tick of the hub would pass every crash barrier.
                return trio.run(
                    _serve,
                    portal,
                    ready,
                    reconfiguration,
                    notifier,
                    restrict_keyboard_interrupt_to_checkpoints=True,
                )
            except Exception:
                log.critical("portal_crashed", exc_info=True)
                return 1


def raise_descriptor_limit() -> None:
    """Allow as many sockets as the system lets us have without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def calm_collector() -> None:
    """Make the garbage collector look seldom, and never at what start-up has made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLD)


async def _serve(
    portal: Portal,
    ready: Callable[[Info], None],
    reconfiguration: Reconfiguration,
    notifier: Notifier,
) -> int:
    at_once = trio.CancelScope()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    with trio.open_signal_receiver(*numbers) as signals, at_once:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, portal, reconfiguration, notifier, nursery, at_once)
            async with trio.open_nursery() as serving:
                await serving.start(portal.run)
                calm_collector()
                notifier.ready(_describe(portal))
                nursery.start_soon(notifier.run)
                nursery.start_soon(_tell_changes, portal, notifier)
                nursery.start_soon(_tell_ready, portal, ready)
            nursery.cancel_scope.cancel()
    return 1 if at_once.cancelled_caught else 0


async def _tell_ready(portal: Portal, ready: Callable[[Info], None]) -> None:
    if portal.config.server.command and portal.config.server.autostart:
        await portal.supervisor.connected()
    ready(portal.info())


def _describe(portal: Portal) -> str:
    return f"Listening; the game is {portal.supervisor.state.value}."


async def _tell_changes(portal: Portal, notifier: Notifier) -> None:
    told = _describe(portal)
    while not portal.stopping:
        if (now := _describe(portal)) != told:
            notifier.status(now)
            told = now
        await portal.supervisor.changed.wait()
    notifier.stopping()


async def _obey(
    signals: AsyncIterator[int],
    portal: Portal,
    reconfiguration: Reconfiguration,
    notifier: Notifier,
    nursery: trio.Nursery,
    at_once: trio.CancelScope,
) -> None:
    async for number in signals:
        log.info("signal_received", signal=signal.Signals(number).name)
        if number == signal.SIGHUP:
            notifier.reloading()
            reconfiguration.hang_up(portal)
            notifier.ready(_describe(portal))
        elif number == signal.SIGUSR1:
            nursery.start_soon(_reload, portal)
        elif portal.stopping:
            at_once.cancel()
        else:
            portal.stop()


async def _reload(portal: Portal) -> None:
    try:
        await portal.supervisor.reload()
    except ServerUnavailable as error:
        log.warning("reload_failed", reason=str(error))


# ---- its note


@contextlib.contextmanager
def noted(directory: str | None, info: Info) -> Iterator[None]:
    """Leave a note of a running Portal in its directory, for the command line (mode 0600).

    The directory is made where there is none. At the end the note is removed, unless another
    Portal has put its own there. Without a directory nothing happens. Raises ServiceError when
    it cannot be written.
    """
    if directory is None:
        yield
        return
    path = Path(directory, NOTE_NAME)
    text = msgspec.json.encode(info)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, text)
    except OSError as error:
        raise ServiceError("note", f"cannot write {path}: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_bytes() == text:
                path.unlink()


@contextlib.contextmanager
def pid_noted(path: str | None) -> Iterator[Callable[[], None]]:
    """Have the pid of this process in a file, for those who look for it there.

    Gives what removes it: best called before the AMP port is closed, since Evennia's launcher takes
    a closed port and a pid file together for a Portal that hangs. A file with another pid is left
    alone then. Without a path nothing happens. Raises ServiceError when it cannot be written.
    """

    def remove() -> None:
        if path is not None and read_pid(path) == os.getpid():
            Path(path).unlink(missing_ok=True)

    try:
        if path is not None:
            _write_whole(Path(path), str(os.getpid()).encode(), PID_FILE_MODE)
    except OSError as error:
        raise ServiceError("pid file", f"cannot write {path}: {error.strerror}") from error
    try:
        yield remove
    finally:
        with contextlib.suppress(OSError):
            remove()


def _write_whole(path: Path, text: bytes, mode: int = 0o600) -> None:
    """Put a file there at once: whoever reads it never sees half of it."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    new.replace(path)
