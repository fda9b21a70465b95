"""The game dies while twenty people play it: the Portal brings it back, and loses nobody.

Evennia's own Portal would leave it dead until somebody types `evennia start`.
"""

import os
import re
import signal
from collections import Counter
from functools import partial

import pytest

from evennia_crowd import all_at_once

pytestmark = pytest.mark.interop

UNCERTAIN = re.compile(r"not confirmed and may not have been carried out: say ([A-Za-z]+\d+) (\d+)")
NOT_DONE = re.compile(
    r"came back without your character; this was not done: say ([A-Za-z]+\d+) (\d+)"
)
KEPT = 3  # lines that each types while there is no game
# What a line comes to that is carried out for an account without its character, or for nobody.
OUT_OF_CHARACTER = ("is not available", "Huh?", "connect <username>")


async def type_a_little_more(typist):
    """Rest once the game is known to be gone, and some lines have been typed in spite of that."""
    await typist.player.until(lambda: "The game has stopped answering" in typist.seen)
    last = typist.number + KEPT
    await typist.stop_at(last)


def count(pattern, typist):
    return Counter((name, int(number)) for name, number in pattern.findall(typist.seen))


def check_lines(typist):
    """Every line was carried out, or its typist knows that it was not, or that it may not be."""
    heard, uncertain = Counter(typist.heard()), count(UNCERTAIN, typist)
    not_done = count(NOT_DONE, typist)
    typed = {(typist.player.name, number + 1) for number in range(typist.number)}
    assert heard.keys() | uncertain.keys() | not_done.keys() == typed
    assert not heard.keys() & not_done.keys()
    assert not uncertain.keys() & not_done.keys()
    # That a line was carried out may be known when its confirmation is not: then it is both.
    for counted in (heard, uncertain, not_done):
        assert set(counted.values()) <= {1}
    assert len(not_done) >= KEPT
    assert [words for words in OUT_OF_CHARACTER if words in typist.seen] == []


async def hear_of_the_last_line(typist):
    last = (typist.player.name, typist.number)
    await typist.player.until(lambda: last in count(NOT_DONE, typist))
    await typist.player.until(lambda: "... Server restarted." in typist.seen)


async def go_back_into_character(player):
    await player.say(f"ic {player.name}")
    await player.expect(f"You become {player.name}")
    await player.say("say back again")
    await player.expect('You say, "back again"')


async def test_nobody_is_dropped_and_every_line_is_accounted_for(game, crowd):
    owner, typists = crowd
    portal, server = game.portal_pid(), game.server_pid()
    os.kill(server, signal.SIGKILL)
    await all_at_once(partial(type_a_little_more, typist) for typist in typists)
    for typist in typists:
        await hear_of_the_last_line(typist)
        check_lines(typist)
    everybody = [owner, *(typist.player for typist in typists)]
    await all_at_once(partial(go_back_into_character, player) for player in everybody)
    assert game.portal_pid() == portal
    assert game.server_pid() != server
    assert game.events("server_restarts")
