import itertools
import json
import socket
from pathlib import Path

import msgspec
import pytest
import structlog.testing
import trio

from portal.config import Config, LimitsConfig, TelnetConfig
from portal.hub.hub import Hub
from portal.messages import text_to_message
from portal.metrics import Metrics
from portal.protocols.telnet import TelnetProtocol
from portal.sessionhandler import PortalSessionHandler

OFFERS = bytes.fromhex("ff fd 18 ff fd 1f ff fb 2a")
REFUSALS = bytes.fromhex("ff fc 18 ff fc 1f ff fe 2a")
NAWS = bytes.fromhex("ff fa 1f 00 50 00 18 ff f0")
VECTORS = sorted((Path(__file__).parents[1] / "vectors/telnet").glob("*.json"))


class World:
    """One telnet port of a Portal that is nowhere, and its only player."""

    def __init__(self, surroundings):
        self.hub = surroundings.hub
        self.handler = surroundings.handler
        self.metrics = surroundings.metrics
        self.protocol = TelnetProtocol(*surroundings.parts)
        self.connection = surroundings.connect()
        self.session = self.protocol.make_protocol(self.connection)

    def receive(self, data):
        """What the handler hears and what the connection has to do when this comes in."""
        self.session.receive_data(data)
        return self.handler.take(), self.connection.take()


@pytest.fixture
def make_world(make_surroundings):
    return lambda **sections: World(make_surroundings(**sections))


@pytest.fixture
def world(make_world):
    world = make_world()
    assert world.connection.take() == [OFFERS]
    assert world.handler.take() == ["connect"]
    return world


# ---- lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"look\r\n", ["look"]),
        (b"look\r\nnorth\nsouth\r", ["look", "north", "south"]),
        (b"\r\n", [""]),
        (b"\0\r\n", [""]),
        (b"loo", []),
        ("größe\n".encode(), ["größe"]),
        (b"\xc3(\xfe\n", ["\N{REPLACEMENT CHARACTER}(\N{REPLACEMENT CHARACTER}"]),
        (b"\xff\xf1look\n", ["look"]),
    ],
)
def test_lines(world, data, lines):
    assert world.receive(data) == (lines, [])


def test_lines_in_another_encoding(world):
    world.receive(b"\xff\xfd\x2a")
    heard, _ = world.receive(b"\xe9\n\xff\xfa\x2a\x02ISO-8859-1\xff\xf0\xe9\n")
    assert heard == ["\N{REPLACEMENT CHARACTER}", "é"]
    assert world.session.protocol_flags["ENCODING"] == "iso-8859-1"
    world.session.send_text("ÿ")
    assert world.connection.take() == [b"\xff\xff\r\n"]


def test_lines_that_are_not_in_their_encoding(make_world):
    world = make_world(telnet=TelnetConfig(more_encodings=("ascii", "cp1251")))
    world.handler.take()
    assert world.receive("é\n".encode() + b"\xec\xe8\xf0\n")[0] == ["é", "мир"]


@pytest.mark.parametrize(
    ("command", "lines"), [("", ["look"]), ("idle", ["idle", "look", "idle", "idle"])]
)
def test_nul_between_lines(make_world, command, lines):
    world = make_world(telnet=TelnetConfig(idle_command=command))
    world.handler.take()
    assert world.receive(b"\0lo\0ok\r\0\0\0")[0] == lines


def test_a_game_s_own_words_for_a_long_line(make_world):
    world = make_world(limits=LimitsConfig(line_bytes=10, too_long_text=""))
    world.connection.take(), world.handler.take()
    assert world.receive(b"x" * 11) == ([], [])


def test_a_line_too_long_is_told_and_counted(make_world):
    world = make_world(limits=LimitsConfig(line_bytes=10))
    world.connection.take(), world.handler.take()
    told = LimitsConfig().say_too_long("10 bytes").encode() + b"\r\n"
    with structlog.testing.capture_logs() as logs:
        assert world.receive(b"x" * 11) == ([], [told])
        assert world.receive(b"x" * 100_000 + b"\nlook\n" + b"x" * 11 + b"\n") == (["look"], [])
        world.hub.pass_time(1.0)
        assert world.receive(b"x" * 11) == ([], [told])
    assert world.metrics.lines_too_long == 3
    assert [entry["event"] for entry in logs] == ["line_too_long"] * 2
    assert all(entry["sessid"] == 7 for entry in logs)


