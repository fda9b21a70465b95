"""What stands around one player, none of it real; and a site of pages over real sockets."""

import functools
import json
import socket
import time

import pytest
import trio
import trio.testing

from portal.config import Config, HttpConfig, HubConfig
from portal.hub.hub import Hub
from portal.hub.listener import Admission
from portal.hub.timers import Timers
from portal.metrics import Metrics
from portal.protocols.browser import Browsers
from portal.protocols.http import HttpProtocol, measure_requests
from portal.protocols.opening import OpeningProtocol
from portal.protocols.pages import Pages
from portal.protocols.proxy import Proxy
from portal.protocols.websocket import WebSocketProtocol
from portal.wire.access_log import AccessLog
from portal.wire.forwarded import Proxies

MIB = 1024 * 1024
PATIENCE = 10  # seconds of real time until a test that waits in vain gives up


class FakeConnection:
    """Notes what is done to it, in order."""

    def __init__(self, address="192.0.2.7"):
        self.address = address
        self.calls = []
        self.unsent = 0
        self.close_reason = ""
        self.protocol = None

    def write(self, data):
        if data:
            self.calls.append(data)

    def close(self, reason=""):
        self.calls.append(("close", reason))

    def abort(self, reason=""):
        self.calls.append(("abort", reason))

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")

    def take(self):
        taken, self.calls = self.calls, []
        return taken


class FakeHandler:
    """A sessionhandler that notes what it hears."""

    def __init__(self):
        self.heard = []
        self.waiting = False
        self.sessions = []

    def is_waiting(self, session):
        return self.waiting

    def connect(self, session):
        session.sessid = 7
        self.sessions.append(session)
        self.heard.append("connect")

    def sync(self, session):
        self.heard.append("sync")

    def disconnect(self, session):
        self.heard.append("disconnect")

    def data_in(self, session, text=None, /, **kwargs):
        if text is not None:
            assert not kwargs
            self.heard.append(text)
            return
        (name,) = kwargs
        self.heard.append(kwargs[name] if name == "text" else kwargs)

    def take(self):
        taken, self.heard = self.heard, []
        return taken


class FakeHub:
    """The hub's clock and deadlines, with the clock in the test's hands."""

    def __init__(self):
        self.time = 100.0
        self.timers = Timers(self.now)

    def now(self):
        return self.time

    def deadlines(self, seconds, expired):
        return self.timers.make_queue(seconds, expired)

    def pass_time(self, seconds):
        self.time += seconds
        self.timers.sweep()


def make_websocket(config, *parts, browsers=None):
    """The websockets of a Portal, with what it is given beside the usual parts."""
    proxies = Proxies(config.http)
    admission = Admission(config.limits, proxies.trust)
    websocket = WebSocketProtocol(config, *parts, proxies=proxies, admission=admission)
    websocket.browsers = browsers
    return websocket


class Website:
    """The sessions of a website: answers at once, or when it is told to (`slow`)."""

    def __init__(self):
        self.uid = None
        self.nonce = 0
        self.slow = False
        self.broken = False
        self.asked = []
        self.late = []

    def view_page(self):
        """What Evennia's middleware does with every page that is viewed."""
        if self.uid is not None:
            self.nonce += 1

    def read(self, csessid, answered):
        self.asked.append("read")
        self._answer(answered, lambda: (self.uid, self.nonce))

    def log_in(self, csessid, uid, answered):
        self.asked.append(f"log_in {uid}")
        if not self.broken:
            self.uid = uid
        self._answer(answered, lambda: (self.nonce,))

    def log_out(self, csessid, uid, nonce):
        self.asked.append(f"log_out {uid}")
        if not self.broken and self.uid == uid and nonce in {None, self.nonce}:
            self.uid, self.nonce = None, 0

    def answer(self):
        late, self.late = self.late, []
        for each in late:
            each()

    def _answer(self, answered, find):
        found = (None,) * len(find()) if self.broken else find()
        if self.slow:
            self.late.append(lambda: answered(*found))
        else:
            answered(*found)


@pytest.fixture
def website():
    return Website()


class Surroundings:
    """Everything that a protocol is given, with these sections in its configuration."""

    def __init__(self, **sections):
        self.config = Config(**sections)
        self.hub = FakeHub()
        self.handler = FakeHandler()
        self.metrics = Metrics()

    @property
    def parts(self):
        return self.config, self.metrics, self.hub, self.handler

    def make_websocket(self, logins=None):
        browsers = None if logins is None else Browsers(logins, self.metrics, self.hub)
        return make_websocket(*self.parts, browsers=browsers)

    def connect(self, address="192.0.2.7"):
        return FakeConnection(address)


@pytest.fixture
def make_surroundings():
    return Surroundings


