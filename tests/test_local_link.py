"""A game in the Portal's process: at once where that is safe, in order always, nothing shared."""

import sys
from functools import partial

import pytest
import structlog
import trio
import trio.testing

from portal import local_link
from portal.amp import stand_ins
from portal.amp.commands import AdminPortal2Server, MsgPortal2Server, Operation
from portal.config import AmpConfig, Config, LimitsConfig, ServerConfig
from portal.errors import ConnectionLost, LocalProtocolError, RemoteAMPError
from portal.game import GameServer
from portal.holding import UNCERTAIN, Reason
from portal.local_link import LocalLink
from portal.metrics import Metrics
from portal.server_link import LinkedServer
from portal.session import Session
from portal.sessionhandler import PortalSessionHandler


class FakeSupervisor:
    """What a Portal has to start games; here it does as told."""

    def __init__(self):
        self.restart_mode = "shutdown"
        self.connected = 0
        self.synced_out = 0

    def order(self, operation):
        self.forward(operation)

    def server_connected(self, pid):
        self.connected += 1

    def server_synced_out(self):
        self.synced_out += 1

    def link_lost(self):
        pass


class Player(Session):
    """A session that remembers what its player was shown; `at_text` is called for each text."""

    def __init__(self, handler):
        self.shown = []
        self.ended = None
        self.paused = False
        self.at_text = lambda _text: None
        self.init_session("telnet", "192.0.2.1", handler)
        handler.connect(self)
        self.logged_in = True

    def send_text(self, text="", **_options):
        self.shown.append(text)
        self.at_text(text)

    def send_default(self, cmdname, *args, **kwargs):
        self.shown.append((cmdname, args, kwargs))

    def disconnect(self, reason=""):
        super().disconnect(reason)
        self.ended = reason

    def pause_input(self):
        self.paused = True

    def resume_input(self):
        self.paused = False


class House:
    """The Portal's part without a socket, for games to be linked to."""

    def __init__(self, nursery, **settings):
        config = Config(**settings)
        self.nursery = nursery
        self.handler = PortalSessionHandler(config, Metrics(), now=lambda: 0.0, wall=lambda: 1.0)
        self.supervisor = FakeSupervisor()
        self.server = LinkedServer(AmpConfig(), self.handler, self.supervisor, lambda: None)
        self.supervisor.forward = self.server.forward_order
        self.departures = []

    def player(self):
        return Player(self.handler)

    def make_link(self, game):
        return LocalLink(self.server, game)

    async def play(self, game, *, task_status=trio.TASK_STATUS_IGNORED):
        link = self.make_link(game)
        await game.serve_by(link.connect, task_status=task_status)
        self.departures.append(link.departure)

    async def begin(self, game):
        """Start a game, in a scope of its own that is given back."""

        async def scoped(*, task_status=trio.TASK_STATUS_IGNORED):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.play, game)
                    task_status.started(scope)

        scope = await self.nursery.start(scoped)
        await trio.testing.wait_all_tasks_blocked()
        return scope


@pytest.fixture
def make_house(nursery):
    return partial(House, nursery)


@pytest.fixture
def house(make_house):
    return make_house()


@pytest.fixture
def game():
    """A game that greets, and echoes what is typed."""
    return make_game()


def make_game(name="test"):
    game = GameServer(name, amp=("127.0.0.1", 1))
    game.events = []

    @game.at_connect
    def greet(session):
        game.events.append(("connect", session.sessid))
        session.msg("Welcome!")

    @game.at_sync
    def resume(session):
        game.events.append(("sync", session.sessid))

    @game.at_disconnect
    def leave(session, reason):
        game.events.append(("disconnect", session.sessid, reason))

    @game.inputfunc
    def text(session, line, **_options):
        game.events.append(line)
        session.msg(f"You say: {line}")

    return game


# ---- at once, and in order


async def test_a_line_is_answered_before_it_has_been_taken_in(house, game):
    early = house.player()
    await house.begin(game)
    assert early.shown == [Reason.STARTING, "Welcome!"]
    player = house.player()
    assert player.shown == ["Welcome!"]
    player.data_in("hello")
    assert player.shown == ["Welcome!", "You say: hello"]
    assert player.acknowledged
    assert player.unanswered == 0
    assert house.server.link.unanswered == 0
    assert house.server.info["servername"] == "test"
    house.handler.disconnect(player)
    assert game.events[-1][:2] == ("disconnect", 2)


