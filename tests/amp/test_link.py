"""A link's own half: asking, answers in any order, the stream's rules, its end."""

import pickle
import socket
from typing import ClassVar

import pytest
import trio
import trio.testing

from portal.amp.arguments import Integer
from portal.amp.commands import (
    AdminPortal2Server,
    Command,
    MsgPortal2Server,
    MsgServer2Portal,
    MsgStatus,
    StartTLS,
)
from portal.amp.link import Link
from portal.config import AmpConfig
from portal.errors import (
    ConnectionLost,
    LocalProtocolError,
    PortalError,
    RemoteAMPError,
    RemoteProtocolError,
    UnhandledCommand,
)

ANSWER = b"\0\7_answer\0\x01%x\0\0"


class Sum(Command):
    arguments: ClassVar = {"a": Integer(), "b": Integer()}
    response: ClassVar = {"total": Integer()}
    errors: ClassVar = {ZeroDivisionError: "ZERO_DIVISION"}


class Told(Command):
    requires_answer = False


def ignore(link, sessid, kwargs):
    pass


@pytest.fixture
def answers():
    """What came of the asks: (context, error) in the order it became known."""
    return []


@pytest.fixture
def answered(answers):
    return lambda context, error: answers.append((context, error))


@pytest.fixture
def start_call(nursery):
    """Start a call as a task; returns what will hold its result or its error."""

    async def start(link, command, **arguments):
        results = []

        async def run():
            try:
                results.append(await link.call(command, **arguments))
            except (PortalError, ZeroDivisionError) as error:
                results.append(error)

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        return results

    return start


async def test_a_call_and_its_answer(make_link, start_call, metrics):
    link = make_link()
    results = await start_call(link, Sum, a=13, b=81)
    assert link.connection.take() == (
        b"\0\4_ask\0\x011\0\x08_command\0\3Sum\0\1a\0\x0213\0\1b\0\x0281\0\0"
    )
    assert (link.unanswered, link.unanswered_bytes) == (1, 40)
    link.receive_data(b"\0\7_answer\0\x011\0\5total\0\x0294\0\0")
    await trio.testing.wait_all_tasks_blocked()
    assert results == [{"total": 94}]
    assert (link.unanswered, link.unanswered_bytes, metrics.amp_messages_sent) == (0, 0, 1)


async def test_every_cut_of_the_stream(make_link, answered, answers, wire):
    told = []
    payload = pickle.dumps((7, {"text": [["hi"], {}]}), 5)
    sender = make_link()
    sender.send_packed(MsgServer2Portal, 7, {"text": [["hi"], {}]})
    message = sender.connection.take()
    stream = wire.box(_answer=b"2") + message + wire.box(_answer=b"1", x=b"y") + message
    for cut in range(len(stream) + 1):
        answers.clear()
        told.clear()
        link = make_link(packed={MsgServer2Portal: lambda _l, *given: told.append(given)})
        link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context="first")
        link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context="second")
        link.connection.take()
        link.receive_data(stream[:cut])
        link.receive_data(stream[cut:])
        assert answers == [("second", None), ("first", None)]
        assert told == [pickle.loads(payload)] * 2
        assert link.connection.take() == ANSWER % 1 * 2


def test_byte_by_byte(make_link, wire):
    told = []
    link = make_link(packed={MsgServer2Portal: lambda _l, *given: told.append(given)})
    sender = make_link()
    sender.send_packed(MsgServer2Portal, [1, 2], {"text": [["x" * 200_000], {}]})
    for byte in sender.connection.take():
        link.receive_data(bytes([byte]))
    assert told == [([1, 2], {"text": [["x" * 200_000], {}]})]


def test_packed_messages_are_numbered_in_hexadecimal(make_link, wire, metrics):
    link = make_link()
    for _ in range(26):
        link.send_packed(AdminPortal2Server, 0, {"operation": "\x03"})
    boxes = link.connection.take_boxes()
    assert [box["_ask"] for box in boxes] == [b"%x" % number for number in range(1, 27)]
    assert {box["_command"] for box in boxes} == {b"AdminPortal2Server"}
    assert set(boxes[0]) == {"_ask", "_command", "packed_data"}
    assert link.unanswered == metrics.amp_messages_sent == 26


