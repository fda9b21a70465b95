"""Pages over real sockets: hypercorn on the hub.

This is the contract with the parts of hypercorn that are its own (`TCPServer` and others): when
its version changes, these tests say whether they are still what they were.
"""

import inspect
import re
from importlib.metadata import version

import hypercorn.config
import hypercorn.events
import pytest
import structlog.testing
import trio
import trio.testing
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext

from portal.config import HttpConfig
from portal.hub.stream import HIGH_WATER_BYTES
from portal.protocols import http as module
from portal.protocols.http import BUSY, QUIET, TOO_MANY, measure_requests
from portal.wire.access_log import AccessLog
from portal.wire.http import SECURITY_HEADERS

MIB = 1024 * 1024
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


# ---- websockets
@pytest.mark.parametrize("cut", [None, 1, 30, -1])
async def test_a_kept_connection_becomes_a_websocket(site, make_handshake, peer, cut):
    browser = site.connect()
    await browser.get()
    data = make_handshake("/play?a=b") + peer.say("text", ["first"])
    await browser.send(data[:cut])
    if cut is not None:
        await site.settle()
        await browser.send(data[cut:])
    assert (await browser.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    await site.until(lambda: site.sessions.heard)
    (session,) = site.sessions.sessions
    assert (session.path, session.query) == ("/play", "a=b")
    assert site.is_idle()
    await browser.send(peer.say("text", ["second"]))
    await site.until(lambda: len(site.sessions.heard) == 2)
    assert [heard["text"] for heard in site.sessions.heard] == ["first", "second"]
    await browser.stream.aclose()
    await site.until(lambda: site.sessions.sessions == [])


async def test_it_becomes_one_at_once(site, make_handshake, mock_clock):
    """And not when hypercorn's own deadline has passed."""
    browser = site.connect()
    await browser.get()
    await browser.send(make_handshake())
    await browser.until(b"\r\n\r\n")
    assert trio.current_time() == 0


async def test_a_websocket_behind_a_page_waits_for_it(site, make_handshake, peer):
    browser = site.connect()
    data = PAGE.replace(b"/page", b"/slow") + make_handshake() + peer.say("text", ["first"])
    await browser.send(data)
    await site.until(lambda: site.application.working)
    await site.settle()
    assert site.sessions.sessions == []
    site.application.release.set()
    assert (await browser.read())[2] == b"at last"
    assert (await browser.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    await site.until(lambda: site.sessions.heard == [{"text": "first"}])


async def test_what_it_had_read_ahead_does_not_leave_it_paused(site, make_handshake, peer):
    browser = site.connect()
    await browser.send(PAGE.replace(b"/page", b"/slow"))
    await site.until(lambda: site.application.working)
    (stream,) = site.http._streams
    count = 2 * HIGH_WATER_BYTES // 1000
    async with trio.open_nursery() as nursery:
        data = make_handshake() + peer.say("text", ["x" * 1000]) * count
        nursery.start_soon(browser.send, data)
        await site.until(lambda: stream._paused)
        site.application.release.set()
    await browser.read()
    await site.until(lambda: len(site.sessions.heard) == count)


async def test_one_whose_client_sends_no_more_is_let_go(site, make_handshake):
    browser = site.connect()
    await browser.send(PAGE.replace(b"/page", b"/slow") + make_handshake())
    await browser.stream.send_eof()
    await site.until(lambda: site.application.working)
    await site.settle()
    site.application.release.set()
    await browser.read()
    assert b" 101 " in await browser.rest()
    await site.until(lambda: site.sessions.sessions == [])


async def test_one_whose_client_has_gone_is_no_session(site, make_handshake):
    browser = site.connect()
    await browser.get()
    (stream,) = site.http._streams
    browser.connection.abort()
    # Both reach the task in one moment.
    stream.receive_data(make_handshake())
    await site.until(site.is_idle)
    await site.settle()
    assert site.sessions.sessions == []


async def test_a_wrong_handshake_on_a_kept_connection(site, make_handshake):
    browser = site.connect()
    await browser.get()
    await browser.send(make_handshake(Sec_WebSocket_Version="8"))
    status, headers, _ = await browser.read()
    assert (status, headers["sec-websocket-version"]) == (426, "13")
    await site.until(site.is_idle)


async def test_a_fault_of_the_websockets_ends_that_connection_only(site, make_handshake):
    browser = site.connect()
    await browser.get()
    await site.settle()
    site.websocket.open = None
    with structlog.testing.capture_logs() as logs:
        await browser.send(make_handshake())
        assert await browser.rest() == b""
    assert [entry["event"] for entry in logs] == ["protocol_failed"]
    assert site.metrics.protocol_crashes == 1
    await site.until(site.is_idle)
    assert (await site.connect().get())[0] == 200


# ---- limits


async def test_only_so_many_at_a_time(make_site):
    site = await make_site(connections=2)
    kept = [site.connect(f"192.0.2.{number}") for number in range(2)]
    for browser in kept:
        assert (await browser.get())[0] == 200
    third = site.connect("192.0.2.9")
    status, headers, body = await third.get()
    assert (status, body.decode(), headers["retry-after"]) == (503, BUSY + "\n", "5")
    assert site.metrics.http_connections_refused == 1
    await kept[0].stream.aclose()
    await site.until(lambda: site.http.connections == 1)
    assert (await site.connect("192.0.2.9").get())[0] == 200
    assert (await kept[1].get())[0] == 200


async def test_each_address_has_a_share(make_site):
    site = await make_site(connections_per_address=1, trusted_proxies=("10.0.0.1",))
    assert (await site.connect().get())[0] == 200
    status, _, body = await site.connect().get()
    assert (status, body.decode()) == (503, TOO_MANY + "\n")
    assert (await site.connect("192.0.2.8").get())[0] == 200
    for address in ("127.0.0.1", "", "10.0.0.1"):
        for _ in range(3):
            assert (await site.connect(address).get())[0] == 200
    assert site.metrics.http_connections_refused == 1


async def test_a_flood_of_requests_begins_one_at_a_time(site):
    """So whoever is not part of it waits for one of them, however many there are."""
    browsers = [site.connect(f"192.0.2.{number}") for number in range(60)]
    for browser in browsers:
        await browser.send(PAGE * 20)
    begun, most = len(site.application.asked), 0
    while begun < 60 * 20:
        # The kernel's buffers take all of the answers: they are short.
        await trio.lowlevel.checkpoint()
        most = max(most, len(site.application.asked) - begun)
        begun = len(site.application.asked)
    assert most == 1


async def test_other_bounds_are_for_connections_that_come(site, mock_clock):
    old = site.connect()
    await old.get()
    site.http.reconfigure(HttpConfig(keep_alive_seconds=2.0, connections_per_address=2))
    new = site.connect()
    await new.get()
    assert (await site.connect().get())[0] == 503
    await site.settle()
    mock_clock.jump(2.1)
    assert await new.rest() == b""
    assert (await old.get())[0] == 200


# ---- faults


async def test_a_fault_of_the_application(site):
    browser = site.connect()
    with structlog.testing.capture_logs() as logs:
        status, _, body = await browser.get("/boom")
    assert (status, body) == (500, b"")
    await site.until(site.is_idle)
    assert site.metrics.http_requests == 1
    (failed,) = (entry for entry in logs if entry["event"] == "http_application_failed")
    assert failed["log_level"] == "error"
    assert isinstance(failed["exc_info"], RuntimeError)
    (line,) = (entry for entry in logs if entry["event"] == "http_request")
    assert line["path"] == "/boom"


async def test_requests_that_come_all_the_time_are_no_news(site):
    async def application(scope, receive, send):
        scope[QUIET] = True
        await site.application(scope, receive, send)

    measured = measure_requests(application, site.metrics, lambda _: "nobody", AccessLog())
    site.http._application = measured
    with structlog.testing.capture_logs() as logs:
        assert (await site.connect().get())[0] == 200
        await site.until(lambda: logs)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("http_request", "debug")
    assert site.metrics.http_requests == 1


async def test_an_application_that_says_nothing(site):
    assert (await site.connect().get("/silent"))[0] == 500
    await site.until(site.is_idle)


async def test_a_fault_within_an_answer_ends_the_connection(site):
    browser = site.connect()
    with structlog.testing.capture_logs() as logs:
        await browser.send(PAGE.replace(b"/page", b"/late"))
        assert b"begun" in await browser.rest()
    assert "http_application_failed" in [entry["event"] for entry in logs]
    await site.until(site.is_idle)


async def test_a_fault_of_hypercorn_ends_that_connection_only(site, monkeypatch):
    other = site.connect()
    await other.get()
    await site.settle()

    async def run(_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(module.Server, "run", run)
    browser = site.connect()
    with structlog.testing.capture_logs() as logs:
        await browser.send(PAGE)
        assert await browser.rest() == b""
    (entry,) = logs
    assert (entry["event"], entry["address"]) == ("http_failed", "192.0.2.7")
    assert site.metrics.protocol_crashes == 1
    assert (await other.get())[0] == 200


async def test_what_hypercorn_finds_strange_is_logged():
    logger = module.Logger(None)
    with structlog.testing.capture_logs() as logs:
        await logger.warning("odd %s", "thing")
        await logger.access(None, None, None)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("http_warning", "warning")]


# ---- what is said of every request


async def test_the_log_has_the_real_address_and_no_query(site):
    browser = site.connect()
    with structlog.testing.capture_logs() as logs:
        _, _, body = await browser.get("/page/%0a%1b[2J?token=secret", X_Test="203.0.113.9")
        await browser.get("/" + "x" * 1000, "HEAD")
        await site.settle()
    assert body == b"a page for 203.0.113.9"
    first, second = logs
    milliseconds = first.pop("milliseconds")
    assert first == {
        "event": "http_request",
        "log_level": "info",
        "address": "203.0.113.9",
        "method": "GET",
        "path": "/page/%0a%1b[2J",
        "status": 200,
    }
    assert 0 <= milliseconds < 10_000
    assert second["path"] == "/" + "x" * 199
    assert (second["method"], second["status"]) == ("HEAD", 404)


async def test_the_access_log_has_them_in_its_own_form(site):
    lines = []
    site.access_log.write = lines.append
    browser = site.connect()
    await browser.get("/page/a?token=secret", X_Test="203.0.113.9", User_Agent="Moz/5")
    await browser.get("/none", "HEAD", Referer="https://a.example/b?token=secret")
    await site.settle()
    await browser.send(PAGE.replace(b"/page", b"/slow"))
    await site.until(lambda: site.application.working)
    browser.connection.abort()
    await site.until(site.is_idle)
    found = [re.sub(r"\[[^]]*\]", "[]", line) for line in lines]
    assert found == [
        '203.0.113.9 - - [] "GET /page/a HTTP/1.1" 200 22 "-" "Moz/5"',
        'nobody - - [] "HEAD /none HTTP/1.1" 404 - "https://a.example/b" "-"',
        'nobody - - [] "GET /slow HTTP/1.1" 499 - "-" "-"',
    ]


@pytest.mark.parametrize(
    ("path", "status"), [("/page", 200), ("/none", 404), ("/boom", 500), ("/silent", 500)]
)
async def test_every_answer_has_the_headers_of_security(site, path, status):
    found, headers, _ = await site.connect().get(path)
    assert found == status
    assert {name.lower(): value.lower() for name, value in SECURITY_HEADERS.items()}.items() <= (
        headers.items()
    )


async def test_hypercorn_s_own_refusals_have_them_too(site):
    browser = site.connect()
    await browser.send(b"GET /page HTTP/1.1\r\n\r\n")  # without a Host
    status, headers, _ = await browser.read()
    assert status == 400
    assert headers["x-content-type-options"] == "nosniff"
    assert await browser.rest() == b""
    await browser.stream.aclose()
    await site.until(site.is_idle)


# ---- the end


@pytest.mark.parametrize("moment", ["idle", "in a head", "waiting", "in an answer"])
async def test_it_stops_at_once(site, moment):
    browser = site.connect()
    match moment:
        case "idle":
            await browser.get()
        case "in a head":
            await browser.get()
            await browser.send(PAGE[:10])
        case "waiting":
            await browser.send(PAGE.replace(b"/page", b"/slow"))
            await site.until(lambda: site.application.working)
        case "in an answer":
            await browser.send(PAGE.replace(b"/page", b"/big/%d" % (4 * MIB)))
            await site.until(lambda: site.hub.unsent)
            await site.settle()
    with trio.fail_after(2):
        site.scope.cancel()
        await site.until(lambda: site.http.connections == 0)
    rest = await browser.rest()
    if moment == "in an answer":
        assert len(rest) > 4 * MIB  # what was written is still sent
    status, _, body = await site.connect().get()
    assert (status, body.decode()) == (503, BUSY + "\n")


# ---- the contract with hypercorn


def test_the_parts_that_are_used_are_what_they_were():
    assert version("hypercorn").startswith("0.18.")
    assert list(inspect.signature(TCPServer).parameters) == [
        "app",
        "config",
        "context",
        "state",
        "stream",
    ]
    assert inspect.iscoroutinefunction(TCPServer.run)
    assert list(inspect.signature(TCPServer.protocol_send).parameters) == ["self", "event"]
    assert list(inspect.signature(WorkerContext).parameters) == ["max_requests"]
    # `Requests` is called as this is.
    assert list(inspect.signature(ASGIWrapper.__call__).parameters)[1:4] == [
        "scope",
        "receive",
        "send",
    ]
    assert "trio.open_memory_channel" in inspect.getsource(TaskGroup.spawn_app)
    assert "config.max_app_queue_size" in inspect.getsource(TaskGroup.spawn_app)
    assert hypercorn.events.Updated(idle=True).idle is True
    defaults = hypercorn.config.Config()
    for name in vars(module.Settings(HttpConfig())):
        assert hasattr(defaults, name), name
    # The tests above would hang or fail were these not so; here they have names.
    source = inspect.getsource(TCPServer)
    for used in ("do_handshake", "AttributeError", "stream.socket", "receive_some", "send_all"):
        assert used in source
