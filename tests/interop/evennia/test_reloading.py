"""The game restarts while twenty people play it: nobody notices but by the announcement."""

import pytest

from evennia_crowd import all_at_once

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


ORDERS = (reload_by_launcher, reload_in_the_game, reset_in_the_game)


def check_lines(typist):
    """Every line came back once, in order, and nothing else did but the announcements."""
    assert not typist.player.closed
    expected = [(typist.player.name, number + 1) for number in range(typist.number)]
    assert typist.heard() == expected
    assert [words for words in FORBIDDEN if words in typist.seen] == []


async def test_nobody_is_dropped_and_no_line_lost_or_doubled(game, crowd):
    owner, typists = crowd
    portal, servers = game.portal_pid(), {game.server_pid()}
    for order in ORDERS:
        await order(game, owner)
        await owner.expect("... Server restarted.")
        servers.add(game.server_pid())
        await owner.say("look")
        await owner.expect("Welcome to your new Evennia-based game")
        await all_at_once(typist.go_on for typist in typists)
    await all_at_once(typist.finish for typist in typists)
    for typist in typists:
        check_lines(typist)
    assert [typist.seen.count("... Server restarted.") for typist in typists] == [3] * 20
    assert game.portal_pid() == portal
    assert len(servers) == 1 + len(ORDERS)
