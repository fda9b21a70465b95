"""What the Portal says of sessions, and what becomes of it in the game."""

import pytest
import trio
from structlog.testing import capture_logs

from portal.amp.commands import Operation
from portal.errors import NotBegun, RemoteProtocolError, ServerUnavailable
from portal.game.inputfuncs import InputError


@pytest.fixture
def events(side):
    """Every hook that is called, in order."""
    called = []
    for name in ("at_connect", "at_sync", "at_login"):
        side.hooks.add(name, lambda session, name=name: called.append((name, session.sessid)))
    side.hooks.add(
        "at_disconnect",
        lambda session, reason: called.append(("at_disconnect", session.sessid, reason)),
    )
    return called


def admin(side, operation, sessid=0, **kwargs):
    side.handler.receive_admin(sessid, {"operation": operation, **kwargs})


def synchronise(side, *sessions, start=1.0):
    admin(
        side,
        Operation.PSYNC,
        server_restart_mode=None,
        sessiondata={session["sessid"]: session for session in sessions},
        portal_start_time=start,
    )


def test_a_session_comes_changes_and_goes(side, events, make_session_data):
    handler = side.handler
    admin(side, Operation.PCONN, 4, sessiondata=make_session_data(4))
    session = handler.get(4)
    assert handler.all() == list(handler) == [session]
    assert len(handler) == 1
    assert session in handler
    assert "4" not in handler

    changed = {"sessid": 4, "protocol_flags": {"ANSI": True}, "address": "192.0.2.8"}
    admin(side, Operation.PCONNSYNC, 4, sessiondata=changed)
    assert session.protocol_flags == {"ENCODING": "utf-8", "SCREENWIDTH": {0: 80}, "ANSI": True}
    assert (session.address, session.protocol_key) == ("192.0.2.8", "telnet")

    admin(side, Operation.PDISCONN, 4)
    assert handler.get(4) is None
    assert session not in handler
    assert events == [
        ("at_connect", 4),
        ("at_disconnect", 4, "The connection to the player is gone."),
    ]


@pytest.mark.parametrize(
    ("operation", "kwargs"),
    [
        (Operation.PCONNSYNC, {"sessiondata": {"address": "x"}}),
        (Operation.PDISCONN, {}),
        (Operation.PDISCONNALL, {}),
    ],
)
def test_words_about_nobody_are_passed_over(side, events, operation, kwargs):
    admin(side, operation, 9, **kwargs)
    assert events == []


def test_a_session_that_is_announced_again_begins_anew(side, events, make_session_data):
    for _ in range(2):
        admin(side, Operation.PCONN, 4, sessiondata=make_session_data(4))
    assert [event[0] for event in events] == ["at_connect", "at_disconnect", "at_connect"]
    assert len(side.handler) == 1


def test_the_end_of_all(side, events):
    for sessid in (1, 2):
        side.connect(sessid)
    admin(side, Operation.PDISCONNALL)
    assert len(side.handler) == 0
    assert events[2:] == [
        ("at_disconnect", 1, "The Portal has ended."),
        ("at_disconnect", 2, "The Portal has ended."),
    ]


@pytest.mark.parametrize("sync", [True, False])
def test_a_hook_may_end_those_whose_turn_comes(side, make_session_data, sync):
    ended = []

    def leave_together(session, reason):
        ended.append(session.sessid)
        for other in side.handler:
            other.disconnect("together")

    side.hooks.add("at_disconnect", leave_together)
    for sessid in (1, 2, 3):
        side.connect(sessid)
    if sync:
        side.handler.portal_sessions_sync({})
    else:
        side.handler.portal_disconnect_all()
    assert sorted(ended) == [1, 2, 3]
    assert len(side.handler) == 0


def test_a_hook_may_end_those_who_come_back_behind_it(side, make_session_data):
    back = []

    def resume(session):
        back.append(session.sessid)
        if session.sessid == 1:
            side.handler.get(2).disconnect("the newer one takes over")

    side.hooks.add("at_sync", resume)
    side.handler.portal_sessions_sync({each: make_session_data(each) for each in (1, 2, 3)})
    assert back == [1, 3]