def test_a_subnegotiation_too_long_is_counted(make_world):
    world = make_world(limits=LimitsConfig(subnegotiation_bytes=10))
    world.handler.take()
    assert world.receive(b"\xff\xfa\x18\0" + b"x" * 20 + b"\xff\xf0look\n")[0] == ["look"]
    assert world.metrics.subnegotiations_too_long == 1


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1",
        b"POST /login HTTP/1.0",
        b"HEAD / HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"CONNECT example.com:443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET /",
        b"GET /robots.txt",
    ],
)
@pytest.mark.parametrize("blank", range(4))
def test_http_is_turned_away(world, request_line, blank):
    data = b"\r\n" * blank + request_line + b"\r\nHost: x\r\nUser-Agent: y\r\n\r\n"
    heard, done = world.receive(data)
    assert heard == [""] * blank
    assert done[0].startswith(b"HTTP/1.0 400 ")
    assert done[0].count(b"\r\n") == 2
    assert done[1:] == [("close", "HTTP on the telnet port")]
    assert world.metrics.http_on_telnet == 1


@pytest.mark.parametrize(
    "line",
    [
        b"GET sword",
        b"get / HTTP/1.1",
        b"GET",
        b"GET / sword",
        b"POST /",
        b"get /",
        b"",
        b"say GET / HTTP/1.1",
    ],
)
def test_what_is_no_http(world, line):
    assert world.receive(line + b"\r\n") == ([line.decode()], [])


@pytest.mark.parametrize("before", [["hello"], ["", "hello"], [""] * 4, [""] * 9])
def test_only_the_first_lines_may_be_http(world, before):
    lines = [*before, "GET / HTTP/1.1"]
    assert world.receive("".join(line + "\r\n" for line in lines).encode()) == (lines, [])
    assert world.metrics.http_on_telnet == 0


def test_http_is_looked_for_in_another_process_too(world):
    assert world.receive(b"\r\n") == ([""], [])
    moved(world)
    assert world.receive(b"GET /\r\n")[0] == []
    assert world.metrics.http_on_telnet == 1


# ---- text out


RED = b"\x1b[1m\x1b[31m"
RESET = b"\x1b[0m"


@pytest.mark.parametrize(
    ("message", "flags", "expected"),
    [
        ({"text": "hello"}, {}, b"hello\r\n"),
        ({"text": ""}, {}, b"\r\n"),
        ({"text": "two\nlines\n"}, {}, b"two\r\nlines\r\n"),
        ({"text": "hello"}, {"FORCEDENDLINE": False}, b"hello"),
        ({"text": 42}, {}, b"42\r\n"),
        ({"text": [[None], {}]}, {}, b""),
        ({"text": "|rred|n."}, {}, RED + b"red" + RESET + b".\r\n"),
        ({"text": "|rred"}, {}, RED + b"red" + RESET + b"\r\n"),
        ({"text": "|rred\n"}, {}, RED + b"red" + RESET + b"\r\n"),
        ({"text": "a||b"}, {}, b"a|b\r\n"),
        ({"text": "|rred"}, {"NOCOLOR": True}, b"red\r\n"),
        ({"text": "|rred"}, {"SCREENREADER": True}, b"red\r\n"),
        ({"text": "|rred"}, {"TTYPE": True, "ANSI": False}, b"red\r\n"),
        ({"text": "|rred"}, {"ANSI": False, "XTERM256": True}, RED + b"red" + RESET + b"\r\n"),
        ({"text": "|rred"}, {"RAW": True}, b"|rred\r\n"),
        ({"text": ("|rred", {"options": {"raw": True}})}, {}, b"|rred\r\n"),
        ({"text": ("|rred", {"options": {"raw": False}})}, {"RAW": True}, RED + b"red\x1b[0m\r\n"),
        ({"text": ("|rred", {"options": {"nocolor": True}})}, {}, b"red\r\n"),
        ({"text": ("|rred", {"options": {"ansi": False}})}, {"TTYPE": True}, b"red\r\n"),
        ({"text": "|#f00red"}, {}, b"\x1b[38;2;255;0;0mred" + RESET + b"\r\n"),
        (
            {"text": "|#f00red"},
            {"TTYPE": True, "XTERM256": True},
            b"\x1b[38;5;196mred" + RESET + b"\r\n",
        ),
        ({"text": "|#f00red"}, {"TTYPE": True, "ANSI": True}, RED + b"red" + RESET + b"\r\n"),
        (
            {"text": "|lcgo|ltgo|le & <b>"},
            {"MXP": True},
            b'\x1b[4z<SEND HREF="go">go\x1b[4z</SEND> &amp; &lt;b&gt;\r\n',
        ),
        ({"text": "|r--red||n"}, {"SCREENREADER": True}, b"red|n\r\n"),
        ({"text": "--<b>"}, {"SCREENREADER": True, "MXP": True}, b"&lt;b&gt;\r\n"),
        ({"text": "--|r<b>"}, {"SCREENREADER": True, "MXP": True, "RAW": True}, b"<b>\r\n"),
        ({"text": "hi"}, {"NOGOAHEAD": False}, b"hi\r\n\xff\xf9"),
        ({"prompt": "> "}, {"NOGOAHEAD": False}, b"> \xff\xf9"),
        ({"prompt": [[None], {}]}, {}, b""),
        (
            {"text": ("|rred", {"options": {"ansi": True}})},
            {"TTYPE": True, "ANSI": False},
            RED + b"red\x1b[0m\r\n",
        ),
        ({"text": ("|rred", {"options": {"screenreader": True}})}, {}, b"red\r\n"),
        ({"text": ("> ", {"options": {"send_prompt": True}})}, {}, b"> "),
        ({"prompt": "|r>|n "}, {}, RED + b">" + RESET + b" "),
        ({"prompt": "> "}, {"NOPROMPTGOAHEAD": False}, b"> \xff\xf9"),
        ({"prompt": "> "}, {"NOPROMPTGOAHEAD": True}, b"> "),
        ({"prompt": []}, {}, b""),
        ({"text": "\udc80"}, {}, b"?\r\n"),
        ({"text": "\xff"}, {}, b"\xc3\xbf\r\n"),
    ],
)
def test_text(world, message, flags, expected):
    world.session.protocol_flags.update(flags)
    world.session.data_out(**message)
    assert b"".join(world.connection.take()) == expected


