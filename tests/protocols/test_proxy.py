"""Requests that are passed on, and what comes back: over real sockets, to a server of few words."""

import contextlib

import pytest
import structlog.testing
import trio

from portal.config import HttpConfig
from portal.hub.stream import HIGH_WATER_BYTES
from portal.protocols import upstream
from portal.protocols.upstream import AWAY, CONNECT_SECONDS, KEEP_SECONDS, SHORT, SLOW, WRONG
from portal.wire.absence_page import NOTICES, PAGE_HEADERS, Fate
from portal.wire.http import SECURITY_HEADERS

MIB = 1024 * 1024
PLAYER = "192.0.2.7"
GET = b"GET / HTTP/1.1\r\nHost: game.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"  # as the game answers by itself


@pytest.fixture
async def site(make_proxied):
    return await make_proxied()


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


# ---- what is asked


async def test_a_request_is_passed_on_byte_for_byte(site):
    target = "/a%2f/..//%C3%A9?b=%20&c=<>\"'{}|^`?"
    status, _, body = await site.connect().get(target, Cookie="a=b", X_Test="\t x")
    assert (status, body) == (200, b"ok")
    assert site.game.heads[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())
    assert site.game.fields() == [
        ("host", "x"),
        ("cookie", "a=b"),
        ("x-test", "x"),
        ("via", "1.1 portal"),
        ("x-forwarded-for", PLAYER),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "x"),
    ]


@pytest.mark.parametrize("target", ["/?", "/a?b?", "/?#", "/a#b"])
async def test_no_part_of_a_target_is_lost(site, target):
    await site.connect().get(target)
    assert site.game.heads[0].split()[1] == target.encode()


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "http://evil.example/"), ("CONNECT", "a:1"), ("GET", "*")]
)
async def test_what_is_no_path_goes_nowhere(site, method, target):
    browser = site.connect()
    status, headers, _ = await browser.get(target, method)
    assert status == 400
    assert "content-security-policy" in headers
    assert site.game.heads == []
    assert (await browser.get())[0] == 200


