"""A session without a protocol: its hooks, its sync data and its state."""

import sys

import msgspec
import pytest
import structlog

from portal.config import Config, LimitsConfig
from portal.session import CONNECTION_ATTRIBUTES, SYNC_ATTRIBUTES, Session
from portal.throttle import Throttle


class Recorder:
    """A sessionhandler that only remembers."""

    def __init__(self):
        self.taken = []

    def data_in(self, session, text=None, /, **kwargs):
        self.taken.append((session, kwargs if text is None else text))


class Marked(str):
    __slots__ = ()


class Screen(Session):
    """A session whose protocol shows everything on a list."""

    __slots__ = ("shown",)

    def send_text(self, *args, **kwargs):
        self.shown.append(("text", args, kwargs))

    def send_hp(self, *args, **kwargs):
        self.shown.append(("hp", args, kwargs))

    def send_default(self, cmdname, /, *args, **kwargs):
        self.shown.append(("default:" + cmdname, args, kwargs))


@pytest.fixture
def session():
    session = Screen()
    session.shown = []
    session.init_session("telnet", "192.0.2.1", Recorder())
    return session


def test_a_new_session(session):
    assert session.sessid == 0
    assert not session.logged_in
    assert not session.echo_hidden
    assert session.protocol_flags["ENCODING"] == "utf-8"
    assert session.get_sync_data() == {
        "protocol_key": "telnet",
        "address": "192.0.2.1",
        "suid": None,
        "sessid": 0,
        "uid": None,
        "csessid": None,
        "uname": None,
        "logged_in": False,
        "puid": None,
        "conn_time": 0.0,
        "cmd_last": 0.0,
        "cmd_last_visible": 0.0,
        "cmd_total": 0,
        "protocol_flags": {
            "ENCODING": "utf-8",
            "SCREENREADER": False,
            "INPUTDEBUG": False,
            "RAW": False,
            "NOCOLOR": False,
            "LOCALECHO": False,
        },
        "server_data": {},
    }


def test_an_idle_session_is_small():
    session = Session()
    session.init_session("telnet", "192.0.2.1", Recorder())
    assert not hasattr(session, "__dict__")
    assert sys.getsizeof(session) + sys.getsizeof(session.protocol_flags) < 700
    assert session.throttle is None
    assert session.extra is None


def test_input_goes_to_the_handler_whatever_its_names(session):
    session.data_in(text="look")
    session.data_in(self=1, session=2, message=3)
    session.data_in("look")
    session.data_in("")
    session.data_in("look", hp=1)
    session.data_in(Marked("look"))
    session.data_in()
    assert session.sessionhandler.taken == [
        (session, {"text": "look"}),
        (session, {"self": 1, "session": 2, "message": 3}),
        (session, "look"),
        (session, ""),
        (session, {"text": "look", "hp": 1}),
        (session, {"text": "look"}),  # to be made plain
        (session, {}),
    ]


OPTIONS = {"options": {}}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"text": [["hi"], OPTIONS]}, [("text", ("hi",), OPTIONS)]),
        ({"text": "hi"}, [("text", ("hi",), OPTIONS)]),
        ({"hp": [[1, 2], {"max": 3}]}, [("hp", (1, 2), {"max": 3})]),
        ({"who": [["a"], OPTIONS]}, [("default:who", ("a",), OPTIONS)]),
        ({"default": [["a"], OPTIONS]}, [("default:default", ("a",), OPTIONS)]),
        ({"x": [[], {"self": 1, "cmdname": 2}]}, [("default:x", (), {"self": 1, "cmdname": 2})]),
        (
            {"prompt": [[">"], OPTIONS], "text": [["hi"], OPTIONS]},
            [("text", ("hi",), OPTIONS), ("default:prompt", (">",), OPTIONS)],
        ),
        (
            {"b": [[1], OPTIONS], "a": [[2], OPTIONS], "prompt": [[">"], OPTIONS]},
            [("default:b", (1,), OPTIONS), ("default:a", (2,), OPTIONS), ("default:prompt", (">",), OPTIONS)],
        ),
        ("hi", [("text", ("hi",), {})]),
        ("", [("text", ("",), {})]),
        ({}, []),
        (None, []),
    ],
)  # fmt: skip
def test_output_goes_through_the_hooks(session, message, shown):
    session.data_out(message)
    assert session.shown == shown


def test_output_by_keyword(session):
    session.data_out(text="hi", prompt=">")
    session.msg({"hp": [[1], {}]}, text=("x", {"echo": False}))
    session.msg("y", options={"raw": True})
    assert session.shown == [
        ("text", ("hi",), OPTIONS),
        ("default:prompt", (">",), OPTIONS),
        ("hp", (1,), OPTIONS),
        ("text", ("x",), {"echo": False, "options": {}}),
        ("text", ("y",), {"options": {"raw": True}}),
    ]


def test_what_a_hook_raises_is_passed_on(session):
    session.shown = None
    with pytest.raises(AttributeError):
        session.data_out(text="hi")


def test_a_session_without_hooks_shows_nothing():
    session = Session()
    session.init_session("none", "", Recorder())
    session.data_out(text="a", prompt="b", other="c")
    hooks = (session.at_login, session.at_logout, session.at_sync)
    for hook in (*hooks, session.pause_input, session.resume_input):
        hook()


