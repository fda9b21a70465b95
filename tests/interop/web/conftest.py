"""A real browser, and a stand-in for the Portal: the page and its websocket on one port.

The stand-in says what a test wants said, and notes what the browser says. It runs in a thread of
its own, since Playwright's synchronous interface has the main one.
"""

import json
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trio_websocket
from wsproto.events import CloseConnection

import portal

WEB = Path(portal.__file__).parent / "web"
SUBPROTOCOL = "v1.evennia.com"
PATIENCE = 30  # seconds until a test that waits in vain gives up
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Replayed(trio.abc.HalfCloseableStream):
    """A stream of which a part has been read already."""

    def __init__(self, stream, first):
        self.stream = stream
        self.first = first

    async def receive_some(self, max_bytes=None):
        if self.first:
            first, self.first = self.first, b""
            return first
        return await self.stream.receive_some(max_bytes)

    async def send_all(self, data):
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self):
        await self.stream.send_eof()

    async def aclose(self):
        await self.stream.aclose()


def text_frame(payload):
    """Write a TEXT frame of a server (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes([0x81, size]) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class StubPortal:
    """What a browser takes for a Portal; all methods are for the test's thread.

    `prefix` is the path below which it stands, as behind a proxy. While `down` is true, whoever
    connects is cut off at once; while `refusing`, whoever wants a websocket.
    """

    web = WEB

    def __init__(self, prefix="/"):
        self.prefix = prefix
        self.down = False
        self.refusing = False
        self.refused = 0  # how often
        self.files = {}  # what is served instead of a file, by its name
        self.requests = []  # paths of all requests
        self.received = []  # every message of every connection, decoded
        self.connections = []  # trio-websocket's, those that are open
        self.news = threading.Condition()
        self.started = threading.Event()
        self.address = None

    # ---- for the test

    @property
    def url(self):
        return "http://{}:{}{}".format(*self.address, self.prefix)

    def send(self, name, *args, **kwargs):
        """Send a message to every browser that is connected."""
        self.send_frames([json.dumps([name, args, kwargs])])

    def send_frames(self, frames):
        """Send text frames just as they are, one behind the other."""
        self._call(self._send_all, frames)

    def close(self, code=1001):
        """End every connection, with a code as the Portal would give it."""
        self._call(self._close_all, code)

    def cut(self):
        """End every connection without a word, as a crash does."""
        self._call(self._cut_all)

    def hold(self):
        """Let websockets wait for an answer until `let_in`."""
        self.gate = trio.Event()

    def let_in(self):
        trio.from_thread.run_sync(self.gate.set, trio_token=self.token)

    def lines(self):
        """Every line that a player sent."""
        return [args[0] for name, args, _ in self.received if name == "text"]

    def wait_for(self, condition):
        """Wait until a condition holds that a message or a connection may bring about."""
        with self.news:
            assert self.news.wait_for(condition, PATIENCE), f"in vain; it has {self.received}"

    def wait_for_browsers(self, number=1):
        self.wait_for(lambda: len(self.connections) == number)

    def wait_for_lines(self, *lines):
        self.wait_for(lambda: self.lines() == list(lines))

    # ---- in the thread of the server

    def _call(self, function, *args):
        async def call():
            with trio.fail_after(PATIENCE):
                await function(*args)

        trio.from_thread.run(call, trio_token=self.token)

    async def run(self):
        self.token = trio.lowlevel.current_trio_token()
        self.gate = trio.Event()
        self.gate.set()
        with trio.CancelScope() as self.scope:
            async with trio.open_nursery() as nursery:
                serve = partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1")
                listeners = await nursery.start(serve)
                self.address = listeners[0].socket.getsockname()
                self.started.set()

    async def _serve(self, stream):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = await stream.receive_some()
                if not data:
                    return
                head += data
            path = head.split(b" ", 2)[1].decode()
            websocket = b"upgrade: websocket" in head.lower()
            if self.down or (websocket and self.refusing):
                with self.news:
                    self.refused += 1
                    self.news.notify_all()
                return
            self.requests.append(path)
            if websocket:
                await self._serve_websocket(Replayed(stream, head))
            else:
                await self._serve_file(stream, path)

    async def _serve_file(self, stream, path):
        name = path.removeprefix(self.prefix) or "index.html"
        file = WEB / name
        known = path.startswith(self.prefix) and file.parent == WEB and file.is_file()
        body = self.files.get(name, file.read_bytes()) if known else b"not found"
        head = (
            f"HTTP/1.1 {'200 OK' if known else '404 Not Found'}\r\n"
            f"Content-Type: {TYPES[file.suffix] if known else 'text/plain'}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n"
            f"Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
        )
        await stream.send_all(head.encode() + body)

    async def _serve_websocket(self, stream):
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                assert request.path == f"{self.prefix}websocket?status=1"
                assert request.proposed_subprotocols == (SUBPROTOCOL,)
                await self.gate.wait()
                await self._talk(await request.accept(subprotocol=SUBPROTOCOL))
        except* (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError):
            pass

    async def _talk(self, websocket):
        self._note(self.connections.append, websocket)
        try:
            while True:
                self._note(self.received.append, json.loads(await websocket.get_message()))
        finally:
            self._note(self.connections.remove, websocket)

    def _note(self, function, value):
        with self.news:
            function(value)
            self.news.notify_all()

    async def _send_all(self, frames):
        # Straight to the stream: twenty thousand messages cost trio-websocket four seconds.
        data = b"".join(text_frame(frame.encode()) for frame in frames)
        for websocket in list(self.connections):
            await websocket._stream.send_all(data)

    async def _close_all(self, code):
        # Not `aclose`: it waits for an answer in a nursery that `_talk` ends.
        for websocket in list(self.connections):
            await websocket._send(CloseConnection(code=code))

    async def _cut_all(self):
        for websocket in list(self.connections):
            await websocket._stream.aclose()


@contextmanager
def stub_portal(prefix="/"):
    """Run one while the block runs."""
    stub = StubPortal(prefix)
    thread = threading.Thread(target=trio.run, args=(stub.run,), daemon=True)
    thread.start()
    assert stub.started.wait(PATIENCE)
    try:
        yield stub
    finally:
        stub.token.run_sync_soon(stub.scope.cancel)
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def stub():
    with stub_portal() as stub:
        yield stub


@pytest.fixture
def stub_below():
    """One that stands below a path."""
    with stub_portal("/games/mud/") as stub:
        yield stub


# The only thing that a page may complain of: there is nobody at the other end of the websocket.
EXPECTED_COMPLAINT = "WebSocket connection to"


VIEWPORT = {"width": 900, "height": 600}


class Complaints(list):
    """What pages complain of: an error of their own, or something that their policy forbids."""

    def watch(self, page):
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self._note)

    def _note(self, message):
        if message.type in {"error", "warning"} and EXPECTED_COMPLAINT not in message.text:
            self.append(message.text)


def new_page(browser, complaints, **options):
    options = {"color_scheme": "dark", "viewport": VIEWPORT, **options}
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    complaints.watch(page)
    return page


@pytest.fixture
def open_page(browser):
    """Open the client in a window of its own: `open_page(url, **options)`, those of a context.

    `prepare(page)` is called before the client is loaded. No page may complain.
    """
    complaints = Complaints()
    pages = []

    def open_page(url, prepare=None, **options):
        page = new_page(browser, complaints, **options)
        pages.append(page)
        if prepare is not None:
            prepare(page)
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def window(browser):
    """One window for many tests, since a new one takes longer than most of them."""
    complaints = Complaints()
    page = new_page(browser, complaints)
    yield page, complaints
    page.context.close()


@pytest.fixture
def page(window, stub):
    """The client, connected to the stand-in, with nothing remembered: its port is a new one."""
    page, complaints = window
    complaints.clear()
    page.set_viewport_size(VIEWPORT)
    page.emulate_media(color_scheme="dark")
    page.mouse.move(0, 0)
    page.goto(stub.url)
    page.get_by_role("status").get_by_text("Connected.").wait_for()
    yield page
    page.goto("about:blank")
    assert complaints == []


@pytest.fixture
def shown():
    """The lines of a page, as a reader sees them: `shown(page)`."""
    return lambda page: page.locator(".line").evaluate_all("lines => lines.map(l => l.innerText)")


@pytest.fixture
def wait_for_text():
    """Wait until the newest line of a page is this one."""
    from playwright.sync_api import expect  # noqa: PLC0415 - only where a browser is

    return lambda page, text: expect(page.locator(".line").last).to_have_text(text)