async def test_a_session_that_is_ended_in_the_midst_of_its_line_ends_once(house, game):
    @game.inputfunc
    def text(session, line, **_options):
        session.disconnect("Goodbye.")
        session.msg("too late")
        game.events.append("returned")

    await house.begin(game)
    player = house.player()
    player.data_in("quit")
    player.data_in("and more")
    assert player.ended == "Goodbye."
    assert player.shown == ["Welcome!", "Goodbye."]
    assert game.events == [("connect", 1), ("disconnect", 1, "Goodbye."), "returned"]
    assert house.handler.sessions == {}


async def test_a_session_may_be_ended_by_its_greeting(house, game):
    game.at_connect(lambda session: session.disconnect("Not today."))
    await house.begin(game)
    player = house.player()
    assert player.ended == "Not today."
    await trio.testing.wait_all_tasks_blocked()
    assert house.handler.sessions == {}
    assert game.events == [("connect", 1), ("disconnect", 1, "Not today.")]


async def test_what_ends_a_session_from_elsewhere_ends_it_once(house, game):
    """From a task of the game no delivery surrounds the call: the Portal's word comes after it."""
    await house.begin(game)
    player = house.player()
    session = game.sessions.get(player.sessid)
    session.disconnect("kicked")
    assert game.events[-1] == ("disconnect", 1, "kicked")
    assert house.server.link.unanswered == 1
    await trio.testing.wait_all_tasks_blocked()
    assert house.server.link.unanswered == 0
    assert game.events[-1] == ("disconnect", 1, "kicked")


async def test_what_comes_while_the_game_is_at_work_comes_next(house, game):
    @game.inputfunc
    def text(session, line, **_options):
        if line == "first":
            house.handler.disconnect(other)
            player.data_in("second")
            player.data_in("third")
        game.events.append(line)

    await house.begin(game)
    player, other = house.player(), house.player()
    game.events.clear()
    player.data_in("first")
    assert [each if type(each) is str else each[:2] for each in game.events] == [
        "first",
        ("disconnect", other.sessid),
        "second",
        "third",
    ]


async def test_calls_do_not_nest_however_long_two_talk(house, game):
    """A client that answers every text, and a game that answers every line."""
    depths = set()

    def answer(text):
        depths.add(depth())
        if len(player.shown) <= 2 * sys.getrecursionlimit():
            player.data_in(text[-10:])

    await house.begin(game)
    player = house.player()
    player.at_text = answer
    player.throttle = None
    house.handler.limits = LimitsConfig(commands_per_second=1e9, command_burst=10**9)
    player.data_in("ping")
    await trio.testing.wait_all_tasks_blocked()
    assert len(player.shown) > 2 * sys.getrecursionlimit()
    assert max(depths) - min(depths) < 30
    assert player.unanswered == 0


def depth():
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


async def test_more_than_a_slice_of_time_is_handed_over_in_turns(house, game, monkeypatch):
    players = [house.player() for _ in range(5)]
    ticks = iter(range(10**6))
    monkeypatch.setattr(local_link, "perf_counter", lambda: next(ticks))  # each look is too late
    turns = []

    class Watch(trio.abc.Instrument):
        def before_task_step(self, task):
            turns.append(len(game.events))

    trio.lowlevel.add_instrument(watch := Watch())
    await house.begin(game)
    trio.lowlevel.remove_instrument(watch)
    assert game.events == [("connect", player.sessid) for player in players]
    assert set(turns) >= {0, 1, 2, 3, 4, 5}, "others had their turn between two sessions"
    game.events.clear()
    players[0].data_in("at once")
    assert game.events == ["at once"]


# ---- answers


async def test_functions_that_wait_answer_later(make_house, game):
    house = make_house(limits=LimitsConfig(unanswered_messages=3))
    release = trio.Event()

    @game.inputfunc
    async def text(session, line, **_options):
        await release.wait()
        game.events.append(line)

    await house.begin(game)
    player = house.player()
    game.events.clear()
    for number in range(4):
        player.data_in(str(number))
    assert player.unanswered == 4
    assert house.handler.is_waiting(player)
    assert player.paused
    release.set()
    await trio.testing.wait_all_tasks_blocked()
    assert game.events == ["0", "1", "2", "3"]
    assert player.unanswered == 0
    assert not player.paused


