"""A link's answering half: every row of the table in the module, deferred answers, async ones."""

import pickle
from typing import ClassVar

import pytest
import structlog
import trio
import trio.testing

from portal.amp import responders
from portal.amp.arguments import Integer, String
from portal.amp.commands import (
    AdminServer2Portal,
    Command,
    MsgPortal2Server,
    MsgServer2Portal,
    MsgStatus,
    PortalQuery,
    ProtocolSwitchCommand,
    StartTLS,
)
from portal.amp.responders import TextResponder
from portal.errors import LocalProtocolError, NotBegun, RemoteProtocolError


class OverflowingError(Exception):
    pass


class Divide(Command):
    arguments: ClassVar = {"a": Integer(), "b": Integer()}
    response: ClassVar = {"result": Integer()}
    errors: ClassVar = {ZeroDivisionError: "ZERO_DIVISION"}
    fatal_errors: ClassVar = {OverflowingError: "TOO_MUCH"}


class Fill(Command):
    arguments: ClassVar = {"size": Integer()}
    response: ClassVar = {"data": String()}


def divide(a, b):
    if a > 1000:
        raise OverflowingError("too much")
    if a < 0:
        raise KeyError("undeclared, and secret")
    return {"result": a // b}


ASK = {"_ask": b"\xff any", "_command": b"Divide", "a": b"6", "b": b"3"}
UNKNOWN = ("UNKNOWN", "Unknown Error")
ROWS = [
    ({}, None, False),
    ({"a": b"13", "more": b"ignored"}, None, False),
    ({"b": b"0"}, ("ZERO_DIVISION", "integer division or modulo by zero"), False),
    ({"a": b"1001"}, ("TOO_MUCH", "too much"), True),
    ({"a": b"-1"}, UNKNOWN, True),
    ({"a": b"six"}, UNKNOWN, True),
    ({"a": None}, UNKNOWN, True),
    ({"_command": b"Missing"}, ("UNHANDLED", "Unhandled Command: b'Missing'"), False),
    ({"_command": b"StartTLS"}, ("UNHANDLED", "Unhandled Command: b'StartTLS'"), False),
]


def changed(box, change):
    return {key: value for key, value in (box | change).items() if value is not None}


def packed_message(make_link, command, sessid, kwargs):
    sender = make_link()
    sender.send_packed(command, sessid, kwargs)
    return sender.connection.take()


@pytest.fixture
def events():
    with structlog.testing.capture_logs() as found:
        yield found


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("change", "error", "closes"), ROWS)
async def test_the_table(make_link, wire, nursery, metrics, change, error, closes, waits):
    async def divide_later(a, b):
        await trio.lowlevel.checkpoint()
        return divide(a, b)

    link = make_link(responders={Divide: divide_later if waits else divide}, nursery=nursery)
    ask = changed(ASK, change)
    link.receive_data(wire.box(**ask))
    await trio.testing.wait_all_tasks_blocked()
    (box,) = link.connection.take_boxes()
    if error is None:
        assert box == {"_answer": ask["_ask"], "result": b"%d" % (int(ask["a"]) // 3)}
    else:
        code, text = error
        assert box == {
            "_error": ask["_ask"],
            "_error_code": code.encode(),
            "_error_description": text.encode(),
        }
    assert link.closed is closes
    assert metrics.amp_messages_received == 1


@pytest.mark.parametrize(("change", "error", "closes"), ROWS)
def test_without_a_tag_nothing_is_sent_back(make_link, wire, change, error, closes):
    link = make_link(responders={Divide: divide})
    link.receive_data(wire.box(**changed(ASK, change | {"_ask": None})))
    assert link.connection.take() == b""
    assert link.closed is closes


def test_no_secret_of_an_undeclared_error_leaves(make_link, wire, events):
    link = make_link(responders={Divide: divide})
    link.receive_data(wire.box(**changed(ASK, {"a": b"-1"})))
    assert b"secret" not in link.connection.take()
    assert events[0]["event"] == "amp_responder_failed"
    assert isinstance(events[0]["exc_info"], KeyError)


def test_a_message_that_is_given_back_is_no_warning(make_link, wire, events):
    def give_back(link, sessid, kwargs):
        raise NotBegun("the game leaves")

    link = make_link(packed={MsgPortal2Server: give_back})
    link.receive_data(packed_message(make_link, MsgPortal2Server, 1, {}))
    (box,) = link.connection.take_boxes()
    assert box["_error_code"] == b"NOT_BEGUN"
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("amp_responder_failed", "info")
    ]


@pytest.mark.parametrize("response", [None, {}, {"result": "x"}, {"result": 1, "more": 2}, [1], 7])
def test_a_response_that_does_not_fit(make_link, wire, response):
    link = make_link(responders={Divide: lambda a, b: response})
    link.receive_data(wire.box(**ASK))
    assert link.connection.take_boxes()[0]["_error_code"] == b"UNKNOWN"
    assert link.closed


def test_a_response_that_is_too_long(make_link, wire):
    link = make_link(responders={Fill: lambda size: {"data": bytes(size)}})
    link.receive_data(wire.box(_command=b"Fill", _ask=b"1", size=b"65535"))
    assert len(link.connection.take_boxes()[0]["data"]) == 65535
    link.receive_data(wire.box(_command=b"Fill", _ask=b"2", size=b"65536"))
    assert link.connection.take_boxes()[0]["_error_code"] == b"UNKNOWN"


def test_evennias_commands_fail_without_harm(make_link, wire):
    def fail(**_):
        raise ValueError("x" * 5000)

    link = make_link(responders={MsgStatus: fail})
    link.receive_data(wire.box(_command=b"MsgStatus", _ask=b"1", status=b""))
    (box,) = link.connection.take_boxes()
    assert box["_error_code"] == b"EXCEPTION"
    assert box["_error_description"] == b"x" * responders.MAX_DESCRIPTION
    assert not link.closed


def test_no_response_is_a_bare_answer(make_link, wire):
    class Nothing(Command):
        pass

    for response in (None, {}):
        link = make_link(responders={Nothing: lambda response=response: response})
        link.receive_data(wire.box(_command=b"Nothing", _ask=b"1a"))
        assert link.connection.take() == b"\0\7_answer\0\x021a\0\0"


@pytest.mark.parametrize("command", [StartTLS, ProtocolSwitchCommand])
def test_what_is_refused_has_no_responder(make_link, command):
    with pytest.raises(LocalProtocolError, match="not supported"):
        make_link(responders={command: dict})


def test_an_async_responder_needs_a_nursery(make_link):
    async def respond(**_):
        return {}

    with pytest.raises(LocalProtocolError, match="needs a nursery"):
        make_link(responders={Divide: respond})


def test_a_responder_that_comes_later(make_link, wire):
    link = make_link()
    link.respond(Divide, lambda a, b: {"result": link.unanswered})
    link.receive_data(wire.box(**ASK))
    assert link.connection.take_boxes()[0]["result"] == b"0"


def test_what_is_not_allowed_is_unhandled(make_link, wire, events):
    asked = []

    def allow(link, name):
        asked.append(name)
        return name == b"Divide"

    link = make_link(
        responders={Divide: divide, MsgStatus: dict},
        packed={MsgServer2Portal: lambda *given: asked.append(given)},
        allow=allow,
    )
    stream = (
        wire.box(**ASK)
        + wire.box(_command=b"MsgStatus", _ask=b"2", status=b"")
        + packed_message(make_link, MsgServer2Portal, 1, {})
    )
    link.receive_data(stream)
    boxes = link.connection.take_boxes()
    assert boxes[0]["result"] == b"2"
    assert [box["_error_code"] for box in boxes[1:]] == [b"UNHANDLED"] * 2
    assert asked == [b"Divide", b"MsgStatus", b"MsgServer2Portal"]
    assert not link.closed
    assert [event["event"] for event in events] == ["amp_command_unhandled"] * 2


# Packed messages.


def test_packed_messages(make_link, metrics):
    told = []
    handler = lambda *given: told.append(given)  # noqa: E731 - one line for two commands
    link = make_link(packed={MsgServer2Portal: handler, AdminServer2Portal: handler})
    link.receive_data(
        packed_message(make_link, MsgServer2Portal, [1, 2], {"text": [["x"], {}]})
        + packed_message(make_link, AdminServer2Portal, 0, {"operation": "\x03"})
    )
    assert told == [(link, [1, 2], {"text": [["x"], {}]}), (link, 0, {"operation": "\x03"})]
    assert link.connection.take_boxes() == [{"_answer": b"1"}] * 2
    assert metrics.amp_messages_received == 2


def test_a_text_alone_for_whoever_takes_it(make_link, wire):
    told = []
    respond = TextResponder(lambda _link, *message: told.append(message))
    link = make_link(packed={MsgServer2Portal: respond, AdminServer2Portal: respond.function})
    text = {"text": [["x"], {"options": {}}]}
    more = {"text": [["x"], {"options": {"raw": True}}]}
    name = "text"
    memoized = {name: [[name], {"options": {}}]}
    link.receive_data(
        packed_message(make_link, MsgServer2Portal, 1, text)
        + packed_message(make_link, MsgServer2Portal, [1, 2], text)
        + packed_message(make_link, MsgServer2Portal, 1, more)
        + packed_message(make_link, AdminServer2Portal, 1, text)
        + as_message(wire, pickle.dumps((1, memoized), 5))
    )
    assert told == [(1, "x"), ([1, 2], text), (1, more), (1, text), (1, memoized)]
    assert len(link.connection.take_boxes()) == 5


def test_packed_messages_that_the_codec_leaves_to_pickle(make_link, wire, metrics):
    given = []
    link = make_link(packed={MsgServer2Portal: lambda _link, *message: given.append(message)})
    kwargs = {"text": [[{1}, 2**70, "\ud800"], {}]}
    link.receive_data(as_message(wire, pickle.dumps((1, kwargs), 5)))
    link.receive_data(as_message(wire, pickle.dumps((True, {}), 5)))
    assert given == [(1, kwargs), (True, {})]
    assert link.connection.take_boxes() == [{"_answer": b"5"}] * 2
    assert metrics.amp_rejected_payloads == metrics.amp_stand_in_payloads == 0


def test_a_packed_function_that_fails(make_link, events, metrics):
    def fail(link, sessid, kwargs):
        raise ValueError("no such room")

    link = make_link(packed={MsgServer2Portal: fail})
    link.receive_data(packed_message(make_link, MsgServer2Portal, 1, {}))
    (box,) = link.connection.take_boxes()
    assert (box["_error"], box["_error_code"]) == (b"1", b"EXCEPTION")
    assert box["_error_description"] == b"no such room"
    assert not link.closed
    assert metrics.amp_errors == 1
    assert events[0]["command"] == "MsgServer2Portal"


def as_message(wire, payload, ask=b"5"):
    import zlib  # noqa: PLC0415 - for this double of a sender only

    box = {"_command": b"MsgServer2Portal", "packed_data": zlib.compress(payload), "_ask": ask}
    return wire.box(**changed(box, {}))


BOMB = b"\x80\x02r\xff\xff\xff\x04."


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda wire: as_message(wire, BOMB), 0),
        (lambda wire: as_message(wire, b"no pickle"), 0),
        (lambda wire: as_message(wire, pickle.dumps([1, {}])), 0),
        (lambda wire: as_message(wire, bytes(20 << 20)), 0),
        (lambda wire: wire.box(_command=b"MsgServer2Portal", _ask=b"5"), 0),
        (lambda wire: wire.box(_command=b"MsgServer2Portal", _ask=b"5", packed_data=b"zz"), 0),
        (lambda wire: as_message(wire, pickle.dumps((1, {"c": Divide}))), 1),
    ],
)
def test_a_payload_that_cannot_be_read_costs_itself_only(
    make_link, wire, metrics, events, data, told
):
    given = []
    link = make_link(packed={MsgServer2Portal: lambda _l, *message: given.append(message)})
    link.receive_data(data(wire) + packed_message(make_link, MsgServer2Portal, 2, {}))
    first, second = link.connection.take_boxes()
    assert second == {"_answer": b"1"}
    assert len(given) == 1 + told
    assert metrics.amp_rejected_payloads == 1 - told
    assert metrics.amp_stand_in_payloads == told
    if told:
        assert first == {"_answer": b"5"}
        assert given[0][1]["c"].startswith("<")
        assert "Divide" in events[0]["classes"]
    else:
        assert (first["_error"], first["_error_code"]) == (b"5", b"EXCEPTION")
        assert events[0]["event"] == "amp_payload_rejected"
        assert events[0]["reason"]
    assert not link.closed


