"""The processes of Servers: real ones, that stay children or go into the background."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from portal.config import ServerConfig
from portal.server_process import (
    find_daemon,
    find_stranger,
    read_arguments,
    read_pid,
    start_process,
)

SECONDS = 30
# As twistd does it: a child, its child in a new process session, the pid file, and the end of the
# first as soon as the last says that it runs.
DAEMON = """
import os, signal, sys, time
running, say_so = os.pipe()
if os.fork():
    os.close(say_so)
    os.wait()
    sys.exit(os.read(running, 1) != b"y")
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: os._exit(5))
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
print("in the background", flush=True)
os.write(say_so, b"y")
time.sleep(60)
"""


def in_background(tmp_path, code=DAEMON):
    program = tmp_path / "daemon.py"
    program.write_text(code)
    pid_file = tmp_path / "server.pid"
    return ServerConfig(
        command=(sys.executable, str(program), str(pid_file)),
        directory=str(tmp_path),
        pid_file=str(pid_file),
        output=str(tmp_path / "server.log"),
    )


async def wait_for(path):
    with trio.fail_after(SECONDS):
        while not path.exists():
            await trio.sleep(0.01)


@pytest.fixture
def started():
    """Processes that a test may leave behind."""
    pids = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


async def test_a_child(tmp_path, capfd):
    code = "import os, sys, time; print(os.getcwd(), os.environ['WORD']); sys.exit(3)"
    config = ServerConfig(command=(sys.executable, "-c", code), directory=str(tmp_path))
    process = await start_process(config, {"WORD": "hello"})
    await process.wait()
    assert (process.lives, process.returncode) == (False, 3)
    process.signal(signal.SIGTERM)  # nobody is there any more
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"{tmp_path} hello\n"), "its output never goes where answers go"


async def test_the_output_of_a_child_in_a_file(tmp_path):
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    log = tmp_path / "log"
    log.write_text("before\n")
    config = ServerConfig(command=(sys.executable, "-c", code), output=str(log))
    await (await start_process(config, os.environ)).wait()
    assert sorted(log.read_text().split()) == ["before", "err", "out"]


async def test_a_child_is_signalled_with_all_of_its_own(tmp_path):
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    config = ServerConfig(command=(sys.executable, "-c", code))
    process = await start_process(config, os.environ)
    assert os.getpgid(process.pid) == process.pid
    process.signal(signal.SIGKILL)
    await process.wait()
    assert process.returncode == -signal.SIGKILL


async def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="no such program"):
        await start_process(ServerConfig(command=("no such program",)), {})
    config = ServerConfig(command=(sys.executable,), output=str(tmp_path / "no" / "log"))
    with pytest.raises(FileNotFoundError):
        await start_process(config, {})


async def test_a_server_in_the_background(tmp_path, started):
    config = in_background(tmp_path)
    process = await start_process(config, os.environ)
    starter = process.pid
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.wait)
        await wait_for(Path(config.pid_file))
        pid = read_pid(config.pid_file)
        started.append(pid)
        with trio.fail_after(SECONDS):
            while process.pid != pid:
                await trio.sleep(0.01)
        assert pid != starter
        assert process.lives
        process.signal(signal.SIGTERM)
    assert not process.lives
    assert not Path(config.pid_file).exists(), "the Server itself did not remove it"
    assert process.returncode in (5, None), "it is our child where this process is a subreaper"
    assert Path(config.output).read_text() == "in the background\n"
    process.signal(signal.SIGKILL)


async def test_one_that_fails_to_start(tmp_path):
    config = in_background(tmp_path, "raise SystemExit(7)")
    process = await start_process(config, os.environ)
    await process.wait()
    assert (process.lives, process.returncode) == (False, 7)


async def test_one_that_says_it_runs_and_does_not(tmp_path):
    config = in_background(tmp_path, "")
    process = await start_process(config, os.environ)
    await process.wait()
    assert (process.lives, process.returncode) == (False, 0)


async def test_one_that_runs_already_is_found_and_not_started_again(tmp_path, started):
    config = in_background(tmp_path)
    first = await start_process(config, os.environ)
    await wait_for(Path(config.pid_file))
    pid = read_pid(config.pid_file)
    started.append(pid)
    found = await start_process(config, os.environ)
    assert found.pid == pid
    assert find_stranger(config, pid + 1) is None
    stranger = find_stranger(config, pid)
    assert stranger.pid == pid
    found.signal(signal.SIGTERM)
    for process in (first, found, stranger):
        with trio.fail_after(SECONDS):
            await process.wait()
    assert not found.lives
    await found.wait()  # at once
    assert find_stranger(config, pid) is None


async def test_one_in_the_foreground_is_somebody_elses(tmp_path, started):
    config = in_background(tmp_path, "import time; time.sleep(60)")
    command = [*config.command, "--nodaemon"]
    process = subprocess.Popen(command)
    started.append(process.pid)
    Path(config.pid_file).write_text(str(process.pid))
    wait_until_it_has_arguments(process.pid)
    assert find_stranger(config, process.pid) is None
    found = find_daemon(config)
    assert found.pid == process.pid
    found.close()
    process.kill()
    process.wait()


def wait_until_it_has_arguments(pid):
    ends = time.monotonic() + SECONDS
    while not any("daemon.py" in word for word in read_arguments(pid)):
        assert time.monotonic() < ends


async def test_what_a_dead_server_left_behind_is_removed(tmp_path, started):
    config = in_background(tmp_path)
    other = subprocess.Popen(["sleep", "60"])
    started.append(other.pid)
    Path(config.pid_file).write_text(str(other.pid))
    assert find_daemon(config) is None, "its pid is another's now"
    process = await start_process(config, os.environ)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.wait)
        with trio.fail_after(SECONDS):
            while read_pid(config.pid_file) in (None, other.pid):
                await trio.sleep(0.01)
        started.append(read_pid(config.pid_file))
        os.kill(started[-1], signal.SIGKILL)
    other.kill()
    other.wait()


async def test_a_zombie_is_no_server(tmp_path):
    config = in_background(tmp_path, "")
    zombie = subprocess.Popen([*config.command])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    Path(config.pid_file).write_text(str(zombie.pid))
    assert find_daemon(config) is None
    assert read_arguments(zombie.pid) == []
    zombie.wait()
    assert find_daemon(config) is None, "nobody has that pid"
    assert read_arguments(zombie.pid) == []


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        (b"123", 123),
        (b"123\n", 123),
        (b"", None),
        (b"0", None),
        (b"-1", None),
        (b"12x", None),
        (b"9" * 20, None),
        (b"1" * 1000, None),
        (b"\xff", None),
    ],
)
def test_a_pid_file(tmp_path, text, pid):
    path = tmp_path / "pid"
    path.write_bytes(text)
    assert read_pid(str(path)) == pid


def test_no_pid_file(tmp_path):
    assert read_pid(str(tmp_path / "pid")) is None
    assert find_daemon(ServerConfig()) is None
    assert find_stranger(ServerConfig(), 1) is None


SUBREAPER = """
import os, pathlib, sys, time, trio, trio.testing
from portal.config import ServerConfig
from portal.server_process import become_subreaper, start_process, read_pid

