"""What can go wrong between launcher, Portal and Server, and has with others."""

import os
import pickle
import signal
import subprocess

import pytest
import trio

from evennia_game import FRIENDS, SUPERUSER
from players import PATIENCE

pytestmark = pytest.mark.interop

SRELOAD = b"\x0e"


@pytest.fixture(scope="module")
def shared(game_of_one_s_own, tmp_path_factory):
    """A game that each test leaves running."""
    with game_of_one_s_own(tmp_path_factory.mktemp("traps"), way="hook") as game:
        game.start()
        yield game
        game.launch("kill")
        game.wait_for(lambda: not game.processes(), "the end of all processes")
        game.assert_nothing_left()


@pytest.fixture
async def running(shared):
    """That game, and a player of it who is in character on each protocol."""
    async with shared.players() as doors:
        yield shared, [await doors.log_in(FRIENDS[0]), await doors.log_in(FRIENDS[1], "websocket")]


async def play_on(players):
    """All are in character, and hear the game."""
    for player in players:
        await player.say("say I am here")
        await player.expect('You say, "I am here"')


async def go_back_into_character(players):
    for player in players:
        await player.say(f"ic {player.name}")
        await player.expect(f"You become {player.name}")
    await play_on(players)


async def hear_restart(players):
    for player in players:
        await player.expect("... Server restarted.")


def make_box(**arguments):
    """Write an AMP box (twisted.protocols.amp)."""
    box = b""
    for name, value in arguments.items():
        box += len(name).to_bytes(2, "big") + name.encode() + len(value).to_bytes(2, "big") + value
    return box + b"\0\0"


async def order_and_leave(game, operation):
    """Give the launcher's order, and hang up as soon as it is answered."""
    stream = await trio.open_tcp_stream("127.0.0.1", game.amp)
    async with stream:
        await stream.send_all(
            make_box(
                _ask=b"1",
                _command=b"MsgLauncher2Portal",
                operation=operation,
                arguments=pickle.dumps({}),
            )
        )
        assert b"_answer" in await stream.receive_some()


async def test_servers_that_leave_by_themselves_and_of_others(running):
    """`skill`, `istart` and `sstop`: nobody starts a Server again but who stopped it."""
    game, players = running
    portal, restarts = game.portal_pid(), len(game.events("server_restarts"))
    await game.launcher("skill")
    await game.until(lambda: game.state() == "DOWN", "the end of the Server")
    await players[0].say("say kept")
    await game.launcher("start")
    await hear_restart(players)
    await players[0].expect('You say, "kept"')
    await play_on(players)

    interactive = subprocess.Popen(
        [game.python.with_name("evennia"), "istart"],
        cwd=game.directory,
        env=game.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    await hear_restart(players)
    await play_on(players)
    os.killpg(interactive.pid, signal.SIGINT)  # as Ctrl-C does
    await game.do(interactive.wait, PATIENCE)
    await game.until(lambda: game.state() == "DOWN", "the end of the Server")
    await game.launcher("start")
    await hear_restart(players)

    # Told to stop, Evennia's Server takes everybody out of character and writes nothing down.
    await game.launcher("sstop")
    await game.until(lambda: game.state() == "DOWN", "the end of the Server")
    await players[0].say("say kept")
    await game.launcher("start")
    await hear_restart(players)
    await players[0].expect("this was not done: say kept")
    await go_back_into_character(players)
    assert game.portal_pid() == portal
    assert len(game.events("server_restarts")) == restarts


async def test_a_launcher_that_leaves_after_its_order(running):
    """It would have said when the next Server starts: without a word of it the Portal starts it."""
    game, players = running
    server = game.server_pid()
    await order_and_leave(game, SRELOAD)
    await hear_restart(players)
    await play_on(players)
    assert game.server_pid() != server


async def test_a_pid_file_that_names_somebody_else(running):
    """The Server dies, and its pid is another process's, or a zombie's, by then."""
    game, players = running
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    for other in (os.getpid(), zombie.pid):
        server = game.server_pid()
        os.kill(server, signal.SIGKILL)
        game.server_pid_file.write_text(str(other))
        await hear_restart(players)
        assert game.server_pid() not in {server, other}
    zombie.wait()
    await go_back_into_character(players)


async def test_a_portal_that_is_killed(running):
    """Its Server lives on; the next Portal finds it and starts no other."""
    game, players = running
    server = game.server_pid()
    os.kill(game.portal_pid(), signal.SIGKILL)
    for player in players:
        await player.until_closed()
    await game.launcher("start")
    async with game.players() as doors:
        await play_on([await doors.log_in(FRIENDS[0])])
    assert game.server_pid() == server


async def test_another_game_with_the_same_amp_port(running, new_game):
    """A copy of the game whose owner has forgotten a line of its settings takes the players over.

    They are not dropped; when it has gone they are back in their own.
    """
    game, players = running
    copy = new_game(way="hook", settings=f"AMP_PORT = {game.amp}\n")
    server = copy.start_server()
    await game.until(lambda: game.events("server_link_replaced"), "the second Server")
    server.kill()
    server.wait()
    await game.until(game.is_connected, "the first Server")
    await go_back_into_character(players)


async def test_a_reload_upon_a_reload(running):
    """From inside and outside at once; one of them brings the next Server."""
    game, players = running
    async with game.players() as doors:
        owner = await doors.log_in(SUPERUSER)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(game.launcher, "reload")
            await owner.say("@reload")
            await owner.say("@reset")
        await hear_restart([owner, *players])
        await game.until(game.is_connected, "a Server")
        await play_on([owner, *players])
