"""What the tests with real processes and real peers share: a demo Portal, and its players."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio
import trio_websocket

from players import PATIENCE, Player, WebPlayer

MIB = 1024 * 1024
# More than an attack may cost, less than what most would cost without their bounds.
MEMORY_BOUND = 40 * MIB
CPU_BOUND = 2.0  # seconds of the Portal's process
ROUND_TRIP_BOUND = 1.0  # seconds that a bystander may wait for an answer
# The ports that the command line does not name.
PORTS = "[websocket]\nport = 0\n[http]\nport = 0\n{}"


@dataclass
class RunningPortal:
    """A Portal in a process of its own, started with ports of its own."""

    process: trio.Process
    ready: dict
    log: Path
    nursery: trio.Nursery
    players: list[Player] = field(default_factory=list)

    @property
    def telnet(self) -> tuple[str, int]:
        host, port = self.ready["telnet"][0]
        return host, port

    @property
    def amp(self) -> tuple[str, int]:
        host, port = self.ready["amp"]
        return host, port

    async def connect(self) -> Player:
        player = Player(await trio.open_tcp_stream(*self.telnet))
        self.nursery.start_soon(player.read)
        self.players.append(player)
        return player

    async def connect_websocket(self, query: str = "", port: str = "websocket") -> WebPlayer:
        # trio-websocket does not close a stream whose other end has closed: this one is ours.
        stream = await trio.open_tcp_stream(*self.ready[port][0])
        websocket = await trio_websocket.wrap_client_stream(
            self.nursery, stream, "localhost", f"/{query}", subprotocols=["v1.evennia.com"]
        )
        assert websocket.subprotocol == "v1.evennia.com"
        player = WebPlayer(websocket, stream)
        self.nursery.start_soon(player.read)
        self.players.append(player)
        return player

    async def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        host, port = self.amp
        line = [*PORTAL, *words, "--host", host, "--amp-port", str(port)]
        with trio.fail_after(PATIENCE):
            return await trio.run_process(
                line, capture_stdout=True, capture_stderr=True, check=check
            )

    async def status(self) -> dict:
        return json.loads((await self.command("status", "--json")).stdout)

    async def until_status(self, condition) -> dict:
        with trio.fail_after(PATIENCE):
            while True:
                status = await self.status()
                if condition(status):
                    return status

    async def kill_server(self) -> int:
        """Kill the game without warning; returns the pid that is gone."""
        status = await self.until_status(lambda s: s["server"]["state"] == "CONNECTED")
        pid = status["server"]["pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE):
            return await self.process.wait()


PORTAL = [sys.executable, "-m", "portal"]


@asynccontextmanager
async def running(log: Path, *words: str, http: str = "", environment: dict | None = None):
    """Start `portal ...` with free ports, wait until it is ready, stop it at the end.

    `http` are more lines for that section of its configuration.
    """
    ports = log.with_name("ports.toml")
    ports.write_text(PORTS.format(http))
    line = [*PORTAL, *words, "--telnet-port", "0", "--amp-port", "0", "--json"]
    line += ["--config", str(ports)]
    async with trio.open_nursery() as nursery:
        with log.open("wb") as errors:
            start = partial(
                trio.run_process,
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                env={**os.environ, **(environment or {})},
            )
            process = await nursery.start(start)
        with trio.fail_after(PATIENCE):
            first = b""
            while not first.endswith(b"\n"):
                data = await process.stdout.receive_some(65536)
                assert data, f"it ended before it was ready; see {log}"
                first += data
        portal = RunningPortal(process, json.loads(first), log, nursery)
        try:
            yield portal
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    await portal.stop()
                for player in portal.players:
                    await trio.aclose_forcefully(player.stream)
            nursery.cancel_scope.cancel()


@pytest.fixture
def run_portal(tmp_path):
    """Run a Portal of one's own: `async with run_portal("run", ...) as portal`."""
    return partial(running, tmp_path / "portal.log")


@pytest.fixture
def start_demo(run_portal, tmp_path):
    """Run the demo: `async with start_demo() as demo`."""
    return partial(run_portal, "demo", "--data", str(tmp_path / "data"))


@pytest.fixture
async def demo(start_demo):
    async with start_demo() as demo:
        yield demo


def memory(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no peak in the status of the process")


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Watch:
    """What an attack costs the Portal, and whether a bystander notices it.

    With `with watch`, the usual bounds are held; with `async with watch.costs(...)` those that are
    given, and the round trips of the bystander, who goes on playing all the time.
    """

    def __init__(self, demo, bystander, record):
        self.demo = demo
        self.bystander = bystander
        self.pid = demo.process.pid
        self.record = record

    def __enter__(self):
        self.memory = memory(self.pid)
        self.cpu = cpu(self.pid)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            assert memory(self.pid) - self.memory < MEMORY_BOUND
            assert cpu(self.pid) - self.cpu < CPU_BOUND

    @asynccontextmanager
    async def costs(self, *, memory_bound, cpu_bound):
        """Hold what is done within to so many bytes and so many seconds of the Portal's process."""
        before, began = memory(self.pid), cpu(self.pid)
        worst = [0.0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, worst)
            yield
            nursery.cancel_scope.cancel()
        found = {
            "mebibytes": (memory(self.pid) - before) / MIB,
            "seconds": cpu(self.pid) - began,
            "round_trip": worst[0],
        }
        for name, value in found.items():
            self.record(name, round(value, 3))
        assert found["mebibytes"] * MIB < memory_bound
        assert found["seconds"] < cpu_bound
        assert found["round_trip"] < ROUND_TRIP_BOUND

    async def _play(self, worst):
        for number in itertools.count():
            began = trio.current_time()
            await self.bystander.say(f"say tick{number}.")
            await self.bystander.expect(f"tick{number}.")
            worst[0] = max(worst[0], trio.current_time() - began)
            await trio.sleep(0.05)  # no more than a player may say

    async def plays_on(self):
        await self.bystander.say("say all is well")
        await self.bystander.expect("all is well")

    async def logged(self, event, **fields):
        with trio.fail_after(10):
            while not any(
                line.get("event") == event and fields.items() <= line.items() for line in self.log()
            ):
                await self.demo.status()

    def log(self):
        for line in self.demo.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    async def counter(self, name):
        return (await self.demo.status())["counters"][name]


@pytest.fixture
def watch_portal(record_property):
    """Watch a Portal of one's own: `watch_portal(portal, bystander)`."""
    return partial(Watch, record=record_property)


@pytest.fixture
async def watch(demo, watch_portal):
    bystander = await demo.connect()
    await bystander.expect("name")
    await bystander.say("Berta")
    await bystander.expect("Berta")
    return watch_portal(demo, bystander)


# Nothing of a browser's own business with the world: no updates, no synchronisation, no QUIC.
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, without a window and with a profile of its own.

    For one module: the loop of Playwright must be gone before a test on trio comes.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no browser: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=PATIENCE * 1000)  # 5 s are too few on a busy machine
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_FLAGS)
        yield browser
        browser.close()
