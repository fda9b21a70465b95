"""The sessionhandler between players that show on a list and a Server that the test plays."""

import itertools
from collections import Counter, deque

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from portal.amp.commands import Operation
from portal.config import Config, LimitsConfig, ServerConfig
from portal.errors import ServerUnavailable, ServiceError
from portal.holding import (
    HELD_TOO_MUCH,
    KEPT_IN_VAIN,
    OUT_OF_CHARACTER,
    UNCERTAIN,
    UNCERTAIN_UNNAMED,
    Reason,
)
from portal.messages import text_to_message
from portal.metrics import Metrics
from portal.session import Session
from portal.sessionhandler import DROPPED, TOO_MANY_OOB, PortalSessionHandler

OPTIONS = {"options": {}}
TOO_MANY_COMMANDS = LimitsConfig().too_fast_text


class Player(Session):
    """A session whose protocol shows on a list, and whose connection ends when it is told to."""

    __slots__ = ("calls", "hidden", "shown", "throttled")

    @property
    def echo_hidden(self):
        return self.hidden

    def send_text(self, *args, **kwargs):
        self.shown.append(args[0])

    def at_throttled(self):
        self.throttled += 1

    def send_broken(self, *args, **kwargs):
        raise RuntimeError("broken hook")

    def disconnect(self, reason=""):
        super().disconnect(reason)
        self.calls.append("disconnect")
        self.sessionhandler.disconnect(self)

    def at_login(self):
        self.calls.append("login")

    def at_logout(self):
        self.calls.append("logout")

    def at_sync(self):
        self.calls.append("sync")

    def pause_input(self):
        self.calls.append("pause")

    def resume_input(self):
        self.calls.append("resume")


class Link:
    """A link that keeps what it was sent as readable rows."""

    def __init__(self):
        self.sent = []

    def send_msg(self, session, message, secret):
        text = message if isinstance(message, str) else message.get("text", [[message]])[0][0]
        self.sent.append((session.sessid, text, secret))

    def send_admin(self, operation, sessid=0, **kwargs):
        self.sent.append((Operation_name(operation), sessid, *kwargs.values()))

    def rows(self):
        """What was sent since the last look; of sync data only the sessid."""
        rows, self.sent = self.sent, []
        return [
            tuple(
                each["sessid"] if isinstance(each, dict) and "sessid" in each else each
                for each in row
            )
            for row in rows
        ]


def Operation_name(operation):
    return next(name for name, value in vars(Operation).items() if value == operation)


class World:
    """A sessionhandler, a clock and a Server that comes and goes as the real link makes it."""

    def __init__(self, *, limits=None, **server):
        self.time = 100.0
        self.metrics = Metrics()
        self.config = Config(limits=LimitsConfig(**(limits or {})), server=ServerConfig(**server))
        self.handler = PortalSessionHandler(
            self.config, self.metrics, now=lambda: self.time, wall=lambda: 1e9 + self.time
        )
        self.link = Link()

    def player(self, connect=True, **attributes):
        player = Player()
        player.init_session("telnet", "192.0.2.1", self.handler)
        player.shown, player.calls, player.hidden, player.throttled = [], [], False, 0
        for name, value in attributes.items():
            setattr(player, name, value)
        if connect:
            self.handler.connect(player)
        return player

    def offer(self):
        self.handler.begin_holding(Reason.RESTARTING, announce=False)
        return self.handler.acknowledged_sync_data()

    def ready(self):
        self.handler.link = self.link
        self.handler.server_ready()

    def bring(self):
        data = self.offer()
        self.ready()
        return data

    def acknowledge(self, *players):
        for player in players:
            self.handler.session_acknowledged(player.sessid)

    def lose(self, *uncertain):
        self.handler.link = None
        self.handler.begin_holding(Reason.LOST)
        self.handler.server_lost(uncertain)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def served(world):
    """A world whose Server is there."""
    world.bring()
    return world


def message(text):
    return {"text": [[text], OPTIONS]}