async def test_a_client_cannot_say_who_it_is(site):
    said = {"X_Forwarded_For": "127.0.0.1", "X_Real_IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    await site.connect().get(**said)
    browser = site.connect()
    await browser.send(GET.replace(b"\r\n\r\n", b"\r\nX_Forwarded_For: 127.0.0.1\r\n\r\n"))
    await browser.read()
    for number in (0, 1):
        fields = site.game.fields(number)
        assert [value for _, value in fields if "127.0.0.1" in value] == []
        assert dict(fields)["x-forwarded-for"] == PLAYER


async def test_a_trusted_proxy_can(make_proxied):
    site = await make_proxied(trusted_proxies=("10.0.0.1",))
    said = {"X_Forwarded_For": "127.0.0.1, 203.0.113.9", "X_Forwarded_Proto": "https"}
    await site.connect("10.0.0.1").get(**said)
    fields = dict(site.game.fields())
    assert (fields["x-forwarded-for"], fields["x-forwarded-proto"]) == ("203.0.113.9", "https")


async def test_a_unix_socket_has_no_address(site):
    await site.connect("").get()
    assert "x-forwarded-for" not in dict(site.game.fields())


async def test_http_1_0(site):
    browser = site.connect()
    site.game.answers[b"/"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") + chunk(b"")
    )
    await browser.send(b"GET / HTTP/1.0\r\n\r\n")
    answer = await browser.rest()
    assert answer.endswith(b"\r\n\r\nhello")
    assert b"transfer-encoding" not in answer.lower()
    assert dict(site.game.fields())["host"] == site.proxy.upstream.authority.decode()


# ---- bodies


@pytest.mark.parametrize("size", [0, 1, 65536, MIB])
async def test_a_body_with_its_length(site, size):
    browser = site.connect()
    body = bytes(number % 251 for number in range(size))
    head = f"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(browser.send, head + body)
            assert (await browser.read())[2] == b"ok"
    assert site.game.bodies == [body, body]
    assert dict(site.game.fields())["content-length"] == str(size)


@pytest.mark.parametrize("pieces", [1, 2, 100])
async def test_a_body_in_chunks(site, pieces):
    browser = site.connect()
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + chunk(b"hello ") + chunk(b"x" * 10_000) + chunk(b"") + GET
    step = len(data) // pieces + 1
    for start in range(0, len(data), step):
        await browser.send(data[start : start + step])
    for _ in range(2):
        assert (await browser.read())[2] == b"ok"
    assert site.game.bodies == [b"hello " + b"x" * 10_000, b""]


async def test_leave_to_send_is_given_here(site):
    browser = site.connect()
    fields = {"Content_Length": 5, "Expect": "100-continue"}
    assert (await browser.get(method="POST", **fields))[0] == 100
    await browser.send(b"hello")
    assert (await browser.read())[0] == 200
    assert "expect" not in dict(site.game.fields())


async def test_a_body_waits_for_the_game(site):
    ready = trio.Event()

    async def script(visitor):
        await visitor.head()
        await ready.wait()
        await visitor.body()
        await visitor.send(OK)

    site.game.script = script
    browser = site.connect()
    size = 16 * MIB
    async with trio.open_nursery() as nursery:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        nursery.start_soon(browser.send, head + b"x" * size)
        await site.until(lambda: site.http._streams)
        (stream,) = site.http._streams
        await site.until(lambda: stream._paused)
        await site.settle()
        assert len(stream._buffer) <= HIGH_WATER_BYTES + 16 * 1024
        ready.set()
        assert (await browser.read())[0] == 200
    assert len(site.game.bodies[0]) == size


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_upload_has_a_limit(make_proxied, chunked):
    site = await make_proxied(upload_bytes=1000, body_bytes=10)
    browser = site.connect()
    await browser.get(method="POST", Content_Length="0")
    if chunked:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await browser.send(head + chunk(b"x" * 900) + chunk(b"x" * 101))
    else:
        await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
    status, _, body = await browser.read()
    assert (status, body) == (413, b"A request's body may have 1000 bytes.\n")
    assert await browser.rest() == b""
    await site.until(lambda: site.game.open == site.proxy.upstream.kept)


async def test_an_answer_may_come_before_the_body_has_ended(site):
    async def script(visitor):
        await visitor.head()
        await visitor.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        await trio.sleep_forever()

    site.game.script = script
    browser = site.connect()
    await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    await site.until(lambda: site.game.heads)
    await site.settle()
    await browser.send(b" more" + GET)
    assert (await browser.read())[::2] == (403, b"no")
    # The server has not read it all, so this one is not used again.
    await site.until(lambda: site.game.open == 1)
    await site.until(lambda: len(site.game.heads) == 2)
    assert site.game.connections == 2


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_game_that_takes_no_more_has_its_say(site, chunked):
    """It answers, and closes while the body is still on its way."""

    async def script(visitor):
        await visitor.head()
        await visitor.send(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")

    site.game.script = script
    browser = site.connect()
    field = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (32 * MIB)
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + field + b"\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_until_closed, browser, head + chunk(b"x" * 32 * MIB))
        assert (await browser.read())[::2] == (413, b"no")
        nursery.cancel_scope.cancel()
    await site.until(lambda: site.game.open == 0)


async def send_until_closed(browser, data):
    with contextlib.suppress(trio.BrokenResourceError):
        await browser.send(data)


# ---- what comes back


async def test_an_answer_is_passed_back_as_it_is(site):
    site.game.answers[b"/"] = (
        b"HTTP/1.1 302 Found\r\nServer: TwistedWeb/24.11\r\nDate: then\r\n"
        b"Location: http://elsewhere.example/\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
        b"Content-Encoding: gzip\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        b"Content-Length: 5\r\n\r\n\x1f\x8b\x00\xff!"
    )
    browser = site.connect()
    await browser.send(GET)
    head = await browser.until(b"\r\n\r\n")
    assert head.decode().split("\r\n")[:-2] == [
        "HTTP/1.1 302 ",
        "server: TwistedWeb/24.11",
        "date: then",
        "location: http://elsewhere.example/",
        "set-cookie: a=b",
        "set-cookie: c=d",
        "content-encoding: gzip",
        "content-length: 5",
    ]
    assert await browser.exactly(5) == b"\x1f\x8b\x00\xff!"
    # Nothing is followed, and no cookie kept.
    await browser.get()
    assert len(site.game.heads) == 2
    assert "cookie" not in dict(site.game.fields())


@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
async def test_heads_and_answers_without_a_body(site, status):
    length = b"" if status == 204 else b"Content-Length: 1234\r\n"
    site.game.answers[b"/"] = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, length)
    browser = site.connect()
    for method in ["HEAD"] if status not in {204, 304} else ["HEAD", "GET"]:
        for _ in range(2):
            found, headers, _ = await browser.get("/", method)
            assert found == status
            if status not in {204, 304}:
                assert headers["content-length"] == "1234"
    assert site.game.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b%b%b",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n%b%b%b",
    ],
)
async def test_an_answer_in_chunks(site, answer):
    site.game.answers[b"/"] = answer % (chunk(b"hello "), chunk(b"x" * 70_000), chunk(b""))
    browser = site.connect()
    for _ in range(2):
        status, headers, body = await browser.get("/")
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert body == b"hello " + b"x" * 70_000
        assert "content-length" not in headers


