"""Twenty people who play a game and never stop typing: they count what becomes of each line."""

import itertools
import math
import re
from contextlib import asynccontextmanager

import trio

from evennia_game import SUPERUSER, TYPISTS

PACE = 0.2  # seconds between two lines of a typist; the Portal keeps 100 lines of each
AFTERWARDS = 5  # lines that each types once the game is back
SAID = re.compile(r'You say, "([A-Za-z]+\d+) (\d+)"')


class Typist:
    """A player who types one numbered line after another, whatever happens."""

    def __init__(self, player):
        self.player = player
        self.number = 0
        self.start = len(player.text)
        self.last = math.inf
        self.resting = trio.Event()

    async def type(self):
        while self.number < self.last:
            self.number += 1
            await self.player.say(f"say {self.player.name} {self.number}")
            await trio.sleep(PACE)
        self.resting.set()

    async def stop_at(self, last):
        """Type up to a line, and no more."""
        self.last = last
        await self.resting.wait()

    @property
    def seen(self):
        return self.player.text[self.start :]

    def heard(self):
        """Which of the lines came back, in that order."""
        return [(name, int(number)) for name, number in SAID.findall(self.seen)]

    async def hear(self, number):
        """Wait until a line has come back."""
        await self.player.until(lambda: (self.player.name, number) in self.heard())

    async def go_on(self):
        """Wait until some lines more have come back."""
        await self.hear(self.number + AFTERWARDS)

    async def finish(self):
        """Type no more, and wait for the last line."""
        await self.stop_at(self.number)
        await self.hear(self.number)


async def all_at_once(calls):
    """Call them all, and wait for all."""
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(call)


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


@asynccontextmanager
async def open_crowd(game):
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
