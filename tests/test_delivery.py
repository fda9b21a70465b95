"""Where a message is between a player and the Server."""

import pytest
import structlog

from portal.config import Config, LimitsConfig, ServerConfig
from portal.delivery import Delivery
from portal.errors import LocalProtocolError
from portal.holding import (
    HELD_TOO_MUCH,
    KEPT_IN_VAIN,
    NOT_SENT,
    OUT_OF_CHARACTER,
    OUT_OF_CHARACTER_UNNAMED,
    UNCERTAIN,
    UNCERTAIN_UNNAMED,
    Reason,
)
from portal.messages import text_to_message
from portal.metrics import Metrics
from portal.session import Session


class Player(Session):
    """A session that notes when it is paused and resumed."""

    __slots__ = ("calls",)

    def pause_input(self):
        self.calls.append("pause")

    def resume_input(self):
        self.calls.append("resume")


class Link:
    """A link that only remembers; `during` is called within each send."""

    def __init__(self):
        self.sent = []
        self.during = lambda session, message: None

    def send_msg(self, session, message, secret):
        self.sent.append((session.sessid, text_to_message(message)["text"][0][0], secret))
        self.during(session, message)

    def send_admin(self, operation, sessid=0, **kwargs):
        raise AssertionError


def line(text):
    return {"text": [[text], {"options": {}}]}


class World:
    """A Delivery with two players and a link."""

    def __init__(self, form=line, **server):
        self.form = form
        limits = LimitsConfig(held_lines=3, unanswered_messages=4)
        self.metrics = Metrics()
        self.sessions = {}
        self.told = []
        self.shown = []
        self.link = Link()
        self.delivery = Delivery(
            Config(limits=limits, server=ServerConfig(**server)),
            self.metrics,
            self.sessions,
            lambda session, text: self.told.append((session.sessid, text)),
            lambda session, state: self.shown.append((session.sessid, state)),
        )
        for sessid in (1, 2):
            player = Player()
            player.init_session("telnet", "", None)
            player.sessid = sessid
            player.calls = []
            self.sessions[sessid] = player

    def take(self, sessid, *texts, secret=False):
        for text in texts:
            self.delivery.take(self.sessions[sessid], self.form(text), secret)

    def bring(self):
        self.delivery.link = self.link
        self.delivery.absence.offer(self.sessions)
        self.delivery.release()

    def lose(self):
        self.delivery.link = None
        self.delivery.begin_holding(Reason.LOST)
        self.told.clear()


@pytest.fixture(params=[line, str], ids=["message", "text"])
def form(request):
    """In which form lines are taken; nothing else may depend on it."""
    return request.param


@pytest.fixture
def world(form):
    return World(form)


@pytest.fixture
def resending(form):
    return World(form, resend_uncertain=True)


def test_sent_while_the_server_is_there(world):
    world.bring()
    world.take(1, "a")
    world.take(1, "b", secret=True)
    assert world.link.sent == [(1, "a", False), (1, "b", True)]
    assert world.sessions[1].unanswered == 2
    assert world.told == []


def test_kept_while_it_is_away_and_sent_once(world):
    world.take(1, "a", "b")
    world.take(2, "c", secret=True)
    assert world.told == [(1, Reason.STARTING), (2, Reason.STARTING)]
    world.bring()
    world.take(1, "d")
    assert world.link.sent == [(1, "a", False), (1, "b", False), (2, "c", True), (1, "d", False)]
    assert (world.metrics.inputs_held, world.metrics.inputs_released) == (3, 3)


def test_kept_without_a_link_even_if_nobody_said_so(world):
    world.bring()
    world.delivery.link = None
    world.take(1, "a")
    assert world.metrics.inputs_held == 1


def test_refused_when_too_much_is_kept(world):
    world.take(1, "a", "b", "c", "d", "e")
    assert world.told == [(1, Reason.STARTING), (1, HELD_TOO_MUCH)]
    assert (world.metrics.inputs_held, world.metrics.inputs_refused) == (3, 2)
    world.take(2, "f")
    assert world.metrics.inputs_held == 4