def load_flags(session, flags):
    session.load_sync_data({"protocol_flags": flags})


def restore_flags(session, flags):
    state = session.get_state()
    state["sync"]["protocol_flags"] = flags
    session.set_state(state)


def say_terminal(session, _flags):
    for name in (b"A", b"B", b"MTTS 4"):
        session.receive_data(b"\xff\xfb\x18\xff\xfa\x18\0" + name + b"\xff\xf0")


@pytest.mark.parametrize(
    "change",
    [
        lambda session, flags: session.protocol_flags.update(flags),
        lambda session, flags: setattr(session, "protocol_flags", flags),
        load_flags,
        restore_flags,
        say_terminal,
    ],
)
def test_another_look_counts_from_the_next_text(world, change):
    session, take = world.session, world.connection.take
    red, plain, marked = b"\x1b[1m\x1b[31mhi\x1b[0m\r\n", b"hi\r\n", b"|rhi\r\n"
    for options in ({}, {"raw": True}, {"nocolor": True}, {}):  # these are for one text
        session.send_text("|rhi", options=options)
    assert take() == [red, marked, plain, red]
    change(session, {"NOCOLOR": True})
    take()
    session.send_text("|rhi", options={})
    session.send_text("|rhi", options={"raw": True})
    session.send_text("|rhi")
    assert take() == [plain, marked, plain]


def test_what_telnet_cannot_say_is_left_out(world):
    world.session.data_out(logged_in=None, map={"a": 1}, text="hi")
    assert world.connection.take() == [b"hi\r\n"]
    assert world.metrics.messages_unsupported == 2


def test_a_player_may_see_what_they_typed(world):
    world.session.protocol_flags["LOCALECHO"] = True
    assert world.receive(b"|rlook\r\n") == (["|rlook"], [b"|rlook\r\n"])
    world.session.data_out(text="Password?", options={"echo": False})
    world.connection.take()
    assert world.receive(b"\xff\xfd\x01secret\r\n") == (["secret"], [b"\r\n"])


def test_what_was_hidden_is_not_shown_when_the_game_answers_at_once(world, monkeypatch):
    world.session.protocol_flags["LOCALECHO"] = True

    def show_again(session, _text):
        session.data_out(text="Welcome!", options={"echo": True})

    monkeypatch.setattr(world.session.sessionhandler, "data_in", show_again)
    world.session.data_out(text="Password?", options={"echo": False})
    world.connection.take()
    world.session.receive_data(b"secret\r\n")
    assert b"secret" not in b"".join(world.connection.take())


