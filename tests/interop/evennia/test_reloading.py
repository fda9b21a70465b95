"""The game restarts while twenty people play it: nobody notices but by the announcement."""

import itertools
import re

import pytest
import trio

from evennia_game import SUPERUSER, TYPISTS

pytestmark = pytest.mark.interop

PACE = 0.2  # seconds between two lines of a typist; the Portal keeps 100 lines of each
AFTERWARDS = 5  # lines that each types once the game is back
SAID = re.compile(r'You say, "([A-Za-z]+\d+) (\d+)"')
FORBIDDEN = ("You become", "connect <username>", "not available", "Huh?", "not confirmed")


class Typist:
    """A player who types one numbered line after another, whatever happens."""

    def __init__(self, player):
        self.player = player
        self.number = 0
        self.start = len(player.text)
        self.resting = False

    async def type(self):
        while not self.resting:
            self.number += 1
            await self.player.say(f"say {self.player.name} {self.number}")
            await trio.sleep(PACE)

    @property
    def seen(self):
        return self.player.text[self.start :]

    def heard(self):
        """Which of the lines came back, in that order."""
        return [(name, int(number)) for name, number in SAID.findall(self.seen)]

    async def finish(self):
        """Type some lines more, and wait for the last."""
        last = self.number + AFTERWARDS
        await self.player.until(lambda: (self.player.name, last) in self.heard())
        self.resting = True
        final = self.number
        await self.player.until(lambda: (self.player.name, final) in self.heard())


async def log_in_with_saved_options(doors):
    """Log in again as one with saved options: a class of the game's is in the Server's SSYNC."""
    owner = await doors.log_in(SUPERUSER)
    await owner.say("option/save SCREENWIDTH=100")
    await owner.expect("Saved option SCREENWIDTH")
    await owner.say("quit")
    await owner.until_closed()
    owner = await doors.log_in(SUPERUSER)
    await owner.say("option")
    await owner.expect("SCREENWIDTH")
    await owner.expect("100")
    return owner


@pytest.fixture
async def crowd(game):
    """Twenty typists at work, half of them on websockets, and the owner of the game."""
    async with game.players() as doors, trio.open_nursery() as nursery:
        owner = await log_in_with_saved_options(doors)
        protocols = itertools.cycle(["telnet", "websocket"])
        players = {}

        async def enter(name, protocol):
            players[name] = await doors.log_in(name, protocol)

        async with trio.open_nursery() as entrance:
            for name, protocol in zip(TYPISTS, protocols, strict=False):
                entrance.start_soon(enter, name, protocol)
        typists = [Typist(players[name]) for name in TYPISTS]
        for typist in typists:
            nursery.start_soon(typist.type)
        for typist in typists:
            await typist.player.until(typist.heard)
        yield owner, typists
        nursery.cancel_scope.cancel()


async def reload_by_launcher(game, owner):
    assert "Server reloaded" in await game.launcher("reload")


async def reload_in_the_game(game, owner):
    await owner.say("@reload")
    await owner.expect("Server restart initiated")


async def reset_in_the_game(game, owner):
    await owner.say("@reset")
    await owner.expect("Server resetting/restarting")


@pytest.mark.parametrize("order", [reload_by_launcher, reload_in_the_game, reset_in_the_game])
async def test_nobody_is_dropped_and_no_line_lost_or_doubled(game, crowd, order):
    owner, typists = crowd
    portal, server = game.portal_pid(), game.server_pid()
    await order(game, owner)
    await owner.expect("... Server restarted.")
    async with trio.open_nursery() as nursery:
        for typist in typists:
            nursery.start_soon(typist.finish)
    for typist in typists:
        expected = [(typist.player.name, number + 1) for number in range(typist.number)]
        assert typist.heard() == expected
        assert typist.seen.count("... Server restarted.") == 1
        assert [words for words in FORBIDDEN if words in typist.seen] == []
        assert not typist.player.closed
    await owner.say("look")
    await owner.expect("Welcome to your new Evennia-based game")
    assert game.portal_pid() == portal
    assert game.server_pid() != server
