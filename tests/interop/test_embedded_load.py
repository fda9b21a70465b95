"""A load on a Portal inside a program: 2000 players, with the game and all of them in one process.

Half of them come by telnet and half by websocket. Everything of theirs is real but the network,
which is loopback.
"""

import gc
import json
import resource
import time
from pathlib import Path

import pytest
import trio

from portal import open_portal
from portal.config import Config, HttpConfig, TelnetConfig, WebSocketConfig
from portal.game import GameServer, ServerSession
from portal.hub.connection import Connection
from portal.local_link import _Ask
from portal.session import Session

pytestmark = pytest.mark.interop

PLAYERS = 2000
CPU_SECONDS = 20  # for all of it, with coverage measured; without, it takes 2 to 3
PATIENCE = 120  # until it is given up, however busy the machine is
# Both ends of a connection are descriptors of this process; a few hundred are its own.
DESCRIPTORS = 2 * PLAYERS + 500
# Of both ends of a connection together, with a task for each player; measured are 14 KB.
MEMORY_EACH = 30 * 1024
COUNTED = (Session, ServerSession, Connection, _Ask)


@pytest.fixture
def descriptors():
    """Let this test have as many as it needs, and no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"{DESCRIPTORS} descriptors are needed, and no more than {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def make_game():
    game = GameServer("load")

    @game.at_connect
    def greet(session):
        session.msg("What is your name?")

    @game.inputfunc
    async def text(session, line, **_options):
        if line == "quit":
            session.disconnect("Goodbye.")
            return
        await trio.lowlevel.checkpoint()  # as for a password: the message waits in an inbox
        session.login(session.sessid, line)
        session.msg(f"Welcome, {line}.")

    return game


class Players:
    """All the players: each waits for the others at every stage."""

    def __init__(self):
        self.arrived = {}
        self.stages = {}

    async def wait(self, stage, count=PLAYERS):
        """Arrive at a stage, and wait until everybody has."""
        event = self.stages.setdefault(stage, trio.Event())
        self.arrived[stage] = self.arrived.get(stage, 0) + 1
        if self.arrived[stage] == count:
            event.set()
        await event.wait()

    async def play(self, portal, number):
        make = Telnet if number % 2 else WebSocket
        async with await trio.open_tcp_stream(*portal.addresses()[make.way][0]) as stream:
            player = make(stream)
            await player.begin()
            await player.expect(b"What is your name?")
            await player.say(f"player{number}")
            await player.expect(b"Welcome, player%d." % number)
            await self.wait("logged in", PLAYERS + 1)
            await player.expect(b"The sun rises.")
            await self.wait("heard", PLAYERS + 1)
            if number % 4 < 2:
                await player.say("quit")
                await player.expect(b"Goodbye.")
                async for _ in stream:
                    pass


class Telnet:
    """A telnet player who answers no negotiation."""

    way = "telnet"

    def __init__(self, stream):
        self.stream = stream
        self.data = b""

    async def begin(self):
        await trio.lowlevel.checkpoint()

    async def say(self, line):
        await self.stream.send_all(line.encode() + b"\r\n")

    async def expect(self, wanted):
        while wanted not in self.data:
            data = await self.stream.receive_some()
            assert data, f"the connection ended without {wanted!r}"
            self.data += data
        self.data = self.data.partition(wanted)[2]


class WebSocket(Telnet):
    """A player on a websocket, as plain as can be: short frames, and a mask that changes nothing."""

    way = "websocket"

    async def begin(self):
        await self.stream.send_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await self.expect(b"101 Switching Protocols")

    async def say(self, line):
        message = json.dumps(["text", [line], {}]).encode()
        assert len(message) < 126
        await self.stream.send_all(b"\x81" + bytes([0x80 | len(message)]) + bytes(4) + message)


def memory():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no memory in the status of the process")


def count_objects():
    gc.collect()
    return sum(isinstance(each, COUNTED) for each in gc.get_objects())


async def test_2000_players_log_in_hear_one_broadcast_and_go(descriptors):
    config = Config(
        telnet=TelnetConfig(port=0),
        # All come at once, and who plays them has its share of the time; nobody answers a ping.
        websocket=WebSocketConfig(port=0, ping_seconds=PATIENCE),
        http=HttpConfig(port=0, head_seconds=PATIENCE, half_open=PLAYERS),
    )
    game = make_game()
    before, objects, began = memory(), count_objects(), time.process_time()
    with trio.fail_after(PATIENCE):
        async with open_portal(config, game=game) as portal:
            players = Players()
            async with trio.open_nursery() as nursery:
                for number in range(PLAYERS):
                    nursery.start_soon(players.play, portal, number)
                await players.wait("logged in", PLAYERS + 1)
                assert len(game.sessions.logged_in()) == PLAYERS
                assert portal.sessionhandler.count_loggedin() == PLAYERS
                assert memory() - before < PLAYERS * MEMORY_EACH
                sent = portal.metrics.messages_out
                game.sessions.msg(game.sessions.logged_in(), "The sun rises.")
                assert portal.metrics.messages_out == sent + PLAYERS
                await players.wait("heard", PLAYERS + 1)
            while portal.hub.connections:
                await trio.lowlevel.checkpoint()
            assert portal.sessionhandler.sessions == {}
            assert len(game.sessions) == 0
            assert portal.metrics.sessions_opened == portal.metrics.sessions_closed == PLAYERS
            assert portal.metrics.inputs_refused == portal.metrics.inputs_uncertain == 0
            assert portal.hub.unsent == 0
            assert portal.amp_server.server.link.unanswered == 0
            assert count_objects() <= objects, "what belongs to a player is gone with them"
    assert time.process_time() - began < CPU_SECONDS