class Peer:
    """The client's end of a websocket: makes frames, and reads what the Portal sent."""

    MASK = bytes.fromhex("37fa213d")
    TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

    def frame(self, first, payload=b""):
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        masked = bytes(byte ^ self.MASK[at % 4] for at, byte in enumerate(payload))
        return bytes([first]) + length + self.MASK + masked

    def say(self, *message):
        """A frame with a message of the format `v1.evennia.com`."""
        return self.frame(self.TEXT, json.dumps(message).encode())

    def close(self, code, reason=""):
        return self.frame(self.CLOSE, code.to_bytes(2, "big") + reason.encode())

    def read(self, calls):
        """What a connection was told to do: frames as messages, (code, reason) or bytes."""
        found = []
        for call in calls:
            if isinstance(call, bytes):
                found.extend(self._read_frames(call))
            else:
                found.append(call)
        return found

    def _read_frames(self, data):
        while data:
            first, size, start = data[0], data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            payload, data = data[start : start + size], data[start + size :]
            assert len(payload) == size
            if first == self.TEXT:
                yield json.loads(payload)
            elif first == self.CLOSE:
                yield int.from_bytes(payload[:2], "big"), payload[2:].decode()
            else:
                yield {self.PING: "ping", self.PONG: "pong"}[first], payload


@pytest.fixture
def peer():
    return Peer()


@pytest.fixture
def make_handshake():
    """Make the head of a request for a websocket; names of fields have underscores."""

    def make(target="/", **fields):
        fields = {
            "Host": "game.example",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec_WebSocket_Version": "13",
            **fields,
        }
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()

    return make


# ---- pages over real sockets


async def answer(send, status, body, **headers):
    fields = {"content-length": str(len(body)), **headers}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def pieces(receive):
    """The body of a request as it comes."""
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        more = message["more_body"]
        yield message["body"]


class Application:
    """Answers by path; notes what it was asked, and how many it is answering."""

    def __init__(self):
        self.asked = []
        self.working = 0
        self.release = trio.Event()
        self.piece = None

    async def __call__(self, scope, receive, send):
        self.asked.append((scope["method"], scope["path"]))
        self.working += 1
        try:
            await self.answer(scope, receive, send)
        finally:
            self.working -= 1

    async def answer(self, scope, receive, send):
        _, name, *rest = scope["path"].split("/")
        match name:
            case "page":
                await answer(send, 200, f"a page for {scope['client'][0]}".encode())
            case "big":
                await answer(send, 200, b"x" * int(rest[0]))
            case "slow":
                await self.release.wait()
                await answer(send, 200, b"at last")
            case "boom":
                raise RuntimeError("a bug")
            case "late":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"begun", "more_body": True})
                raise RuntimeError("a bug")
            case "silent":
                return
            case "echo":
                await answer(send, 200, b"".join([piece async for piece in pieces(receive)]))
            case "piece":
                self.piece = await receive()
                await answer(send, 200, b"enough")
            case "back":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "more_body": True})
                async for piece in pieces(receive):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body"})
            case "parked":
                await self.release.wait()
                await answer(send, 200, b"".join([piece async for piece in pieces(receive)]))
            case _:
                await answer(send, 404, b"")


class Reader:
    """Takes apart what comes in `data`, of which `more()` gets more."""

    async def until(self, end):
        while end not in self.data:
            await self.more()
        taken, _, self.data = self.data.partition(end)
        return taken + end

    async def exactly(self, size):
        taken = bytearray()
        while True:
            left = size - len(taken)
            taken += self.data[:left]
            self.data = self.data[left:]
            if len(taken) == size:
                return bytes(taken)
            await self.more()