@pytest.mark.parametrize("level", [0, 1, 9])
def test_compression_is_configured(make_link, level):
    link = make_link(config=AmpConfig(compression=level))
    link.send_packed(MsgPortal2Server, 1, {"text": [["x" * 5000], {}]})
    assert (len(link.connection.take()) > 5000) is (level == 0)


async def test_answers_in_any_order(make_link, start_call, wire):
    link = make_link()
    calls = [await start_call(link, Sum, a=number, b=0) for number in range(3)]
    tags = [box["_ask"] for box in link.connection.take_boxes()]
    for at in (2, 0, 1):
        link.receive_data(wire.box(_answer=tags[at], total=b"%d" % at))
    await trio.testing.wait_all_tasks_blocked()
    assert calls == [[{"total": 0}], [{"total": 1}], [{"total": 2}]]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (b"ZERO_DIVISION", ZeroDivisionError),
        (b"UNHANDLED", UnhandledCommand),
        (b"UNKNOWN", RemoteAMPError),
        (b"\xff", RemoteAMPError),
    ],
)
async def test_errors_at_the_caller(make_link, start_call, wire, code, kind):
    link = make_link()
    results = await start_call(link, Sum, a=1, b=0)
    link.receive_data(wire.box(_error=b"1", _error_code=code, _error_description=b"\xffwhy"))
    await trio.testing.wait_all_tasks_blocked()
    assert type(results[0]) is kind
    assert "\ufffdwhy" in str(results[0])
    assert not link.closed


async def test_an_error_box_without_its_parts(make_link, start_call, wire):
    link = make_link()
    results = await start_call(link, Sum, a=1, b=0)
    link.receive_data(wire.box(_error=b"1"))
    await trio.testing.wait_all_tasks_blocked()
    assert results[0].code == "UNKNOWN"


@pytest.mark.parametrize("answer", [{}, {"total": b"x"}])
async def test_a_response_that_does_not_fit(make_link, start_call, wire, answer):
    link = make_link()
    results = await start_call(link, Sum, a=1, b=0)
    link.receive_data(wire.box(_answer=b"1", **answer))
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(results[0], RemoteProtocolError)
    assert not link.closed


async def test_what_is_refused_is_not_sent(make_link):
    link = make_link()
    for command, arguments in ((Sum, {"a": 1}), (Sum, {"a": "1", "b": 2}), (StartTLS, {})):
        with pytest.raises(LocalProtocolError):
            await link.call(command, **arguments)
    with pytest.raises(LocalProtocolError):
        link.notify(Sum, a=1)
    with pytest.raises(LocalProtocolError):
        link.send_packed(MsgPortal2Server, 1, {"x": lambda: None})
    with pytest.raises(LocalProtocolError):
        await link.call(MsgStatus, status=b"x" * 65536)
    assert (link.connection.take(), link.unanswered) == (b"", 0)


async def test_commands_that_ask_for_nothing(make_link):
    link = make_link()
    link.notify(Sum, a=1, b=2)
    assert await link.call(Told) == {}
    assert link.connection.take_boxes() == [
        {"_command": b"Sum", "a": b"1", "b": b"2"},
        {"_command": b"Told"},
    ]
    assert link.unanswered == 0


async def test_a_cancelled_call_ignores_its_late_answer(make_link, wire, metrics):
    link = make_link()
    with trio.CancelScope() as scope:
        scope.cancel()
        await link.call(Sum, a=1, b=2)
    assert link.unanswered == 1
    link.receive_data(wire.box(_answer=b"1", total=b"3"))
    assert (link.unanswered, metrics.amp_unknown_answers) == (0, 0)


