"""A session as the game holds it: what it takes from the Portal, and what it tells it."""

import pytest

from portal.amp.commands import Operation
from portal.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("hello",), {}, {"text": [["hello"], {"options": {}}]}),
        ((), {"text": "hello"}, {"text": [["hello"], {"options": {}}]}),
        (("",), {}, {"text": [[""], {"options": {}}]}),
        (
            ("x",),
            {"options": {"echo": False}},
            {"text": [["x"], {"options": {"echo": False}}]},
        ),
        (
            (),
            {"prompt": "> ", "hp": {"now": 3}},
            {"hp": [[], {"now": 3, "options": {}}], "prompt": [["> "], {"options": {}}]},
        ),
    ],
)
def test_msg(side, args, kwargs, message):
    side.connect(4).msg(*args, **kwargs)
    assert side.portal.take() == [(4, message)]


@pytest.mark.parametrize("kwargs", [{}, {"text": None}, {"options": {"raw": True}}])
def test_nothing_is_not_sent(side, kwargs):
    side.connect().msg(**kwargs)
    assert side.portal.take() == []


def test_data_out_is_another_name_of_msg(side):
    side.connect().data_out("x")
    assert side.portal.take_texts() == [(1, "x")]


def test_what_it_takes_from_the_portal(side):
    session = side.connect(
        7, uid=3, uname="Anna", logged_in=True, puid=9, csessid="c", server_data={"a": 1}
    )
    assert (session.sessid, session.protocol_key, session.address) == (7, "telnet", "192.0.2.7")
    assert (session.uid, session.uname, session.logged_in, session.puid) == (3, "Anna", True, 9)
    assert (session.conn_time, session.cmd_last, session.csessid) == (900.0, 950.0, "c")
    assert session.protocol_flags["SCREENWIDTH"] == {0: 80}
    assert session.server_data == {"a": 1}
    assert session.connected
    assert repr(session) == "<ServerSession 7 Anna>"


def test_what_is_left_out_has_its_default(side):
    session = side.handler.portal_connect({"sessid": 1})
    assert (session.protocol_key, session.address, session.server_data) == ("", "", {})
    assert not session.logged_in


def test_memory_is_the_game_s(side):
    session = side.connect()
    session.memory["x"] = object
    assert session.memory == {"x": object}
    assert "memory" not in session.get_sync_data()


def test_login_is_told_at_once(side):
    called = []
    side.hooks.add("at_login", called.append)
    session = side.connect(5)
    session.login(3, "Anna")
    data = {"logged_in": True, "uid": 3, "uname": "Anna"}
    assert side.portal.take() == [(Operation.SLOGIN, 5, {"sessiondata": data})]
    assert called == [session]
    assert (session.uid, session.uname, session.logged_in) == (3, "Anna", True)


def test_save_writes_down_what_the_game_decides(side):
    session = side.connect(5)
    session.server_data["place"] = "quay"
    session.save()
    data = {
        "uid": None,
        "uname": None,
        "logged_in": False,
        "puid": None,
        "server_data": {"place": "quay"},
    }
    assert side.portal.take() == [(Operation.SSYNC, 0, {"sessiondata": {5: data}, "clean": False})]


def test_disconnect_happens_once(side):
    ended = []
    side.hooks.add("at_disconnect", lambda session, reason: ended.append((session.sessid, reason)))
    session = side.connect(5)
    for _ in range(2):
        session.disconnect("go")
    assert side.portal.take() == [(Operation.SDISCONN, 5, {"reason": "go"})]
    assert ended == [(5, "go")]
    assert not session.connected
    session.msg("too late")
    session.save()
    assert side.portal.take() == []


def test_values_nested_too_deep_are_refused(side):
    value = []
    for _ in range(100):
        value = [value]
    with pytest.raises(LocalProtocolError):
        side.connect().msg(deep=value)