class Browser(Reader):
    """The far end of a connection."""

    def __init__(self, sock):
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self.socket = sock
        self.data = b""

    async def send(self, data):
        await self.stream.send_all(data)

    async def get(self, path="/page", method="GET", **fields):
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""])
        await self.send(head.encode())
        return await self.read(method)

    async def read(self, method="GET"):
        """Return the status, the headers and the body of the next answer."""
        with trio.fail_after(PATIENCE):
            head = await self.until(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")[:-2]
            status = int(first.split()[1])
            headers = dict(line.lower().split(": ", 1) for line in lines)
            assert len(headers) == len(lines)
            body = b""
            if method != "HEAD" and status not in {100, 204, 304}:
                if headers.get("transfer-encoding") == "chunked":
                    body = await self.chunks()
                elif "content-length" in headers:
                    body = await self.exactly(int(headers["content-length"]))
                else:
                    body = await self.rest()
            return status, headers, body

    async def chunks(self):
        body = b""
        while size := int(await self.until(b"\r\n"), 16):
            body += await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        assert await self.exactly(2) == b"\r\n"
        return body

    async def more(self):
        piece = await self.stream.receive_some(65536)
        assert piece, f"the connection ended after {self.data[-200:]!r}"
        self.data += piece

    async def rest(self):
        """Everything up to the end of the connection."""
        with trio.fail_after(PATIENCE):
            async for piece in self.stream:
                self.data += piece
        taken, self.data = self.data, b""
        return taken


class Sessions:
    """A sessionhandler that counts its sessions."""

    def __init__(self):
        self.sessions = []
        self.heard = []

    def connect(self, session):
        session.sessid = len(self.sessions) + 1
        self.sessions.append(session)

    def disconnect(self, session):
        if session in self.sessions:
            self.sessions.remove(session)

    def data_in(self, session, text=None, /, **kwargs):
        self.heard.append(kwargs if text is None else {"text": text})


class Site:
    """A hub with the HTTP port's part on it."""

    def __init__(self, **http):
        config = Config(http=HttpConfig(**http), hub=HubConfig(unsent_hard_bytes=64 * MIB))
        self.config = config
        self.metrics = Metrics()
        self.hub = Hub(config.hub, self.metrics)
        self.sessions = Sessions()
        self.websocket = make_websocket(config, self.metrics, self.hub, self.sessions)
        self.opening = OpeningProtocol(config, self.metrics, self.hub, self.websocket)
        self.application = Application()
        self.access_log = AccessLog()
        measured = measure_requests(
            self.make_application(), self.metrics, self.find_address, self.access_log
        )
        self.http = HttpProtocol(config.http, self.metrics, self.opening, measured)
        self.browsers = []

    def make_application(self):
        return self.application

    def find_address(self, scope):
        return dict(scope["headers"]).get(b"x-test", b"nobody").decode()

    def connect(self, address="192.0.2.7"):
        ours, theirs = socket.socketpair()
        peer = (address, 4711) if address else ""
        browser = Browser(theirs)
        browser.connection = self.hub.add_socket(ours, self.http.make_protocol, peer=peer)
        self.browsers.append(browser)
        return browser

    async def settle(self):
        """Wait until nothing happens any more."""
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()

    async def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            await trio.lowlevel.checkpoint()

    def is_idle(self):
        """Whether nothing is left of any connection."""
        return (
            self.http.connections
            == len(self.http.tally)
            == len(self.opening.waiting)
            == len(self.opening.tally)
            == self.application.working
            == 0
        )


@pytest.fixture
async def make_site(nursery):
    made = []

    async def make(kind=Site, **http):
        site = kind(**http)
        made.append(site)
        await nursery.start(site.hub.run)
        site.scope = await nursery.start(run_http, site)
        return site

    yield make
    for site in made:
        for browser in site.browsers:
            await trio.aclose_forcefully(browser.stream)
        await site.until(site.is_idle)


async def run_http(site, *, task_status):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(site.http.run)
            task_status.started(scope)


@pytest.fixture
async def site(make_site):
    return await make_site()


# ---- a game's web server behind them

GAME_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Game:
    """A web server that says what a test wants; `heads` and `bodies` are what it was asked."""

    def __init__(self):
        self.script = self.answer_all
        self.answers = {}
        self.connections = 0
        self.open = 0
        self.heads = []
        self.bodies = []

    async def serve(self, stream):
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                await self.script(Visitor(self, stream))
        except (trio.BrokenResourceError, EOFError):
            pass
        finally:
            self.open -= 1

    async def answer_all(self, visitor):
        while True:
            head = await visitor.head()
            await visitor.body()
            await visitor.send(self.answers.get(head.split()[1], GAME_ANSWER))

    def fields(self, number=-1):
        lines = self.heads[number].decode("latin-1").split("\r\n")[1:-2]
        return [tuple(line.split(": ", 1)) for line in lines]


class Visitor(Reader):
    """One connection of the Portal, at the game's end."""

    def __init__(self, game, stream):
        self.game = game
        self.stream = stream
        self.data = b""

    async def send(self, data):
        await self.stream.send_all(data)

    async def more(self):
        piece = await self.stream.receive_some(65536)
        if not piece:
            raise EOFError
        self.data += piece

    async def head(self):
        head = await self.until(b"\r\n\r\n")
        self.game.heads.append(head)
        return head

    async def body(self):
        fields = dict(self.game.fields())
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size + 2)
                body = body[:-2]
            await self.exactly(2)
        elif "content-length" in fields:
            body = await self.exactly(int(fields["content-length"]))
        self.game.bodies.append(body)
        return body


class ProxySite(Site):
    """The HTTP port in front of a game's web server."""

    def make_application(self):
        self.state = "connected"
        self.pages = Pages(
            self.config.http, is_ready=lambda: True, render_metrics=lambda _: (b"figures", "text/x")
        )
        self.proxy = Proxy(
            self.config.http,
            self.metrics,
            self.pages,
            name=lambda: "Harbour <1>",
            state=lambda: self.state,
        )
        return self.proxy

    def find_address(self, scope):
        return self.pages.find_address(scope)


@pytest.fixture
async def make_proxied(make_site, nursery):
    async def make(**http):
        game = Game()
        scope, port = await nursery.start(run_game, game)
        site = await make_site(ProxySite, upstream=f"http://127.0.0.1:{port}", **http)
        site.game, site.stop_game = game, scope.cancel
        await nursery.start(site.proxy.run)
        return site

    return make


async def run_game(game, *, task_status):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            serve = functools.partial(trio.serve_tcp, game.serve, 0, host="127.0.0.1")
            (listener,) = await nursery.start(serve)
            task_status.started((scope, listener.socket.getsockname()[1]))