class TestComingAndGoing:
    def test_connect(self, served):
        player = served.player()
        assert (player.sessid, player.conn_time, player.cmd_last) == (1, 1e9 + 100, 1e9 + 100)
        assert served.handler.sessions == {1: player}
        assert served.link.sent == [("PCONN", 1, player.get_sync_data())]
        assert not player.acknowledged
        assert player.shown == []
        served.acknowledge(player)
        assert player.acknowledged

    def test_sessids_are_never_used_again(self, world):
        players = [world.player() for _ in range(3)]
        for player in players:
            world.handler.disconnect(player)
        assert [player.sessid for player in players] == [1, 2, 3]
        assert world.player().sessid == 4

    def test_input_follows_the_announcement(self, served):
        player = served.player()
        player.data_in(text="look")
        assert served.link.rows() == [("PCONN", 1, 1), (1, "look", True)]

    def test_newcomers_while_the_server_is_away_are_told_and_announced_later(self, world):
        player = world.player()
        assert player.shown == [Reason.STARTING]
        player.data_in(text="look")
        assert player.shown == [Reason.STARTING]
        assert world.bring() == {}
        assert world.link.rows() == [("PCONN", 1, 1), (1, "look", True)]

    def test_disconnect_is_told_once(self, served):
        player = served.player()
        served.link.rows()
        served.handler.disconnect(player)
        served.handler.disconnect(player)
        assert served.link.rows() == [("PDISCONN", 1)]
        assert served.handler.sessions == {}
        assert (served.metrics.sessions_opened, served.metrics.sessions_closed) == (1, 1)

    def test_what_was_kept_of_a_session_goes_with_it(self, world):
        player, other = world.player(), world.player()
        for each in (player, other):
            each.data_in(text="look")
        world.handler.disconnect(player)
        world.bring()
        assert world.link.rows() == [("PCONN", 2, 2), (2, "look", True)]

    def test_sync(self, served):
        player = served.player()
        served.link.rows()
        player.protocol_flags["ANSI"] = True
        served.handler.sync(player)
        assert served.link.sent == [("PCONNSYNC", 1, player.get_connection_data())]
        assert "uid" not in player.get_connection_data()

    def test_a_session_that_is_not_held_is_ignored(self, served):
        stranger = served.player(connect=False)
        gone = served.player()
        served.handler.disconnect(gone)
        served.link.rows()
        for player in (stranger, gone):
            served.handler.sync(player)
            served.handler.disconnect(player)
            served.handler.server_disconnect(player, "x")
            player.data_in(text="look")
        assert served.link.rows() == []
        assert served.metrics.messages_in == 0
        assert served.metrics.sessions_closed == 1

    @pytest.mark.parametrize("linked", [True, False])
    def test_disconnect_all(self, world, linked):
        if linked:
            world.bring()
        players = [world.player() for _ in range(2)]
        world.link.rows()
        world.handler.disconnect_all("Bye.")
        assert world.link.rows() == [("PDISCONNALL", 0)] * linked
        assert all(
            player.shown[-1] == "Bye." and player.calls == ["disconnect"] for player in players
        )
        assert world.handler.sessions == {}

    def test_at_the_end_players_hear_what_became_of_kept_lines(self, world):
        typed, silent = world.player(), world.player()
        typed.data_in(text="look")
        world.handler.explain_absence(Reason.CLOSING)
        world.handler.disconnect_all("Bye.")
        assert typed.shown == [Reason.STARTING, KEPT_IN_VAIN, "Bye."]
        assert silent.shown == [Reason.STARTING, "Bye."]


