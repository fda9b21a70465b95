"""A game ends with the Portal that started it, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from portal.game.parent import wait_until_gone

PATIENCE = 30

GAME = """
from portal.game import GameServer
game = GameServer("test", amp=("127.0.0.1", 1))
@game.at_start
def begin():
    print("begins", flush=True)
@game.at_stop
def end():
    print("ends", flush=True)
game.run()
"""


@pytest.fixture
def other():
    """Start a process that lives until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_it_waits_until_the_process_is_gone(other):
    before = open_descriptors()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as waiting:
            waiting.start_soon(wait_until_gone, other.pid)
            await trio.testing.wait_all_tasks_blocked()
            assert waiting.child_tasks
            other.kill()
        await wait_until_gone(other.pid)
        other.wait()
        await wait_until_gone(other.pid)
    assert open_descriptors() == before


async def test_cancelled_it_leaves_no_descriptor(other):
    before = open_descriptors()
    async with trio.open_nursery() as waiting:
        waiting.start_soon(wait_until_gone, other.pid)
        await trio.testing.wait_all_tasks_blocked()
        waiting.cancel_scope.cancel()
    assert open_descriptors() == before


def test_a_game_leaves_in_order_when_its_portal_is_gone(other):
    environment = os.environ | {"PORTAL_PID": str(other.pid)}
    line = [sys.executable, "-c", GAME]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as game:
        try:
            assert game.stdout.readline() == "begins\n"
            other.send_signal(signal.SIGKILL)
            assert game.stdout.readline() == "ends\n"
            assert game.wait(PATIENCE) == 0
        finally:
            game.kill()
