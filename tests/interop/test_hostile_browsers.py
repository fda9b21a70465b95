"""Attacks on the ports for browsers, while somebody else goes on playing by telnet.

Each has a bounded cost, a line in the log that names it and a counter. The figures that were
measured are in docs/hostile.md; `-o junit_family=xunit1 --junitxml=FILE` writes those of a run down.
"""

import json
import os
import shlex
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

pytestmark = pytest.mark.interop

MIB = 1024 * 1024
ATTACKER = Path(__file__).with_name("attacker.py")
# So that a reader who stops is cut while a test looks on; 30 s else.
SECTIONS = "send_seconds = 2\n"


# Not counted is what measures the coverage of these tests in every process.
UNMEASURED = {name: "" for name in os.environ if name.startswith("COVERAGE_PROCESS")}


@pytest.fixture
async def demo(start_demo):
    async with start_demo(http=SECTIONS, environment=UNMEASURED) as demo:
        yield demo


async def attack(demo, name, port):
    """Run an attack to its end; returns what it met with."""
    line = [sys.executable, ATTACKER, name, *map(str, demo.ready[port][0])]
    with trio.fail_after(90):
        done = await trio.run_process(line, capture_stdout=True)
    return json.loads(done.stdout)


@asynccontextmanager
async def attacking(demo, name, port):
    """Run an attack that stays as long as the block lasts; gives what it has said so far."""
    line = [sys.executable, ATTACKER, name, *map(str, demo.ready[port][0])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, line, **pipes, check=False))
        with trio.fail_after(90):
            data = b""
            while not data.endswith(b"\n"):
                piece = await process.stdout.receive_some()
                assert piece
                data += piece
        yield json.loads(data)
        nursery.cancel_scope.cancel()


# name, port, expected (None: whatever), MiB, seconds, log event and fields, counter, at least
ATTACKS = [
    (
        "slow_pages",
        "http",
        {"408": 500},
        10,
        1.0,
        "request_refused",
        {"status": 408},
        "handshakes_timed_out",
        500,
    ),
    (
        "slow_handshakes",
        "websocket",
        {"408": 500},
        10,
        1.0,
        "request_refused",
        {"status": 408},
        "handshakes_timed_out",
        500,
    ),
    (
        "endless_heads",
        "http",
        None,
        10,
        1.0,
        "request_refused",
        {"status": 431},
        "websocket_handshakes_refused",
        50,
    ),
    (
        "no_http",
        "websocket",
        {"400": 2000},
        10,
        1.0,
        "request_refused",
        {"status": 400},
        "websocket_handshakes_refused",
        2000,
    ),
    (
        "huge_frames",
        "websocket",
        {"1009": 100},
        10,
        1.0,
        "websocket_failed",
        {"code": 1009},
        "websocket_protocol_errors",
        100,
    ),
    (
        "fragments",
        "websocket",
        {"1009": 10},
        10,
        1.0,
        "websocket_failed",
        {"code": 1009},
        "websocket_protocol_errors",
        10,
    ),
    (
        "empty_fragments",
        "http",
        {"1008": 50},
        10,
        1.0,
        "websocket_failed",
        {"code": 1008},
        "websocket_protocol_errors",
        50,
    ),
    (
        "wrong_text",
        "websocket",
        {"1007": 200},
        10,
        1.0,
        "websocket_failed",
        {"code": 1007},
        "websocket_protocol_errors",
        200,
    ),
    (
        "malformed",
        "websocket",
        {"1008": 100},
        10,
        1.0,
        "malformed_messages",
        {},
        "websocket_messages_malformed",
        1100,
    ),
    (
        "pings",
        "websocket",
        {"open": 10},
        10,
        1.0,
        "controls_throttled",
        {},
        "controls_throttled",
        1000,
    ),
    (
        "pongs",
        "websocket",
        {"open": 10},
        10,
        1.0,
        "controls_throttled",
        {},
        "controls_throttled",
        1000,
    ),
    (
        "deaf_browsers",
        "http",
        {"gone": 10},
        20,
        12.0,
        "slow_reader_cut",
        {},
        "slow_readers_cut",
        10,
    ),
]


@pytest.mark.parametrize(
    ("name", "port", "expected", "mebibytes", "seconds", "event", "fields", "counter", "least"),
    ATTACKS,
    ids=[each[0] for each in ATTACKS],
)
async def test_an_attack(
    demo, watch, name, port, expected, mebibytes, seconds, event, fields, counter, least
):
    async with watch.costs(memory_bound=mebibytes * MIB, cpu_bound=seconds):
        met = await attack(demo, name, port)
    assert expected is None or met == expected
    await watch.logged(event, **fields)
    assert await watch.counter(counter) >= least
    await watch.plays_on()


async def test_unfinished_messages(demo, watch):
    """They cost what has come of them, and are thrown away with their connections."""
    async with (
        watch.costs(memory_bound=40 * MIB, cpu_bound=1.0),
        attacking(demo, "unfinished_frames", "websocket") as number,
    ):
        assert number == 200
        player = await demo.connect_websocket()
        await player.expect("name")
    await demo.until_status(lambda status: status["counters"]["sessions_closed"] >= 200)


GENEROUS_GAME = """
from portal.game import GameServer

game = GameServer("generous")

@game.at_connect
def greet(session):
    session.login(session.sessid, f"P{session.sessid}")
    session.msg("ready")

@game.inputfunc
def text(session, line, **_):
    session.msg("x" * 200_000 if line == "much" else line)

game.run()
"""


async def test_players_who_stop_reading(run_portal, tmp_path, watch_portal):
    script = tmp_path / "generous.py"
    script.write_text(GENEROUS_GAME)
    server = shlex.join([sys.executable, str(script)])
    async with run_portal("run", "--server", server, environment=UNMEASURED) as portal:
        bystander = await portal.connect()
        await bystander.expect("ready")
        watch = watch_portal(portal, bystander)
        # Eight MiB may be unsent for each, and one more message is underway.
        async with watch.costs(memory_bound=80 * MIB, cpu_bound=4.0):
            assert await attack(portal, "deaf_players", "websocket") == {"gone": 5}
        await watch.logged("slow_reader_cut")
        assert await watch.counter("slow_readers_cut") == 5
        await watch.plays_on()


async def test_ten_thousand_half_open_connections(demo, watch):
    async with (
        watch.costs(memory_bound=20 * MIB, cpu_bound=8.0),
        attacking(demo, "half_open", "http") as number,
    ):
        assert number == 10_000
        # Browsers and other clients still come in.
        player = await demo.connect_websocket(port="http")
        await player.expect("name")
    assert (
        await watch.counter("half_open_dropped") + await watch.counter("handshakes_timed_out")
        >= 9000
    )
    await watch.logged("half_open_dropped")


async def test_a_flood_of_requests(demo, watch, record_property):
    """It takes the time that nobody else wants, and no more."""
    async with watch.costs(memory_bound=40 * MIB, cpu_bound=12.0):
        answers = await attack(demo, "pages", "http")
    record_property("answers", answers)
    assert answers > 100
    assert await watch.counter("http_requests") >= answers
    await watch.logged("http_request")
