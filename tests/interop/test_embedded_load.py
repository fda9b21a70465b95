"""A load on a Portal inside a program: 2000 players, with the game and all of them in one process.

Everything of theirs is real but the network: sockets on loopback, the telnet codec, the sessions.
"""

import gc
import resource
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
SECONDS = 20  # for all of it, with coverage measured
# Both ends of a connection are descriptors of this process; a few hundred are its own.
DESCRIPTORS = 2 * PLAYERS + 500
# Of both ends of a connection together, with a task for each player; measured are 12 KB.
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
        async with await trio.open_tcp_stream(*portal.addresses()["telnet"][0]) as stream:
            reader = Reader(stream)
            await reader.expect(b"What is your name?")
            await stream.send_all(b"player%d\r\n" % number)
            await reader.expect(b"Welcome, player%d." % number)
            await self.wait("logged in", PLAYERS + 1)
            await reader.expect(b"The sun rises.\r\n")
            await self.wait("heard", PLAYERS + 1)
            if number % 2:
                await stream.send_all(b"quit\r\n")
                await reader.expect(b"Goodbye.\r\n")
                assert await stream.receive_some() == b""


class Reader:
    def __init__(self, stream):
        self.stream = stream
        self.data = b""

    async def expect(self, wanted):
        while wanted not in self.data:
            data = await self.stream.receive_some()
            assert data, f"the connection ended without {wanted!r}"
            self.data += data
        self.data = self.data.partition(wanted)[2]


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
        telnet=TelnetConfig(port=0), websocket=WebSocketConfig(port=0), http=HttpConfig(port=0)
    )
    game = make_game()
    before, objects = memory(), count_objects()
    with trio.fail_after(SECONDS):
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