class TestInput:
    def test_secret_before_login_and_with_echo_hidden(self, served):
        player = served.player()
        served.link.rows()
        for logged_in, hidden in itertools.product([False, True], repeat=2):
            player.logged_in, player.hidden = logged_in, hidden
            player.data_in(text="x")
        assert [secret for _, _, secret in served.link.sent] == [True, True, False, True]

    def test_the_secret_is_decided_when_it_is_typed(self, world):
        player = world.player()
        player.data_in(text="password")
        player.logged_in = True
        world.bring()
        assert world.link.rows()[-1] == (1, "password", True)

    def test_what_a_line_changes(self, served):
        player = served.player()
        served.time += 5
        player.data_in(text="look")
        player.data_in(gmcp=["x"])
        assert (player.cmd_last, player.cmd_total) == (1e9 + 105, 1)
        assert served.metrics.messages_in == 2
        assert player.unanswered == 2

    def test_every_short_form_is_normalised(self, served):
        player = served.player()
        served.link.rows()
        player.data_in(gmcp=("Core.Ping", {"a": 1}), options={"b": 2})
        assert served.link.sent == [
            (1, {"gmcp": [["Core.Ping"], {"a": 1, "options": {"b": 2}}]}, True)
        ]

    def test_names_of_the_signature_are_names_like_others(self, served):
        player = served.player()
        player.data_in(session=1, self=2)
        assert served.metrics.messages_in == 1

    @pytest.mark.parametrize(
        ("name", "counter", "told"),
        [
            ("text", "commands_throttled", TOO_MANY_COMMANDS),
            ("gmcp", "oob_throttled", TOO_MANY_OOB),
        ],
    )
    def test_throttle(self, name, counter, told):
        limits = {"commands_per_second": 2, "command_burst": 3, "oob_per_second": 2, "oob_burst": 3}
        world = World(limits=limits)
        world.bring()
        player, other = world.player(), world.player()
        for _ in range(5):
            player.data_in(**{name: "x"})
        assert player.shown == [told]
        assert player.throttled == 2
        assert getattr(world.metrics, counter) == 2
        assert world.metrics.messages_in == 3
        player.data_in(**{"gmcp" if name == "text" else "text": "x"})
        other.data_in(**{name: "x"})
        assert world.metrics.messages_in == 5, "each kind and each session has its own"
        for _ in range(24):
            world.time += 0.125
            player.data_in(**{name: "x"})
        assert player.shown.count(told) == 3
        assert world.metrics.messages_in == 5 + 6

    @pytest.mark.parametrize(
        ("message", "passes"),
        [
            ({"text": "\N{SNOWMAN}" * 5}, True),
            ({"text": "\N{SNOWMAN}" * 6}, False),
            ({"text": [["123456"], {}]}, False),
            ({"text": [["1", "123456"], {}]}, False),
            ({"text": ("123456", {"a": 1})}, False),
            ({"text": 1234567}, True),
            ({"gmcp": "Core.Ping"}, True),
            ({"gmcp": "x", "text": "123456"}, False),
        ],
    )
    def test_a_text_with_too_many_characters(self, message, passes):
        world = World(limits={"line_characters": 5, "too_long_text": "At most {limit}."})
        world.bring()
        player = world.player()
        player.data_in(**message)
        assert world.metrics.messages_in == passes
        assert world.metrics.lines_too_long == (not passes)
        assert player.shown == ([] if passes else ["At most 5 characters."])
        assert player.throttled == (not passes)

    def test_a_game_may_say_nothing_or_something_else(self):
        limits = {"line_characters": 3, "too_long_text": "", "command_burst": 2}
        world = World(limits={**limits, "too_fast_text": "Slow down."})
        world.bring()
        player = world.player()
        for text in ("1234", "1", "2", "3"):
            player.data_in(text)
        assert player.shown == ["Slow down."]
        assert world.metrics.messages_in == 1

    def test_the_limit_of_unanswered_messages(self):
        world = World(limits={"unanswered_messages": 4})
        world.bring()
        player = world.player()
        for _ in range(4):
            player.data_in(text="x")
        assert player.calls == ["pause"]
        for _ in range(2):
            world.handler.message_answered(player.sessid)
        assert player.calls == ["pause", "resume"]
        world.handler.message_answered(99)


class TestOutput:
    def test_to_one(self, world):
        player = world.player(shown=[])
        player.shown.clear()
        world.handler.data_out_to(1, message("hello"))
        world.handler.data_out(player, message("again"))
        world.handler.data_out_to(1, "a text alone")
        world.handler.data_out_to([1], "")
        assert player.shown == ["hello", "again", "a text alone", ""]

    def test_to_many_and_to_nobody(self, world):
        players = [world.player() for _ in range(3)]
        for player in players:
            player.shown.clear()
        sent = world.metrics.messages_out
        with structlog.testing.capture_logs() as logs:
            world.handler.data_out_to([1, 3, 9, 2], message("secret words"))
            world.handler.data_out_to(0, message("secret words"))
        assert [player.shown for player in players] == [["secret words"]] * 3
        assert world.metrics.messages_undeliverable == 2
        assert world.metrics.messages_out == sent + 3
        assert [(each["event"], each["log_level"], each["sessid"]) for each in logs] == [
            ("message_to_unknown_session", "debug", 9),
            ("message_to_unknown_session", "debug", 0),
        ]
        assert "secret" not in repr(logs)

    def test_a_broken_hook_harms_only_its_message(self, world):
        players = [world.player() for _ in range(2)]
        with structlog.testing.capture_logs() as logs:
            world.handler.data_out_to([1, 2], {"broken": [["secret words"], {}]})
            world.handler.data_out_to([1, 2], {"text": [["after"], {}], "no": "form"})
        assert [player.shown[-1] for player in players] == ["after", "after"]
        assert world.metrics.hook_failures == 2
        assert [(each["event"], each["sessid"], each["hook"]) for each in logs] == [
            ("session_hook_failed", 1, "data_out"),
            ("session_hook_failed", 2, "data_out"),
        ]
        assert "secret" not in repr(logs)

    def test_announce_all(self, world):
        players = [world.player() for _ in range(2)]
        world.handler.announce_all("Soon.")
        assert [player.shown[-1] for player in players] == ["Soon."] * 2