def test_a_password_is_hidden(world):
    session = world.session
    assert session.echo_hidden is False
    session.data_out(prompt="Password: ", options={"echo": False})
    assert world.connection.take() == [b"\xff\xfb\x01", b"Password: "]
    assert session.echo_hidden is True
    # The player's Enter was not shown: a line end is, before anything that the game says.
    assert world.receive(b"\xff\xfd\x01secret\r\n") == (["secret"], [b"\r\n"])
    session.data_out(text="Welcome!", options={"echo": True})
    assert world.connection.take() == [b"\xff\xfc\x01", b"Welcome!\r\n"]
    assert session.echo_hidden is False
    assert world.receive(b"\xff\xfe\x01look\r\n") == (["look"], [])


def test_the_second_password_is_hidden_too(world):
    """Also for a client that obeys and never answers."""
    for _ in range(3):
        world.session.send_text("Password:", options={"echo": False})
        assert world.connection.take() == [b"\xff\xfb\x01", b"Password:\r\n"]
        assert world.receive(b"wrong\n") == (["wrong"], [b"\r\n"])
        world.session.send_text("No.", options={"echo": True})
        assert world.connection.take() == [b"\xff\xfc\x01", b"No.\r\n"]


# ---- the client's abilities


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_what_clients_say_becomes_flags(world, path):
    vector = json.loads(path.read_text())
    for step in vector["steps"]:
        if "do" in step:
            world.session.send_text("", options={"echo": step["do"] == "show_input"})
        else:
            world.session.receive_data(bytes.fromhex(step["client"]))
    flags = {
        name: {int(key): size for key, size in value.items()} if isinstance(value, dict) else value
        for name, value in vector["flags"].items()
    }
    assert {name: world.session.protocol_flags.get(name) for name in flags} == flags
    assert world.session.settled is vector["settled"]
    assert ("sync" in world.handler.take()) is vector["settled"]


def test_the_game_is_told_once_all_is_answered(world):
    assert world.receive(REFUSALS[:3])[0] == []
    assert world.receive(REFUSALS[3:])[0] == ["sync"]
    world.hub.pass_time(60.0)
    assert world.handler.take() == []


def test_the_game_is_told_when_the_time_is_up(world):
    world.receive(b"\xff\xfb\x1f" + NAWS)
    world.hub.pass_time(1.9)
    assert world.handler.take() == []
    world.hub.pass_time(0.2)
    assert world.handler.take() == ["sync"]
    assert world.session.protocol_flags["SCREENWIDTH"] == {0: 80}
    world.hub.pass_time(60.0)
    assert world.handler.take() == []


@pytest.mark.parametrize(
    ("data", "heard"),
    [
        (NAWS, ["sync"]),
        (NAWS * 3 + b"look\n", ["look", "sync"]),
        (bytes.fromhex("ff fa 1f 00 00 00 00 ff f0"), []),
        (b"\xff\xfe\x03", ["sync"]),
        (b"\xff\xf1\xff\xfb\x07look\n", ["look"]),
        (b"\xff\xfd\x01", []),
    ],
)
def test_later_changes_are_told_as_they_come(world, data, heard):
    world.receive(REFUSALS)
    assert world.receive(data)[0] == heard
    # The same again is no change.
    assert world.receive(data)[0] == [each for each in heard if each != "sync"]


def test_prompts_are_marked_for_clients_that_insist(world):
    world.receive(b"\xff\xfe\x03")
    world.session.send_prompt("> ")
    assert world.connection.take() == [b"> \xff\xf9"]
    assert world.receive(b"\xff\xfd\x03")[1] == [b"\xff\xfb\x03"]
    world.session.send_prompt("> ")
    assert world.connection.take() == [b"> "]


@pytest.mark.parametrize(
    ("wished", "flag", "sent"),
    [
        ("latin-1", "latin-1", b"\xe9\r\n"),
        ("utf-8", "utf-8", "é\r\n".encode()),
        ("rot13", "utf-8", "é\r\n".encode()),
        (None, "utf-8", "é\r\n".encode()),
    ],
)
def test_the_game_may_set_the_encoding(world, wished, flag, sent):
    with structlog.testing.capture_logs() as logs:
        world.session.load_sync_data({"protocol_flags": {"ENCODING": wished}})
    assert [entry["event"] for entry in logs] == ["unknown_encoding"] * (wished != flag)
    assert world.session.protocol_flags["ENCODING"] == flag
    world.session.send_text("é")
    assert world.connection.take() == [sent]


