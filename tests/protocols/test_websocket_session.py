"""A player on a websocket: messages in and out, limits, deadlines, the end, and another process."""

import json
import socket

import msgspec
import pytest
import structlog.testing
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.config import Config, LimitsConfig, WebSocketConfig
from portal.hub.hub import Hub
from portal.hub.listener import Admission
from portal.messages import text_to_message
from portal.metrics import Metrics
from portal.protocols.websocket import WebSocketProtocol
from portal.protocols.websocket_session import (
    CONNECTED_ANEW,
    LARGEST_SIZE,
    NO_TEXT,
    TOO_MANY_ERRORS,
)
from portal.sessionhandler import PortalSessionHandler
from portal.wire.forwarded import Proxies
from portal.wire.upgrade import read_upgrade

RED = '<span class="color-009">red</span>'


class World:
    """One websocket of a Portal that is nowhere, and its only player."""

    def __init__(self, surroundings, make_handshake, peer, target="/"):
        self.hub = surroundings.hub
        self.handler = surroundings.handler
        self.metrics = surroundings.metrics
        self.peer = peer
        self.protocol = surroundings.make_websocket()
        self.connection = surroundings.connect()
        self.protocol.open(self.connection, read_upgrade(make_handshake(target)), b"")
        self.session = self.connection.protocol
        assert self.connection.take()[0].startswith(b"HTTP/1.1 101 ")
        assert self.handler.take() == ["connect"]

    def receive(self, data):
        """What the handler hears and what the client is sent when this comes in."""
        self.session.receive_data(data)
        return self.handler.take(), self.take()

    def say(self, *message):
        return self.receive(self.peer.say(*message))

    def take(self):
        return self.peer.read(self.connection.take())


@pytest.fixture
def make_world(make_surroundings, make_handshake, peer):
    return lambda target="/", **sections: World(
        make_surroundings(**sections), make_handshake, peer, target
    )


@pytest.fixture
def world(make_world):
    return make_world()


# ---- messages in


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        (["text", ["look"], {}], "look"),
        (["text", ["look"]], "look"),
        (["text", "look"], "look"),
        (["text", [""], {}], ""),
        (["text", ["größe 😀"], {}], "größe 😀"),
        (["text", ["two\nlines"], {}], "two\nlines"),
        (["text", ["look"], {"a": 1}], [["look"], {"a": 1}]),
        (["hp", [], {}], {"hp": [[], {}]}),
        (["hp", [1, [2]], {"a": {"b": None}}], {"hp": [[1, [2]], {"a": {"b": None}}]}),
        (["größe", 5], {"größe": [[5], {}]}),
        (["default", [], {"name": 1, "data": 2}], {"default": [[], {"name": 1, "data": 2}]}),
        (["websocket_close_", [], {}], {"websocket_close_": [[], {}]}),
    ],
)
def test_messages(world, message, heard):
    assert world.say(*message) == ([heard], [])
    binary = world.peer.frame(world.peer.BINARY, json.dumps(message).encode())
    assert world.receive(binary) == ([heard], [])


def test_several_at_once_and_cut_anywhere(world, peer):
    data = peer.say("text", ["one"], {}) + peer.say("a", [], {}) + peer.say("text", ["two"], {})
    assert world.receive(data) == (["one", {"a": [[], {}]}, "two"], [])
    for cut in range(1, len(data)):
        first, _ = world.receive(data[:cut])
        second, _ = world.receive(data[cut:])
        assert first + second == ["one", {"a": [[], {}]}, "two"]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"look", 'expected ["name", [arguments], {options}] in JSON'),
        (b"{}", 'expected ["name", [arguments], {options}]'),
        (b'["text", ["x"], {}', 'expected ["name", [arguments], {options}] in JSON'),
        (b'["text", [], {}]', NO_TEXT),
        (b'["text", ["a", "b"], {}]', NO_TEXT),
        (b'["text", [5], {}]', NO_TEXT),
        (b'["text", [null], {}]', NO_TEXT),
        (b'["text", {"a": 1}]', NO_TEXT),
        (b'["_x", [], {}]', 'expected ["name", [arguments], {options}], with another name'),
        (b'["x", [1e999]]', 'expected ["name", [arguments], {options}] in JSON'),
        (b"[" * 50_000, "nested too deep"),
        (b'["x", ' + b"[" * 70 + b"]" * 70 + b"]", "a message is nested deeper than 64"),
    ],
)
def test_what_is_malformed_is_told_and_the_client_stays(world, peer, payload, told):
    # Normalising is the sessionhandler's; its limit on depth is what it raises.
    config, metrics = Config(), world.metrics
    handler = PortalSessionHandler(config, metrics, now=world.hub.now, wall=world.hub.now)
    world.session.sessionhandler = handler
    handler.connect(world.session)
    world.take()
    assert world.receive(peer.frame(peer.TEXT, payload)) == ([], [["error", [told], {}]])
    assert metrics.websocket_messages_malformed == 1
    assert metrics.messages_in <= 1
    assert world.session.codec.closed is False