def test_a_client_s_message_is_refused_in_silence(world):
    world.take(1, "a", "b", "c")
    world.told.clear()
    world.delivery.take(world.sessions[1], {"gmcp": [["x"], {}]}, False)
    assert world.told == []
    assert world.metrics.inputs_refused == 1
    world.take(1, "d")
    assert world.told == [(1, HELD_TOO_MUCH)]


def test_nothing_is_kept_behind_a_refused_line(world):
    world.take(1, "a", "b", "x" * 40_000, "c")
    world.delivery.take(world.sessions[1], {"gmcp": [["x"], {}]}, False)
    assert world.told == [(1, Reason.STARTING), (1, HELD_TOO_MUCH)]
    world.take(2, "d")
    world.bring()
    world.take(1, "e")
    assert [text for _, text, _ in world.link.sent] == ["a", "b", "d", "e"]
    assert world.metrics.inputs_refused == 3


def test_refusals_are_told_again_in_the_next_absence(world):
    world.take(1, *"abcd")
    world.bring()
    world.lose()
    world.take(1, *"abcd")
    assert world.told == [(1, HELD_TOO_MUCH)]


def test_the_limit_of_unanswered_messages_pauses_until_half(world):
    world.bring()
    player = world.sessions[1]
    world.take(1, *"abcdef")
    assert player.calls == ["pause"]
    assert len(world.link.sent) == 6, "what was read before is still taken"
    calls = []
    for _ in range(6):
        world.delivery.settle(player)
        calls.append((player.unanswered, player.calls[-1]))
    assert calls == [(5, "pause"), (4, "pause"), (3, "pause"), (2, "resume"), (1, "resume"), (0, "resume")]  # fmt: skip
    assert player.calls == ["pause", "resume"]


def test_a_paused_player_is_read_again_when_the_server_is_lost(world):
    world.bring()
    world.take(1, *"abcd")
    world.lose()
    world.delivery.take_back_uncertain([(1, line(text), False) for text in "ab"])
    for text in "cd":
        world.delivery.take_back_unsent(1, line(text), False)
    assert world.sessions[1].unanswered == 0
    assert world.sessions[1].calls == ["pause", "resume"]


def test_uncertain_is_told_and_not_sent_again(world):
    world.bring()
    world.take(1, "a|", "b")
    world.lose()
    gmcp = {"gmcp": [["x"], {}]}
    world.delivery.take_back_uncertain(
        [(1, line("a|"), False), (1, gmcp, False), (1, line("b"), True), (3, line("of one gone"), False)]
    )  # fmt: skip
    assert world.told == [(1, UNCERTAIN + "a||"), (1, UNCERTAIN_UNNAMED)]
    assert world.metrics.inputs_uncertain == 4
    assert world.delivery.holding.total == 0


def test_uncertain_is_sent_again_once_ahead_of_the_rest(resending):
    world = resending
    world.bring()
    world.take(1, "a", "b")
    world.lose()
    world.take(1, "c")
    world.delivery.take_back_uncertain([(1, line("a"), False), (1, line("b"), True)])
    world.link.sent.clear()
    seen = []
    world.link.during = lambda _, message: seen.append(message)
    world.bring()
    assert world.link.sent == [(1, "a", False), (1, "b", True), (1, "c", False)]
    flags = [message["text"][1]["options"].get("redelivered") for message in seen]
    assert flags == [True, True, None]
    assert world.metrics.inputs_redelivered == 2
    world.lose()
    world.delivery.take_back_uncertain([(1, seen[0], False), (1, seen[1], True)])
    assert world.told == [(1, UNCERTAIN + "a"), (1, UNCERTAIN_UNNAMED)]


@pytest.mark.parametrize("make", ["world", "resending"])
@pytest.mark.usefixtures("form")
def test_uncertain_of_an_older_server_while_the_next_is_at_work(make, request):
    world = request.getfixturevalue(make)
    world.bring()
    world.take(1, "a")
    world.lose()
    world.bring()
    world.take(1, "b")
    world.delivery.take_back_uncertain([(1, line("a"), False)])
    again = make == "resending"
    assert world.link.sent == [(1, "a", False), (1, "b", False)] + [(1, "a", False)] * again
    assert world.told == [(1, UNCERTAIN + "a")] * (not again)
    assert not world.delivery.absence.away
    assert world.sessions[1].unanswered == 1 + again


