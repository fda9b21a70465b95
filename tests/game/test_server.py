"""A whole game against the Portal's end of AMP: what it registers, and the life of its process."""

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import structlog
import trio

from portal.amp.commands import Operation
from portal.config import AMP_ADDRESS_VARIABLE, AMP_SECRET_VARIABLE, AmpConfig
from portal.errors import LocalProtocolError, ServerUnavailable
from portal.game import GameServer
from portal.game.server import DRAIN_SECONDS, SYNC_SECONDS

EXAMPLE = Path(__file__).parents[2] / "examples/twelve_lines.py"


@pytest.fixture
def game(portal):
    return GameServer("test", amp=portal.address, config=AmpConfig(), version="1.0")


def connect(portal, sessid, **data):
    portal.order(Operation.PCONN, sessid, sessiondata={"sessid": sessid, **data})


# ---- what it registers


def test_registration_gives_the_function_back():
    game = GameServer(amp=("127.0.0.1", 1))

    def text(session, *_args, **_kwargs): ...
    def hook(*_args): ...

    assert game.inputfunc(text) is text
    assert game.inputfunc("look")(text) is text
    for decorator in (
        game.at_start,
        game.at_stop,
        game.at_connect,
        game.at_sync,
        game.at_login,
        game.at_disconnect,
    ):
        assert decorator(hook) is hook


def test_hooks_are_plain_functions():
    async def hook(session): ...

    with pytest.raises(TypeError, match="at_connect"):
        GameServer(amp=("127.0.0.1", 1)).at_connect(hook)


def test_where_the_portal_is(monkeypatch):
    monkeypatch.delenv(AMP_ADDRESS_VARIABLE, raising=False)
    monkeypatch.delenv(AMP_SECRET_VARIABLE, raising=False)
    game = GameServer()
    assert (game.name, game.amp, game.config.secret) == ("game", ("127.0.0.1", 4006), None)
    monkeypatch.setenv(AMP_ADDRESS_VARIABLE, "unix:/run/amp")
    monkeypatch.setenv(AMP_SECRET_VARIABLE, "sesame")
    game = GameServer()
    assert (game.amp, game.config.secret) == ("/run/amp", "sesame")
    assert GameServer(amp=("192.0.2.1", 9)).amp == ("192.0.2.1", 9)


@pytest.mark.parametrize("order", ["reload", "reset", "shutdown"])
def test_without_a_portal_there_is_nobody_to_ask(order):
    with pytest.raises(ServerUnavailable):
        getattr(GameServer(amp=("127.0.0.1", 1)), order)()


# ---- in play


async def test_a_game_from_greeting_to_farewell(autojump_clock, nursery, portal, game, deadline):
    events = []

    @game.at_connect
    def welcome(session):
        session.msg("Welcome!")

    @game.at_login
    def note(session):
        events.append(("at_login", session.uname))

    @game.at_disconnect
    def farewell(session, reason):
        events.append(("at_disconnect", session.uname))

    @game.inputfunc
    async def text(session, line, **_):
        await trio.lowlevel.checkpoint()
        session.login(session.sessid, line)
        game.sessions.msg(game.sessions.logged_in(), f"{line} is here")

    @game.inputfunc
    def default(session, cmdname, *args, **kwargs):
        session.msg(oob=(cmdname, *args))

    with deadline:
        await nursery.start(game.serve)
        _, _, introduction = await portal.until_operation(Operation.PSYNC)
        info = introduction["info_dict"]
        assert (info["servername"], info["version"], info["library"]) == (
            "test",
            "1.0",
            "portal.game",
        )
        connect(portal, 1)
        connect(portal, 2)
        portal.say(1, "Anna")
        await portal.until(lambda: len(portal.messages) == 3)
        portal.say(2, "Bert")
        await portal.until(lambda: len(portal.messages) == 4)
        assert portal.texts() == [
            (1, "Welcome!"),
            (2, "Welcome!"),
            (1, "Anna is here"),
            ([1, 2], "Bert is here"),
        ]
        await portal.until_operation(Operation.SLOGIN, 2)
        portal.order(Operation.PDISCONN, 1)
        await portal.until(lambda: len(portal.answers) == 6)
        assert events == [("at_login", "Anna"), ("at_login", "Bert"), ("at_disconnect", "Anna")]


@pytest.mark.parametrize(
    ("ask", "operation"),
    [
        (GameServer.reload, Operation.SRELOAD),
        (GameServer.reset, Operation.SRESET),
        (GameServer.shutdown, Operation.SSHUTD),
        (partial(GameServer.shutdown, portal=True), Operation.PSHUTD),
    ],
)
async def test_what_a_game_asks(autojump_clock, nursery, portal, game, deadline, ask, operation):
    with deadline:
        await nursery.start(game.serve)
        ask(game)
        await portal.until_operation(operation)


# ---- the life of its process