def test_what_comes_of_packed_messages(make_link, answered, answers, wire):
    link = make_link()
    for context in "abc":
        link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=context)
    link.receive_data(wire.box(_answer=b"1") + wire.box(_answer=b"2", more=b"x"))
    link.receive_data(wire.box(_error=b"3", _error_code=b"EXCEPTION", _error_description=b"no"))
    assert answers[:2] == [("a", None), ("b", None)]
    assert answers[2][0] == "c"
    assert answers[2][1].code == "EXCEPTION"


def test_nobody_needs_to_care(make_link, wire):
    link = make_link()
    for _ in range(3):
        link.send_packed(MsgPortal2Server, 1, {})
    link.receive_data(wire.box(_answer=b"1") + wire.box(_error=b"2", _error_code=b"X"))
    link.send_packed(MsgPortal2Server, 1, {})
    link.receive_data(wire.box(_answer=b"3", more=b"x"))
    assert link.unanswered == 1
    link.connection_lost(None)
    assert (link.unanswered, link.unanswered_bytes) == (0, 0)


def test_one_payload_over_several_links(make_link, wire):
    links = [make_link(), make_link()]
    payload = Link.encode_packed(0, {"text": [["hi"], {}]})
    for link in links:
        link.send_payload(MsgServer2Portal, payload)
    first, second = (link.connection.take() for link in links)
    assert first == second
    links[0].send_payload(MsgServer2Portal, payload)
    assert links[0].connection.take_boxes()[0]["_ask"] == b"2"


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_link_that_this_side_closes_fails_every_ask_at_once(make_link, answered, answers, end):
    seen = []
    link = make_link(
        closing=lambda closed: seen.append(("closing", closed, len(answers))),
        lost=lambda lost, error: seen.append(("lost", lost, error)),
    )
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=1)
    getattr(link, end)("enough")
    getattr(link, end)("really")
    assert [(context, type(error)) for context, error in answers] == [(1, ConnectionLost)]
    assert seen == [("closing", link, 1)]
    link.connection_lost(None)
    assert seen[1:] == [("lost", link, None)]
    assert len(answers) == 1


async def test_a_lost_connection_fails_every_ask_in_order(make_link, start_call, answered, answers):
    seen = []
    link = make_link(lost=lambda lost_link, error: seen.append((lost_link, error, list(answers))))
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=1)
    link.send_packed(MsgPortal2Server, 1, {}, answered=lambda *_: 1 / 0)
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=2)
    results = await start_call(link, Sum, a=1, b=2)
    error = OSError("reset")
    link.connection_lost(error)
    await trio.testing.wait_all_tasks_blocked()
    assert [context for context, _ in answers] == [1, 2]
    assert all(isinstance(known, ConnectionLost) for _, known in answers)
    assert isinstance(results[0], ConnectionLost)
    assert seen == [(link, error, answers)]
    assert link.closed


async def test_a_closed_link_fails_at_once(make_link, answered, answers):
    link = make_link()
    link.close("enough")
    assert link.connection.close_reason == "enough"
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=1)
    link.send_packed(MsgPortal2Server, 1, {})
    link.notify(Told)
    with pytest.raises(ConnectionLost):
        await link.call(Sum, a=1, b=2)
    assert isinstance(answers[0][1], ConnectionLost)
    assert link.connection.written == b""
    assert link.unanswered == 0


def test_the_peer_ends_it(make_link):
    link = make_link()
    link.receive_eof()
    assert link.connection.close_reason == "the peer closed the link"


def test_nothing_is_handled_after_the_end(make_link, wire):
    told = []
    link = make_link(responders={Told: lambda: told.append(1) or link.close("now")})
    box = wire.box(_command=b"Told")
    link.receive_data(box + box)
    link.receive_data(box)
    assert told == [1]


@pytest.mark.parametrize("cut", [1, 3, 100])
@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1\r\n\r\n", b"POST /x HTTP/1.0\r\n", b"\x16\x03\x01", b"hello"]
)
def test_http_is_told_by_the_first_byte(make_link, metrics, request_line, cut):
    link = make_link()
    link.receive_data(b"")
    assert not link.closed
    link.receive_data(request_line[:cut])
    link.receive_data(request_line[cut:])
    head, _, body = link.connection.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert link.connection.close_reason == "HTTP on the AMP port"
    assert metrics.amp_http_requests == 1


