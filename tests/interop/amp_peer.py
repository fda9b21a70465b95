"""A peer on stock Twisted, for the tests of AMP: `amp_peer.py listen` or `amp_peer.py dial PORT`.

`listen` prints its port and answers everything below. `dial` connects, runs every `check_*` and
prints one line of JSON: the name of each check with "ok" or what went wrong.
Its `Compressed` and the command `Packed` are written as Evennia's are described to be.
"""

import datetime as dt
import decimal
import itertools
import json
import pickle
import socket
import sys
import traceback
import zlib
from typing import ClassVar

from twisted.internet import defer, endpoints, protocol, reactor, task
from twisted.protocols import amp
from twisted.python.filepath import FilePath

MAX_VALUE = 65535
TIMEOUT = 20


class Compressed(amp.String):
    """Values of any length: cut, each piece deflated, the pieces numbered from 2."""

    def toBox(self, name, strings, objects, proto):
        value = objects[name.decode()]
        cuts = [value[at : at + MAX_VALUE] for at in range(0, len(value), MAX_VALUE)] or [b""]
        for number, cut in enumerate(cuts, 1):
            strings[name if number == 1 else b"%s.%d" % (name, number)] = zlib.compress(cut, 9)

    def fromBox(self, name, strings, objects, proto):
        pieces = [zlib.decompress(strings[name])]
        for number in itertools.count(2):
            piece = strings.get(b"%s.%d" % (name, number))
            if piece is None:
                break
            pieces.append(zlib.decompress(piece))
        objects[name.decode()] = b"".join(pieces)


EVERYTHING = [
    (b"integer", amp.Integer()),
    (b"string", amp.String()),
    (b"float", amp.Float()),
    (b"boolean", amp.Boolean()),
    (b"unicode", amp.Unicode()),
    (b"path", amp.Path()),
    (b"decimal", amp.Decimal()),
    (b"datetime", amp.DateTime()),
    (b"list", amp.ListOf(amp.ListOf(amp.Integer()))),
    (b"boxes", amp.AmpList([(b"a", amp.Integer()), (b"b", amp.Unicode(optional=True))])),
    (b"left-out", amp.Unicode(optional=True)),
    (b"from", amp.Integer(optional=True)),
]
VALUES = [
    {
        "integer": -18446744073709551616,
        "string": b"\0\xff",
        "float": -0.1,
        "boolean": True,
        "unicode": "\N{SNOWMAN}\0",
        "path": FilePath("/srv/å"),
        "decimal": decimal.Decimal("1.5E+2"),
        "datetime": dt.datetime(
            2012, 1, 23, 12, 34, 56, 54321, dt.timezone(dt.timedelta(hours=-9, minutes=-30))
        ),
        "list": [[3, 7], [], [9]],
        "boxes": [{"a": 7, "b": "hello"}, {"a": 9, "b": None}],
        "left_out": "here",
        "From": 4,
    },
    {
        "integer": 0,
        "string": b"x" * MAX_VALUE,
        "float": float("inf"),
        "boolean": False,
        "unicode": "",
        "path": FilePath("/"),
        "decimal": decimal.Decimal("-Infinity"),
        "datetime": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        "list": [],
        "boxes": [],
        "left_out": None,
        "From": None,
    },
]


class DeclaredError(Exception):
    pass


class FatalError(Exception):
    pass


class Echo(amp.Command):
    arguments: ClassVar = EVERYTHING
    response: ClassVar = EVERYTHING


class Fail(amp.Command):
    arguments: ClassVar = [(b"how", amp.Unicode())]
    response: ClassVar = [(b"total", amp.Integer())]
    errors: ClassVar = {DeclaredError: b"DECLARED"}
    fatalErrors: ClassVar = {FatalError: b"FATAL"}


class Wait(amp.Command):
    """Answered when three of it are there, the last one first."""

    arguments: ClassVar = [(b"number", amp.Integer())]
    response: ClassVar = [(b"number", amp.Integer())]


class Note(amp.Command):
    """Asked without an answer; `Noted` tells how often."""

    requiresAnswer = False


class Noted(amp.Command):
    response: ClassVar = [(b"count", amp.Integer())]


class Packed(amp.Command):
    commandName = b"MsgServer2Portal"
    arguments: ClassVar = [(b"packed_data", Compressed())]
    errors: ClassVar = {Exception: b"EXCEPTION"}


class PackedBack(Packed):
    commandName = b"MsgPortal2Server"


class Missing(amp.Command):
    pass