# ---- storms and deadlines


def test_a_storm_of_options_is_bounded(make_world):
    limits = LimitsConfig(negotiations_per_second=10.0, negotiation_burst=20)
    world = make_world(limits=limits)
    world.connection.take(), world.handler.take()
    with structlog.testing.capture_logs() as logs:
        heard, done = world.receive(b"\xff\xfd\xc8\xff\xfe\xc8" * 5000 + b"look\n")
        assert heard == ["look"]
        assert done == ["pause", b"\xff\xfc\xc8" * 10]
        assert world.metrics.negotiations_throttled == 9980
        assert world.receive(b"\xff\xf6" * 100) == ([], [])
        world.hub.pass_time(0.5)
        answered = ([], ["resume", "pause", b"\r\n[Yes]\r\n" * 5])
        assert world.receive(b"\xff\xf6" * 100) == answered
    assert [(entry["event"], entry["sessid"]) for entry in logs] == [("negotiations_throttled", 7)]


def test_a_flood_is_not_read_for_a_while(world):
    world.session.at_throttled()
    world.session.at_throttled()
    assert world.connection.take() == ["pause"]
    world.session.resume_input()  # the game has caught up, but the pause is not over
    assert world.connection.take() == []
    world.hub.pass_time(0.3)
    assert world.connection.take() == ["resume"]


def test_after_a_flood_a_player_whom_the_game_is_behind_with_stays_paused(world):
    world.session.at_throttled()
    world.session.input_paused = True
    world.session.pause_input()
    world.connection.take()
    world.hub.pass_time(0.3)
    assert world.connection.take() == []
    world.session.input_paused = False
    world.session.resume_input()
    assert world.connection.take() == ["resume"]


def test_the_pause_of_a_player_who_left_is_forgotten(world):
    world.session.at_throttled()
    world.session.connection_lost(None)
    world.connection.take()
    world.hub.pass_time(0.3)
    assert world.connection.take() == []


def test_an_honest_client_is_no_storm(world):
    for path in VECTORS:
        for step in json.loads(path.read_text())["steps"]:
            world.session.receive_data(bytes.fromhex(step.get("client", "")) or b"\n")
    assert world.metrics.negotiations_throttled == 0


def test_keepalive(world):
    world.hub.pass_time(30.0)
    assert world.connection.take() == [b"\xff\xf1"]
    world.hub.pass_time(30.0)
    assert world.connection.take() == [b"\xff\xf1"]
    world.session.protocol_flags["NOPKEEPALIVE"] = True
    world.hub.pass_time(30.0)
    assert world.connection.take() == []
    world.session.protocol_flags["NOPKEEPALIVE"] = False
    world.hub.pass_time(30.0)
    assert world.connection.take() == [b"\xff\xf1"]


def test_no_keepalive(make_world):
    world = make_world(telnet=TelnetConfig(keepalive_seconds=0.0))
    world.connection.take()
    world.hub.pass_time(1000.0)
    assert world.connection.take() == []
    world.session.keep_alive()
    assert world.connection.take() == [b"\xff\xf1"]
    world.session.connection_lost(None)


# ---- the end


def test_the_end_by_the_client(world):
    world.session.receive_eof()
    assert world.connection.take() == [("close", "")]
    world.session.connection_lost(None)
    assert world.handler.take() == ["disconnect"]
    world.hub.pass_time(100.0)
    assert world.handler.take() == world.connection.take() == []


def test_a_client_that_sends_no_more_is_given_its_answers(world):
    world.handler.waiting = True
    world.session.receive_eof()
    world.hub.pass_time(0.25)
    world.session.send_text("an answer")
    assert world.connection.take() == [b"an answer\r\n"]
    world.hub.pass_time(0.25)
    assert world.connection.take() == []
    world.handler.waiting = False
    world.hub.pass_time(0.25)
    assert world.connection.take() == [("close", "")]
    world.hub.pass_time(0.25)
    assert world.connection.take() == []


def test_but_not_for_ever(world):
    world.handler.waiting = True
    world.session.receive_eof()
    for _ in range(19):
        world.hub.pass_time(0.25)
        assert world.connection.take() == []
    world.hub.pass_time(0.25)
    assert world.connection.take() == [("close", "its last lines were not answered in time")]