def test_whoever_goes_on_with_malformed_messages_is_closed(make_world, peer):
    world = make_world(websocket=WebSocketConfig(error_burst=3, errors_per_second=0.5))
    bad = peer.frame(peer.TEXT, b"{}")
    with structlog.testing.capture_logs() as logs:
        _, told = world.receive(bad * 3)
        assert [message[0] for message in told] == ["error"] * 3
        world.hub.pass_time(2.0)
        assert len(world.receive(bad)[1]) == 1
        heard, told = world.receive(peer.say("text", ["a"]) + bad + peer.say("text", ["b"]) + bad)
    assert heard == ["a", "disconnect"]
    assert told == [(1008, TOO_MANY_ERRORS), ("close", TOO_MANY_ERRORS)]
    assert world.metrics.websocket_messages_malformed == 5
    assert [entry["event"] for entry in logs] == ["malformed_messages"]


@pytest.mark.parametrize("form", ["plain", "with options"])
def test_a_line_too_long_is_told_as_on_telnet(make_world, peer, form):
    world = make_world(limits=LimitsConfig(line_bytes=1000))
    options = {} if form == "plain" else {"a": 1}

    def say(text):
        heard, told = world.say("text", [text], options)
        return heard, [message[1][0] for message in told]

    told = LimitsConfig().say_too_long("1000 bytes")
    with structlog.testing.capture_logs() as logs:
        for fits in ("x" * 1000, "é" * 500, "😀" * 250):
            assert say(fits) == ([fits if form == "plain" else [[fits], options]], [])
        assert say("x" * 1001) == ([], [told])
        assert say("é" * 501) == say("😀" * 251) == ([], [])
        world.hub.pass_time(1.0)
        assert say("x" * 60_000) == ([], [told])
    assert world.metrics.lines_too_long == 4
    assert [(entry["event"], entry["limit"]) for entry in logs] == [("line_too_long", 1000)] * 2
    assert "x" * 10 not in str(logs)


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_message_too_big_is_the_end(make_world, peer, pieces):
    world = make_world(limits=LimitsConfig(subnegotiation_bytes=1000))
    fits = peer.say("x", ["y" * 980], {})
    assert len(fits) <= 1000 + 8
    assert world.receive(fits)[1] == []
    if pieces == 1:
        data = peer.frame(peer.TEXT, b"x" * 1001)
    else:
        data = peer.frame(0x01, b"x" * 500) + peer.frame(0x00, b"x" * 500) + peer.frame(0x00, b"x")
    with structlog.testing.capture_logs() as logs:
        heard, done = world.receive(data + peer.say("text", ["not heard"]))
    assert heard == ["disconnect"]
    assert done == [(1009, "message is too long"), ("close", "it broke the protocol")]
    assert world.metrics.websocket_protocol_errors == 1
    assert [(entry["event"], entry["code"]) for entry in logs] == [("websocket_failed", 1009)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x", 1002),
        (bytes.fromhex("ff 80 00 00 00 00"), 1002),
        (bytes.fromhex("81 fe 00 05 00 00 00 00"), 1002),
        (bytes.fromhex("81 ff 7f ff ff ff ff ff ff ff 00 00 00 00"), 1009),
        (bytes.fromhex("81 82 00 00 00 00 c3 28"), 1007),
        (bytes.fromhex("01 80 00 00 00 00") + bytes.fromhex("00 80 00 00 00 00") * 100, 1008),
    ],
)
def test_whoever_breaks_the_protocol_is_told_why(world, data, code):
    heard, done = world.receive(data)
    assert heard == ["disconnect"]
    assert done[0][0] == code
    assert done[1] == ("close", "it broke the protocol")