class TestOrders:
    def test_bots_are_refused(self, world):
        with structlog.testing.capture_logs() as logs, pytest.raises(ServiceError, match="no bots"):
            world.handler.server_connect("a.Bot", {"token": "hush"})
        assert "hush" not in repr(logs)

    def test_bots_are_connected_by_whoever_is_set(self, world):
        asked = []
        world.handler.connect_bot = lambda *words: asked.append(words)
        world.handler.server_connect("a.Bot", {"uid": 3})
        assert asked == [("a.Bot", {"uid": 3})]

    def test_disconnect_says_why_and_tells_the_server_once(self, served):
        player = served.player()
        served.link.rows()
        served.handler.server_disconnect(player, "Be gone.")
        served.handler.disconnect(player)
        assert player.shown == ["Be gone."]
        assert player.calls == ["logout", "disconnect"]
        assert served.link.rows() == [("PDISCONN", 1)]
        assert served.metrics.sessions_closed == 1

    def test_disconnect_all(self, served):
        players = [served.player() for _ in range(2)]
        served.link.rows()
        served.handler.server_disconnect_all("Closed.")
        assert [player.shown for player in players] == [["Closed."]] * 2
        assert served.link.rows() == [("PDISCONN", 1), ("PDISCONN", 2)]

    def test_a_session_that_cannot_disconnect_is_forgotten_all_the_same(self, served):
        players = [served.player(shown=None), served.player()]
        served.handler.server_disconnect_all("Closed.")
        assert served.handler.sessions == {}
        assert players[1].shown == ["Closed."]

    def test_login(self, served):
        player = served.player()
        served.handler.server_logged_in(player, {"logged_in": True, "uid": 4})
        assert (player.logged_in, player.uid, player.calls) == (True, 4, ["login"])

    def test_sync_from_the_server(self, served):
        player, other = served.player(), served.player()
        served.acknowledge(player, other)
        served.link.rows()
        served.handler.server_session_sync(
            {1: {"protocol_flags": {"RAW": True}}, 99: {"uid": 1}}, clean=False
        )
        assert player.protocol_flags["RAW"] is True
        assert (player.calls, other.calls) == (["sync"], [])
        assert list(served.handler.sessions) == [1, 2]

    def test_a_clean_sync_ends_what_the_game_does_not_know(self, served):
        known, unknown, new = (served.player() for _ in range(3))
        served.acknowledge(known, unknown)
        served.link.rows()
        served.handler.server_session_sync({1: {}})
        assert list(served.handler.sessions) == [1, 3]
        assert unknown.shown == [DROPPED]
        assert unknown.calls == ["disconnect"]
        assert new.shown == []
        assert served.link.rows() == [], "the game does not know it, and needs no word"

    def test_data_that_cannot_be_loaded_costs_that_session_only(self, served):
        players = [served.player(), served.player()]
        with structlog.testing.capture_logs() as logs:
            served.handler.server_session_sync({1: [1], 2: {"uid": 3}}, clean=False)
        assert players[1].uid == 3
        assert [each["event"] for each in logs] == ["session_hook_failed"]