def test_a_payload_without_a_tag_that_cannot_be_read(make_link, wire):
    link = make_link(packed={MsgServer2Portal: lambda *_: None})
    link.receive_data(as_message(wire, BOMB, ask=None))
    link.receive_data(as_message(wire, pickle.dumps((1, {})), ask=None))
    assert link.connection.take() == b""
    assert not link.closed


def test_classes_are_logged_once_each(make_link, wire, monkeypatch, metrics, events):
    monkeypatch.setattr(responders, "MAX_NOTED", 2)
    link = make_link(packed={MsgServer2Portal: lambda *_: None})
    for kind in (Divide, Divide, Fill, Command):
        link.receive_data(as_message(wire, pickle.dumps((1, {"c": kind}))))
    assert metrics.amp_stand_in_payloads == 4
    assert [event["event"] for event in events] == ["amp_payload_classes_replaced"] * 2


# Deferred answers.


def test_a_deferred_answer_of_a_packed_message(make_link):
    deferred = []
    link = make_link(
        packed={MsgServer2Portal: lambda link, *_: deferred.append(link.defer_answer())}
    )
    for _ in range(2):
        link.receive_data(packed_message(make_link, MsgServer2Portal, 1, {}))
    assert link.connection.take() == b""
    deferred[1].answer()
    assert link.connection.take_boxes() == [{"_answer": b"1"}]
    deferred[0].fail(RemoteProtocolError("Late", "too late"))
    (box,) = link.connection.take_boxes()
    assert (box["_error_code"], box["_error_description"]) == (b"EXCEPTION", b"Late: too late")
    for again in (deferred[0].answer, deferred[1].answer, lambda: deferred[1].fail(KeyError())):
        with pytest.raises(LocalProtocolError, match="answered already"):
            again()
    assert link.connection.take() == b""