@pytest.mark.parametrize("end", ["connection_lost", "disconnect"])
def test_the_wait_for_answers_ends_with_the_session(world, end):
    world.handler.waiting = True
    world.session.receive_eof()
    if end == "disconnect":
        world.session.disconnect()
        assert world.connection.take() == [("close", "")]
    world.session.connection_lost(None)
    world.hub.pass_time(0.25)
    assert world.connection.take() == []


def test_the_end_by_the_game(world):
    world.session.disconnect("Farewell, |rfriend|n.")
    said = b"Farewell, " + RED + b"friend" + RESET + b".\r\n"
    assert world.connection.take() == [said, ("close", "Farewell, |rfriend|n.")]
    assert world.handler.take() == []


def test_input_is_paused(world):
    world.session.pause_input()
    world.session.resume_input()
    assert world.connection.take() == ["pause", "resume"]


# ---- state


def moved(world):
    """The same session in another process, by way of JSON."""
    written = msgspec.json.encode(world.session.get_state())
    world.protocol.forget(world.session)
    world.session = world.protocol.restore(world.connection, msgspec.json.decode(written))
    assert msgspec.json.encode(world.session.get_state()) == written
    assert world.connection.take() == world.handler.take() == []
    return world


TRANSCRIPT = (
    b"\xff\xfb\x18\xff\xfb\x1f\xff\xfa\x1f\x01\xff\xff\0\x18\xff\xf0"
    b"\xff\xfa\x18\0A\xff\xf0\xff\xfa\x18\0MTTS 13\xff\xf0"
    b"\xff\xfd\x2a\xff\xfa\x2a\x02CP1251\xff\xf0GET / x\r\n"
    + "на\x08ж\r\0".encode("cp1251")
    + b"x" * 40
    + b"\n\xff\xfe\x03\xff\xf6ok\r\n"
)


def play(world, pieces, *, move=False):
    """Everything that happens, joined: what is heard, and what is sent."""
    world.session.send_text("", options={"echo": False})
    world.connection.take()
    heard, sent = [], b""
    for piece in pieces:
        if move:
            moved(world)
        more, done = world.receive(piece)
        heard += more
        sent += b"".join(done)
    world.session.send_text("ж", options={"echo": True})
    world.session.send_prompt(">")
    sent += b"".join(world.connection.take())
    return heard, sent, world.session.get_state()


def test_a_session_goes_on_elsewhere_at_every_cut(make_world):
    def fresh():
        world = make_world(limits=LimitsConfig(line_bytes=30))
        world.connection.take(), world.handler.take()
        return world

    expected = play(fresh(), [TRANSCRIPT])
    assert expected[0] == ["GET / x", "нж", "ok", "sync"]
    for cut in range(1, len(TRANSCRIPT)):
        pieces = [TRANSCRIPT[:cut], TRANSCRIPT[cut:]]
        heard, sent, state = play(fresh(), pieces, move=True)
        # How often the game is told of the client depends on the reads, and on nothing else.
        assert [each for each in heard if each != "sync"] == ["GET / x", "нж", "ok"]
        assert "sync" in heard
        # Answers of the negotiation go before what else is said in the same read.
        assert sorted(sent) == sorted(expected[1])
        assert state == expected[2]


def test_a_settled_session_is_not_settled_again(world):
    world.receive(REFUSALS)
    moved(world)
    world.hub.pass_time(10.0)
    assert world.handler.take() == []


def test_an_unsettled_session_still_settles(world):
    moved(world)
    world.hub.pass_time(10.0)
    assert world.handler.take() == ["sync"]


# ---- with the real hub and the real sessionhandler


class Link:
    """A game that echoes, and notes what it is told."""

    def __init__(self, handler):
        self.handler = handler
        self.told = []

    def send_msg(self, session, message, secret):
        (text,), _ = text_to_message(message)["text"]
        self.told.append((session.sessid, text, secret))
        self.handler.data_out_to(session.sessid, {"text": [[f"|gyou say|n {text}"], {}]})
        self.handler.message_answered(session.sessid)

    def send_admin(self, operation, sessid=0, **kwargs):
        self.told.append((sessid, ord(operation)))


async def receive_until(stream, end):
    data = b""
    while not data.endswith(end):
        piece = await stream.receive_some()
        assert piece, f"the connection ended after {data!r}"
        data += piece
    return data