class TestAbsence:
    @pytest.mark.parametrize(
        ("linked", "told"),
        [(True, Reason.RESTARTING), (False, Reason.LOST)],
        ids=["ordered", "lost"],
    )
    def test_players_are_told_once(self, served, linked, told):
        players = [served.player() for _ in range(2)]
        if not linked:
            served.handler.link = None
        served.handler.begin_holding(told)
        for player in players:
            player.data_in(text="look")
        served.lose()
        newcomer = served.player()
        newcomer.data_in(text="look")
        assert [player.shown for player in (*players, newcomer)] == [[told]] * 3
        served.bring()
        served.lose()
        assert [player.shown for player in (*players, newcomer)] == [[told, Reason.LOST]] * 3

    def test_without_announcement_players_are_told_when_they_type(self, served):
        player, silent = served.player(), served.player()
        served.handler.begin_holding(Reason.RESTARTING, announce=False)
        player.data_in(text="look")
        player.data_in(text="look")
        assert (player.shown, silent.shown) == ([Reason.RESTARTING], [])

    def test_only_acknowledged_sessions_are_handed_over(self, served):
        known, asked = served.player(), served.player()
        served.acknowledge(known)
        asked.data_in(text="a")
        served.link.rows()
        served.lose((asked.sessid, message("a"), True))
        served.acknowledge(asked)  # too late: of a Server that is gone
        newcomer = served.player()
        newcomer.data_in(text="b")
        data = served.offer()
        later = served.player()
        assert data == {1: known.get_sync_data()}
        assert served.link.rows() == []
        served.ready()
        assert served.link.rows() == [
            ("PCONN", asked.sessid, asked.sessid),
            ("PCONN", newcomer.sessid, newcomer.sessid),
            ("PCONN", later.sessid, later.sessid),
            (newcomer.sessid, "b", True),
        ]
        assert asked.shown[-1] == UNCERTAIN_UNNAMED

    def test_a_newcomer_is_not_announced_to_a_server_that_leaves(self, served):
        known = served.player()
        served.acknowledge(known)
        served.handler.begin_holding(Reason.RESTARTING)
        served.link.rows()
        newcomer = served.player()
        served.handler.sync(newcomer)
        served.handler.sync(known)
        assert served.link.rows() == [("PCONNSYNC", known.sessid, known.sessid)]
        assert list(served.bring()) == [known.sessid]
        assert served.link.rows() == [("PCONN", newcomer.sessid, newcomer.sessid)]

    def test_a_late_word_of_a_leaving_server_counts(self, served):
        player = served.player()
        served.handler.begin_holding(Reason.RESTARTING)
        served.acknowledge(player)
        served.lose()
        assert list(served.bring()) == [player.sessid]

    def test_what_happens_between_psync_and_its_answer(self, served):
        stays, changes, leaves, sent_away = (served.player() for _ in range(4))
        served.acknowledge(stays, changes, leaves, sent_away)
        served.lose()
        served.handler.sync(stays)  # before the data is taken: it is in there
        served.link.rows()
        assert list(served.offer()) == [1, 2, 3, 4]
        served.handler.sync(changes)
        served.handler.disconnect(leaves)
        served.handler.server_disconnect(sent_away, "x")
        short = served.player()
        served.handler.disconnect(short)
        assert served.link.rows() == []
        served.ready()
        assert served.link.rows() == [("PDISCONN", 3), ("PDISCONN", 4), ("PCONNSYNC", 2, 2)]

    def test_who_is_not_in_psync_is_announced_in_any_case(self, served):
        player = served.player()
        assert served.offer() == {}  # the same Server again, on the same link
        served.acknowledge(player)
        served.link.rows()
        served.ready()
        assert served.link.rows() == [("PCONN", 1, 1)]
        assert not player.acknowledged

    @pytest.mark.parametrize("clean", [None, False, True])
    def test_puid_only_after_a_full_sync(self, served, clean):
        player = served.player()
        served.acknowledge(player)
        player.load_sync_data({"uid": 2, "puid": 7, "logged_in": True})
        if clean is not None:
            served.handler.server_session_sync({1: {"puid": 7}}, clean=clean)
        served.lose()
        data = served.offer()
        assert data[1]["puid"] == (7 if clean else None)
        assert data[1]["uid"] == 2
        served.lose()  # in the midst of its synchronisation
        assert served.offer()[1]["puid"] is None

    @pytest.mark.parametrize(
        ("synced", "keeps", "logged_in", "sent"),
        [
            (False, False, True, []),
            (False, True, True, ["north", "say hi"]),
            (True, False, True, ["north", "say hi"]),
            (False, False, False, ["north", "say hi"]),
        ],
    )
    def test_lines_for_a_character_that_is_gone_are_given_back(
        self, served, synced, keeps, logged_in, sent
    ):
        player, newcomer = served.player(logged_in=logged_in), served.player(logged_in=True)
        served.acknowledge(player)
        if synced:
            served.handler.server_session_sync({1: {}, 2: {}})
        served.lose()
        for text in ("north", "say hi"):
            player.data_in(text=text)
        newcomer.data_in(text="look")
        served.link.rows()
        player.shown.clear()
        served.handler.acknowledged_sync_data(keeps_characters=keeps)
        served.ready()
        rows = served.link.rows()
        assert [row[1] for row in rows if row[0] == 1] == sent
        assert (2, "look", False) in rows, "no Server has known that one"
        expected = [] if sent else [OUT_OF_CHARACTER + "north", OUT_OF_CHARACTER + "say hi"]
        assert player.shown == expected
        assert served.metrics.inputs_returned == len(expected)

    def test_extra_attributes_come_back(self, served):
        player = served.player()
        served.acknowledge(player)
        served.handler.server_session_sync({1: {"cmdset_storage_string": "a.b"}})
        served.lose()
        assert served.bring()[1]["cmdset_storage_string"] == "a.b"

    def test_a_server_that_is_recalled_at_once_gets_nothing(self, world):
        player = world.player()
        player.data_in(text="look")
        world.offer()
        world.handler.begin_holding(Reason.RESTARTING)
        world.ready()
        assert world.link.rows() == []
        assert player.shown == [Reason.STARTING]
        world.handler.link = None
        world.bring()
        assert world.link.rows() == [("PCONN", 1, 1), (1, "look", True)]

    def test_ready_without_a_link_is_a_mistake(self, world):
        world.offer()
        with pytest.raises(ServerUnavailable):
            world.handler.server_ready()

    def test_uncertain_kept_and_later_lines_in_order(self):
        world = World(resend_uncertain=True)
        world.bring()
        player = world.player(logged_in=True)
        for text in "abc":
            player.data_in(text=text)
        world.link.rows()
        world.lose((1, message("a"), False))
        for text in "bc":
            world.handler.keep(1, message(text), False)
        player.data_in(text="d")
        world.bring()
        assert [row[1] for row in world.link.rows() if row[0] == 1] == ["a", "b", "c", "d"]
        assert player.unanswered == 4