def test_unsent_comes_back_behind_the_uncertain(resending):
    world = resending
    world.bring()
    world.take(1, "a", "b", "c")
    world.lose()
    world.delivery.take_back_uncertain([(1, line("a"), False)])
    for text in "bc":
        world.delivery.take_back_unsent(1, line(text), False)
    world.delivery.take_back_unsent(3, line("of one gone"), False)
    world.take(1, "d")
    world.link.sent.clear()
    world.bring()
    assert [text for _, text, _ in world.link.sent] == ["a", "b", "c"]
    assert world.told == [(1, HELD_TOO_MUCH)], "d came when all room was taken"


def test_what_was_not_begun_comes_back_in_front_and_behind_the_uncertain(resending):
    world = resending
    world.bring()
    world.take(1, "a", "b", "c")
    world.lose()
    world.take(1, "d")
    world.take(2, "e")
    for text in "cb":
        world.delivery.take_back_unsent(1, line(text), False, first=True)
    world.delivery.take_back_unsent(3, line("of one gone"), False, first=True)
    world.delivery.take_back_uncertain([(1, line("a"), False)])
    assert world.sessions[1].unanswered == 0
    world.link.sent.clear()
    world.bring()
    texts = [text for sessid, text, _ in world.link.sent if sessid == 1]
    assert texts == ["a", "b", "c", "d"]


def test_what_comes_during_release_goes_behind(world):
    world.take(1, "a", "b")
    world.take(2, "c")

    def answer_back(session, message):
        if message == line("c"):
            world.take(1, "d")
            world.take(2, "e")

    world.link.during = answer_back
    world.bring()
    assert [text for _, text, _ in world.link.sent] == ["a", "b", "c", "d", "e"]
    assert not world.delivery.absence.away


def test_what_comes_while_an_older_server_s_lines_are_sent_again_goes_behind(resending):
    world = resending
    world.bring()

    def answer_back(session, message):
        if text_to_message(message)["text"][0] == ["a"]:
            world.take(1, "c")

    world.link.during = answer_back
    world.delivery.take_back_uncertain([(1, line("a"), False), (1, line("b"), False)])
    assert [text for _, text, _ in world.link.sent] == ["a", "b", "c"]


@pytest.mark.parametrize("linked", [True, False], ids=["ordered", "lost"])
def test_release_stops_when_the_server_goes_again(world, linked):
    world.take(1, "a", "b")
    world.take(2, "c")

    def leave(session, message):
        if not linked:
            world.delivery.link = None
        world.delivery.begin_holding(Reason.RESTARTING, announce=False)

    world.link.during = leave
    world.bring()
    assert [text for _, text, _ in world.link.sent] == ["a"]
    assert world.delivery.absence.away
    assert world.delivery.holding.total == 2
    world.link.during = lambda session, message: None
    world.bring()
    assert [text for _, text, _ in world.link.sent] == ["a", "b", "c"]


def test_release_stops_when_a_session_ends_in_it(world):
    world.take(1, "a", "b")
    world.link.during = lambda session, message: world.delivery.forget(1)
    world.bring()
    assert [text for _, text, _ in world.link.sent] == ["a"]


def test_what_can_never_be_sent_is_refused_and_the_rest_goes_on(world):
    world.take(1, "a", "b")

    def refuse(session, message):
        if message != line("b"):
            raise LocalProtocolError("too long")

    world.link.during = refuse
    world.told.clear()
    with structlog.testing.capture_logs() as logs:
        world.bring()
        world.delivery.take(world.sessions[1], {"text": [["c"], {}], "gmcp": [[], {}]}, True)
    assert [each["event"] for each in logs] == ["input_not_sent"] * 2
    assert "'a'" not in repr(logs)
    assert world.told == [(1, NOT_SENT)] * 2
    assert world.sessions[1].unanswered == 1
    assert world.metrics.inputs_refused == 2