@pytest.mark.parametrize("before", [False, True])
def test_other_limits_count_from_now_on(make_world, peer, before):
    world = make_world(websocket=WebSocketConfig(error_burst=100))
    bad = peer.frame(peer.TEXT, b"{}")
    if before:
        world.receive(bad)
    config = Config(
        websocket=WebSocketConfig(error_burst=2),
        limits=LimitsConfig(subnegotiation_bytes=100),
    )
    world.protocol.reconfigure(config)
    world.session.at_reconfigured(config)
    assert [each[0] for each in world.receive(bad * 2)[1]] == ["error"] * 2
    assert world.receive(peer.frame(peer.TEXT, b"x" * 101))[1][0] == (1009, "message is too long")


def test_fewer_malformed_messages_may_be_allowed(make_world, peer):
    world = make_world(websocket=WebSocketConfig(error_burst=100))
    bad = peer.frame(peer.TEXT, b"{}")
    world.receive(bad)
    world.session.at_reconfigured(Config(websocket=WebSocketConfig(error_burst=2)))
    assert world.receive(bad * 3)[1][2] == (1008, TOO_MANY_ERRORS)


# ---- the size of the window


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (
            {"screenwidth": 100, "screenheight": 40},
            {"SCREENWIDTH": {0: 100}, "SCREENHEIGHT": {0: 40}},
        ),
        ({"screenwidth": 1}, {"SCREENWIDTH": {0: 1}}),
        ({"screenheight": LARGEST_SIZE, "other": []}, {"SCREENHEIGHT": {0: LARGEST_SIZE}}),
        ({"screenwidth": 0}, {}),
        ({"screenwidth": -1}, {}),
        ({"screenwidth": LARGEST_SIZE + 1}, {}),
        ({"screenwidth": True}, {}),
        ({"screenwidth": 80.0}, {}),
        ({"screenwidth": "80"}, {}),
        ({"screenwidth": {"0": 80}}, {}),
        ({"screenwidth": None, "screenheight": 24}, {"SCREENHEIGHT": {0: 24}}),
        ({}, {}),
    ],
)
def test_the_size_of_the_window(world, options, flags):
    before = dict(world.session.protocol_flags)
    message = {"client_options": [[], options]}
    assert world.say("client_options", [], options)[0] == ["sync"] * bool(flags) + [message]
    assert world.session.protocol_flags == before | flags
    # The same again is no change.
    assert world.say("client_options", [], options)[0] == [message]


def test_changes_of_size_have_the_limit_of_controls(make_world):
    """Each is told to the game: a message of its own, which the throttle does not see."""
    world = make_world(limits=LimitsConfig(negotiations_per_second=10.0, negotiation_burst=5))
    heard = []
    for size in range(1, 100):
        heard += world.say("client_options", [], {"screenwidth": size})[0]
    assert heard.count("sync") == 5
    assert len(heard) == 99 + 5
    assert world.session.protocol_flags["SCREENWIDTH"] == {0: 5}
    assert world.metrics.controls_throttled == 94


# ---- messages out