class TestQuestions:
    def test_logged_in(self, world):
        player, _other = world.player(logged_in=True), world.player()
        assert world.handler.get_sessions() == [player]
        assert len(world.handler.get_sessions(include_unloggedin=True)) == 2
        assert (
            world.handler.count_loggedin(),
            world.handler.count_loggedin(include_unloggedin=True),
        ) == (1, 2)

    def test_csessid(self, world):
        players = [world.player(csessid=csessid) for csessid in ("a", "b", "a", None, "")]
        assert world.handler.sessions_from_csessid("a") == [players[0], players[2]]
        assert world.handler.sessions_from_csessid("") == []
        assert world.handler.sessions_from_csessid("c") == []

    def test_who_waits_for_an_answer(self, served):
        player, other = served.player(), served.player()
        assert not served.handler.is_waiting(player)
        player.data_in(text="look")
        assert served.handler.is_waiting(player)
        served.handler.message_answered(player.sessid)
        assert not served.handler.is_waiting(player)
        served.handler.begin_holding(Reason.RESTARTING)
        player.data_in(text="kept")
        assert served.handler.is_waiting(player)
        assert not served.handler.is_waiting(other)

    def test_all_sync_data(self, world):
        players = [world.player() for _ in range(2)]
        assert world.handler.get_all_sync_data() == {
            player.sessid: player.get_sync_data() for player in players
        }

    def test_start_time(self, world):
        assert world.handler.portal_start_time == 1e9 + 100


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack], ids=["json", "msgpack"])
def test_state_is_written_down_and_read_back(codec):
    world = World(limits={"unanswered_messages": 1, "command_burst": 2, "commands_per_second": 1})
    world.bring()
    gone, player, silent = (world.player() for _ in range(3))
    world.handler.disconnect(gone)
    world.acknowledge(player)
    player.load_sync_data({"logged_in": True, "uid": 3, "puid": 8, "mine": 1})
    player.data_in(text="sent")
    world.handler.server_session_sync({2: {}})
    world.lose()
    player.hidden = True
    player.data_in(text="kept")
    state = world.handler.get_state()

    other = World(limits={"command_burst": 2, "commands_per_second": 1})
    made = []

    def make_session(each):
        made.append(other.player(connect=False))
        made[-1].set_state(each)
        return made[-1]

    other.handler.set_state(codec.decode(codec.encode(state)), make_session)
    assert other.handler.get_state() == state
    assert list(other.handler.sessions) == [2, 3]
    assert made[0].calls == ["pause"]
    assert made[1].throttle is None
    made[0].data_in(text="too fast")
    assert made[0].shown == [TOO_MANY_COMMANDS], "told of the absence before"
    other.handler.server_lost([(2, message("sent"), False)])
    assert made[0].calls == ["pause", "resume"]
    assert other.bring()[2]["puid"] == 8
    assert other.link.rows() == [("PCONN", 3, 3), (2, "kept", True)]
    assert other.player().sessid == 4
    assert silent.sessid == 3


