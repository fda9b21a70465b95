"""A Portal in a program of one's own: its life, its games, and what it leaves alone."""

import contextlib
import gc
import logging
import resource
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest
import structlog
import trio

import portal.config
from portal import app, open_portal
from portal.amp.commands import Operation
from portal.config import (
    AmpConfig,
    Config,
    HttpConfig,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
)
from portal.errors import ConfigError, LocalProtocolError, ServiceError
from portal.game import GameServer
from portal.holding import UNCERTAIN_UNNAMED, Holding, Reason
from portal.lifecycle import State

ROOT = Path(__file__).parents[1]
PATIENCE = 30


def make_config(**settings):
    defaults = {
        "telnet": TelnetConfig(port=0),
        "websocket": WebSocketConfig(port=0),
        "http": HttpConfig(port=0),
        "amp": AmpConfig(port=0),
    }
    return Config(**defaults | settings)


class Player:
    """A telnet player who answers no negotiation and remembers the lines of text."""

    def __init__(self, stream):
        self.stream = stream
        self.data = b""
        self.seen = 0

    async def say(self, line):
        await self.stream.send_all(line.encode() + b"\r\n")

    async def expect(self, wanted):
        """Read on until a text has come, behind all that was expected before."""
        with trio.fail_after(PATIENCE):
            while (found := self.data.find(wanted.encode(), self.seen)) < 0:
                data = await self.stream.receive_some()
                assert data, f"the connection ended without {wanted!r}: {self.data!r}"
                self.data += data
        self.seen = found + len(wanted)

    async def expect_end(self):
        """Read until the connection ends; returns all that was read."""
        with trio.fail_after(PATIENCE), contextlib.suppress(trio.BrokenResourceError):
            async for data in self.stream:
                self.data += data
        return self.data.decode("utf-8", "replace")


@pytest.fixture
async def connect():
    """Come to a Portal as a player; the connection is closed at the end of the test."""
    players = []

    async def connect(portal):
        player = Player(await trio.open_tcp_stream(*portal.addresses()["telnet"][0]))
        players.append(player)
        return player

    yield connect
    for player in players:
        await trio.aclose_forcefully(player.stream)


def make_game(name="test", **arguments):
    """Make a game that greets, echoes, and obeys a few words; `events` is what it saw."""
    game = GameServer(name, **arguments)
    game.events = []

    @game.at_connect
    def greet(session):
        game.events.append("connect")
        session.msg(f"Welcome to {name}!")

    @game.at_sync
    def resume(session):
        game.events.append("sync")
        session.msg(f"Welcome back to {name}!")

    @game.at_disconnect
    def leave(session, reason):
        game.events.append("disconnect")
        game.sessions.msg(game.sessions.all(), f"somebody has left ({reason})")

    @game.inputfunc
    def text(session, line, **_options):
        game.events.append(line)
        if line == "quit":
            session.disconnect("Goodbye.")
        elif line == "@shutdown":
            game.shutdown(portal=True)
        elif line == "@reload":
            game.reload()
        session.msg(f"You say: {line}")

    @game.at_stop
    def stop():
        game.events.append("stop")

    return game


# ---- the block


async def test_a_game_in_the_block(connect):
    game = make_game()
    async with open_portal(make_config(), game=game) as portal:
        assert portal.info()["telnet"] == portal.addresses()["telnet"]
        assert portal.addresses()["amp"] is None
        assert portal.supervisor.state is State.CONNECTED
        player = await connect(portal)
        await player.expect("Welcome to test!")
        await player.say("hello")
        await player.expect("You say: hello")
    assert app.GOODBYE in await player.expect_end()
    assert game.events == ["connect", "hello", "stop"]
    assert portal.sessionhandler.sessions == {}
    assert portal.hub.connections == 0
    with pytest.raises(OSError, match=r"."):
        await connect(portal)


async def test_the_amp_port_stays_closed(monkeypatch):
    opened = []
    create = socket.socket.bind
    monkeypatch.setattr(
        socket.socket, "bind", lambda sock, address: (opened.append(address), create(sock, address))
    )
    config = make_config(amp=AmpConfig(host="0.0.0.0", port=4006))  # refused where it is opened
    async with open_portal(config) as portal:
        assert portal.amp_listener is None
    assert opened
    assert {port for _, port, *_ in opened} == {0}