def test_only_the_first_bytes_tell_http(make_link, wire):
    # A read that ends with NUL NUL, and one that begins with a letter: stock closes here.
    link = make_link(packed={MsgServer2Portal: ignore})
    sender = make_link()
    sender.send_packed(MsgServer2Portal, 1, {})
    message = sender.connection.take()
    stream = message + wire.box(_command=b"GET")
    at = len(message) + 2
    link.receive_data(stream[:at])
    link.receive_data(stream[at:])
    assert not link.closed


def test_unknown_answers_are_counted_and_bounded(make_link, metrics, wire):
    link = make_link(config=AmpConfig(unknown_answers=5))
    stray = [wire.box(_answer=b"7"), wire.box(_answer=b"x", y=b"z"), wire.box(_error=b"\xff")]
    for box in [*stray, stray[0]]:
        link.receive_data(box)
    assert not link.closed
    assert metrics.amp_unknown_answers == 4
    link.receive_data(stray[0] * 3)
    assert metrics.amp_unknown_answers == 5
    assert metrics.amp_connections_refused == 1
    assert "UnknownAnswers" in link.connection.close_reason


def test_an_answer_counts_once(make_link, metrics, answered, answers, wire):
    link = make_link()
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=1)
    link.receive_data(wire.box(_answer=b"1") * 2)
    assert answers == [(1, None)]
    assert metrics.amp_unknown_answers == 1


@pytest.mark.parametrize(
    ("stream", "name"),
    [
        (b"\0\1a\1\0x", None),  # a value of 256 bytes is in order
        (b"\0\1a\0\1b\1\0", "KeyTooLong"),
        (b"\0\1a\0\1b\0\0\1\0", "NoEmptyBoxes"),
        (b"\0\0", "NoEmptyBoxes"),
        (b"\0\1a\0\1b\0\1c\0\0\0\0", "TooManyKeys"),
    ],
)
def test_broken_rules_end_the_connection(make_link, metrics, stream, name):
    link = make_link(config=AmpConfig(box_keys=1))
    for byte in stream:
        link.receive_data(bytes([byte]))
    assert link.closed is (name is not None)
    assert metrics.amp_connections_refused == (name is not None)
    if name:
        assert name in link.connection.close_reason


def test_what_came_before_a_broken_rule_counts(make_link, answered, answers, wire):
    link = make_link()
    link.send_packed(MsgPortal2Server, 1, {}, answered=answered, context=1)
    link.receive_data(wire.box(_answer=b"1") + b"\xff\xff")
    assert answers == [(1, None)]
    assert link.closed


def test_a_partial_box_has_a_deadline(make_link, deadlines, metrics, wire):
    link = make_link(deadlines=deadlines)
    box = wire.box(_command=b"x")
    link.receive_data(box)
    assert deadlines.calls == []
    link.receive_data(box[:5])
    link.receive_data(box[5:7])  # the same box: its time goes on
    assert deadlines.calls == ["start"]
    link.receive_data(box[7:] + box[:1])
    assert deadlines.calls == ["start", "restart"]
    link.receive_data(box[1:])
    assert deadlines.calls == ["start", "restart", "cancel"]
    link.receive_data(box[:1])
    assert deadlines.running == [link]
    link.expire()
    assert "BoxTooSlow" in link.connection.abort_reason
    assert metrics.amp_connections_refused == 1


@pytest.mark.parametrize(
    "end", [lambda link: link.close(), lambda link: link.connection_lost(None)]
)
def test_the_end_cancels_the_deadline(make_link, deadlines, end):
    link = make_link(deadlines=deadlines)
    link.receive_data(b"\0")
    assert deadlines.running == [link]
    end(link)
    assert deadlines.running == []


def test_without_deadlines_a_partial_box_waits(make_link):
    link = make_link()
    link.receive_data(b"\0")
    link.close()
    assert link.connection.close_reason == ""


