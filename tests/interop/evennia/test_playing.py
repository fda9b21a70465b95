"""Players of an Evennia game, by telnet and by websocket, through the Portal."""

import statistics

import pytest
import trio

from evennia_game import FRIENDS, PASSWORD, SUPERUSER

pytestmark = pytest.mark.interop

PROTOCOLS = ("telnet", "websocket")
GO_AHEAD = b"\xff\xf9"
LOOK_SECONDS = 0.02  # five on a quiet machine, which is the bench's to say


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


async def test_who_logs_in_again_takes_over_from_the_other_place(game):
    async with game.players() as doors:
        first = await doors.log_in(FRIENDS[2])
        second = await doors.log_in(FRIENDS[2], "websocket")
        await first.expect("Logged in from elsewhere")
        await first.until_closed()
        third = await doors.log_in(FRIENDS[2])
        await second.until_closed()
        await third.say("quit")
        await third.until_closed()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_long_reply_comes_whole(game, protocol):
    async with game.players() as doors:
        player = await doors.log_in(SUPERUSER, protocol)
        await player.say("py me.msg('begin' + ':' + '0123456789' * 20000 + ':' + 'end')")
        await player.expect("begin:")
        assert await player.expect(":end") == "0123456789" * 20_000


async def test_a_prompt_by_telnet(game):
    async with game.players() as doors:
        player = await doors.log_in(SUPERUSER)
        await player.say("option NOPROMPTGOAHEAD=off")
        await player.expect("NOPROMPTGOAHEAD was")
        await player.say("py me.msg(text='wounded', prompt='HP ' + '10>')")
        await player.expect("wounded")
        await player.expect("HP 10>")
        at = player.raw.index(b"HP 10>")
        await player.until(lambda: GO_AHEAD in player.raw[at:])
        assert b"\n" not in player.raw[at : player.raw.index(GO_AHEAD, at)]


async def test_a_prompt_by_websocket(game):
    async with game.players() as doors:
        player = await doors.log_in(SUPERUSER, "websocket")
        await player.say("py me.msg(text='wounded', prompt='HP ' + '10>')")
        await player.expect("HP 10>")
        names = [name for name, args, _ in player.messages if args and "HP 10&gt;" in str(args[0])]
        assert names == ["prompt"]


async def test_an_out_of_band_message_by_websocket(game):
    async with game.players() as doors:
        player = await doors.log_in(FRIENDS[0], "websocket")
        await player.websocket.send_message('["client_options", [], {"get": true}]')

        def answers():
            return [kwargs for name, _, kwargs in player.messages if name == "client_options"]

        await player.until(answers)
        assert answers()[0]["ENCODING"] == "utf-8"


async def test_back_to_back_commands_are_answered_at_once(game, record_property):
    """Nagle's algorithm against delayed acknowledgements would make 40 ms of each."""
    async with game.players() as doors:
        player = await doors.log_in(FRIENDS[0])
        times = []
        for _ in range(100):
            began = trio.current_time()
            await player.say("look")
            await player.expect("Limbo")
            times.append(trio.current_time() - began)
        record_property("median", statistics.median(times))
        assert statistics.median(times) < LOOK_SECONDS
