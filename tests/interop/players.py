"""Players of the tests with real processes and real peers: they read, and wait for a text."""

import html
import json
import re

import trio
import trio_websocket

PATIENCE = 30  # seconds until a test that waits in vain gives up
ANSI = re.compile(rb"\x1b\[[0-9;]*m")
TELNET = re.compile(rb"\xff[\xfb-\xfe].|\xff\xfa.*?\xff\xf0|\xff[\xf1-\xf9]", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


class Player:
    """A telnet player who answers no negotiation and remembers all it ever read."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.raw = b""
        self.seen = 0  # up to where `expect` has looked
        self.closed = False
        self._news = trio.Event()

    @property
    def text(self) -> str:
        return TELNET.sub(b"", ANSI.sub(b"", self.raw)).decode("utf-8", "replace")

    async def read(self) -> None:
        try:
            async for data in self.stream:
                self.raw += data
                self._wake()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def say(self, line: str) -> None:
        await self.stream.send_all(line.encode() + b"\r\n")

    async def until(self, condition) -> None:
        with trio.move_on_after(PATIENCE):
            while not condition():
                assert not self.closed, f"disconnected; last text: {self.text[-500:]!r}"
                await self._news.wait()
            return
        raise AssertionError(f"waited in vain; last text: {self.text[-500:]!r}")

    async def until_closed(self) -> None:
        with trio.fail_after(PATIENCE):
            while not self.closed:
                await self._news.wait()

    async def expect(self, wanted: str) -> str:
        """Wait for a text behind all that was expected before; returns what came before it."""
        await self.until(lambda: wanted in self.text[self.seen :])
        start = self.seen
        found = self.text.index(wanted, start)
        self.seen = found + len(wanted)
        return self.text[start:found]


class WebPlayer(Player):
    """The same on a websocket: what it is shown is text again, `messages` is what it was sent."""

    def __init__(self, websocket, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.websocket = websocket
        self.messages = []
        self.lines = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def read(self) -> None:
        try:
            while True:
                message = json.loads(await self.websocket.get_message())
                self.messages.append(message)
                if message[0] in {"text", "prompt"}:
                    self.lines.append(html.unescape(TAG.sub("", message[1][0])))
                self._wake()
        except trio_websocket.ConnectionClosed as closed:
            self.reason = closed.reason
        self.closed = True
        self._wake()

    async def say(self, line: str) -> None:
        await self.websocket.send_message(json.dumps(["text", [line], {}]))