async def serve(game, stages, task_status=trio.TASK_STATUS_IGNORED):
    await game.serve(task_status=task_status)
    stages.append("returned")


@pytest.mark.parametrize("order", [Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD, None])
async def test_it_leaves_in_order(autojump_clock, nursery, portal, game, deadline, order):
    stages = []
    game.at_start(lambda: stages.append("at_start"))

    @game.at_stop
    def stop():
        stages.append("at_stop")
        for session in game.sessions:
            session.server_data["last"] = "words"

    @game.inputfunc
    async def text(session, line, **_):
        await trio.sleep(DRAIN_SECONDS - 1)
        stages.append(line)

    with deadline:
        await nursery.start(serve, game, stages)
        connect(portal, 1)
        portal.say(1, "in flight")
        await portal.until(lambda: (Operation.PCONN, None) in portal.answers)
        if order is None:
            game.stop()
        else:
            portal.order(order, server_restart_mode="reload")
        _, _, sync = await portal.until_operation(Operation.SSYNC)
        assert sync["clean"]
        assert sync["sessiondata"][1]["server_data"] == {"last": "words"}
        assert stages == ["at_start", "in flight", "at_stop"]
        assert ("in flight", None) in portal.answers
        await portal.until(lambda: portal.lost)
        await trio.testing.wait_all_tasks_blocked()
        assert stages[3:] == ["returned"]


async def test_the_next_process_finds_the_sessions(
    autojump_clock, nursery, portal, deadline, make_session_data
):
    first = GameServer(amp=portal.address, config=AmpConfig())

    @first.at_connect
    def begin(session):
        session.login(7, "Anna")
        session.server_data["room"] = "quay"

    second = GameServer(amp=portal.address, config=AmpConfig())
    back = []

    @second.at_sync
    def resume(session):
        back.append((session.sessid, session.uname, session.server_data))

    with deadline:
        await nursery.start(serve, first, [])
        portal.order(Operation.PCONN, 3, sessiondata=make_session_data(3))
        portal.order(Operation.SRELOAD)
        _, _, sync = await portal.until_operation(Operation.SSYNC)
        portal.sessiondata = {3: make_session_data(3, **sync["sessiondata"][3])}
        await nursery.start(second.serve)
    assert back == [(3, "Anna", {"room": "quay"})]


async def test_functions_that_do_not_end_are_cut_short(
    autojump_clock, nursery, portal, game, deadline
):
    ended = []

    @game.inputfunc
    async def text(session, line, **_):
        try:
            await trio.sleep_forever()
        finally:
            ended.append(line)

    with deadline:
        await nursery.start(game.serve)
        connect(portal, 1)
        portal.say(1, "for ever")
        await portal.until(lambda: (Operation.PCONN, None) in portal.answers)
        start = trio.current_time()
        game.stop()
        await portal.until_operation(Operation.SSYNC)
        assert trio.current_time() - start == pytest.approx(DRAIN_SECONDS, abs=0.1)
        await portal.until(lambda: portal.lost)
        # The Portal tells the player that this line was not confirmed.
        assert ("for ever", "ConnectionLost") in portal.answers
        assert ended == ["for ever"]


@pytest.mark.parametrize("order", [Operation.SRELOAD, None])
async def test_what_it_has_not_begun_when_it_leaves_goes_back(
    autojump_clock, nursery, portal, game, deadline, order
):
    """Ordered or by itself: what waits behind the running function, and what comes later."""
    called = []

    @game.inputfunc
    async def text(session, line, **_):
        called.append(line)
        await trio.sleep_forever()

    with deadline:
        await nursery.start(game.serve)
        for sessid in (1, 2):
            connect(portal, sessid)
        for line in ("runs", "waits", "waits too"):
            portal.say(1, line)
        await portal.until(lambda: (Operation.PCONN, None) in portal.answers)
        if order is None:
            game.stop()
        else:
            portal.order(order)
        await portal.until(lambda: ("waits too", "NOT_BEGUN") in portal.answers)
        portal.say(1, "comes late")
        portal.say(2, "of another")
        await portal.until(lambda: portal.lost)
    answers = [answer for answer in portal.answers if answer[0] not in Operation.__dict__.values()]
    assert answers == [
        ("waits", "NOT_BEGUN"),
        ("waits too", "NOT_BEGUN"),
        ("comes late", "NOT_BEGUN"),
        ("of another", "NOT_BEGUN"),
        ("runs", "ConnectionLost"),
    ]
    assert called == ["runs"]


async def test_a_game_that_another_one_replaces_leaves_for_good(
    autojump_clock, nursery, portal, game, deadline
):
    """Else the two would take the Portal from each other for ever."""
    stages = []
    with deadline:
        await nursery.start(serve, game, stages)
        portal.order(Operation.SSHUTD)
        portal.link.close("another Server took over")
        await portal.until(lambda: portal.lost)
        await trio.sleep(30)
        assert stages == ["returned"]
        assert len(portal.links) == 1