def test_the_first_synchronisation_brings_sessions_back(side, events, make_session_data):
    seen = []
    side.hooks.add("at_sync", lambda session: seen.append(len(side.handler)))
    synchronise(
        side,
        make_session_data(3, uid=7, uname="Anna", logged_in=True, server_data={"room": "quay"}),
        make_session_data(5),
    )
    anna, other = side.handler.all()
    assert (anna.uid, anna.uname, anna.logged_in) == (7, "Anna", True)
    assert anna.server_data == {"room": "quay"}
    assert side.handler.logged_in() == [anna]
    assert not other.logged_in
    assert events == [("at_sync", 3), ("at_sync", 5)]
    assert seen == [2, 2]  # all are there before the first hook
    assert side.synchronised == 1
    assert side.portal.take() == []  # nothing is announced


def test_the_same_portal_again_keeps_what_the_game_knows(side, events, make_session_data):
    synchronise(side, *(make_session_data(sessid) for sessid in (1, 2, 3)))
    kept = side.handler.get(2)
    kept.uname, kept.logged_in = "Anna", True
    del events[:]
    side.handler.portal_lost()
    assert side.handler.portal is None
    kept.msg("nobody hears it")
    side.handler.portal = side.portal
    changed = make_session_data(2, protocol_flags={"ANSI": True}, uname="older")
    synchronise(side, changed, make_session_data(4), make_session_data(3))
    assert [session.sessid for session in side.handler] == [2, 3, 4]
    assert side.handler.get(2) is kept
    assert (kept.uname, kept.protocol_flags["ANSI"]) == ("Anna", True)
    assert events == [
        ("at_disconnect", 1, "The connection to the player is gone."),
        ("at_sync", 4),
    ]
    ((operation, _, kwargs),) = side.portal.take()
    assert operation == Operation.SSYNC
    assert list(kwargs["sessiondata"]) == [2, 3]
    assert kwargs["sessiondata"][2]["uname"] == "Anna"
    assert not kwargs["clean"]


def test_another_portal_begins_anew(side, events, make_session_data):
    synchronise(side, make_session_data(1), make_session_data(2))
    old = side.handler.get(1)
    del events[:]
    synchronise(side, make_session_data(1), start=2.0)
    assert side.handler.get(1) is not old
    assert not old.connected
    assert [event[:2] for event in events] == [
        ("at_disconnect", 1),
        ("at_disconnect", 2),
        ("at_sync", 1),
    ]
    assert side.portal.take() == []


def test_a_portal_that_tells_little(side):
    admin(side, Operation.PSYNC)
    assert side.synchronised == 1
    assert len(side.handler) == 0


@pytest.mark.parametrize("operation", [Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD])
def test_orders_are_passed_on(side, operation):
    admin(side, operation, server_restart_mode="reload")
    assert side.orders == [operation]


@pytest.mark.parametrize("kwargs", [{}, {"operation": Operation.PSTATUS}, {"operation": 3}])
def test_unknown_operations(side, kwargs):
    with pytest.raises(RemoteProtocolError, match="UnknownOperation"):
        side.handler.receive_admin(0, kwargs)


def test_a_message_marks_the_time_of_the_last_line(side):
    session = side.connect()
    side.time = 1234.0
    side.receive(1, hp=[])
    assert session.cmd_last == 950.0
    side.receive(1, text=["x"])
    assert session.cmd_last == 1234.0


def test_a_message_of_a_session_that_has_ended(side):
    side.functions.add("text", lambda *_: pytest.fail("nobody is there"))
    side.receive(9, text=["x"])
    assert side.answers == {}


@pytest.mark.parametrize(
    "message", [{"text": "x"}, {"text": [["x"]]}, {"text": [("x",), {}]}, {"text": [["x"], None]}]
)
def test_what_is_no_message_is_refused(side, message):
    side.connect()
    with pytest.raises(InputError, match="expected"):
        side.handler.receive_message(1, message, lambda: pytest.fail("not deferred"))


@pytest.mark.parametrize("why", ["it leaves", "no Portal"])
def test_what_comes_when_nothing_is_begun_is_given_back(side, why):
    called = []
    side.functions.add("text", lambda *args, **_: called.append(args))
    side.connect()
    if why == "it leaves":
        side.handler.begin_leaving()
    else:
        side.handler.portal = None
    with pytest.raises(NotBegun):
        side.receive(1, "a", text=["x"])
    assert called == []