async def test_input_is_kept_until_there_is_a_game(connect, monkeypatch):
    game = make_game()
    kept, keep = trio.Event(), Holding.keep

    def notice(*given):
        kept.set()
        return keep(*given)

    monkeypatch.setattr(Holding, "keep", notice)
    async with open_portal(make_config()) as portal, trio.open_nursery() as nursery:
        player = await connect(portal)
        await player.expect(Reason.STARTING)
        await player.say("early")
        await kept.wait()
        await nursery.start(portal.play, game)
        await player.expect("Welcome to test!")
        await player.expect("You say: early")
        game.stop()
        await player.expect(Reason.LOST)
    assert game.events == ["connect", "early", "stop"]


async def test_a_game_is_reloaded_in_the_process(connect):
    games = [make_game("first"), make_game("second")]
    ends = []

    async def play(portal, *games):
        for game in games:
            end = await portal.play(game)
            ends.append(end)

    async with open_portal(make_config()) as portal, trio.open_nursery() as nursery:
        nursery.start_soon(play, portal, *games)
        player = await connect(portal)
        await player.expect("Welcome to first!")
        await player.say("@reload")
        await player.expect(Reason.RESTARTING)
        await player.expect("Welcome back to second!")
        await player.say("hello")
        await player.expect("You say: hello")
        with trio.move_on_after(0.1) as waiting:
            await portal.supervisor.reload()
        assert waiting.cancelled_caught, "there is no third game"
    assert ends == ["reload", "reload"]
    assert games[1].events == ["sync", "hello", "stop"]


async def test_a_game_of_another_process_over_amp(nursery, connect):
    async with open_portal(make_config(), amp=True) as portal:
        game = make_game("remote", amp=tuple(portal.addresses()["amp"]), config=AmpConfig())
        await nursery.start(game.serve)
        player = await connect(portal)
        await player.expect("Welcome to remote!")
    assert game.events == ["connect", "stop"]


async def test_a_game_that_the_portal_starts(connect):
    command = (sys.executable, str(ROOT / "examples/twelve_lines.py"))
    config = make_config(server=ServerConfig(command=command))
    with pytest.raises(ConfigError, match=r"server\.command: .* this Portal has none"):
        async with open_portal(config):
            pass
    with trio.fail_after(PATIENCE):
        async with open_portal(config, amp=True) as portal:
            player = await connect(portal)
            await player.expect("Welcome!")


async def test_two_in_one_process(connect):
    games = make_game("one"), make_game("two")
    async with (
        open_portal(make_config(), game=games[0]) as first,
        open_portal(make_config(), game=games[1]) as second,
    ):
        players = [await connect(portal) for portal in (first, second, second)]
        for player, name in zip(players, ("one", "two", "two"), strict=True):
            await player.expect(f"Welcome to {name}!")
        await players[0].say("to one")
        await players[0].expect("You say: to one")
        assert len(first.sessionhandler.sessions) == 1
        assert len(second.sessionhandler.sessions) == 2
        first.stop()
        await first.stopped()
        assert app.GOODBYE in await players[0].expect_end()
        await players[1].say("to two")
        await players[1].expect("You say: to two")
    assert games[0].events == ["connect", "to one", "stop"]
    assert games[1].events == ["connect", "connect", "to two", "stop"]


async def test_the_game_may_stop_the_portal(connect):
    with trio.fail_after(PATIENCE):
        async with open_portal(make_config(), game=make_game()) as portal:
            player = await connect(portal)
            await player.expect("Welcome")
            await player.say("@shutdown")
            await portal.stopped()
            assert portal.stopping
            late = make_game()
            assert await portal.play(late) == "shutdown"
            async with trio.open_nursery() as nursery:
                await nursery.start(portal.play, late)
            assert late.events == []


async def test_a_game_is_played_once():
    game = make_game()
    async with open_portal(make_config(), game=game) as portal:
        with pytest.raises(LocalProtocolError, match="once"):
            await portal.play(game)
        assert portal.supervisor.state is State.CONNECTED


async def test_a_slow_function_delays_the_end_by_little(connect):
    """It gets `stranger_stop_seconds`, and its game 5 seconds in all."""
    game = make_game()
    waiting = trio.Event()

    @game.inputfunc
    async def text(session, line, **_options):
        waiting.set()
        await trio.sleep(0.5)
        session.msg("too late")
        game.events.append("ended")

    config = make_config(server=ServerConfig(stranger_stop_seconds=0.1))
    async with open_portal(config, game=game) as portal:
        player = await connect(portal)
        await player.expect("Welcome")
        await player.say("slowly")
        await waiting.wait()
    shown = await player.expect_end()
    assert UNCERTAIN_UNNAMED in shown, "it was typed before a login"
    assert "too late" not in shown
    assert game.events == ["connect", "ended", "stop"]


# ---- what goes wrong