@pytest.mark.parametrize("reason", ["", "Goodbye."])
def test_disconnect_shows_its_reason(session, reason):
    session.disconnect(reason)
    assert session.shown == ([("text", (reason,), OPTIONS)] if reason else [])


def test_sync_data_from_the_server(session):
    session.sessid = 7
    session.protocol_flags["SCREENWIDTH"] = {0: 100}
    session.load_sync_data(
        {
            "uid": 3,
            "uname": "Anna",
            "logged_in": True,
            "puid": 9,
            "conn_time": 5,
            "protocol_flags": {"RAW": True, "NEW": 1},
            "server_data": {"room": 4},
            "cmdset_storage_string": "a.b",
            "mine": None,
        }
    )
    assert (session.uid, session.uname, session.puid, session.conn_time) == (3, "Anna", 9, 5)
    assert session.logged_in
    assert session.protocol_flags["RAW"] is True
    assert session.protocol_flags["NEW"] == 1
    assert session.protocol_flags["SCREENWIDTH"] == {0: 100}, "updated, not replaced"
    assert session.server_data == {"room": 4}
    assert session.extra == {"cmdset_storage_string": "a.b", "mine": None}
    back = session.get_sync_data()
    assert back["cmdset_storage_string"] == "a.b", "what we do not know is handed back"
    assert set(back) == {*SYNC_ATTRIBUTES, "cmdset_storage_string", "mine"}


def test_the_server_cannot_overwrite_what_is_the_portals(session):
    handler = session.sessionhandler
    session.sessid = 7
    session.load_sync_data(
        {
            "sessid": 1,
            "protocol_key": "ssh",
            "address": "198.51.100.1",
            "sessionhandler": None,
            "acknowledged": True,
            "unanswered": 100,
            "throttle": None,
            "shown": None,
            "data_in": None,
            "__class__": None,
        }
    )
    assert (session.sessid, session.protocol_key, session.address) == (7, "telnet", "192.0.2.1")
    assert session.sessionhandler is handler
    assert not session.acknowledged
    assert session.unanswered == 0
    assert session.shown == []
    assert session.extra is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cmd_total", None),
        ("conn_time", "noon"),
        ("logged_in", 1),
        ("protocol_flags", [1]),
        ("server_data", None),
        ("uid", "3"),
        ("uname", 3),
    ],
)
def test_a_value_of_a_wrong_type_is_not_taken(session, name, value):
    before = session.get_sync_data()
    with structlog.testing.capture_logs() as logs:
        session.load_sync_data({name: value})
    assert session.get_sync_data() == before
    assert [(each["event"], each["attribute"]) for each in logs] == [("sync_value_ignored", name)]


def test_connection_data_holds_nothing_that_the_game_decides(session):
    session.load_sync_data({"uid": 3, "logged_in": True, "server_data": {"a": 1}, "mine": 1})
    data = session.get_connection_data()
    assert tuple(data) == CONNECTION_ATTRIBUTES
    assert data["protocol_flags"] == session.protocol_flags


@pytest.mark.parametrize("method", ["get_sync_data", "get_connection_data"])
def test_flags_in_sync_data_are_a_copy(session, method):
    getattr(session, method)()["protocol_flags"]["RAW"] = True
    assert session.protocol_flags["RAW"] is False


def test_server_data_is_there_when_it_is_asked_for(session):
    session.server_data["a"] = 1
    assert session.get_sync_data()["server_data"] == {"a": 1}
    session.server_data = {"b": 2}
    assert session.server_data == {"b": 2}


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack], ids=["json", "msgpack"])
@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_state_is_written_down_and_read_back(session, codec, used):
    if used:
        session.sessid = 12
        session.load_sync_data(
            {"uid": 3, "uname": "Anna", "logged_in": True, "mine": [1, {"a": None}]}
        )
        session.protocol_flags["SCREENWIDTH"] = {0: 100}
        session.protocol_flags["SCREENHEIGHT"] = {0: 40, 1: 20}
        session.server_data["room"] = 4
        session.acknowledged = True
        session.unanswered = 64
        session.input_paused = True
        session.throttle = Throttle(LimitsConfig())
    state = session.get_state()
    other = Session()
    other.init_session("", "", Recorder())
    other.set_state(codec.decode(codec.encode(state)))
    assert other.throttle is None
    other.throttle = session.throttle
    assert other.get_state() == state
    assert other.get_sync_data() == session.get_sync_data()
    assert other.extra == session.extra
    assert (other.acknowledged, other.unanswered, other.input_paused) == (used, 64 * used, used)


def test_a_state_that_was_read_stays_as_it_was_written(session):
    session.protocol_flags["SCREENWIDTH"] = {0: 100}
    state = msgspec.json.decode(msgspec.json.encode(session.get_state()))
    written = msgspec.json.encode(state)
    other = Session()
    other.init_session("", "", Recorder())
    other.set_state(state)
    other.protocol_flags["ANSI"] = True
    assert msgspec.json.encode(state) == written


def test_other_limits_for_a_session_that_has_said_something():
    session = Session()
    session.init_session("telnet", "192.0.2.1", None)
    config = Config(limits=LimitsConfig(command_burst=3))
    session.at_reconfigured(config)
    assert session.throttle is None
    session.throttle = Throttle(LimitsConfig())
    session.at_reconfigured(config)
    assert session.throttle.commands.burst == 3