@pytest.mark.parametrize(
    ("message", "flags", "expected"),
    [
        ({"text": "hello"}, {}, ["text", ["hello"], {}]),
        ({"text": ""}, {}, ["text", [""], {}]),
        ({"text": "<b>\n "}, {}, ["text", ["&lt;b&gt;<br> "], {}]),
        ({"text": 42}, {}, ["text", ["42"], {}]),
        ({"text": "|rred"}, {}, ["text", [RED], {}]),
        ({"text": "|rred"}, {"NOCOLOR": True}, ["text", ["red"], {}]),
        ({"text": "|rred"}, {"SCREENREADER": True}, ["text", ["red"], {}]),
        ({"text": "|r<"}, {"RAW": True}, ["text", ["|r&lt;"], {}]),
        ({"text": ("|r<", {"options": {"raw": True}})}, {}, ["text", ["|r&lt;"], {}]),
        (
            {"text": ("|r<", {"options": {"raw": True, "client_raw": True}})},
            {},
            ["text", ["|r<"], {}],
        ),
        ({"text": ("|rred", {"options": {"client_raw": True}})}, {}, ["text", [RED], {}]),
        ({"text": ("|rred", {"options": {"raw": False}})}, {"RAW": True}, ["text", [RED], {}]),
        ({"text": ("|rred", {"options": {"nocolor": True}})}, {}, ["text", ["red"], {}]),
        (
            {"text": ("|rred", {"options": {"nocolor": False}})},
            {"NOCOLOR": True},
            ["text", [RED], {}],
        ),
        ({"text": ("|rred", {"options": {"screenreader": True}})}, {}, ["text", ["red"], {}]),
        (
            {"text": ("|rred", {"options": {"screenreader": False}})},
            {"SCREENREADER": True},
            ["text", [RED], {}],
        ),
        ({"text": ("> ", {"options": {"send_prompt": True}})}, {}, ["prompt", ["&gt; "], {}]),
        ({"prompt": "|rred"}, {}, ["prompt", [RED], {}]),
        ({"prompt": []}, {}, ["prompt", [""], {}]),
        ({"prompt": ("> ", {"options": {"raw": True}})}, {}, ["prompt", ["&gt; "], {}]),
        (
            {"text": ("hi", {"options": {"echo": False}})},
            {},
            ["text", ["hi"], {"options": {"echo": False}}],
        ),
        (
            {"text": ("hi", {"options": {"echo": 1}})},
            {},
            ["text", ["hi"], {"options": {"echo": True}}],
        ),
        ({"text": ("hi", {"options": {"unknown": 1}})}, {}, ["text", ["hi"], {}]),
        ({"text": ("hi", {"type": "say"})}, {}, ["text", ["hi"], {"type": "say"}]),
        # Normal already, as the game's own library writes it: without options.
        ({"text": [["hi"], {"type": "say"}]}, {}, ["text", ["hi"], {"type": "say"}]),
        ({"text": [["hi"], {}]}, {}, ["text", ["hi"], {}]),
        ({"text": [["hi", 5, {"a": 1}], {}]}, {}, ["text", ["hi", 5, {"a": 1}], {}]),
        ({"text": "half \ud800"}, {}, ["text", ["half ?"], {}]),
        ({"text": ("half \ud800", {"x": "\ud800"})}, {}, ["text", ["half ?"], {"x": "?"}]),
        ({"map": {"a": 1}}, {}, ["map", [], {"a": 1}]),
        (
            {"map": [[1, 2], {"a": {1: "b"}, "options": {"raw": True}}]},
            {},
            ["map", [1, 2], {"a": {"1": "b"}}],
        ),
        ({"logged_in": None}, {}, ["logged_in", [], {}]),
        ({"odd": [[{3}, 2**70, b"\xff"], {}]}, {}, ["odd", [[3], 2**70, "/w=="], {}]),
        ({"odd": [[object], {}]}, {}, ["odd", ["<class 'object'>"], {}]),
        ({"default": "x"}, {}, ["default", ["x"], {}]),
    ],
)
def test_what_is_sent(world, message, flags, expected):
    world.session.protocol_flags.update(flags)
    world.session.data_out(message)
    assert world.take() == [expected]


def test_no_text_is_no_message(world):
    world.session.data_out({"text": [[None], {}]})
    assert world.take() == []


def test_a_player_may_see_what_they_typed(world):
    world.session.protocol_flags["LOCALECHO"] = True
    echo = ["text", ["|rlook &lt;b&gt;"], {}]
    assert world.say("text", ["|rlook <b>"], {}) == (["|rlook <b>"], [echo])
    world.session.data_out(prompt="Password: ", options={"echo": False})
    world.take()
    assert world.say("text", ["secret"], {}) == (["secret"], [])


def test_what_was_hidden_is_not_shown_when_the_game_answers_at_once(world, monkeypatch):
    world.session.protocol_flags["LOCALECHO"] = True

    def show_again(session, _text):
        session.data_out(text="Welcome!", options={"echo": True})

    monkeypatch.setattr(world.session.sessionhandler, "data_in", show_again, raising=False)
    world.session.data_out(prompt="Password: ", options={"echo": False})
    world.say("text", ["secret"], {})
    assert "secret" not in str(world.take())