async def test_what_the_block_raises_comes_out_as_it_is(connect):
    cause = KeyError("cause")
    raised = ValueError("in the block")
    with pytest.raises(ValueError, match="in the block") as caught:
        async with open_portal(make_config(), game=make_game()) as portal:
            player = await connect(portal)
            await player.expect("Welcome")
            raise raised from cause
    assert caught.value is raised
    assert (raised.__cause__, raised.__context__) == (cause, None)
    assert app.GOODBYE in await player.expect_end()
    assert portal.sessionhandler.sessions == {}


async def test_what_fails_at_the_end_joins_what_the_block_raised(monkeypatch):
    game = make_game()
    raised = ValueError("in the block")
    with pytest.raises(ExceptionGroup) as caught:
        async with open_portal(make_config(), game=game):
            monkeypatch.setattr(game, "_stop_hooks", lambda: 1 / 0)
            raise raised
    assert caught.value.exceptions[0] is raised
    assert caught.group_contains(ZeroDivisionError)


async def test_a_cancel_in_a_group_goes_to_its_scope():
    with pytest.raises(ExceptionGroup) as caught, trio.CancelScope() as scope:
        async with open_portal(make_config()), trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("in the clean-up")
    assert caught.group_contains(ValueError)
    assert not caught.group_contains(trio.Cancelled)


async def test_groups_of_the_block_stay_groups():
    with pytest.raises(ExceptionGroup) as caught:
        async with open_portal(make_config()), trio.open_nursery():
            raise ValueError("in a nursery")
    (inner,) = caught.value.exceptions
    assert isinstance(inner, ValueError)


async def test_a_game_that_does_not_start():
    game = make_game()
    game.at_start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        async with open_portal(make_config(), game=game):
            raise AssertionError("the block began")


async def test_an_address_that_cannot_be_had():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = make_config(telnet=TelnetConfig(port=taken.getsockname()[1]))
        with pytest.raises(ServiceError, match="telnet: cannot listen at"):
            async with open_portal(config):
                raise AssertionError("the block began")


async def test_what_fails_beside_the_block_cancels_it(monkeypatch, connect):
    ended = []
    with pytest.raises(ExceptionGroup) as caught:
        async with open_portal(make_config(), game=make_game()) as portal:

            def fail_once():
                monkeypatch.undo()
                raise ZeroDivisionError

            monkeypatch.setattr(portal.hub, "_tick", fail_once)
            try:
                await connect(portal)
                await trio.sleep_forever()
            finally:
                ended.append("block")
    assert caught.group_contains(ZeroDivisionError)
    assert ended == ["block"]


async def test_cancelled_it_ends_soon_and_tells_the_players(connect):
    game = make_game()
    start = trio.current_time()
    with trio.CancelScope() as scope:
        async with open_portal(make_config(), game=game) as portal:
            player = await connect(portal)
            await player.expect("Welcome")
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - start < 10
    assert app.GOODBYE in await player.expect_end()
    assert game.events == ["connect", "stop"]


async def test_cancelled_while_it_begins():
    game = make_game()
    with trio.CancelScope() as scope:
        game.at_start(scope.cancel)
        async with open_portal(make_config(), game=game):
            raise AssertionError("the block began")
    assert scope.cancelled_caught
    assert game.events == ["stop"]


async def test_a_game_outlives_no_portal(nursery):
    """The game is played beside a Portal that is cancelled."""
    game = make_game()
    portal = app.Portal(make_config(), amp=False)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as playing, trio.open_nursery() as serving:
            await serving.start(portal.run)
            await playing.start(portal.play, game)
            serving.cancel_scope.cancel()
    assert game.events == ["stop"]
    assert portal.stopping


# ---- as over AMP


@contextlib.asynccontextmanager
async def over_amp(game):
    async with open_portal(make_config(), amp=True) as portal, trio.open_nursery() as nursery:
        game.amp = tuple(portal.addresses()["amp"])
        await nursery.start(game.serve)
        await portal.supervisor.connected()  # the Portal hears a little later than the game
        yield portal


@contextlib.asynccontextmanager
async def in_process(game):
    async with open_portal(make_config(), game=game) as portal:
        yield portal