async def test_it_leaves_without_a_portal(autojump_clock, nursery, portal, game):
    portal.listening.cancel()
    await trio.testing.wait_all_tasks_blocked()
    stages = []
    nursery.start_soon(serve, game, stages)
    await trio.sleep(100)
    game.stop()
    await trio.testing.wait_all_tasks_blocked()
    assert stages == ["returned"]


async def test_cancelling_calls_at_stop_once(autojump_clock, nursery, portal, game, deadline):
    stages = []
    game.at_stop(lambda: stages.append("at_stop"))
    with deadline:
        async with trio.open_nursery() as inner:
            await inner.start(game.serve)
            inner.cancel_scope.cancel()
        await portal.until(lambda: portal.lost)
    assert stages == ["at_stop"]
    assert portal.count(Operation.SSYNC) == 0


async def test_without_at_start_there_is_no_game(portal, game):
    game.at_start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await game.serve()
    assert portal.links == []


async def test_it_serves_by_another_link(side):
    game = GameServer("test", amp=("127.0.0.1", 1), version="1.0")
    given = []

    class Client:
        leaving = False

        async def leave(self, seconds):
            await trio.lowlevel.checkpoint()
            given.append((self.leaving, seconds))
            return True

    async def connect(nursery, info):
        await trio.lowlevel.checkpoint()
        given.append(info)
        game.sessions.portal = side.portal
        nursery.start_soon(trio.sleep_forever)
        game.stop()
        return Client()

    with trio.fail_after(20):
        await game.serve_by(connect)
    assert given[0]["servername"] == "test"
    assert given[0]["version"] == "1.0"
    assert given[0]["library"] == "portal.game"
    assert given[1] == (True, SYNC_SECONDS)
    with pytest.raises(LocalProtocolError, match="once"):
        await game.serve_by(connect)


async def test_it_serves_once(autojump_clock, nursery, portal, game, deadline):
    with deadline:
        await nursery.start(game.serve)
    with pytest.raises(LocalProtocolError, match="once"):
        await game.serve()


# ---- `run`: signals, in this process and in one of its own


async def test_signals(portal, game):
    """The first signal lets it leave in order, the second cuts it short."""
    ended = []

    @game.inputfunc
    async def text(session, line, **_):
        try:
            await trio.sleep_forever()
        finally:
            ended.append(line)

    with trio.fail_after(20):
        async with trio.open_nursery() as inner:
            inner.start_soon(game._serve_until_signal)
            await portal.until_operation(Operation.PSYNC)
            connect(portal, 1)
            portal.say(1, "for ever")
            await portal.until(lambda: (Operation.PCONN, None) in portal.answers)
            os.kill(os.getpid(), signal.SIGTERM)
            await game._leaving.wait()
            os.kill(os.getpid(), signal.SIGINT)
    assert ended == ["for ever"]
    assert portal.count(Operation.SSYNC) == 0


@pytest.mark.parametrize("configured", [True, False])
def test_run_sets_up_the_logs_where_nobody_has(monkeypatch, configured):
    game = GameServer(amp=("127.0.0.1", 1))
    game.at_start(game.stop)
    called = []
    monkeypatch.setattr(structlog, "is_configured", lambda: configured)
    monkeypatch.setattr("portal.game.server.logs.configure", lambda: called.append("configure"))
    game.run()
    assert called == ([] if configured else ["configure"])


def test_the_page_shows_the_example():
    page = EXAMPLE.parents[1] / "docs/game.md"
    assert EXAMPLE.read_text() in page.read_text()


async def test_the_example_in_a_process_of_its_own(portal, nursery, make_session_data):
    """Twelve lines: greeting, name, talk, and an end in order when SIGTERM comes."""
    host, port = portal.address
    start = partial(
        trio.run_process,
        [sys.executable, str(EXAMPLE)],
        env={**os.environ, AMP_ADDRESS_VARIABLE: f"{host}:{port}"},
        stderr=subprocess.DEVNULL,
        check=False,
    )
    with trio.fail_after(20):
        process = await nursery.start(start)
        await portal.until_operation(Operation.PSYNC)
        for sessid in (1, 2):
            portal.order(Operation.PCONN, sessid, sessiondata=make_session_data(sessid))
        portal.say(1, "Anna")
        portal.say(2, "Bert\n")
        portal.say(1, "hello")
        await portal.until(lambda: len(portal.messages) == 5)
        assert [(sessid, re.sub(r"\|.", "", text)) for sessid, text in portal.texts()] == [
            (1, "Welcome! What is your name?"),
            (2, "Welcome! What is your name?"),
            (1, "Anna: (has arrived)"),
            ([1, 2], "Bert: (has arrived)"),
            ([1, 2], "Anna: hello"),
        ]
        process.terminate()
        _, _, sync = await portal.until_operation(Operation.SSYNC)
        assert sync["clean"]
        assert sync["sessiondata"][2]["uname"] == "Bert"
        assert await process.wait() == 0