class PeerLink:
    """A link as the real one behaves: a window of unanswered messages, the rest waiting."""

    def __init__(self, handler, window):
        self.handler = handler
        self.window = window
        self.unanswered = deque()
        self.waiting = deque()
        self.transmitted = []
        self.announced = set()

    def send_msg(self, session, message, secret):
        assert session.sessid in self.announced, "input never comes before PCONN or PSYNC"
        self.waiting.append((session.sessid, message, secret))
        self.transmit()

    def transmit(self):
        while self.waiting and len(self.unanswered) < self.window:
            self.unanswered.append(self.waiting.popleft())
            sessid, message, _ = self.unanswered[-1]
            self.transmitted.append((sessid, message))

    def send_admin(self, operation, sessid=0, **kwargs):
        if operation == Operation.PCONN:
            assert sessid not in self.announced, "announced once"
            self.announced.add(sessid)
        elif operation == Operation.PDISCONN:
            self.announced.discard(sessid)

    def answer(self):
        sessid, _, _ = self.unanswered.popleft()
        self.handler.message_answered(sessid)
        self.transmit()

    def hand_back_waiting(self):
        while self.waiting:
            self.handler.keep(*self.waiting.popleft())


class Deliveries(RuleBasedStateMachine):
    """Every accepted line is delivered once, or reported uncertain, or refused with a line."""

    resend = False

    @initialize(window=st.integers(1, 5))
    def begin(self, window):
        limits = {"held_lines": 3, "unanswered_messages": 4, "command_burst": 10**9}
        self.world = World(limits=limits, resend_uncertain=self.resend)
        self.handler = self.world.handler
        self.window = window
        self.links = []
        self.link = None  # the current Server's, from PSYNC on
        self.players = {}
        self.typed = {}
        self.answered = Counter()
        self.numbers = itertools.count(1)

    def pick(self, data):
        return data.draw(st.sampled_from(sorted(self.players)), label="sessid")

    @rule(logged_in=st.booleans())
    def connect(self, logged_in):
        player = self.world.player(logged_in=logged_in)
        self.players[player.sessid] = player
        self.typed[player.sessid] = []

    @precondition(lambda self: self.players)
    @rule(data=st.data(), count=st.integers(1, 6))
    def type_lines(self, data, count):
        player = self.players[self.pick(data)]
        for _ in range(count):
            number = next(self.numbers)
            refused = self.world.metrics.inputs_refused
            player.data_in(str(number)) if number % 2 else player.data_in(text=str(number))
            if self.world.metrics.inputs_refused == refused:
                self.typed[player.sessid].append(number)
            else:
                assert HELD_TOO_MUCH in player.shown

    @precondition(lambda self: self.players)
    @rule(data=st.data())
    def disconnect(self, data):
        sessid = self.pick(data)
        self.handler.disconnect(self.players.pop(sessid))
        del self.typed[sessid]

    @precondition(lambda self: self.players)
    @rule(data=st.data())
    def acknowledge(self, data):
        sessid = self.pick(data)
        if self.link is not None and sessid in self.link.announced:
            self.handler.session_acknowledged(sessid)

    @precondition(lambda self: self.link is not None and self.link.unanswered)
    @rule(count=st.integers(1, 4))
    def answer(self, count):
        for _ in range(min(count, len(self.link.unanswered))):
            sessid, message, _ = self.link.unanswered[0]
            self.answered[sessid, int(text_to_message(message)["text"][0][0])] += 1
            self.link.answer()

    @precondition(lambda self: self.link is not None)
    @rule()
    def order(self):
        self.handler.begin_holding(Reason.RESTARTING)
        self.link.hand_back_waiting()

    @precondition(lambda self: self.link is not None)
    @rule(announce=st.booleans())
    def lose(self, announce):
        link, self.link = self.link, None
        self.handler.link = None
        self.handler.begin_holding(Reason.LOST, announce=announce)
        self.handler.server_lost(list(link.unanswered))
        link.unanswered.clear()
        link.hand_back_waiting()

    @precondition(lambda self: self.link is None)
    @rule()
    def synchronise(self):
        self.handler.begin_holding(Reason.RESTARTING, announce=False)
        self.link = PeerLink(self.handler, self.window)
        self.link.announced.update(self.handler.acknowledged_sync_data())
        self.links.append(self.link)

    @precondition(lambda self: self.link is not None and self.handler.link is None)
    @rule()
    def ready(self):
        self.handler.link = self.link
        self.handler.server_ready()

    @invariant()
    def order_is_kept_per_session_and_server(self):
        for link in getattr(self, "links", ()):
            last = {}
            for sessid, message in link.transmitted:
                number = int(text_to_message(message)["text"][0][0])
                assert number > last.get(sessid, 0)
                last[sessid] = number

    @invariant()
    def every_message_is_in_one_place(self):
        for sessid, player in getattr(self, "players", {}).items():
            with_link = [*self.link.unanswered, *self.link.waiting] if self.link else []
            assert player.unanswered == sum(each[0] == sessid for each in with_link)

    def teardown(self):
        if not hasattr(self, "world"):
            return
        if self.link is not None:
            self.lose(announce=False)
        self.synchronise()
        self.ready()
        while self.link.unanswered:
            self.answer(1)
        assert self.handler.delivery.holding.total == 0
        assert not self.handler.absence.away
        self.check_every_line()

    def check_every_line(self):
        transmitted = Counter(
            (sessid, int(text_to_message(message)["text"][0][0]))
            for link in self.links
            for sessid, message in link.transmitted
        )
        for sessid, numbers in self.typed.items():
            player = self.players[sessid]
            reported = Counter(
                int(each.removeprefix(UNCERTAIN))
                for each in player.shown
                if each.startswith(UNCERTAIN)
            )
            unnamed = player.shown.count(UNCERTAIN_UNNAMED)
            assert not (player.logged_in and unnamed)
            assert player.logged_in or not reported
            lost = 0
            for number in numbers:
                ends = self.answered[sessid, number] + reported[number]
                lost += not ends
                assert ends <= 1
                assert 1 <= transmitted[sessid, number] <= 1 + self.resend
            assert lost == unnamed, (
                "what is neither answered nor named was reported without its text"
            )
            assert not player.input_paused