async def test_what_fails_costs_its_own_message(house, game):
    @game.inputfunc
    def text(session, line, **_options):
        if line == "crash":
            raise ValueError("on purpose")
        session.msg(line)

    @game.inputfunc
    async def slow(session, **_options):
        raise ValueError("on purpose")

    await house.begin(game)
    player = house.player()
    with structlog.testing.capture_logs() as logs:
        player.data_in("crash")
        player.data_in(slow=None)
        await trio.testing.wait_all_tasks_blocked()
        player.data_in("on we go")
    refused = [each for each in logs if each["event"] == "server_refused_message"]
    assert [each["error"] for each in refused] == [
        "EXCEPTION: text failed",
        "EXCEPTION: slow failed",
    ]
    assert player.shown[-1] == "on we go"
    assert player.unanswered == 0


async def test_what_nobody_foresaw_is_answered_without_its_text(house, game):
    await house.begin(game)
    player = house.player()
    game.sessions.call_inputfuncs = lambda *_: 1 / 0
    with structlog.testing.capture_logs() as logs:
        player.data_in("look")
    assert [each["event"] for each in logs] == ["game_failed", "server_refused_message"]
    assert logs[1]["error"] == "EXCEPTION: ZeroDivisionError"
    assert player.unanswered == 0


async def test_an_answer_counts_once_and_its_failure_is_nobody_elses(house, game):
    told = []

    def answered(context, error):
        told.append((context, error))
        raise ValueError("on purpose")

    await house.begin(game)
    link = house.server.link
    player = house.player()
    message = {"text": [["hello"], {"options": {}}]}
    defer = []
    game.sessions.call_inputfuncs = lambda _session, _message, take: defer.append(take())
    with structlog.testing.capture_logs() as logs:
        link.send_payload(
            MsgPortal2Server, link.encode_packed(player.sessid, message), answered, "tag"
        )
        assert told == []
        defer[0].answer()
        defer[0].answer()
        defer[0].fail(ValueError())
    assert told == [("tag", None)]
    assert [each["event"] for each in logs] == ["answered_failed"]


async def test_what_nobody_waits_for(house, game):
    await house.begin(game)
    link = house.server.link
    kwargs = {"operation": Operation.PDISCONN}
    link.send_payload(AdminPortal2Server, link.encode_packed(99, kwargs))
    assert link.unanswered == 0


# ---- the game's words to the Portal


async def test_what_the_portal_refuses_is_logged(house, game, monkeypatch):
    await house.begin(game)
    player = house.player()
    link = game.sessions.portal
    with structlog.testing.capture_logs() as logs:
        link.send_admin("?")
        link.send_admin(Operation.SCONN, protocol_path="x")
        with monkeypatch.context() as patch:
            patch.setattr(house.handler, "data_out_to", lambda *_: 1 / 0)
            link.send_message(player.sessid, {})
    assert [(each["event"], each["exc_info"]) for each in logs if "exc_info" in each] == [
        ("portal_refused", False),
        ("portal_refused", False),
        ("portal_refused", True),
    ]
    link.send_message([player.sessid], {"text": [["still here"], {"options": {}}]})
    assert player.shown[-1] == "still here"


async def test_a_login_is_told_at_once(house, game):
    await house.begin(game)
    player = house.player()
    player.logged_in = False
    game.sessions.get(player.sessid).login(7, "Anna")
    assert (player.logged_in, player.uid, player.uname) == (True, 7, "Anna")


async def test_what_is_kept_for_the_game_is_a_copy_of_the_same_types(house, game):
    data = {"bag": ["sword"], "at": (1, [2]), "seen": {3}, "bytes": b"\xff", 5: None}
    await house.begin(game)
    player = house.player()
    session = game.sessions.get(player.sessid)
    session.server_data = data
    session.save()
    assert player.server_data == data
    data["bag"].append("shield")
    data["at"][1].append(3)
    assert player.server_data["bag"] == ["sword"]
    house.server.close()
    second = make_game()
    await house.begin(second)
    back = second.sessions.get(player.sessid)
    assert back.server_data == {
        "bag": ["sword"],
        "at": (1, [2]),
        "seen": {3},
        "bytes": b"\xff",
        5: None,
    }
    for name in ("bag", "seen"):
        assert back.server_data[name] is not player.server_data[name]
    assert back.server_data["at"][1] is not player.server_data["at"][1]
    back.protocol_flags["mine"] = True
    assert "mine" not in player.protocol_flags