async def test_a_line_there_and_back(autojump_clock):
    config, metrics = Config(), Metrics()
    hub = Hub(config.hub, metrics)
    handler = PortalSessionHandler(config, metrics, now=hub.now, wall=hub.now)
    handler.link = link = Link(handler)
    handler.server_ready()
    protocol = TelnetProtocol(config, metrics, hub, handler)
    ours, theirs = socket.socketpair()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        hub.add_socket(ours, protocol.make_protocol)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        await receive_until(stream, OFFERS)
        await stream.send_all(b"look\r\n")
        assert await receive_until(stream, b"\r\n") == b"\x1b[1m\x1b[32myou say\x1b[0m look\r\n"
        await stream.send_all(b"no")
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(b"rth\n")
        assert await receive_until(stream, b"\r\n") == b"\x1b[1m\x1b[32myou say\x1b[0m north\r\n"
        # Nobody answers the offers: the game is told when the time is up, and the line is kept up.
        assert await receive_until(stream, b"\xff\xf1") == b"\xff\xf1"
        handler.server_disconnect(handler.sessions[1], "Farewell.")
        assert await receive_until(stream, b"\r\n") == b"Farewell.\r\n"
        assert await stream.receive_some() == b""
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert link.told == [(1, 1), (1, "look", True), (1, "north", True), (1, 12), (1, 2)]
    assert metrics.sessions_opened == metrics.sessions_closed == 1


class SlowLink(Link):
    """A game that answers when it is told to."""

    def __init__(self, handler):
        super().__init__(handler)
        self.lines = []

    def send_msg(self, session, message, secret):
        self.lines.append(session.sessid)

    def answer(self):
        sessid = self.lines.pop(0)
        self.handler.data_out_to(sessid, {"text": [["an answer"], {}]})
        self.handler.message_answered(sessid)


@pytest.fixture
async def portal(nursery):
    """A hub that runs, a sessionhandler, and a player on a UNIX socket."""
    config, metrics = Config(limits=LimitsConfig(unanswered_messages=2)), Metrics()
    hub = Hub(config.hub, metrics)
    handler = PortalSessionHandler(config, metrics, now=hub.now, wall=hub.now)
    protocol = TelnetProtocol(config, metrics, hub, handler)
    ours, theirs = socket.socketpair()
    await nursery.start(hub.run)
    hub.add_socket(ours, protocol.make_protocol)
    handler.stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    yield handler
    await handler.stream.aclose()


async def receive_rest(stream):
    data = b""
    async for piece in stream:
        data += piece
    return data


async def test_the_answer_to_the_last_line_arrives(portal, autojump_clock):
    portal.link = link = SlowLink(portal)
    portal.server_ready()
    await portal.stream.send_all(b"who\r\nlook\r\n")
    await portal.stream.send_eof()
    await trio.sleep(1)
    assert link.lines == [1, 1]
    link.answer()
    await trio.sleep(1)
    link.answer()
    data = await receive_rest(portal.stream)
    assert data.count(b"an answer\r\n") == 2
    assert trio.current_time() < 3
    await trio.testing.wait_all_tasks_blocked()
    assert portal.sessions == {}


async def test_a_line_that_is_kept_is_answered_too(portal, autojump_clock):
    await portal.stream.send_all(b"who\r\n")
    await portal.stream.send_eof()
    await trio.sleep(2)
    portal.link = link = SlowLink(portal)
    portal.server_ready()
    link.answer()
    assert b"an answer\r\n" in await receive_rest(portal.stream)


@pytest.mark.parametrize("lines", [1, 2, 9])
async def test_a_player_who_leaves_while_the_game_hangs(portal, autojump_clock, lines):
    portal.link = link = SlowLink(portal)
    portal.server_ready()
    portal.sessions[1].protocol_flags["NOPKEEPALIVE"] = True
    await portal.stream.send_all(b"look\r\n" * lines)
    await trio.testing.wait_all_tasks_blocked()
    assert portal.sessions[1].input_paused == (lines > 1)
    await portal.stream.send_all(b"quit\r\n")
    await portal.stream.send_eof()
    began = trio.current_time()
    await receive_rest(portal.stream)
    assert 5 <= trio.current_time() - began < 6
    await trio.testing.wait_all_tasks_blocked()
    assert portal.sessions == {}
    assert link.told[-1] == (1, 2)


