"""The game restarts while twenty people play it: nobody notices but by the announcement."""

import pytest
import trio

pytestmark = pytest.mark.interop

FORBIDDEN = ("You become", "connect <username>", "not available", "Huh?", "not confirmed")


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