class Redeliveries(Deliveries):
    """The same with uncertain lines sent again."""

    resend = True


STATEFUL = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = STATEFUL
TestRedeliveries = Redeliveries.TestCase
TestRedeliveries.settings = STATEFUL


# ---- another configuration


def test_other_limits_for_those_who_are_there_and_those_who_come():
    world = World()
    world.bring()
    old, silent = world.player(), world.player()
    old.data_in(text="look")
    limits = LimitsConfig(command_burst=2, commands_per_second=1.0, unanswered_messages=3)
    world.handler.reconfigure(Config(limits=limits))
    for player in (old, silent, world.player()):
        for _ in range(3):
            player.data_in(text="look")
        assert player.shown[-1:] == [TOO_MANY_COMMANDS]
    assert old.calls == ["pause"]
    assert world.handler.delivery.unanswered_limit == 3


def test_a_hook_that_fails_keeps_nobody_else_from_the_new_limits():
    world = World()
    broken, other = world.player(), world.player()
    broken.throttle = "no throttle"
    other.data_in(text="look")
    with structlog.testing.capture_logs() as logs:
        world.handler.reconfigure(Config(limits=LimitsConfig(command_burst=2)))
    assert [entry["event"] for entry in logs] == ["session_hook_failed"]
    assert other.throttle.commands.burst == 2
