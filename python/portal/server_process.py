"""The process of a Server: a child of the Portal, or one that goes into the background by itself.

The second kind (`twistd`, which Evennia's Servers are run by) is started by a program that ends as
soon as the Server runs; what is left is a file with its pid. A `Daemon` follows it by a descriptor
of the process (`pidfd_open(2)`), so that no other process that gets the same pid is ever taken for
it, waited for or signalled.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog
import trio

from portal.config import ServerConfig
from portal.errors import ServiceError

log = structlog.get_logger(__name__)

STANDARD_ERROR = 2  # the Portal's standard output is for what it was asked, never for the game's
OUTPUT_MODE = 0o640
LONGEST_PID_FILE = 20  # bytes of it that are looked at
# What twistd is told by those who run it in the foreground: such a Server is theirs.
FOREGROUND_FLAG = "--nodaemon"
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


class ServerProcess(Protocol):
    """A process that runs a Server."""

    @property
    def pid(self) -> int:
        """Its pid."""
        ...

    @property
    def returncode(self) -> int | None:
        """Its exit code; None while it lives, and where nobody knows."""
        ...

    @property
    def lives(self) -> bool:
        """Whether it has not ended, as far as is known."""
        ...

    async def wait(self) -> None:
        """Wait until it has ended, and leave no zombie of it."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Signal it, with all of its own where they can be told; nothing where it has ended."""
        ...


async def start_process(config: ServerConfig, environment: Mapping[str, str]) -> ServerProcess:
    """Start a Server as its settings say, or find the one that runs in the background already.

    Raises OSError where it cannot be started.
    """
    if config.pid_file is not None:
        found = find_daemon(config)
        if found is not None:
            log.info("server_found", pid=found.pid)
            return found
        _remove(config.pid_file)
    with _output(config.output) as output:
        process = await trio.lowlevel.open_process(
            list(config.command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if config.output is None else output,
            cwd=config.directory,
            env=dict(environment),
            start_new_session=True,
        )
    return Child(process) if config.pid_file is None else Starter(process, config)


class Child:
    """A Server that stays a child; it leads a process group of its own."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it."""
        return self._process.returncode

    @property
    def lives(self) -> bool:
        """Whether it is not reaped: its pid is its own until then."""
        return self.returncode is None

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Signal it with all of its own."""
        if self.lives:
            os.killpg(self.pid, number)


class Daemon:
    """A Server in the background, whoever's child it is."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.lives = True
        self._descriptor = descriptor
        try:
            self._group = os.getpgid(pid)
        except ProcessLookupError:
            self._group = pid

    async def wait(self) -> None:
        """Wait until it has ended, and reap it with those of its group that became our children."""
        if not self.lives:
            return
        self._reap()  # those who put it into the background
        await trio.lowlevel.wait_readable(self._descriptor)
        self.close()
        self._reap()

    def signal(self, number: signal.Signals) -> None:
        """Signal it alone: its group may have been made by others."""
        if self.lives:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def close(self) -> None:
        """Follow it no more."""
        if self.lives:
            self.lives = False
            os.close(self._descriptor)

    def _reap(self) -> None:
        for pid, status in _reap(self._group):
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)


class Starter:
    """A program that puts a Server into the background, and then that Server."""

    def __init__(self, process: trio.Process, config: ServerConfig) -> None:
        self._now: Child | Daemon = Child(process)
        self._config = config
        self._told: signal.Signals | None = None  # the last signal

    @property
    def pid(self) -> int:
        """The pid of the program, later that of the Server."""
        return self._now.pid

    @property
    def returncode(self) -> int | None:
        """The exit code of the program if it failed, else that of the Server."""
        return self._now.returncode

    @property
    def lives(self) -> bool:
        """Whether the one or the other has not ended."""
        return self._now.lives

    async def wait(self) -> None:
        """Wait until nothing is left of both."""
        await self._now.wait()
        for _ in _reap(self._now.pid):  # what of its group became ours
            pass
        find = find_daemon if self._now.returncode == 0 else find_orphan
        while (daemon := find(self._config)) is not None:
            log.info("server_in_background", pid=daemon.pid)
            self._now = daemon
            if self._told is not None:
                daemon.signal(self._told)
            await daemon.wait()
            self._tidy(daemon.pid)
            find = find_orphan

    def _tidy(self, pid: int) -> None:
        """Remove the pid file of a Server that could not do that by itself."""
        path = self._config.pid_file
        if path is not None and read_pid(path) == pid:
            _remove(path)

    def signal(self, number: signal.Signals) -> None:
        """Signal the one that is there, and the Server if that has to be found first."""
        self._told = number
        self._now.signal(number)


def find_daemon(config: ServerConfig) -> Daemon | None:
    """Find the Server that a pid file speaks of, if it lives and is one of this game.

    A zombie, or another process that got the pid of a dead Server, is none.
    """
    pid = None if config.pid_file is None else read_pid(config.pid_file)
    if pid is None:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    # Looked at after the descriptor is open: it is this process that is looked at, or it has ended.
    if _has_ended(descriptor) or not _is_server(read_arguments(pid), config):
        os.close(descriptor)
        return None
    return Daemon(pid, descriptor)


def find_orphan(config: ServerConfig) -> Daemon | None:
    """Find a Server whose program ended before it had said that it runs, if it became our child.

    It may not have written its pid file yet.
    """
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        if _parent(process) == os.getpid() and _is_server(read_arguments(pid), config):
            with contextlib.suppress(ProcessLookupError):
                return Daemon(pid, os.pidfd_open(pid))
    return None


def find_stranger(config: ServerConfig, pid: int | None) -> Daemon | None:
    """Find the Server that has dialled in with a pid, if it was put into the background.

    One that somebody runs in the foreground is theirs, and is not followed.
    """
    found = find_daemon(config)
    if found is not None and (found.pid != pid or FOREGROUND_FLAG in read_arguments(found.pid)):
        found.close()
        return None
    return found


def read_pid(path: str) -> int | None:
    """Read a pid file; None for one that is not there, or holds no pid."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST_PID_FILE).strip()
    except OSError:
        return None
    number = int(text) if text.isdigit() else 0
    return number if 0 < number < 2**31 else None


def read_arguments(pid: int) -> list[str]:
    """Return the command line of a process; an empty one for zombies, and where it has gone."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return text.decode("utf-8", "surrogateescape").split("\0")[:-1]


def become_subreaper() -> None:
    """Have the kernel make Servers in the background our children, so that none stays a zombie.

    For a process that is a Portal, not for one that embeds a Portal. Raises ServiceError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        reason = os.strerror(ctypes.get_errno())
        raise ServiceError("supervisor", f"cannot become a subreaper: {reason}")


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[int]:
    if path is None:
        yield STANDARD_ERROR
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, OUTPUT_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _has_ended(descriptor: int) -> bool:
    """Whether a process is a zombie, or gone: its descriptor can be read then."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _is_server(arguments: Sequence[str], config: ServerConfig) -> bool:
    """Whether a command line is that of a Server of this game: it names the same file or game."""
    if any(str(config.pid_file) in argument for argument in arguments):
        return True
    wanted = config.command[1:] or config.command
    return bool(wanted) and set(wanted) <= set(arguments)


def _parent(process: Path) -> int | None:
    """Return the pid of a process's parent; `process` is its folder in /proc."""
    try:
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def _reap(group: int) -> Iterator[tuple[int, int]]:
    """Reap what has ended of a process group, as far as it became ours; no other child is."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-group, os.WNOHANG)
            if not pid:
                return
            yield pid, status