def test_a_client_s_message_that_cannot_be_sent_is_only_counted(world):
    world.bring()

    def refuse(session, message, secret):
        raise LocalProtocolError("too long")

    world.link.send_msg = refuse
    world.delivery.take(world.sessions[1], {"gmcp": [["x"], {}]}, False)
    assert world.told == []
    assert world.metrics.inputs_refused == 1


def test_announced_once_to_everybody(world):
    world.bring()
    world.delivery.link = None
    for announce in (False, True, True):
        world.delivery.begin_holding(Reason.LOST, announce=announce)
    assert world.told == [(1, Reason.LOST), (2, Reason.LOST)]


def test_a_reason_that_is_news_is_told_to_everybody(world):
    world.delivery.explain_absence(Reason.GIVEN_UP)
    world.delivery.explain_absence(Reason.GIVEN_UP)
    world.take(1, "a")
    assert world.told == [(1, Reason.GIVEN_UP), (2, Reason.GIVEN_UP)]
    assert type(world.told[0][1]) is str
    world.told.clear()
    world.bring()
    world.delivery.explain_absence(Reason.GIVEN_UP)
    world.take(1, "b")
    assert world.told == [], "the Server is there"
    assert [text for _, text, _ in world.link.sent] == ["a", "b"]


def test_while_the_portal_closes_nothing_is_kept(world):
    world.bring()
    for reason in (Reason.CLOSING, Reason.STOPPED, Reason.LOST):
        world.delivery.begin_holding(reason)
    assert world.told == []
    world.take(1, "a", "b")
    assert world.told == [(1, Reason.CLOSING)]
    assert (world.metrics.inputs_held, world.metrics.inputs_refused) == (0, 2)


def test_who_is_told_that_lines_were_kept_in_vain(world):
    world.take(1, "a")
    world.delivery.take(world.sessions[2], {"gmcp": [["x"], {}]}, False)
    world.told.clear()
    world.delivery.tell_kept_in_vain()
    assert world.told == [(1, KEPT_IN_VAIN)]


def test_what_is_given_back_is_told_and_kept_no_more(world):
    player = world.sessions[1]
    world.take(1, "|rnorth")
    world.take(1, "secret", secret=True)
    world.delivery.holding.keep(1, {"msdp": [["x"], {}]}, False)
    world.told.clear()
    world.delivery.return_kept([player, world.sessions[2]])
    assert world.told == [(1, OUT_OF_CHARACTER + "||rnorth"), (1, OUT_OF_CHARACTER_UNNAMED)]
    assert world.delivery.holding.total == world.delivery.holding.total_bytes == 0
    assert world.metrics.inputs_returned == 2


def test_state(world):
    world.take(1, "a", "b")
    other = World()
    other.delivery.set_state(world.delivery.get_state())
    assert other.delivery.get_state() == world.delivery.get_state()
    other.take(1, "c")
    assert other.told == [], "was told before"
    other.bring()
    assert [text for _, text, _ in other.link.sent] == ["a", "b", "c"]


def test_sessions_are_shown_how_the_game_is(world):
    """Each change once, whether it is announced in words or not."""
    delivery = world.delivery
    world.shown.clear()
    world.bring()
    delivery.release()
    assert world.shown == [(1, "connected"), (2, "connected")]
    world.shown.clear()
    delivery.begin_holding(Reason.RESTARTING, announce=False)
    delivery.begin_holding(Reason.LOST)
    assert world.shown == [(1, "restarting"), (2, "restarting")]
    world.shown.clear()
    delivery.explain_absence(Reason.GIVEN_UP)
    delivery.explain_absence(Reason.GIVEN_UP)
    assert world.shown == [(1, "given_up"), (2, "given_up")]


def test_other_limits(world):
    world.delivery.reconfigure(
        Config(
            limits=LimitsConfig(held_lines=1, held_bytes=10, unanswered_messages=2),
            server=ServerConfig(resend_uncertain=True),
        )
    )
    assert (world.delivery.holding.lines, world.delivery.holding.size) == (1, 10)
    assert world.delivery.unanswered_limit == 2
    assert world.delivery.resend is True