def test_a_password_is_hidden(world):
    session = world.session
    assert session.echo_hidden is False
    session.data_out(prompt="Password: ", options={"echo": False})
    assert world.take() == [["prompt", ["Password: "], {"options": {"echo": False}}]]
    assert session.echo_hidden is True
    assert world.say("text", ["secret"], {}) == (["secret"], [])
    session.data_out(text="Wrong.")
    assert world.take() == [["text", ["Wrong."], {}]]
    assert session.echo_hidden is True
    session.data_out(text="Welcome!", options={"echo": True})
    assert world.take() == [["text", ["Welcome!"], {"options": {"echo": True}}]]
    assert session.echo_hidden is False


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/?status=1", True),
        ("/?a=b&status=1", True),
        ("/?status=1&a=b", True),
        ("/", False),
        ("/?status=0", False),
        ("/?status=10", False),
        ("/?mystatus=1", False),
        ("/status=1", False),
    ],
)
def test_how_the_game_is_hears_only_who_asked(make_world, target, told):
    world = make_world(target)
    world.session.at_server_state("restarting")
    assert world.take() == [["portal_status", ["restarting"], {}]] * told


# ---- controls and deadlines


def test_pings_are_answered_before_what_messages_bring(world, peer):
    bad = peer.frame(peer.TEXT, b"{}")
    data = peer.frame(peer.PING, b"1") + bad + peer.frame(peer.PING, b"2")
    heard, done = world.receive(data)
    assert heard == []
    assert [each[0] for each in done] == ["pong", "pong", "error"]


def test_a_client_that_answers_its_pings_stays(world, peer):
    for _ in range(10):
        world.hub.pass_time(25.0)
        assert world.take() == [("ping", b"")]
        world.hub.pass_time(19.0)
        assert world.receive(peer.frame(peer.PONG)) == ([], [])


def test_a_client_that_sends_pongs_unasked_is_not_asked(world, peer):
    for _ in range(10):
        world.hub.pass_time(20.0)
        assert world.receive(peer.frame(peer.PONG, b"hello")) == ([], [])


def test_a_dead_client_is_gone_within_a_minute(world):
    with structlog.testing.capture_logs() as logs:
        world.hub.pass_time(25.0)
        assert world.take() == [("ping", b"")]
        world.hub.pass_time(19.9)
        assert world.take() == []
        world.hub.pass_time(0.2)
        assert world.take() == [("abort", "it did not answer a ping")]
    assert world.metrics.websocket_pings_unanswered == 1
    assert [entry["event"] for entry in logs] == ["ping_unanswered"]
    world.hub.pass_time(100.0)
    assert world.take() == []


def test_a_client_that_talks_is_there_though_it_knows_no_pings(world):
    began = world.hub.time
    for _ in range(30):
        world.hub.pass_time(10.0)
        assert ("abort", "it did not answer a ping") not in world.take()
        world.say("heartbeat", [], {})
    last = world.hub.time
    assert last - began > 250
    while ("abort", "it did not answer a ping") not in world.take():
        world.hub.pass_time(1.0)
    assert world.hub.time - last <= 60


@pytest.mark.parametrize("reason", ["the game is behind", "a flood", "unsent"])
def test_a_client_that_may_have_answered_is_not_cut(world, peer, reason):
    session = world.session
    world.hub.pass_time(25.0)
    match reason:
        case "the game is behind":
            session.input_paused = True
            session.pause_input()
        case "a flood":
            session._flooding = True
        case "unsent":
            world.connection.unsent = 1000
    world.take()
    for _ in range(10):
        world.hub.pass_time(20.0)
        assert world.take() == []
    match reason:
        case "the game is behind":
            session.input_paused = False
            session.resume_input()
        case "a flood":
            session.read_on()
        case "unsent":
            world.connection.unsent = 0
    world.take()
    # Its answer may be the next thing that is read.
    world.hub.pass_time(19.0)
    assert world.take() == []
    world.hub.pass_time(2.0)
    assert world.take() == [("abort", "it did not answer a ping")]


def test_who_is_read_again_just_before_the_deadline_has_time_to_be_heard(world):
    session = world.session
    world.hub.pass_time(25.0)
    session.input_paused = True
    session.pause_input()
    world.hub.pass_time(19.9)
    session.input_paused = False
    session.resume_input()
    world.take()
    world.hub.pass_time(19.9)
    assert world.take() == []


def test_reading_on_begins_no_deadline(world):
    world.session.at_throttled()
    world.hub.pass_time(0.3)
    assert world.take() == ["pause", "resume"]
    assert world.session not in world.protocol.pongs