class Peer(amp.AMP):
    """Answers every command above; a packed message is sent back as one."""

    def __init__(self):
        super().__init__()
        self.waiting = []
        self.noted = 0
        self.packed = []
        self.packed_wanted = None
        self.lost = defer.Deferred()

    def connectionMade(self):
        super().connectionMade()
        self.transport.setTcpNoDelay(True)

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.lost.callback(None)

    @Echo.responder
    def echo(self, **values):
        return values

    @Fail.responder
    def fail(self, how):
        if how == "declared":
            raise DeclaredError("declared, \N{SNOWMAN}")
        if how == "fatal":
            raise FatalError("fatal")
        if how == "response":
            return {"total": "no number"}
        raise RuntimeError("nobody's business")

    @Wait.responder
    def wait(self, number):
        answer = defer.Deferred()
        self.waiting.append((answer, number))
        if len(self.waiting) == 3:
            for waiting, its_number in reversed(self.waiting):
                waiting.callback({"number": its_number})
        return answer

    @Note.responder
    def note(self):
        self.noted += 1
        return {}

    @Noted.responder
    def count(self):
        return {"count": self.noted}

    @Packed.responder
    def send_back(self, packed_data):
        sessid, kwargs = pickle.loads(packed_data)
        if kwargs.get("refuse"):
            raise ValueError("refused")
        self.callRemote(PackedBack, packed_data=pickle.dumps((sessid, kwargs), 5))
        return {}

    @PackedBack.responder
    def receive(self, packed_data):
        self.packed.append(pickle.loads(packed_data))
        if self.packed_wanted is not None:
            self.packed_wanted.callback(None)
        return {}

    # The checks of `dial`.

    @defer.inlineCallbacks
    def check_every_argument(self):
        for values in VALUES:
            answer = yield self.callRemote(Echo, **values)
            assert answer == values, answer

    @defer.inlineCallbacks
    def check_not_a_number(self):
        values = VALUES[0] | {"float": float("nan"), "decimal": decimal.Decimal("NaN123")}
        answer = yield self.callRemote(Echo, **values)
        assert (repr(answer["float"]), str(answer["decimal"])) == ("nan", "NaN123"), answer

    @defer.inlineCallbacks
    def check_declared_error(self):
        try:
            yield self.callRemote(Fail, how="declared")
        except DeclaredError as error:
            assert str(error) == "declared, \N{SNOWMAN}", error
        else:
            raise AssertionError("no error")
        yield self.check_every_argument()

    @defer.inlineCallbacks
    def check_unknown_command(self):
        try:
            yield self.callRemote(Missing)
        except amp.UnhandledCommand:
            yield self.check_every_argument()
        else:
            raise AssertionError("no error")

    @defer.inlineCallbacks
    def check_start_tls_is_refused(self):
        try:
            yield self.callRemoteString(b"StartTLS")
        except amp.UnhandledCommand:
            yield self.check_every_argument()
        else:
            raise AssertionError("no error")

    @defer.inlineCallbacks
    def check_answers_in_another_order(self):
        order = []
        calls = []
        for number in range(3):
            call = self.callRemote(Wait, number=number)
            calls.append(call.addCallback(lambda answer: order.append(answer["number"])))
        yield defer.gatherResults(calls)
        assert order == [2, 1, 0], order

    @defer.inlineCallbacks
    def check_no_answer(self):
        for _ in range(3):
            assert self.callRemote(Note) is None
        answer = yield self.callRemote(Noted)
        assert answer == {"count": 3}, answer

    @defer.inlineCallbacks
    def check_long_payloads(self):
        for size in (0, 65534, 65535, 65536, 131071, 1 << 20):
            text = ("0123456789abcdef" * (size // 16 + 1))[:size]
            message = (7, {"text": [[text], {"options": {}}]})
            self.packed, self.packed_wanted = [], defer.Deferred()
            yield self.callRemote(Packed, packed_data=pickle.dumps(message, 5))
            yield self.packed_wanted
            assert self.packed == [message], size
        self.packed_wanted = None

    @defer.inlineCallbacks
    def check_unreadable_payload(self):
        for payload in (b"no pickle", pickle.dumps([1]), b"\x80\x02r\xff\xff\xff\x04."):
            try:
                yield self.callRemote(Packed, packed_data=payload)
            except Exception as error:  # noqa: BLE001 - no other class is declared
                assert type(error) is Exception, error  # what EXCEPTION is declared as
            else:
                raise AssertionError("no error")
        yield self.check_every_argument()

    @defer.inlineCallbacks
    def check_one_byte_writes(self):
        text = "x" * 100
        payload = {}
        Compressed().toBox(
            b"packed_data", payload, {"packed_data": pickle.dumps((7, {"text": text}))}, self
        )
        box = amp.Box({b"_command": Packed.commandName, b"_ask": b"by bytes", **payload})
        self.packed, self.packed_wanted = [], defer.Deferred()
        answer = self._outstandingRequests[b"by bytes"] = defer.Deferred()
        for byte in box.serialize():
            self.transport.write(bytes([byte]))
            yield task.deferLater(reactor, 0, lambda: None)
        yield answer
        yield self.packed_wanted
        assert self.packed == [(7, {"text": text})], self.packed
        self.packed_wanted = None

    @defer.inlineCallbacks
    def end_by(self, how, error_type):
        try:
            yield self.callRemote(Fail, how=how)
        except error_type:
            yield self.lost
        else:
            raise AssertionError("no error")


ENDS = [("fatal", FatalError), ("undeclared", amp.UnknownRemoteError)]
ENDS += [("response", amp.UnknownRemoteError)]


@defer.inlineCallbacks
def run_check(results, name, function, *arguments):
    try:
        check = defer.maybeDeferred(function, *arguments)
        check.addTimeout(TIMEOUT, reactor)
        yield check
    except Exception:  # noqa: BLE001 - whatever it is goes into the report
        results[name] = traceback.format_exc()
    else:
        results[name] = "ok"


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@defer.inlineCallbacks
def dial(port):
    results = {}
    endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    factory = protocol.Factory.forProtocol(Peer)
    peer = yield endpoint.connect(factory)
    for name in (name for name in vars(Peer) if name.startswith("check_")):
        yield run_check(results, name, getattr(peer, name))
    for how, error_type in ENDS:
        ending = yield endpoint.connect(factory)
        yield run_check(results, f"end_by_{how}", ending.end_by, how, error_type)
    peer.transport.loseConnection()
    yield peer.lost
    say(json.dumps(results))


@defer.inlineCallbacks
def listen():
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = yield endpoint.listen(protocol.Factory.forProtocol(Peer))
    assert port.socket.family == socket.AF_INET
    say(str(port.getHost().port))
    yield defer.Deferred()  # until it is killed


if __name__ == "__main__":
    task.react(lambda _: dial(int(sys.argv[2])) if sys.argv[1] == "dial" else listen())