async def test_a_game_that_leaves_gives_its_inboxes_back(running_side):
    gate = trio.Event()
    called = []

    async def text(session, word, **_):
        called.append(word)
        await gate.wait()

    running_side.functions.add("text", text)
    for sessid in (1, 2, 3):
        running_side.connect(sessid)
    for word in ("a", "b", "c"):
        running_side.receive(1, word, text=[word])
    running_side.receive(2, "d", text=["d"])
    running_side.handler.begin_leaving()
    assert running_side.answered() == ["b", "c"]
    for word in ("b", "c"):
        (error,) = running_side.answers[word].given
        assert isinstance(error, NotBegun)
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert set(called) == {"a", "d"}
    assert running_side.answers["a"].given == [None]
    assert running_side.workers.busy == 0


async def test_a_lost_portal_empties_the_inboxes(running_side):
    gate = trio.Event()

    async def text(session, **_):
        await gate.wait()

    running_side.functions.add("text", text)
    running_side.connect()
    for tag in "ab":
        running_side.receive(1, tag, text=[])
    running_side.handler.portal_lost()
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert running_side.workers.busy == 0
    assert len(running_side.handler) == 1


def test_one_message_to_many(side):
    sessions = [side.connect(sessid) for sessid in (1, 2, 3)]
    side.handler.portal_disconnect(sessions[1])
    message = {"text": [["hi"], {"options": {}}]}
    side.handler.msg(sessions, "hi")
    assert side.portal.take() == [([1, 3], message)]
    side.handler.msg(sessions[:2], text="hi")
    assert side.portal.take() == [(1, message)]
    side.handler.msg(iter(sessions), hp=[1], options={"raw": True})
    assert side.portal.take() == [([1, 3], {"hp": [[1], {"options": {"raw": True}}]})]


def test_a_message_to_nobody_is_not_sent(side):
    session = side.connect()
    side.handler.msg([], "hi")
    side.handler.msg([session])
    side.handler.portal = None
    side.handler.msg([session], "hi")
    session.login(1, "Anna")
    session.disconnect()
    session.save()
    assert side.portal.take() == []
    assert not session.connected


def test_orders_to_the_portal(side):
    side.handler.order(Operation.SRELOAD)
    assert side.portal.take() == [(Operation.SRELOAD, 0, {})]
    side.handler.portal = None
    with pytest.raises(ServerUnavailable):
        side.handler.order(Operation.SRELOAD)


def test_all_sync_data(side):
    side.connect(1, uname="Anna")
    side.connect(2)
    data = side.handler.get_all_sync_data()
    assert list(data) == [1, 2]
    assert data[1] == {
        "uid": None,
        "uname": "Anna",
        "logged_in": False,
        "puid": None,
        "server_data": {},
    }


def test_data_that_cannot_be_written_costs_nobody_else_anything(side, make_session_data):
    synchronise(side, make_session_data(1), make_session_data(2, server_data={"kept": 1}))
    side.handler.get(1).server_data["thing"] = open  # a function of a module
    side.handler.get(1).server_data["lambda"] = lambda: None
    with capture_logs() as logs:
        data = side.handler.get_all_sync_data()
    assert [(entry["event"], entry["sessid"]) for entry in logs] == [("server_data_not_plain", 1)]
    assert "server_data" not in data[1]
    assert data[1]["logged_in"] is False
    assert data[2]["server_data"] == {"kept": 1}
    # Neither does it keep the game from a Portal that comes back.
    synchronise(side, make_session_data(1), make_session_data(2))
    ((_, _, kwargs),) = side.portal.take()
    assert kwargs["sessiondata"] == data
    assert side.synchronised == 2


def test_nobody_logs_in_after_the_end(side, events):
    session = side.connect()
    side.handler.portal_disconnect(session)
    session.login(3, "Anna")
    assert not session.logged_in
    assert [event[0] for event in events] == ["at_connect", "at_disconnect"]
    assert side.portal.take() == []