@pytest.mark.parametrize("kind", ["PING", "PONG"])
def test_a_flood_of_controls_is_bounded(make_world, peer, kind):
    limits = LimitsConfig(negotiations_per_second=10.0, negotiation_burst=20)
    world = make_world(limits=limits)
    flood = peer.frame(getattr(peer, kind), b"x" * 125)
    with structlog.testing.capture_logs() as logs:
        heard, done = world.receive(flood * 1000 + peer.say("text", ["look"], {}))
        assert heard == ["look"]
        assert done == ["pause"] + [("pong", b"x" * 125)] * 20 * (kind == "PING")
        assert world.receive(flood * 100) == ([], [])
    assert world.metrics.controls_throttled == 1080
    (entry,) = logs
    assert (entry["event"], entry["sessid"]) == ("controls_throttled", 7)
    assert entry["address"] == "192.0.2.7"


# ---- the end


def test_the_game_ends_it(world):
    world.session.disconnect("Farewell, |rfriend|n.")
    shown = 'Farewell, <span class="color-009">friend</span>.'
    farewell = "Farewell, friend."
    assert world.take() == [["text", [shown], {}], (1000, farewell), ("close", farewell)]
    world.session.send_text("too late")
    world.session.send_prompt("too late")
    world.session.send_default("too_late")
    world.session.ping()
    assert world.take() == []
    world.session.disconnect("again")
    assert world.take() == []


def test_without_a_reason(world):
    world.session.disconnect()
    assert world.take() == [(1000, ""), ("close", "")]


@pytest.mark.parametrize(
    ("say", "answer"),
    [
        (lambda peer: peer.say("websocket_close", [], {}), (1000, "")),
        (lambda peer: peer.close(1001, "going"), (1001, "")),
        (lambda peer: peer.close(4000), (4000, "")),
        (lambda peer: peer.frame(peer.CLOSE), (0, "")),
        (lambda peer: peer.say("websocket_close", [], {}) + peer.close(1001), (1001, "")),
    ],
)
def test_the_client_ends_it(world, peer, say, answer):
    before, behind = peer.say("text", ["quit"]), peer.say("text", ["behind"])
    heard, done = world.receive(before + say(peer) + behind + peer.frame(peer.PONG))
    assert heard == ["quit", "disconnect"]
    assert done == [answer, ("close", "")]
    world.session.connection_lost(None)
    world.hub.pass_time(100.0)
    assert world.take() == []
    assert world.handler.take() == ["disconnect"]  # which the real one passes over


def test_what_comes_behind_a_close_of_ours_is_not_heard(world, peer):
    world.session.disconnect("bye")
    world.take()
    data = peer.say("text", ["look"]) + peer.frame(peer.PING) + peer.frame(peer.PONG)
    assert world.receive(data + peer.close(1000)) == (["disconnect"], [])
    assert len(world.protocol.pings) == len(world.protocol.pongs) == 0


def test_a_session_that_ends_in_the_midst_of_its_messages(world, peer):
    """As by a game in the same process, which answers at once."""

    def disconnect(session, text):
        world.handler.heard.append(text)
        session.disconnect("enough")

    world.handler.data_in = disconnect
    heard, done = world.receive(peer.say("text", ["one"]) + peer.say("text", ["two"]))
    assert heard == ["one", "disconnect"]
    assert done == [["text", ["enough"], {}], (1000, "enough"), ("close", "enough")]


def test_a_client_that_ends_without_a_word(world):
    world.session.receive_eof()
    assert world.take() == [("close", "it left without closing")]


# ---- state


def moved(world):
    """The same session in another process, by way of JSON."""
    written = msgspec.json.encode(world.session.get_state())
    world.protocol.forget(world.session)
    world.session = world.protocol.restore(world.connection, msgspec.json.decode(written))
    assert msgspec.json.encode(world.session.get_state()) == written
    assert world.connection.take() == world.handler.take() == []
    return world


