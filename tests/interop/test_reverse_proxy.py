"""The HTTP port in front of a web server on Twisted, as a game has one."""

import hashlib
import http.client
import json
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from portal.app import Portal
from portal.config import AmpConfig, Config, HttpConfig, TelnetConfig, WebSocketConfig
from portal.wire.absence_page import NOTICES, Fate

pytestmark = pytest.mark.interop

PEER = Path(__file__).with_name("web_peer.py")
PATIENCE = 60
PIECE = bytes(range(256)) * 256
MIB = 1024 * 1024


@contextmanager
def serving(port=0):
    """The web server in a process of its own: (process, port)."""
    line = [sys.executable, PEER, str(port)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@asynccontextmanager
async def fronting(port, **http_settings):
    """A Portal in front of it: the Portal, and its own HTTP port."""
    config = Config(
        telnet=TelnetConfig(port=0),
        websocket=WebSocketConfig(enabled=False),
        http=HttpConfig(port=0, upstream=f"http://127.0.0.1:{port}", **http_settings),
        amp=AmpConfig(port=0),
        name="Harbour",
    )
    portal = Portal(config)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            info = await nursery.start(portal.run)
            yield portal, info["http"][0][1]
            portal.stop()


def visit(port, address="127.0.0.1"):
    return http.client.HTTPConnection(
        "127.0.0.1", port, timeout=PATIENCE, source_address=(address, 0)
    )


def fetch(browser, path, method="GET", body=None, headers=None, **more):
    """The answer and its body, by the standard library's client, which reads strictly."""
    browser.request(method, path, body, headers or {}, **more)
    answer = browser.getresponse()
    return answer, answer.read()


in_thread = trio.to_thread.run_sync


async def ask(browser, path, *arguments, **more):
    return await in_thread(partial(fetch, browser, path, *arguments, **more))


async def test_pages():
    with serving() as (_, upstream):
        async with fronting(upstream) as (portal, port):
            browser = visit(port)
            answer, body = await ask(browser, "/echo/a%2fb?c=%20&d=e", headers={"Cookie": "x=y"})
            told = json.loads(body)
            assert answer.status == 200
            assert answer.headers.get_all("Set-Cookie") == ["a=b; Path=/", "c=d; HttpOnly"]
            assert answer.headers["Server"].startswith("TwistedWeb/")
            assert len(answer.headers.get_all("Date")) == 1
            assert "Content-Security-Policy" not in answer.headers
            assert told["uri"] == "/echo/a%2fb?c=%20&d=e"
            headers = {name.lower(): value for name, value in told["headers"]}
            assert headers["cookie"] == "x=y"
            assert headers["host"] == headers["x-forwarded-host"] == f"127.0.0.1:{port}"

            answer, body = await ask(browser, "/echo", "HEAD")
            assert (answer.status, body) == (200, b"")
            assert int(answer.headers["Content-Length"]) > 0

            answer, body = await ask(browser, "/redirect")
            assert (answer.status, answer.headers["Location"]) == (302, "http://elsewhere.example/")

            answer, body = await ask(browser, "/cached")
            assert (answer.status, body) == (200, b"a page")
            answer, body = await ask(browser, "/cached", headers={"If-None-Match": '"tag"'})
            assert (answer.status, body) == (304, b"")

            answer, body = await ask(browser, "/none")
            assert answer.status == 404

            answer, body = await ask(browser, "/healthz")
            assert body == b"alive\n"
            answer, body = await ask(browser, "/healthz", headers={"Via": "1.1 nginx"})
            assert json.loads(body)["uri"] == "/healthz"
            assert portal.metrics.upstream_failures == 0
            browser.close()


async def test_forms_and_files():
    with serving() as (_, upstream):
        async with fronting(upstream) as (portal, port):
            browser = visit(port)
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            _, body = await ask(browser, "/echo", "POST", "name=Anna&text=a%26b", form)
            assert json.loads(body)["form"] == {"name": "Anna", "text": "a&b"}

            file = PIECE * 320  # 20 MiB
            digest = hashlib.sha256(file).hexdigest()
            _, body = await ask(browser, "/echo", "PUT", file)
            told = json.loads(body)
            assert (told["size"], told["digest"]) == (len(file), digest)

            pieces = (file[at : at + 70_001] for at in range(0, len(file), 70_001))
            _, body = await ask(browser, "/echo", "POST", pieces, encode_chunked=True)
            assert json.loads(body)["digest"] == digest
            assert portal.metrics.http_requests == 3
            browser.close()


@pytest.mark.parametrize("query", ["pieces=1600", "pieces=1600&length=1"])
async def test_a_large_answer(query):
    """100 MiB, to a reader who takes its time."""
    with serving() as (_, upstream):
        async with fronting(upstream) as (portal, port):

            def read():
                browser = visit(port)
                browser.request("GET", f"/big/?{query}")
                answer = browser.getresponse()
                digest, most = hashlib.sha256(), 0
                while piece := answer.read(MIB):
                    digest.update(piece)
                    most = max(most, portal.hub.unsent)
                browser.close()
                return digest.hexdigest(), most

            digest, most = await in_thread(read)
            assert digest == hashlib.sha256(PIECE * 1600).hexdigest()
            assert most < MIB


async def test_every_player_has_their_own_address():
    with serving() as (_, upstream):
        async with fronting(upstream) as (_, port):
            addresses = [f"127.0.0.{number}" for number in range(2, 6)]
            browsers = {address: visit(port, address) for address in addresses}
            claims = {"X-Forwarded-For": "203.0.113.9", "X_Forwarded_For": "203.0.113.8"}
            for _ in range(3):
                for address, browser in browsers.items():
                    _, body = await ask(browser, "/echo", headers=claims)
                    told = json.loads(body)
                    assert "203.0.113" not in body.decode()
                    headers = {name.lower(): value for name, value in told["headers"]}
                    assert headers["x-forwarded-for"] == address
                    # The first of a connection is that of the Portal still; none is another's.
                    assert told["address"] in {address, "127.0.0.1"}
            for browser in browsers.values():
                browser.close()


async def test_while_the_game_restarts():
    with serving() as (process, upstream):
        async with fronting(upstream) as (portal, port):
            browser = visit(port)
            assert (await ask(browser, "/echo"))[0].status == 200
            process.terminate()
            await in_thread(process.wait)
            eyes = {"Accept": "text/html"}
            answer, body = await ask(browser, "/echo", headers=eyes)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
            assert Fate.NOTHING_SENT in body.decode()
            assert NOTICES["starting"].text in body.decode()
            answer, body = await ask(browser, "/echo", "POST", "a=b", eyes)
            assert answer.status == 503
            assert Fate.NOT_RECEIVED in body.decode()
            answer, body = await ask(browser, "/echo")
            assert (answer.status, body.decode()) == (503, NOTICES["starting"].text + "\n")
            assert portal.metrics.upstream_failures == 3
            with serving(upstream):
                assert (await ask(browser, "/echo"))[0].status == 200
            browser.close()


@pytest.mark.parametrize("query", ["pieces=100000", "pieces=100000&length=1"])
async def test_a_game_that_dies_within_an_answer(query):
    with serving() as (process, upstream):
        async with fronting(upstream) as (_, port):

            def read():
                browser = visit(port)
                browser.request("GET", f"/big/?{query}")
                answer = browser.getresponse()
                answer.read(MIB)
                process.kill()
                try:
                    while answer.read(MIB):
                        pass
                except (http.client.IncompleteRead, ConnectionResetError):
                    return "broken off"
                finally:
                    browser.close()
                return "whole"

            assert await in_thread(read) == "broken off"


@pytest.mark.parametrize("path", ["/never", "/big/?pieces=100000"])
async def test_a_client_that_leaves(path):
    with serving() as (_, upstream):
        async with fronting(upstream) as (_, port):
            leaver, other = visit(port), visit(port, "127.0.0.2")

            async def wait_for(name):
                while not json.loads((await ask(other, "/status"))[1])[name]:
                    pass

            await in_thread(partial(leaver.request, "GET", path))
            if path == "/never":
                await wait_for("waiting")
            else:
                answer = await in_thread(leaver.getresponse)
                await in_thread(answer.read, MIB)
                answer.close()
            leaver.close()
            await wait_for("lost")
            other.close()