async def test_an_answer_that_ends_with_its_connection(site):
    async def script(visitor):
        await visitor.head()
        await visitor.send(b"HTTP/1.0 200 OK\r\n\r\nhello")

    site.game.script = script
    browser = site.connect()
    for _ in range(2):
        assert (await browser.get())[2] == b"hello"


async def test_what_comes_before_the_answer_is_not_it(site):
    site.game.answers[b"/"] = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 \r\n\r\n" + OK
    assert (await site.connect().get("/"))[::2] == (200, b"ok")


async def test_an_answer_is_passed_back_as_it_comes(site):
    """A page that goes on for ever is one that players see from its begin."""
    go_on = trio.Event()

    async def script(visitor):
        await visitor.head()
        await visitor.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await go_on.wait()
        await visitor.send(chunk(b"one"))
        await trio.sleep_forever()

    site.game.script = script
    browser = site.connect()
    await browser.send(GET)
    assert (await browser.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    go_on.set()
    assert await browser.until(b"one\r\n") == chunk(b"one")


async def test_a_large_answer_waits_for_its_reader(site):
    sent = 0

    async def script(visitor):
        nonlocal sent
        await visitor.head()
        await visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (32 * MIB))
        for _ in range(32 * 16):
            await visitor.send(b"x" * (MIB // 16))
            sent += MIB // 16

    site.game.script = script
    browser = site.connect()
    await browser.send(GET)
    await site.until(lambda: site.hub.unsent)
    before = -1
    while before != sent:
        before = sent
        await site.settle()
    assert site.hub.unsent <= HIGH_WATER_BYTES + 64 * 1024
    assert sent < 16 * MIB  # the rest waits for the kernel's buffers
    status, _, body = await browser.read()
    assert (status, len(body)) == (200, 32 * MIB)


async def test_the_headers_of_security_are_for_our_own_pages(site):
    browser = site.connect("127.0.0.1")
    ours = {name.lower() for name in SECURITY_HEADERS}
    assert not ours & set((await browser.get("/"))[1])
    assert ours <= set((await browser.get("/healthz"))[1])
    assert not ours & set((await browser.get("/"))[1])


# ---- what stays the Portal's own


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_pages_of_operators(site, path):
    assert (await site.connect("127.0.0.1").get(path))[2] != b"ok"
    assert site.game.heads == []
    # To everybody else they are whatever the game has there.
    assert (await site.connect().get(path))[2] == b"ok"
    assert (await site.connect("127.0.0.1").get(path, Via="1.1 nginx"))[2] == b"ok"
    assert (await site.connect("").get(path))[2] != b"ok"


async def test_the_ajax_client_is_the_portal_s(make_proxied):
    site = await make_proxied(body_bytes=10)
    browser = site.connect()
    assert (await browser.get("/webclientdata"))[0] == 404
    await browser.send(b"POST /webclientdata HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
    assert (await browser.read())[0] == 413
    assert site.game.heads == []


async def test_websockets_are_the_portal_s(site, make_handshake):
    browser = site.connect()
    await browser.get()
    await browser.send(make_handshake("/"))
    assert (await browser.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    assert len(site.game.heads) == 1


async def test_the_own_web_client_is_not_served(site):
    assert (await site.connect().get("/app.js"))[2] == b"ok"


# ---- connections to the game


async def test_connections_are_used_again_for_the_same_player_only(site):
    """Evennia takes the address of a connection's first request for that of all of them."""
    browser = site.connect()
    for _ in range(3):
        await browser.get()
    await site.connect().get()
    assert site.game.connections == 1
    other = site.connect("192.0.2.8")
    await other.get()
    await other.get()
    assert site.game.connections == 2


async def test_what_may_not_be_asked_twice_has_a_connection_of_its_own(site):
    browser = site.connect()
    await browser.get()
    await browser.get(method="POST")
    await browser.get(method="POST", Content_Length=0)
    assert site.game.connections == 3


@pytest.mark.parametrize("moment", ["before", "at once", "after a while"])
async def test_a_connection_that_was_closed_meanwhile(site, moment, mock_clock):
    async def script(visitor):
        await visitor.head()
        await visitor.send(OK)
        if moment != "before" and site.game.connections == 1:
            await visitor.more()  # and nothing of an answer

    site.game.script = script
    browser = site.connect()
    await browser.get()
    if moment == "before":
        await site.until(lambda: site.game.open == 0)
    if moment == "after a while":
        await site.settle()
        mock_clock.jump(KEEP_SECONDS + 1)
        await site.settle()
        mock_clock.jump(KEEP_SECONDS + 1)
        await site.settle()
        assert site.proxy.upstream.kept == 0
        browser = site.connect()
    assert (await browser.get())[0] == 200
    assert site.game.connections == 2


async def test_a_game_that_closes_every_time_is_asked_twice_at_most(site):
    async def script(visitor):
        await visitor.head()
        if len(site.game.heads) == 1:
            await visitor.send(OK)
            await visitor.head()

    site.game.script = script
    browser = site.connect()
    await browser.get()
    assert (await browser.get())[0] == 503
    assert len(site.game.heads) == 3


async def test_a_client_that_leaves_takes_its_request_along(site):
    async def script(visitor):
        await visitor.head()
        await visitor.more()

    site.game.script = script
    for leave in ("close", "abort", "end", "end at once"):
        browser = site.connect()
        await browser.send(GET)
        if leave == "end at once":
            await browser.stream.send_eof()
            await site.until(site.is_idle)
            await site.until(lambda: site.game.open == 0)
            continue
        await site.until(lambda: site.game.open == 1)
        await site.settle()
        match leave:
            case "close":
                await browser.stream.aclose()
            case "abort":
                browser.connection.abort()
            case "end":
                await browser.stream.send_eof()
        await site.until(lambda: site.game.open == 0)
        await site.until(site.is_idle)


async def test_a_client_that_leaves_within_its_body(site):
    browser = site.connect()
    await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    await site.until(lambda: site.game.open == 1)
    await browser.stream.aclose()
    await site.until(lambda: site.game.open == 0)
    assert site.game.bodies == []


# ---- a game that is not there, or out of its mind


async def stop(site):
    site.stop_game()
    await site.settle()


@pytest.mark.parametrize("state", NOTICES)
async def test_the_page_while_the_game_is_away(site, state):
    await stop(site)
    site.state = state
    notice = NOTICES[state]
    status, headers, body = await site.connect().get("/a?b", Accept="text/html")
    assert status == 503
    assert headers["retry-after"] == str(notice.seconds)
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == PAGE_HEADERS["Content-Security-Policy"].lower()
    assert "date" in headers
    text = body.decode()
    assert notice.text in text
    assert Fate.NOTHING_SENT in text
    assert "Harbour &lt;1&gt;" in text


@pytest.mark.parametrize("fate", [Fate.NOT_RECEIVED, Fate.UNKNOWN])
async def test_a_form_is_not_sent_again(site, fate):
    """And nobody is told that it was not received who cannot know."""
    if fate is Fate.NOT_RECEIVED:
        await stop(site)
    site.game.script = script_nothing
    status, _, body = await site.connect().get("/", "POST", Accept="text/html")
    assert status == 503
    assert fate in body.decode()
    assert "http-equiv" not in body.decode()


@pytest.mark.parametrize(
    "fields", [{}, {"Accept": "text/html", "Sec_Fetch_Mode": "cors"}, {"Accept": "image/png"}]
)
async def test_whoever_does_not_look_gets_a_line(site, fields):
    await stop(site)
    site.state = "restarting"
    status, headers, body = await site.connect().get("/", **fields)
    assert (status, body) == (503, b"The game is restarting.\n")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["retry-after"] == "3"
    assert "content-security-policy" in headers


async def script_nothing(visitor):
    await visitor.head()


async def script_half_a_head(visitor):
    await visitor.head()
    await visitor.send(OK[:20])


async def script_reset(visitor):
    await visitor.more()
    visitor.stream.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER


def script_bytes(data):
    async def script(visitor):
        await visitor.head()
        await visitor.send(data)
        await visitor.more()

    return script


BAD = [
    (script_nothing, 503, "The pages of the game are not there at the moment."),
    (script_half_a_head, 503, "The pages of the game are not there at the moment."),
    (script_reset, 503, "The pages of the game are not there at the moment."),
    (script_bytes(b"SSH-2.0-x\r\n\r\n"), 502, WRONG),
    (script_bytes(b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n"), 502, WRONG),
    (script_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n"), 502, WRONG),
    (script_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), 502, WRONG),
    (script_bytes(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n"), 502, WRONG),
    (script_bytes(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * (10 * MIB)), 502, WRONG),
    (script_bytes(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000), 502, WRONG),
]


@pytest.mark.parametrize(("script", "status", "text"), BAD)
@pytest.mark.parametrize("body", [False, True])
async def test_answers_that_are_none(site, script, status, text, body):
    site.game.script = script
    browser = site.connect()
    if body:
        await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    else:
        await browser.send(GET)
    with structlog.testing.capture_logs() as logs:
        found, headers, answer = await browser.read()
    assert (found, answer.decode()) == (status, text + "\n")
    assert "content-security-policy" in headers
    (failed,) = (entry for entry in logs if entry["event"] == "http_upstream_failed")
    assert failed["log_level"] == "warning"
    assert (failed["address"], failed["path"], failed["status"]) == (PLAYER, "/", status)
    assert failed["reason"] in {AWAY, WRONG, SHORT}
    assert site.metrics.upstream_failures == 1
    # The next one is answered.
    site.game.script = site.game.answer_all
    assert (await browser.get())[2] == b"ok"
    await site.until(lambda: site.game.open == site.proxy.upstream.kept)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_answer_that_is_cut_short_is_broken_off(site, answer, version):
    async def script(visitor):
        await visitor.head()
        await visitor.send(answer[:60])
        await site.settle()
        await visitor.send(answer[60:])

    site.game.script = script
    browser = site.connect()
    await browser.send(b"GET / HTTP/%b\r\nHost: x\r\n\r\n" % version)
    rest = await browser.rest()
    assert b"HTTP/1.1 200 " in rest
    assert b"\r\n0\r\n\r\n" not in rest
    assert browser.connection.close_reason == SHORT
    assert site.metrics.upstream_failures == 1
    await site.until(site.is_idle)


async def test_nonsense_right_behind_a_head_is_told(site):
    site.game.script = script_bytes(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Theirs: 1\r\n\r\nxyz\r\n"
    )
    status, headers, body = await site.connect().get()
    assert (status, body.decode()) == (502, SHORT + "\n")
    assert "x-theirs" not in headers
    assert "content-security-policy" in headers


@pytest.mark.parametrize("trickle", [False, True])
async def test_a_game_that_does_not_answer(make_proxied, mock_clock, trickle):
    site = await make_proxied(upstream_seconds=60.0)
    go_on = trio.Event()

    async def script(visitor):
        await visitor.head()
        while trickle:
            await visitor.send(b"H")
            await go_on.wait()
        await visitor.more()

    site.game.script = script
    browser = site.connect()
    await browser.send(GET)
    await site.until(lambda: site.game.heads)
    await site.settle()
    mock_clock.jump(59)
    go_on.set()
    go_on = trio.Event()
    await site.settle()
    assert site.game.open == 1
    mock_clock.jump(1.1)
    status, _, body = await browser.read()
    assert (status, body.decode()) == (504, SLOW + "\n")
    go_on.set()
    await site.until(lambda: site.game.open == 0)


async def test_a_game_that_stops_within_its_answer(make_proxied, mock_clock):
    site = await make_proxied(upstream_seconds=60.0)
    site.game.script = script_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    browser = site.connect()
    await browser.send(GET)
    await browser.until(b"half")
    await site.settle()
    mock_clock.jump(61)
    assert await browser.rest() == b""
    assert browser.connection.close_reason == SLOW


async def test_a_slow_upload_is_no_slow_game(make_proxied, mock_clock):
    site = await make_proxied(upstream_seconds=5.0, body_seconds=15.0)
    browser = site.connect()
    await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    for _ in range(2):
        await browser.send(b"x")
        await site.settle()
        mock_clock.jump(7)
        await site.settle()
    await browser.send(b"xxx")
    assert (await browser.read())[0] == 200


async def test_other_bounds_hold_from_now_on(site, mock_clock):
    site.proxy.reconfigure(HttpConfig(upstream_seconds=1.0))
    site.game.script = script_bytes(b"")
    browser = site.connect()
    await browser.send(GET)
    await site.until(lambda: site.game.heads)
    await site.settle()
    mock_clock.jump(1.1)
    assert (await browser.read())[0] == 504


async def test_a_game_where_nobody_takes_the_call(site, mock_clock, monkeypatch):
    async def dial(host, port):
        await trio.sleep_forever()

    monkeypatch.setattr(upstream, "_dial", dial)
    browser = site.connect()
    await browser.send(GET)
    await site.until(lambda: site.metrics.upstream_requests == 1)
    await site.settle()
    mock_clock.jump(CONNECT_SECONDS + 0.1)
    assert (await browser.read())[0] == 503


async def test_a_flood_of_failures_is_not_a_flood_of_lines(site):
    await stop(site)
    browser = site.connect()
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            await browser.get()
    lines = [entry for entry in logs if entry["event"] == "http_upstream_failed"]
    assert 20 <= len(lines) <= 22
    assert site.metrics.upstream_failures == site.metrics.upstream_requests == 50


async def test_what_is_counted(site):
    browser = site.connect()
    for _ in range(3):
        await browser.get()
    assert (site.metrics.upstream_requests, site.metrics.upstream_failures) == (3, 0)
    assert 0 <= site.metrics.upstream_milliseconds < 10_000


@pytest.mark.parametrize("moment", ["waiting", "in an answer", "in a body"])
async def test_it_stops_at_once(site, moment):
    site.game.script = {
        "waiting": script_bytes(b""),
        "in an answer": script_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        "in a body": script_bytes(b""),
    }[moment]
    browser = site.connect()
    if moment == "in a body":
        await browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    else:
        await browser.send(GET)
    await site.until(lambda: site.game.heads)
    await site.settle()
    with trio.fail_after(2):
        site.scope.cancel()
        await site.until(lambda: site.http.connections == 0)
    await site.until(lambda: site.game.open == 0)