def transcript(peer):
    return b"".join(
        (
            peer.say("client_options", [], {"screenwidth": 100, "screenheight": 40}),
            peer.frame(0x01, '["text", ["grö'.encode()),
            peer.frame(peer.PING, b"are you there"),
            peer.frame(0x80, 'ße"], {}]'.encode()),
            peer.frame(peer.PONG, b"x"),
            peer.frame(peer.TEXT, b"{}"),
            peer.say("hp", [1], {"a": None}),
            peer.frame(0x02, b'["text"'),
            peer.frame(0x00),
            peer.frame(0x80, b', ["bye"]]'),
            peer.say("websocket_close", [], {}),
            peer.say("text", ["not heard"]),
        )
    )


def play(world, pieces, *, move=False):
    """Everything that happens: what is heard, what is sent, and what is left."""
    world.session.send_text("", options={"echo": False})
    world.take()
    heard, sent = [], []
    for piece in pieces:
        if move:
            moved(world)
        more, done = world.receive(piece)
        heard += more
        sent += done
    return heard, sent, world.session.get_state()


def test_a_session_goes_on_elsewhere_at_every_cut(make_world, peer):
    data = transcript(peer)
    options = {"client_options": [[], {"screenwidth": 100, "screenheight": 40}]}
    expected = play(make_world("/a?b"), [data])
    hp = {"hp": [[1], {"a": None}]}
    assert expected[0] == ["sync", options, "größe", hp, "bye", "disconnect"]
    kinds = [each[0] for each in expected[1]]
    assert kinds == ["pong", "error", 1000, "close"]
    assert expected[2]["hidden"] is True
    for cut in range(1, len(data)):
        heard, sent, state = play(make_world("/a?b"), [data[:cut], data[cut:]], move=True)
        closed = heard.index("disconnect") + 1
        assert (heard[:closed], sent[: len(expected[1])]) == expected[:2]
        # Of a session that had ended already nothing is written down in earnest.
        assert state == expected[2] or len(heard) > closed


def test_sizes_keep_their_keys(world):
    world.say("client_options", [], {"screenwidth": 100})
    assert moved(world).session.protocol_flags["SCREENWIDTH"] == {0: 100}


def test_it_is_asked_again_elsewhere(world):
    world.hub.pass_time(24.0)
    moved(world)
    world.hub.pass_time(24.0)
    assert world.take() == []
    world.hub.pass_time(1.0)
    assert world.take() == [("ping", b"")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.binary(max_size=200), pieces=st.integers(1, 5))
def test_whatever_bytes_come_nothing_is_raised(make_world, data, pieces):
    world = make_world()
    size = len(data) // pieces + 1
    for start in range(0, len(data), size):
        world.session.receive_data(data[start : start + size])


# ---- with the real hub and the real sessionhandler


class Link:
    """A game that echoes, and notes what it is told."""

    def __init__(self, handler):
        self.handler = handler
        self.told = []

    def send_msg(self, session, message, secret):
        (name, (args, _)), *_ = text_to_message(message).items()
        self.told.append((session.sessid, name, args, secret))
        self.handler.data_out_to(session.sessid, {"text": [[f"you say {args}"], {}]})
        self.handler.message_answered(session.sessid)

    def send_admin(self, operation, sessid=0, **kwargs):
        self.told.append((sessid, ord(operation)))


class Client:
    """The far end of a socket, and what has been read of it so far."""

    def __init__(self, sock, peer):
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self.peer = peer
        self.data = b""

    async def until(self, count):
        """Read until there are so many frames, and return them."""
        while True:
            try:
                found = self.peer.read([self.data])
            except (AssertionError, IndexError):
                found = []
            if len(found) >= count:
                self.data = b""
                return found
            piece = await self.stream.receive_some()
            assert piece, f"the connection ended after {self.data!r}"
            self.data += piece


@pytest.fixture
async def portal(nursery, make_handshake, peer):
    """A hub that runs, a sessionhandler, and a player on a UNIX socket."""
    config, metrics = Config(limits=LimitsConfig(command_burst=10, oob_burst=5)), Metrics()
    hub = Hub(config.hub, metrics)
    handler = PortalSessionHandler(config, metrics, now=hub.now, wall=hub.now)
    proxies, admission = Proxies(config.http), Admission(config.limits)
    protocol = WebSocketProtocol(
        config, metrics, hub, handler, proxies=proxies, admission=admission
    )
    ours, theirs = socket.socketpair()
    await nursery.start(hub.run)
    connection = hub.add_socket(ours, lambda _: None)
    handler.link = handler.game = Link(handler)
    handler.server_ready()
    protocol.open(connection, read_upgrade(make_handshake("/?status=1")), b"")
    handler.client = Client(theirs, peer)
    while not handler.client.data.endswith(b"\r\n\r\n"):
        handler.client.data += await handler.client.stream.receive_some(1)
    handler.client.data = b""
    yield handler
    await handler.client.stream.aclose()


