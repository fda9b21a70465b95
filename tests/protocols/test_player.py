"""When a player is read, and when not: what every protocol of the hub has in common."""

import pytest
import structlog.testing

from portal.config import LimitsConfig
from portal.protocols.player import PlayerProtocol, PlayerSession


class Player(PlayerSession):
    """A session that notes what it is shown, and the storms it hears of."""

    def __init__(self, protocol, connection):
        super().__init__(protocol, connection, connection.address)
        self.shown = []
        self.storms = []

    def send_text(self, text, **_):
        self.shown.append(text)

    def at_storm(self, *, first):
        super().at_storm(first=first)
        self.storms.append(first)


class World:
    def __init__(self, surroundings):
        self.hub = surroundings.hub
        self.handler = surroundings.handler
        self.metrics = surroundings.metrics
        self.protocol = PlayerProtocol(*surroundings.parts, protocol_key="test")
        self.connection = surroundings.connect()
        self.session = Player(self.protocol, self.connection)


@pytest.fixture
def make_world(make_surroundings):
    return lambda **limits: World(make_surroundings(limits=LimitsConfig(**limits)))


@pytest.fixture
def world(make_world):
    return make_world()


def test_who_it_is(world):
    session = world.session
    assert (session.protocol_key, session.address) == ("test", "192.0.2.7")
    assert session.sessid == 0


def test_the_end_of_the_connection_is_that_of_the_session(world):
    world.session.at_throttled()
    world.session.connection_lost(None)
    assert world.handler.take() == ["disconnect"]
    world.connection.take()
    world.hub.pass_time(10.0)
    assert world.connection.take() == []


@pytest.mark.parametrize(
    ("error", "before", "expected"),
    [
        (None, "", ""),
        (None, "left", "left"),
        (ConnectionResetError(104, "Connection reset by peer"), "", "Connection reset by peer"),
        (RuntimeError("a bug"), "", "a bug"),
        (OSError(104, "reset"), "left", "left"),
    ],
)
def test_why_it_ended(world, error, before, expected):
    world.connection.close_reason = before
    world.session.connection_lost(error)
    assert world.session.close_reason == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (["pause"], ["pause"]),
        (["pause", "resume"], ["pause", "resume"]),
        (["flood"], ["pause"]),
        (["flood", "flood"], ["pause"]),
        (["flood", "wait"], ["pause", "resume"]),
        (["flood", "wait", "flood"], ["pause", "resume", "pause"]),
        # Whichever of the two ends last is the one that reads on.
        (["flood", "pause", "wait"], ["pause", "pause"]),
        (["flood", "pause", "wait", "resume"], ["pause", "pause", "resume"]),
        (["flood", "pause", "resume"], ["pause", "pause"]),
        (["flood", "pause", "resume", "wait"], ["pause", "pause", "resume"]),
    ],
)
def test_two_reasons_not_to_read(world, script, expected):
    session = world.session
    for step in script:
        match step:
            case "pause":
                session.input_paused = True
                session.pause_input()
            case "resume":
                session.input_paused = False
                session.resume_input()
            case "flood":
                session.at_throttled()
            case "wait":
                world.hub.pass_time(0.3)
    assert world.connection.take() == expected


def test_controls_have_a_rate(make_world):
    world = make_world(negotiations_per_second=10.0, negotiation_burst=3)
    admitted = [world.session.admit() for _ in range(5)]
    assert admitted == [True] * 3 + [False] * 2
    assert world.session.storms == [True, False]
    assert world.connection.take() == ["pause"]
    world.hub.pass_time(0.25)
    assert [world.session.admit() for _ in range(3)] == [True, True, False]
    assert world.session.storms == [True, False, False]
    assert world.connection.take() == ["resume", "pause"]


def test_a_long_line_is_told_now_and_then(world):
    told = []
    with structlog.testing.capture_logs() as logs:
        for seconds in (0.0, 0.5, 0.4, 0.2, 0.9):
            world.hub.pass_time(seconds)
            told.append(world.session.tell_too_long(10))
    assert told == [True, False, False, True, False]
    assert world.session.shown == [LimitsConfig().say_too_long("10 bytes")] * 2
    assert world.metrics.lines_too_long == 5
    assert logs == []
