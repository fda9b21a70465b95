"""Websockets of a real Portal with real clients, on both of its ports.

What happens to a player on a websocket when the game is reloaded or killed is counted to the line
in `test_survival.py`.
"""

import json
import os
from functools import partial
from pathlib import Path

import pytest
import trio

sync_client = pytest.importorskip("websockets.sync.client")

pytestmark = pytest.mark.interop

PORTS = ["websocket", "http"]
MIB = 1024 * 1024
# What an idle Portal may take, its HTTP port included.
MEMORY = 60 * MIB


async def log_in(player, name):
    await player.expect("name")
    await player.say(name)
    await player.expect(name)
    return player


@pytest.mark.parametrize("port", PORTS)
async def test_a_websocket_and_a_telnet_player_talk(demo, port):
    anna = await log_in(await demo.connect(), "Anna")
    bert = await log_in(await demo.connect_websocket(port=port), "Bert")
    await anna.say("say größe <b>|rred|n")
    await bert.expect("größe <b>|rred|n")
    await bert.say('say "hi" & größe')
    await anna.expect('"hi" & größe')
    # It is HTML, and nothing of a player's is in it.
    shown = next(message[1][0] for message in bert.messages if "größe" in str(message))
    assert "&lt;b&gt;" in shown
    status = await demo.status()
    assert status["counters"]["websocket_protocol_errors"] == 0
    sessions = json.loads((await demo.command("sessions", "--json")).stdout)
    assert "websocket" in str(sessions)


class OtherClient:
    """The synchronous client of `websockets`, which offers compression and is never given it."""

    def __init__(self, connection):
        self.connection = connection
        self.heard = []

    def until(self, wanted):
        while not any(wanted in str(message) for message in self.heard):
            self.heard.append(json.loads(self.connection.recv(timeout=30)))

    def say(self, line):
        self.connection.send(json.dumps(["text", [line], {}]))


def play(address, port, told):
    """Log in, say something, hear the answer, and leave."""
    url = "ws://{}:{}/play?status=1".format(*address)
    with sync_client.connect(url, subprotocols=["v1.evennia.com"]) as connection:
        assert connection.subprotocol == "v1.evennia.com"
        assert connection.protocol.extensions == []
        client = OtherClient(connection)
        client.until("name")
        client.say("Otto")
        client.until("Otto")
        connection.ping().wait(30)
        client.say(f"say by {port}")
        client.until("an answer")
        connection.send(json.dumps(["text", ["quit"], {}]).encode())
        for message in connection:
            client.heard.append(json.loads(message))
        told.extend((client.heard, connection.close_code))


@pytest.mark.parametrize("port", PORTS)
async def test_another_client(demo, port):
    anna = await log_in(await demo.connect(), "Anna")
    told = []
    async with trio.open_nursery() as nursery:
        address = demo.ready[port][0]
        nursery.start_soon(partial(trio.to_thread.run_sync, play, address, port, told))
        await anna.expect(f"by {port}")
        await anna.say("say an answer")
    heard, code = told
    assert code == 1000
    assert heard[0] == ["portal_status", ["connected"], {}]
    await anna.expect("Otto")


async def test_how_the_game_is_is_told(demo):
    bert = await log_in(await demo.connect_websocket("?status=1"), "Bert")
    quiet = await log_in(await demo.connect_websocket(), "Cora")
    await demo.command("reload")
    await demo.kill_server()
    await demo.until_status(lambda s: s["server"]["state"] == "CONNECTED")
    await bert.say("say it is over")
    await bert.expect("it is over")
    states = [message[1][0] for message in bert.messages if message[0] == "portal_status"]
    assert states == ["connected", "restarting", "connected", "lost", "connected"]
    assert not any(message[0] == "portal_status" for message in quiet.messages)


async def test_a_password_is_never_repeated(demo):
    anna = await log_in(await demo.connect_websocket(), "Anna")
    await anna.say("password")
    hide = {"options": {"echo": False}}
    await anna.until(lambda: any(message[2] == hide for message in anna.messages))
    await demo.kill_server()
    await anna.say("hunter2hunter2")
    await demo.until_status(lambda s: s["server"]["state"] == "CONNECTED")
    await anna.say("")  # whatever the game still asks, it is answered by nothing
    await anna.say("say it is over")
    await anna.expect('"it is over')
    assert "hunter2" not in str(anna.messages)
    assert b"hunter2" not in demo.log.read_bytes()


async def test_the_portal_says_goodbye(demo):
    anna = await log_in(await demo.connect_websocket(port="http"), "Anna")
    assert await demo.stop() == 0
    await anna.until_closed()
    assert "shutting down" in anna.text
    assert anna.reason.code == 1000


def peak_memory(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


async def test_an_idle_portal_is_small(run_portal):
    """Not counted is what measures the coverage of these tests in every process."""
    unmeasured = {name: "" for name in os.environ if name.startswith("COVERAGE_PROCESS")}
    async with run_portal("run", "--no-server", environment=unmeasured) as portal:
        async with await trio.open_tcp_stream(*portal.ready["http"][0]) as stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            async for piece in stream:
                data += piece
        assert data.startswith(b"HTTP/1.1 200 ")
        assert peak_memory(portal.process.pid) <= MEMORY