def test_the_cap_of_a_payload_moves(make_link, wire):
    told = []
    link = make_link(
        packed={MsgServer2Portal: lambda *given: told.append(given)},
        config=AmpConfig(payload_bytes=1000),
    )
    sender = make_link()
    sender.send_packed(MsgServer2Portal, 1, {"x": "y" * 1000})
    message = sender.connection.take()
    assert link.max_payload == 1000
    link.receive_data(message)
    assert link.connection.take_boxes()[0]["_error_code"] == b"EXCEPTION"
    link.max_payload = 2000
    link.receive_data(message)
    assert len(told) == 1
    assert link.connection.take_boxes() == [{"_answer": b"1"}]


def test_a_link_has_a_name(make_link):
    assert make_link().name == "amp ('127.0.0.1', 50000)"


# Over the real hub.


async def test_both_directions_at_once(plug):
    told = {"left": [], "right": []}
    done = trio.Event()
    left_socket, right_socket = socket.socketpair()
    left = plug(
        left_socket, packed={MsgPortal2Server: lambda _l, *given: told["left"].append(given)}
    )
    right = plug(
        right_socket,
        packed={MsgServer2Portal: lambda _l, *given: told["right"].append(given)},
        responders={Sum: lambda a, b: {"total": a + b}},
    )
    for number in range(500):
        left.send_packed(MsgServer2Portal, number, {"n": number})
        right.send_packed(MsgPortal2Server, number, {"n": number})
    right.send_packed(MsgPortal2Server, 500, {}, answered=lambda *_: done.set())
    assert left.unanswered_bytes > 500 * 60
    assert await left.call(Sum, a=1, b=2) == {"total": 3}
    await done.wait()
    assert told["right"] == [(number, {"n": number}) for number in range(500)]
    assert told["left"] == [*told["right"], (500, {})]
    assert (left.unanswered, right.unanswered, left.unanswered_bytes) == (0, 0, 0)


async def test_a_fatal_error_arrives_before_the_end(plug):
    class Fatal(Command):
        fatal_errors: ClassVar = {KeyError: "KEY"}

    def fail():
        raise KeyError("gone")

    lost = trio.Event()
    left_socket, right_socket = socket.socketpair()
    plug(right_socket, responders={Fatal: fail})
    left = plug(left_socket, lost=lambda *_: lost.set())
    with pytest.raises(KeyError):
        await left.call(Fatal)
    await lost.wait()
    assert left.closed


async def read_to_the_end(sock):
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    async with stream:
        return b"".join([data async for data in stream])


async def test_a_browser_gets_its_answer(plug):
    ours, theirs = socket.socketpair()
    link = plug(ours)
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    answer = await read_to_the_end(theirs)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert link.closed


@pytest.mark.parametrize("begun", [b"\0", b"\0\x08_command\0\1x\0\1a\xff\xffslow"])
async def test_a_box_that_never_ends(hub, plug, metrics, autojump_clock, begun):
    ours, theirs = socket.socketpair()
    plug(ours, deadlines=hub.deadlines(AmpConfig().box_seconds, Link.expire))
    theirs.sendall(begun)
    start = trio.current_time()
    assert await read_to_the_end(theirs) == b""
    assert AmpConfig().box_seconds <= trio.current_time() - start < AmpConfig().box_seconds + 1
    assert metrics.amp_connections_refused == 1


async def test_a_failing_function_of_the_caller_ends_its_link_only(plug, metrics):
    lost = []
    left_socket, right_socket = socket.socketpair()
    plug(right_socket, packed={MsgPortal2Server: ignore})
    left = plug(left_socket, lost=lambda _link, error: lost.append(error))
    gone = trio.Event()
    left.send_packed(MsgPortal2Server, 1, {}, answered=lambda *_: 1 / 0)
    left.send_packed(MsgPortal2Server, 2, {}, answered=lambda *_: gone.set())
    await gone.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(lost[0], ZeroDivisionError)
    assert metrics.protocol_crashes == 1