@pytest.mark.parametrize("away", [True, False])
async def test_a_player_who_leaves_within_the_pause_after_a_flood(portal, autojump_clock, away):
    if not away:
        portal.link = SlowLink(portal)
        portal.server_ready()
    portal.sessions[1].at_throttled()
    await portal.stream.aclose()
    began = trio.current_time()
    while portal.sessions:
        await trio.lowlevel.checkpoint()
    assert trio.current_time() == began


def test_every_option_that_can_be_asked_has_its_place(make_world):
    """What a burst of all option words leaves behind does not depend on how it is cut."""
    words = b"".join(
        bytes([255, verb, option])
        for verb, option in itertools.product((251, 252, 253, 254), range(256))
    )
    states = []
    for size in (len(words), 1, 7):
        world = make_world(limits=LimitsConfig(negotiation_burst=10_000))
        for at in range(0, len(words), size):
            world.session.receive_data(words[at : at + size])
        states.append((world.session.get_state(), b"".join(world.connection.take())))
    assert states[0] == states[1] == states[2]


# ---- another configuration


def reconfigure(world, **sections):
    config = Config(**sections)
    world.protocol.reconfigure(config)
    world.session.at_reconfigured(config)


def test_another_length_of_lines_counts_for_players_who_are_there(world):
    world.receive(b"ab")
    reconfigure(world, limits=LimitsConfig(line_bytes=4, subnegotiation_bytes=4))
    heard, done = world.receive(b"cd\nabcde\n")
    assert heard == ["abcd"]
    assert done == [(LimitsConfig().say_too_long("4 bytes") + "\r\n").encode()]
    heard, _ = world.receive(b"\xff\xfa\xc8abcdefgh\xff\xf0")
    assert world.metrics.subnegotiations_too_long == 1


def test_another_rate_of_negotiations_counts_for_players_who_are_there(world):
    world.receive(b"\xff\xf6")
    reconfigure(world, limits=LimitsConfig(negotiations_per_second=1, negotiation_burst=2))
    _, done = world.receive(b"\xff\xf6" * 5)
    assert done == ["pause", b"\r\n[Yes]\r\n" * 2]


def test_who_sent_no_negotiation_yet_has_the_new_rate(world):
    reconfigure(world, limits=LimitsConfig(negotiations_per_second=1, negotiation_burst=2))
    _, done = world.receive(b"\xff\xf6" * 5)
    assert done == ["pause", b"\r\n[Yes]\r\n" * 2]


def test_another_pause_after_a_flood(world):
    world.session.at_throttled()
    reconfigure(world, limits=LimitsConfig(pause_seconds=5.0))
    world.connection.take()
    world.hub.pass_time(4.9)
    assert world.connection.take() == []
    world.hub.pass_time(0.2)
    assert world.connection.take() == ["resume"]


def test_another_handshake_time(world):
    reconfigure(world, telnet=TelnetConfig(handshake_seconds=1.0))
    world.hub.pass_time(1.0)
    assert world.handler.take() == ["sync"]


@pytest.mark.parametrize(
    ("before", "after", "nops"),
    [(30.0, 10.0, [10, 20]), (30.0, 0.0, []), (0.0, 10.0, [10, 20]), (10.0, 20.0, [20])],
)
def test_another_rhythm_of_keepalives(make_world, before, after, nops):
    world = make_world(telnet=TelnetConfig(keepalive_seconds=before))
    reconfigure(world, telnet=TelnetConfig(keepalive_seconds=after))
    world.connection.take()
    heard = []
    for second in range(1, 30):
        world.hub.pass_time(1.0)
        heard += [second] * world.connection.take().count(b"\xff\xf1")
    assert heard == nops


def test_another_encoding_is_for_players_who_come_later(world):
    reconfigure(world, telnet=TelnetConfig(encoding="latin-1"))
    assert world.session.protocol_flags["ENCODING"] == "utf-8"
    later = world.protocol.make_protocol(type(world.connection)())
    assert later.protocol_flags["ENCODING"] == "latin-1"
    assert later.codec.encoding == "latin-1"


def test_another_time_for_answers(world):
    world.handler.waiting = True
    reconfigure(world, telnet=TelnetConfig(answer_seconds=1.0))
    world.session.receive_eof()
    world.hub.pass_time(0.5)
    assert world.connection.take() == []
    for _ in range(3):
        world.hub.pass_time(0.3)
    assert world.connection.take() == [("close", "its last lines were not answered in time")]
