"""A browser of the tests: it views pages of a game's website, and plays by one of the two ways."""

import html
import http.client
import json
import re
import secrets
from functools import partial
from urllib.parse import urlencode

import trio
import trio_websocket

from players import PATIENCE, TAG, WebPlayer

COOKIE = "sessionid"
GOING_AWAY = 1001
QUESTIONS = re.compile(r"^portal_worker_questions_total (.*)$", re.MULTILINE)
KEY = re.compile(r'var csessid = "([^"]+)"')


class Browser:
    """One browser with its cookie; pages are `tabs` by the number that each makes up."""

    def __init__(self, game, doors):
        self.game = game
        self.doors = doors
        self.cookies = {}
        self.origin = f"http://127.0.0.1:{game.web}"

    def request(self, method, path, body=None, port=None, **headers):
        """Ask for something; returns the status and the text."""
        port = port or self.game.web
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * PATIENCE)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookies, **headers}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        connection.close()
        return answer.status, text

    async def view(self):
        """View the page of the web client; returns the key of the browser's session in it.

        While the game starts there is another page, that would come back by itself.
        """
        status = 503
        with trio.fail_after(PATIENCE):
            while status == 503:
                status, text = await trio.to_thread.run_sync(self.request, "GET", "/webclient/")
                await trio.sleep(0.1)
        assert status == 200, text[:500]
        (csessid,) = KEY.findall(text)
        assert csessid == self.cookies[COOKIE]
        return csessid

    async def open(self):
        """View the page, and let it connect by a websocket; returns the player."""
        return await self.connect(await self.view(), make_number())

    def count_questions(self):
        """Return how often the Portal has asked the game's database so far."""
        (count,) = QUESTIONS.findall(self.request("GET", "/metrics")[1])
        return float(count)

    async def connect(self, csessid, number):
        """Let a page connect by a websocket, as Evennia's does."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.game.websocket)
        host = f"127.0.0.1:{self.game.websocket}"
        websocket = await trio_websocket.wrap_client_stream(
            self.doors.nursery,
            stream,
            host,
            f"/?{csessid}&{number}&chrome",
            extra_headers=[("Origin", self.origin)],
        )
        player = WebPlayer(websocket, stream)
        player.number = number
        self.doors.players.append(player)
        self.doors.nursery.start_soon(player.read)
        return player

    async def open_without_websockets(self):
        """View the page, and let it play as Evennia's does where there are no websockets."""
        return await AjaxPage(self, await self.view(), make_number()).begin()


class AjaxPage:
    """A page that asks for each message, and remembers them all."""

    def __init__(self, browser, csessid, number):
        self.browser = browser
        self.identity = {"csessid": csessid, "cuid": number}
        self.messages = []
        self.seen = 0
        self.news = trio.Event()
        self.ended = False

    async def post(self, mode, **fields):
        body = urlencode({"mode": mode, **self.identity, **fields})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "Origin": self.browser.origin,
        }
        ask = partial(self.browser.request, "POST", "/webclientdata", body, **headers)
        return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)

    async def begin(self):
        status, text = await self.post("init", browserstr="firefox")
        assert status == 200, text[:500]
        assert json.loads(text)["csessid"] == self.identity["csessid"]
        self.browser.doors.nursery.start_soon(self.poll)
        return self

    async def poll(self):
        while True:
            status, text = await self.post("receive")
            if status != 200:
                break
            self.messages.append(json.loads(text))
            if self.messages[-1][0] == "ajax_keepalive":
                await self.post("keepalive", data='""')
            self.wake()
        self.ended = True
        self.wake()

    def wake(self):
        self.news.set()
        self.news = trio.Event()

    async def say(self, line):
        data = json.dumps(["text", [line], {}])
        assert await self.post("input", data=data) == (200, '""')

    @property
    def text(self):
        return "\n".join(
            html.unescape(TAG.sub("", args[0]))
            for name, args, _ in self.messages
            if name in {"text", "prompt"}
        )

    async def expect(self, wanted):
        """Wait for a text behind all that was expected before."""
        with trio.move_on_after(PATIENCE):
            while wanted not in self.text[self.seen :]:
                assert not self.ended, self.text[-500:]
                await self.news.wait()
            self.seen = self.text.index(wanted, self.seen) + len(wanted)
            return
        raise AssertionError(f"waited in vain; last text: {self.text[-500:]!r}")

    async def until_ended(self):
        with trio.fail_after(PATIENCE):
            while not self.ended:
                await self.news.wait()


def make_number():
    """Make up the number of a page, as Evennia's does."""
    return secrets.token_hex(10)


async def leave(player):
    """Close a page as a browser does it."""
    await player.websocket.aclose(code=GOING_AWAY)
    await player.until_closed()


async def crash(player):
    """Take the network away from a page: nobody closes anything."""
    await trio.aclose_forcefully(player.stream)