def test_a_deferred_answer_of_a_responder(make_link, wire):
    deferred = []
    link = make_link(responders={Divide: lambda a, b: deferred.append(link.defer_answer())})
    link.receive_data(wire.box(**ASK))
    deferred[0].answer({"result": 5})
    assert link.connection.take_boxes() == [{"_answer": ASK["_ask"], "result": b"5"}]


@pytest.mark.parametrize("answer_first", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_responder_that_defers_and_fails_answers_once(make_link, wire, answer_first, packed):
    deferred = []

    def respond(*_given, **_arguments):
        deferred.append(link.defer_answer())
        if answer_first:
            deferred[0].answer({} if packed else {"result": 1})
        raise ZeroDivisionError

    if packed:
        link = make_link(packed={MsgServer2Portal: respond})
        link.receive_data(packed_message(make_link, MsgServer2Portal, 1, {}))
    else:
        link = make_link(responders={Divide: respond})
        link.receive_data(wire.box(**ASK))
    (box,) = link.connection.take_boxes()
    assert ("_answer" in box) is answer_first
    with pytest.raises(LocalProtocolError):
        deferred[0].answer()


async def test_where_nothing_can_be_deferred(make_link, wire, nursery):
    errors = []

    def attempt():
        try:
            link.defer_answer()
        except LocalProtocolError as error:
            errors.append(error)

    async def later(**_):
        attempt()
        return {"result": 1}

    def twice(**_):
        link.defer_answer().answer({"status": b""})
        attempt()

    link = make_link(responders={Divide: later, MsgStatus: twice}, nursery=nursery)
    attempt()
    link.receive_data(wire.box(**ASK) + wire.box(_command=b"MsgStatus", _ask=b"1", status=b""))
    await trio.testing.wait_all_tasks_blocked()
    assert len(errors) == 3
    assert len(link.connection.take_boxes()) == 2


def test_a_deferred_answer_on_a_lost_link_goes_nowhere(make_link):
    deferred = []
    link = make_link(
        packed={MsgServer2Portal: lambda link, *_: deferred.append(link.defer_answer())}
    )
    link.receive_data(packed_message(make_link, MsgServer2Portal, 1, {}))
    link.close()
    link.connection_lost(None)
    deferred[0].answer()
    assert link.connection.written == b""


# Asynchronous responders.


async def test_several_at_once_and_answered_in_any_order(make_link, wire, nursery):
    gates = {number: trio.Event() for number in range(3)}

    async def wait(a, b):
        await gates[a].wait()
        return {"result": a}

    link = make_link(responders={Divide: wait}, nursery=nursery)
    for number in gates:
        link.receive_data(wire.box(**ASK | {"_ask": b"%d" % number, "a": b"%d" % number}))
    for number in (2, 0, 1):
        gates[number].set()
        await trio.testing.wait_all_tasks_blocked()
    assert [box["_answer"] for box in link.connection.take_boxes()] == [b"2", b"0", b"1"]


async def test_too_many_at_once_are_turned_away(make_link, wire, nursery, monkeypatch):
    monkeypatch.setattr(responders, "RUNNING_RESPONDERS", 2)
    gate = trio.Event()

    async def wait(query, arguments):
        await gate.wait()
        return {"result": b"{}"}

    link = make_link(responders={PortalQuery: wait}, nursery=nursery)
    box = PortalQuery.encode_arguments({"query": "status", "arguments": b"{}"})
    ask = wire.box(_ask=b"1", **{key.decode(): value for key, value in box.items()})
    link.receive_data(ask * 3)
    await trio.testing.wait_all_tasks_blocked()
    (busy,) = link.connection.take_boxes()
    assert busy["_error_code"] == b"BUSY"
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert ["_answer" in box for box in link.connection.take_boxes()] == [True, True]
    link.receive_data(ask)
    await trio.testing.wait_all_tasks_blocked()
    assert len(link.connection.take_boxes()) == 1


async def test_a_cancelled_responder_answers_nothing(make_link, wire):
    async def wait(a, b):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        link = make_link(responders={Divide: wait}, nursery=nursery)
        link.receive_data(wire.box(**ASK))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert link.connection.take() == b""
