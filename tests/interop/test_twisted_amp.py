"""AMP with live Twisted at the other end: it dials us, and we dial it."""

import datetime as dt
import json
import pathlib
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import ClassVar

import pytest
import trio
from twisted.protocols import amp
from twisted.python.filepath import FilePath

from portal.amp.arguments import (
    AmpList,
    Boolean,
    DateTime,
    Decimal,
    Float,
    Integer,
    ListOf,
    Path,
    String,
    Unicode,
)
from portal.amp.commands import Command, MsgPortal2Server, MsgServer2Portal, StartTLS
from portal.amp.link import Link
from portal.config import AmpConfig, HubConfig
from portal.errors import ConnectionLost, LocalProtocolError, RemoteAMPError, UnhandledCommand
from portal.hub.hub import Hub
from portal.metrics import Metrics

pytestmark = pytest.mark.interop

PEER = pathlib.Path(__file__).with_name("amp_peer.py")
PATIENCE = 60

EVERYTHING = {
    "integer": Integer(),
    "string": String(),
    "float": Float(),
    "boolean": Boolean(),
    "unicode": Unicode(),
    "path": Path(),
    "decimal": Decimal(),
    "datetime": DateTime(),
    "list": ListOf(ListOf(Integer())),
    "boxes": AmpList({"a": Integer(), "b": Unicode(optional=True)}),
    "left_out": Unicode(optional=True, wire_name="left-out"),
    "from_": Integer(optional=True, wire_name="from"),
}
HALF_PAST = dt.timezone(dt.timedelta(hours=-9, minutes=-30))
VALUES = [
    {
        "integer": -18446744073709551616,
        "string": b"\0\xff",
        "float": -0.1,
        "boolean": True,
        "unicode": "\N{SNOWMAN}\0",
        "path": pathlib.Path("/srv/å"),
        "decimal": D("1.5E+2"),
        "datetime": dt.datetime(2012, 1, 23, 12, 34, 56, 54321, HALF_PAST),
        "list": [[3, 7], [], [9]],
        "boxes": [{"a": 7, "b": "hello"}, {"a": 9, "b": None}],
        "left_out": "here",
        "from_": 4,
    },
    {
        "integer": 0,
        "string": b"x" * 65535,
        "float": float("inf"),
        "boolean": False,
        "unicode": "",
        "path": pathlib.Path("/"),
        "decimal": D("-Infinity"),
        "datetime": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        "list": [],
        "boxes": [],
        "left_out": None,
        "from_": None,
    },
]


class DeclaredError(Exception):
    pass


class FatalError(Exception):
    pass


class Echo(Command):
    arguments: ClassVar = EVERYTHING
    response: ClassVar = EVERYTHING


class Fail(Command):
    arguments: ClassVar = {"how": Unicode()}
    response: ClassVar = {"total": Integer()}
    errors: ClassVar = {DeclaredError: "DECLARED"}
    fatal_errors: ClassVar = {FatalError: "FATAL"}


class Wait(Command):
    arguments: ClassVar = {"number": Integer()}
    response: ClassVar = {"number": Integer()}


class Note(Command):
    requires_answer = False


class Noted(Command):
    response: ClassVar = {"count": Integer()}


class Missing(Command):
    pass


class Ours:
    """Our end of a link, which answers all that the peer answers."""

    def __init__(self, config=None):
        self.config = config or AmpConfig()
        self.metrics = Metrics()
        self.nursery = None
        self.noted = 0
        self.waiting = {}
        self.packed, self.packed_wanted = trio.open_memory_channel(100)

    def make_link(self, connection):
        responders = {
            Echo: lambda **values: values,
            Fail: self.fail,
            Wait: self.wait,
            Note: self.note,
            Noted: lambda: {"count": self.noted},
        }
        packed = {MsgServer2Portal: self.send_back, MsgPortal2Server: self.keep}
        return Link(
            connection,
            self.config,
            self.metrics,
            responders=responders,
            packed=packed,
            nursery=self.nursery,
        )

    def fail(self, how):
        if how == "declared":
            raise DeclaredError("declared, \N{SNOWMAN}")
        if how == "fatal":
            raise FatalError("fatal")
        if how == "response":
            return {"total": "no number"}
        raise RuntimeError("nobody's business")

    async def wait(self, number):
        self.waiting[number] = trio.Event()
        if len(self.waiting) == 3:
            self.waiting[2].set()
        await self.waiting[number].wait()
        # The one before is let go when this one's answer is on its way.
        self.nursery.start_soon(self.release, number - 1)
        return {"number": number}

    async def release(self, number):
        if number >= 0:
            self.waiting[number].set()

    def note(self):
        self.noted += 1

    def send_back(self, link, sessid, kwargs):
        link.send_packed(MsgPortal2Server, sessid, kwargs)

    def keep(self, link, sessid, kwargs):
        self.packed.send_nowait((sessid, kwargs))


