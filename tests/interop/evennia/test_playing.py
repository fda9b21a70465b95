"""Players of an Evennia game, by telnet and by websocket, through the Portal."""

import pytest

from evennia_game import FRIENDS, PASSWORD

pytestmark = pytest.mark.interop

PROTOCOLS = ("telnet", "websocket")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_account_is_created_and_logs_in(game, protocol):
    name = f"New{protocol}"
    async with game.players() as doors:
        player = await doors.connect(protocol)
        await player.expect("connect <username>")
        await player.say(f"create {name} {PASSWORD}")
        await player.expect("Is this what you intended?")
        await player.say("y")
        await player.expect("A new account")
        await player.say(f"connect {name} {PASSWORD}")
        await player.expect(f"You become {name}")
        await player.say("look")
        await player.expect("Welcome to your new Evennia-based game")


async def test_people_talk_across_protocols(game):
    async with game.players() as doors:
        berta = await doors.log_in(FRIENDS[0])
        carlo = await doors.log_in(FRIENDS[1], "websocket")
        await berta.say("say Good evening!")
        await berta.expect('You say, "Good evening!"')
        await carlo.expect('Berta says, "Good evening!"')
        await carlo.say("page Berta = only for you")
        await berta.expect("Carlo pages: only for you")