async def main():
    become_subreaper()
    other = os.spawnlp(os.P_NOWAIT, "true", "true")  # a child that is none of ours to reap
    config = ServerConfig(command=(sys.executable, *sys.argv[1:]), pid_file=sys.argv[2])
    process = await start_process(config, os.environ)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.wait)
        while process.pid != read_pid(sys.argv[2]):
            await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked()
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        assert children == [str(other), str(process.pid)], children
        process.signal(15)
    assert process.returncode == 5, process.returncode
    assert os.waitpid(other, 0)[1] == 0
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no zombie is left")

trio.run(main)
"""


async def test_a_portal_is_the_reaper_of_what_its_servers_leave_behind(tmp_path):
    config = in_background(tmp_path, DAEMON.replace("    os.wait()\n", ""))  # as twistd
    done = await trio.run_process(
        [sys.executable, "-c", SUBREAPER, *config.command[1:]], capture_stdout=True
    )
    assert done.stdout.split(b"\n")[-2] == b"no zombie is left"


# One whose program is still at work when it is told to end: no pid file is there yet.
SLOW = """
import os, sys, time
if os.fork():
    time.sleep(60)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1] + ".started", "w").close()
time.sleep(60)
"""
CUT_SHORT = """
import os, pathlib, sys, trio
from portal.config import ServerConfig
from portal.server_process import become_subreaper, start_process

async def main():
    become_subreaper()
    config = ServerConfig(command=(sys.executable, *sys.argv[1:]), pid_file=sys.argv[2])
    process = await start_process(config, os.environ)
    starter = process.pid
    while not pathlib.Path(sys.argv[2] + ".started").exists():
        await trio.sleep(0.01)
    process.signal(15)
    await process.wait()
    assert process.pid != starter
    assert process.returncode == -15, process.returncode
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("nothing is left")

trio.run(main)
"""


async def test_a_server_whose_program_is_cut_short_ends_with_it(tmp_path):
    config = in_background(tmp_path, SLOW)
    with trio.fail_after(SECONDS):
        done = await trio.run_process(
            [sys.executable, "-c", CUT_SHORT, *config.command[1:]], capture_stdout=True
        )
    assert done.stdout.split(b"\n")[-2] == b"nothing is left"