async def test_what_could_not_be_sent_is_not_taken(house, game):
    await house.begin(game)
    player = house.player()
    session = game.sessions.get(player.sessid)
    session.server_data["function"] = print
    session.save()
    assert player.server_data == {"function": "<builtins.print>"}, "as over AMP"
    session.server_data["function"] = lambda: None
    with pytest.raises(LocalProtocolError, match="cannot be pickled"):
        session.save()


async def test_what_a_function_does_to_its_message_is_its_own(make_house, game):
    """The Portal keeps the message until it is answered, and may have to send it again."""
    house = make_house(server=ServerConfig(resend_uncertain=True))
    got = []

    @game.inputfunc
    async def equip(session, *args, **kwargs):
        args[0].append("spoiled")
        kwargs["options"]["spoiled"] = True
        await trio.sleep_forever()

    scope = await house.begin(game)
    player = house.player()
    player.data_in(equip=([["sword"]], {"hand": {"left": True}}))
    scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    second = make_game()
    second.inputfunc("equip")(lambda _session, *args, **kwargs: got.append((args, kwargs)))
    await house.begin(second)
    assert got == [
        ((["sword"],), {"hand": {"left": True}, "options": {"redelivered": True}}),
    ]


# ---- coming and going


async def test_a_reload_keeps_players_and_what_they_type(house, game):
    @game.inputfunc
    def text(session, line, **_options):
        if line == "@reload":
            session.server_data["room"] = "quay"
            game.reload()
            player.data_in("said meanwhile")
            game.events.append("goes on")

    await house.begin(game)
    player = house.player()
    player.data_in("@reload")
    player.data_in("said later")
    assert player.shown[-1] == Reason.RESTARTING
    await trio.testing.wait_all_tasks_blocked()
    assert house.departures == ["reload"]
    assert house.supervisor.synced_out == 1
    assert house.handler.link is None
    player.data_in("said to nobody")
    second = make_game()
    await house.begin(second)
    assert second.events == [("sync", 1), "said meanwhile", "said later", "said to nobody"]
    assert second.sessions.get(1).server_data == {"room": "quay"}
    assert game.events == [("connect", 1), "goes on"]
    assert player.unanswered == 0


@pytest.mark.parametrize(
    ("order", "departure", "told"),
    [
        (GameServer.reset, "reset", Reason.RESTARTING),
        (GameServer.shutdown, "shutdown", Reason.STOPPED),
        (GameServer.stop, "", Reason.LOST),
    ],
)
async def test_ways_to_leave(house, game, order, departure, told):
    stages = []
    game.at_stop(lambda: stages.append(len(game.sessions)))
    await house.begin(game)
    player = house.player()
    order(game)
    await trio.testing.wait_all_tasks_blocked()
    assert house.departures == [departure]
    assert player.shown[-1] == told
    assert stages == [1]
    assert house.supervisor.synced_out == 1


async def test_what_a_leaving_game_has_not_begun_is_kept_in_front(autojump_clock, house, game):
    began = []

    @game.inputfunc
    async def text(session, line, **_options):
        began.append(line)
        await trio.sleep(1)

    await house.begin(game)
    player = house.player()
    for line in ("runs", "waits", "waits too"):
        player.data_in(line)
    game.stop()
    await trio.testing.wait_all_tasks_blocked()
    player.data_in("comes later")
    await trio.sleep(2)
    assert house.departures == [""]
    assert began == ["runs"]
    second = make_game()
    await house.begin(second)
    assert second.events[1:] == ["waits", "waits too", "comes later"]
    assert not any(UNCERTAIN in text for text in player.shown)
    assert player.unanswered == 0