async def live(way, connect):
    """Play a little; returns what the game saw and what each player read."""
    game = make_game()
    texts = []
    async with way(game) as portal:
        anna, bert = await connect(portal), await connect(portal)
        for player in (anna, bert):
            await player.expect("Welcome")
        await anna.say("one\r\ntwo\r\nthree")
        await anna.expect("You say: three")
        await bert.say("to begin\r\nquit\r\nnobody hears this")
        texts.append(await bert.expect_end())
        await anna.expect("somebody has left")
        await anna.say("four")
        await anna.expect("You say: four")
        await anna.say("@shutdown")
        # Whether the Portal's goodbye or the game's last answer comes first is left to chance.
        *lines, last, very_last = (await anna.expect_end()).splitlines()
        texts.append([*lines, *sorted([last, very_last])])
        await portal.stopped()
    return game.events, texts


async def test_game_and_players_see_what_they_see_over_amp(connect):
    events, texts = await live(in_process, connect)
    expected_events, expected_texts = await live(over_amp, connect)
    assert texts == expected_texts
    # Over AMP the game may get a line that was typed behind the one that ended the session.
    assert [each for each in expected_events if each != "nobody hears this"] == events
    assert events[-2:] == ["@shutdown", "stop"]


async def test_a_websocket_that_the_game_ends_leaves_no_deadline():
    """Its pong comes in one read with the line that ended it."""
    request = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    line, pong = b'\x81\x94\0\0\0\0["text",["quit"],{}]', b"\x8a\x80\0\0\0\0"
    async with open_portal(make_config(), game=make_game()) as portal:
        async with await trio.open_tcp_stream(*portal.addresses()["websocket"][0]) as stream:
            player = Player(stream)
            await stream.send_all(request)
            await player.expect("Welcome to test!")
            assert len(portal.websocket.pings) == 1
            await stream.send_all(line + pong)
            assert "Goodbye." in await player.expect_end()
        assert len(portal.websocket.pings) == len(portal.websocket.pongs) == 0


# ---- without a game on `portal.game`


class Echo:
    """The smallest `ServerLink`: it answers everything itself."""

    def __init__(self, sessionhandler):
        self.sessionhandler = sessionhandler

    def send_msg(self, session, message, secret):
        session.data_out(message)
        self.sessionhandler.message_answered(session.sessid)

    def send_admin(self, operation, sessid=0, **kwargs):
        if operation == Operation.PCONN:
            self.sessionhandler.session_acknowledged(sessid)
            self.sessionhandler.data_out_to(sessid, {"text": [["I am an echo."], {"options": {}}]})


async def test_a_link_of_ones_own(connect):
    async with open_portal(make_config()) as portal:
        portal.sessionhandler.link = Echo(portal.sessionhandler)
        portal.sessionhandler.server_ready()
        player = await connect(portal)
        await player.expect("I am an echo.")
        await player.say("hello")
        await player.expect("hello")
        (session,) = portal.sessionhandler.sessions.values()
        assert session.unanswered == 0
        assert session.acknowledged


# ---- what it leaves alone


def process_state():
    return {
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "collector": (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()),
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
        "structlog": structlog.is_configured(),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "threads": threading.active_count(),
        "excepthook": sys.excepthook,
    }


async def test_nothing_of_the_process_is_touched(connect):
    before = process_state()
    async with open_portal(make_config(), game=make_game()) as portal:
        player = await connect(portal)
        await player.expect("Welcome")
        during = process_state()
    await player.expect_end()
    assert before == during == process_state()


# ---- the example


def test_the_example_is_twenty_lines_and_stands_in_the_page():
    source = (ROOT / "examples/embedded.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 20
    assert f"```python\n{source}```" in (ROOT / "docs/embedding.md").read_text()


async def test_the_example(monkeypatch, capsys, nursery, connect):
    mains, made = [], []
    monkeypatch.setattr(trio, "run", mains.append)
    monkeypatch.setattr(portal.config, "Config", make_config)
    monkeypatch.setattr(portal.logs, "configure", lambda *_: None)
    monkeypatch.setattr(app.Portal, "run", remember(app.Portal.run, made))
    names = runpy.run_path(str(ROOT / "examples/embedded.py"))
    assert mains == [names["main"]]
    nursery.start_soon(names["main"])
    with trio.fail_after(PATIENCE):
        await names["game"]._synchronised.wait()
    anna, bert = await connect(made[0]), await connect(made[0])
    for player, name in ((anna, "Anna"), (bert, "Bert")):
        await player.expect("What is your name?")
        await player.say(name)
        await player.expect(f"{name}: (has arrived)")
    await anna.say("hello")
    await bert.expect("Anna: hello")
    made[0].stop()
    assert app.GOODBYE in await bert.expect_end()
    assert str(made[0].addresses()["telnet"]) in capsys.readouterr().out


def remember(run, made):
    async def remembered(self, **arguments):
        made.append(self)
        await run(self, **arguments)

    return remembered