async def test_a_line_there_and_back(portal, peer, autojump_clock):
    client = portal.client
    assert await client.until(1) == [["portal_status", ["connected"], {}]]
    await client.stream.send_all(peer.say("text", ["look"], {}))
    assert await client.until(1) == [["text", ["you say [&#x27;look&#x27;]"], {}]]
    await client.stream.send_all(peer.say("hp", [1], {}))
    assert len(await client.until(1)) == 1
    assert await client.until(1) == [("ping", b"")]
    await client.stream.send_all(peer.frame(peer.PONG) + peer.say("websocket_close", [], {}))
    assert await client.until(1) == [(1000, "")]
    assert await client.stream.receive_some() == b""
    await trio.testing.wait_all_tasks_blocked()
    told = [(1, 1), (1, "text", ["look"], True), (1, "hp", [1], True), (1, 2)]
    assert portal.game.told == told
    assert portal.sessions == {}


@pytest.mark.parametrize("message", [["text", ["x"], {}], ["hp", [], {}]])
async def test_the_throttles_are_those_of_telnet(portal, peer, autojump_clock, message):
    client = portal.client
    await client.until(1)
    limit = 10 if message[0] == "text" else 5
    await client.stream.send_all(peer.say(*message) * 100)
    shown = await client.until(limit + 1)
    assert len(shown) == limit + 1
    assert "too fast" in shown[-1][1][0]
    throttled = portal.metrics.commands_throttled + portal.metrics.oob_throttled
    assert throttled == 100 - limit
    assert portal.sessions[1]._flooding


async def test_a_dead_client_is_cut_and_its_session_ends(portal, autojump_clock):
    began = trio.current_time()
    await portal.client.until(2)
    assert await portal.client.stream.receive_some() == b""
    assert trio.current_time() - began < 60
    await trio.testing.wait_all_tasks_blocked()
    assert portal.sessions == {}
    assert portal.metrics.websocket_pings_unanswered == 1


async def test_what_the_game_s_absence_looks_like(portal, autojump_clock):
    await portal.client.until(1)
    portal.link = None
    portal.begin_holding(portal.absence.reason)
    state, told = await portal.client.until(2)
    assert state == ["portal_status", ["starting"], {}]
    assert told[0] == "text"


# ---- what the game's website hears of it


class Page:
    """What a session is of a browser; notes what it hears."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda: self.heard.append(name)


@pytest.fixture
def paged(world):
    world.session.page = Page()
    return world


@pytest.mark.parametrize(
    ("end", "heard"),
    [
        (lambda world: world.receive(world.peer.close(1000)), ["at_close"]),
        (lambda world: world.receive(world.peer.close(1001)), ["at_close"]),
        (lambda world: world.receive(world.peer.frame(world.peer.CLOSE)), ["at_close"]),
        (lambda world: world.say("websocket_close", [], {}), ["at_close"]),
        # Programs that fail, and what breaks the rules, are no player who closes a page.
        (lambda world: world.receive(world.peer.close(4000)), []),
        (lambda world: world.receive(b"\xff\xff"), []),
        (lambda world: world.session.connection_lost(None), ["at_loss"]),
        (lambda world: world.session.disconnect("the Portal stops"), []),
        (lambda world: world.session.miss_pong(), []),
        (lambda world: world.session.at_login(), ["at_login"]),
        (lambda world: world.session.at_logout(), ["at_logout"]),
    ],
)
def test_how_it_ends_is_known(paged, end, heard):
    end(paged)
    assert paged.session.page.heard == heard


def test_after_our_own_close_the_players_says_nothing(paged):
    paged.session.disconnect("the Portal stops")
    paged.receive(paged.peer.close(1001))
    assert paged.session.page.heard == []


def test_giving_way_to_a_newer_connection(world):
    world.session.give_way()
    assert world.handler.take() == ["disconnect"]
    assert world.take() == [(1000, CONNECTED_ANEW), ("close", CONNECTED_ANEW)]