async def test_a_game_that_is_cut_off_leaves_its_lines_uncertain(house, game):
    @game.inputfunc
    async def text(session, line, **_options):
        await trio.sleep_forever()

    scope = await house.begin(game)
    player = house.player()
    player.data_in("kill dragon")
    scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert player.shown[-2:] == [Reason.LOST, UNCERTAIN + "kill dragon"]
    assert house.supervisor.synced_out == 0
    second = make_game()
    await house.begin(second)
    assert second.events == [("sync", 1)]
    assert player.unanswered == 0


async def test_a_portal_that_closes_the_link_has_the_game_leave(autojump_clock, house, game):
    """What it was at is uncertain; what it had not begun with is not."""
    cancelled = []

    @game.inputfunc
    async def text(session, line, **_options):
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(line)

    await house.begin(game)
    player = house.player()
    player.data_in("runs")
    player.data_in("waits")
    link = house.server.link
    house.server.close()
    assert player.shown[-2:] == [Reason.LOST, UNCERTAIN + "runs"]
    house.player()
    link.close("again")
    await trio.sleep(10)
    assert cancelled == ["runs"]
    assert house.departures == [""]
    second = make_game()
    await house.begin(second)
    assert second.events == [("sync", 1), ("connect", 2), "waits"]


async def test_what_was_not_handed_over_is_not_uncertain(house, game):
    @game.inputfunc
    def text(session, line, **_options):
        game.events.append(line)
        other.data_in("not seen")
        house.handler.sync(other)
        house.server.close()
        session.msg("into the void")

    await house.begin(game)
    player, other = house.player(), house.player()
    game.events.clear()
    player.data_in("seen")
    assert game.events == ["seen"]
    assert player.shown[-1] == UNCERTAIN + "seen"
    assert other.shown[-1] == Reason.LOST
    await trio.testing.wait_all_tasks_blocked()
    second = make_game()
    await house.begin(second)
    assert second.events == [("sync", 1), ("sync", 2), "not seen"]
    assert (player.unanswered, other.unanswered) == (0, 0)


async def test_another_game_takes_over(house, game):
    await house.begin(game)
    player = house.player()
    second = make_game("second")
    await house.begin(second)
    assert house.departures == ["shutdown"]
    assert house.server.info["servername"] == "second"
    player.data_in("hello")
    assert second.events == [("sync", 1), "hello"]
    assert game.events == [("connect", 1)]


async def test_a_game_that_leaves_while_it_comes(house, game):
    """It is told to leave in the midst of its first sessions."""
    house.player()
    game.at_connect(lambda _session: game.stop())
    await house.begin(game)
    assert house.departures == [""]
    assert house.handler.link is None


async def test_sessions_that_cannot_be_written_down(house, game, monkeypatch):
    monkeypatch.setattr(stand_ins, "MAX_CLASSES", 0)  # of all sessions together
    await house.begin(game)
    player = house.player()
    game.sessions.get(player.sessid).server_data["class"] = Metrics
    with structlog.testing.capture_logs() as logs:
        game.stop()
        await trio.testing.wait_all_tasks_blocked()
    assert {"sessions_not_written_down", "game_leaves"} <= {each["event"] for each in logs}
    assert house.supervisor.synced_out == 0
    assert house.departures == [""]


async def test_nothing_is_written_before_there_are_sessions(house, game, nursery):
    link = house.make_link(game)
    assert not await link.leave(1.0)
    told = []
    payload = link.encode_packed(1, {"operation": Operation.PDISCONN})
    link.send_payload(AdminPortal2Server, payload, lambda *given: told.append(given), "tag")
    link.send_message(1, {})
    assert [(context, type(error)) for context, error in told] == [("tag", ConnectionLost)]
    assert house.supervisor.synced_out == 0


async def test_asks_of_an_ended_link_are_told_apart(house, game):
    told = []

    def answered(context, error):
        told.append((context, type(error)))

    link = house.make_link(game)
    link._calls = 1  # the game is at something
    message = link.encode_packed(1, {"text": [["x"], {"options": {}}]})
    operation = link.encode_packed(1, {"operation": Operation.PDISCONN})
    link.send_payload(MsgPortal2Server, message, answered, "message")
    link.send_payload(AdminPortal2Server, operation, answered, "operation")
    assert link.unanswered == 2
    link.close()
    assert told == [("message", RemoteAMPError), ("operation", ConnectionLost)]