@asynccontextmanager
async def running_hub(ours):
    hub = Hub(HubConfig(), ours.metrics)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            ours.nursery = nursery
            yield hub
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def dialled(ours):
    """A link to a listening peer, and a function that opens more of them."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(PEER), "listen"], stdout=subprocess.PIPE
    )
    try:
        line = b""
        with trio.fail_after(PATIENCE):
            while not line.endswith(b"\n"):
                line += await process.stdout.receive_some(100)
        async with running_hub(ours) as hub:

            async def dial():
                connection = await hub.connect_tcp("127.0.0.1", int(line), ours.make_link)
                return connection.protocol

            yield dial
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


@pytest.fixture
async def dial():
    async with dialled(Ours()) as connect:
        yield connect


@pytest.fixture(params=[0, 1, 9])
async def compressing(request):
    ours = Ours(AmpConfig(compression=request.param))
    async with dialled(ours) as connect:
        yield ours, await connect()


@pytest.mark.parametrize("compression", [0, 9])
async def test_twisted_dials_us(compression):
    ours = Ours(AmpConfig(compression=compression))
    async with running_hub(ours) as hub:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)

            async def accept():
                while True:
                    await trio.lowlevel.wait_readable(listening)
                    sock, _ = listening.accept()
                    sock.setblocking(False)
                    hub.add_socket(sock, ours.make_link)

            ours.nursery.start_soon(accept)
            port = listening.getsockname()[1]
            done = await trio.run_process(
                [sys.executable, str(PEER), "dial", str(port)], capture_stdout=True
            )
    results = json.loads(done.stdout)
    assert len(results) == 13
    assert {name: result for name, result in results.items() if result != "ok"} == {}


async def test_every_argument(dial):
    link = await dial()
    for values in VALUES:
        answer = await link.call(Echo, **values)
        assert answer == values
    answer = await link.call(Echo, **VALUES[0] | {"float": float("nan"), "decimal": D("NaN123")})
    assert (repr(answer["float"]), str(answer["decimal"])) == ("nan", "NaN123")


async def test_errors_that_leave_the_connection(dial):
    link = await dial()
    with pytest.raises(DeclaredError, match="declared, \N{SNOWMAN}"):
        await link.call(Fail, how="declared")
    with pytest.raises(UnhandledCommand):
        await link.call(Missing)
    with pytest.raises(LocalProtocolError, match="StartTLS is not supported"):
        await link.call(StartTLS)
    assert await link.call(Noted) == {"count": 0}


@pytest.mark.parametrize(
    ("how", "kind"),
    [("fatal", FatalError), ("undeclared", RemoteAMPError), ("response", RemoteAMPError)],
)
async def test_errors_that_end_it(dial, how, kind):
    link = await dial()
    with pytest.raises(kind) as caught:
        await link.call(Fail, how=how)
    if kind is RemoteAMPError:
        assert caught.value.code == "UNKNOWN"
    with pytest.raises(ConnectionLost):
        await link.call(Wait, number=1)


async def test_answers_in_another_order(dial):
    link = await dial()
    answers = {}

    async def call(number):
        answers[number] = await link.call(Wait, number=number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(call, number)
    assert answers == {number: {"number": number} for number in range(3)}
    assert link.unanswered == 0


async def test_commands_without_an_answer(dial):
    link = await dial()
    for _ in range(3):
        await link.call(Note)
    link.notify(Note)
    assert await link.call(Noted) == {"count": 4}


async def test_long_payloads(compressing):
    ours, link = compressing
    for size in (0, 65534, 65535, 65536, 131071, 1 << 20):
        text = ("0123456789abcdef" * (size // 16 + 1))[:size]
        kwargs = {"text": [[text], {"options": {}}]}
        link.send_packed(MsgServer2Portal, 7, kwargs)
        assert await ours.packed_wanted.receive() == (7, kwargs)
    await link.call(Noted)  # behind the last answer
    assert (link.unanswered, link.unanswered_bytes) == (0, 0)


async def test_incompressible_payloads(compressing):
    ours, link = compressing
    noise = b"".join(bytes(D(number).sqrt().as_tuple().digits) for number in range(2, 9000))
    kwargs = {"data": noise}
    link.send_packed(MsgServer2Portal, 7, kwargs)
    assert await ours.packed_wanted.receive() == (7, kwargs)


async def test_a_refused_message_leaves_the_connection(dial):
    link = await dial()
    came_of_it = trio.Event()
    errors = []

    def answered(context, error):
        errors.append((context, error))
        came_of_it.set()

    link.send_packed(MsgServer2Portal, 7, {"refuse": True}, answered=answered, context="it")
    await came_of_it.wait()
    assert errors[0][0] == "it"
    assert errors[0][1].code == "EXCEPTION"
    assert errors[0][1].description == "refused"
    assert await link.call(Noted) == {"count": 0}


async def test_the_peer_is_gone(dial):
    link = await dial()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end, link)
        with pytest.raises(ConnectionLost):
            await link.call(Wait, number=1)


async def end(link):
    link.close("enough")


# Every scalar type, our bytes against Twisted's and theirs against ours, in one process.

DECIMALS = ("1", "1.0", "1E+2", "0E+3", "-0", "Infinity", "NaN", "-NaN", "sNaN", "NaN123")
BY_TYPE = [
    (Integer(), amp.Integer(), [0, -1, 2**64, True]),
    (String(), amp.String(), [b"", b"\0\xff"]),
    (Float(), amp.Float(), [0.0, -0.0, 1.0, 0.1, 1e16, 1e-7, 5e-324, float("inf"), float("nan")]),
    (Boolean(), amp.Boolean(), [True, False, 1, "", None]),
    (Unicode(), amp.Unicode(), ["", "a\0b", "\N{SNOWMAN}"]),
    (
        Decimal(),
        amp.Decimal(),
        [D(text) for text in DECIMALS],
    ),
    (
        DateTime(),
        amp.DateTime(),
        [
            dt.datetime(2012, 1, 23, 12, 34, 56, 54321, dt.timezone(dt.timedelta(minutes=minutes)))
            for minutes in (0, 90, -90, 59, -1, 1439, -1439, 1.5, -1.5, 0.001, -0.001)
        ],
    ),
    (ListOf(Integer()), amp.ListOf(amp.Integer()), [[], [3, 7, 9, 15]]),
    (ListOf(ListOf(Unicode())), amp.ListOf(amp.ListOf(amp.Unicode())), [[["a", ""], []]]),
]


@pytest.mark.parametrize(("ours", "theirs", "values"), BY_TYPE)
def test_the_same_bytes(ours, theirs, values):
    for value in values:
        data = theirs.toString(value)
        assert ours.to_bytes(value) == data
        assert ours.to_bytes(ours.from_bytes(data)) == theirs.toString(theirs.fromString(data))


@pytest.mark.parametrize("path", ["/srv/å", "/a/../b//c/.", "relative"])
def test_the_same_paths(path):
    assert Path().to_bytes(path) == amp.Path().toString(FilePath(path))
    assert str(Path().from_bytes(path.encode())) == amp.Path().fromString(path.encode()).path


TEXTS = (b"", b"+5", b" 5 ", b"1_000", b"007", b"0x10", b"1.0", b"inf", b"Infinity", b"nan")
MORE_TEXTS = (b"1e5", b" 2.5 ", b"1_0.5", b"abc", b"True", b"true", b"\xd9\xa1", b"1 2", b"-")


@pytest.mark.parametrize("text", [*TEXTS, *MORE_TEXTS, b"9" * 5000])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Integer(), amp.Integer()),
        (Float(), amp.Float()),
        (Decimal(), amp.Decimal()),
        (Boolean(), amp.Boolean()),
    ],
)
def test_the_same_readings(ours, theirs, text):
    outcomes = []
    for read in (ours.from_bytes, theirs.fromString):
        try:
            outcomes.append(repr(read(text)))
        except Exception:  # noqa: BLE001 - Twisted lets out whatever Python raises
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]
