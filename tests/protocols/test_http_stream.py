"""What hypercorn is given of a connection: one request at a time, over real sockets."""

import pytest
import structlog.testing
import trio
import trio.testing

from portal.hub.stream import HIGH_WATER_BYTES
from portal.protocols.http_stream import TOO_LARGE

MIB = 1024 * 1024
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


# ---- one request after another


async def test_a_page(site):
    browser = site.connect()
    status, headers, body = await browser.get()
    assert (status, body) == (200, b"a page for nobody")
    assert "date" in headers
    assert "server" not in headers
    await site.until(lambda: site.metrics.http_requests == 1)


async def test_a_connection_is_kept(site):
    browser = site.connect()
    for number in range(200):
        status, _, _ = await browser.get(f"/page/{number}", X_Padding="x" * 1000)
        assert status == 200
    assert site.http.connections == 1
    await site.until(lambda: site.metrics.http_requests == 200)
    assert len(site.application.asked) == 200


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_requests_in_one_go_are_answered_in_order(site, size):
    browser = site.connect()
    data = b"".join(PAGE.replace(b"/page", b"/page/%d" % number) for number in range(20))
    for start in range(0, len(data), size):
        await browser.send(data[start : start + size])
    for _ in range(20):
        assert (await browser.read())[0] == 200
    assert site.application.asked == [("GET", f"/page/{number}") for number in range(20)]


async def test_a_request_waits_for_the_answer_before_it(site):
    """Hypercorn would read ahead, and judge what it has read by itself."""
    browser = site.connect()
    await browser.send(PAGE.replace(b"/page", b"/slow"))
    await site.until(lambda: site.application.working)
    await browser.send(PAGE)
    await site.settle()
    assert site.application.asked == [("GET", "/slow")]
    site.application.release.set()
    assert (await browser.read())[2] == b"at last"
    assert (await browser.read())[2] == b"a page for nobody"


async def test_more_than_a_little_ahead_is_not_read(site):
    browser = site.connect()
    await browser.send(PAGE.replace(b"/page", b"/slow"))
    await site.until(lambda: site.application.working)
    with trio.move_on_after(5) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(browser.send, PAGE * 100_000)
            (stream,) = site.http._streams
            await site.until(lambda: stream._paused)
            await site.settle()
            assert len(stream._buffer) <= HIGH_WATER_BYTES + 16 * 1024
            nursery.cancel_scope.cancel()
    assert not scope.cancelled_caught


@pytest.mark.parametrize("path", ["/page", "/boom", "/none", "/big/1000"])
async def test_head(site, path):
    browser = site.connect()
    status, headers, _ = await browser.get(path)
    again, same, _ = await browser.get(path, "HEAD") if status != 500 else (status, headers, b"")
    assert again == status
    assert same["content-length"] == headers["content-length"]
    if status != 500:
        assert (await browser.get())[0] == 200


@pytest.mark.parametrize(
    ("line", "field"), [(b"HTTP/1.1", b"Connection: close"), (b"HTTP/1.0", b"A: b")]
)
async def test_who_wants_no_more_is_let_go(site, line, field):
    browser = site.connect()
    await browser.send(b"GET /page " + line + b"\r\nHost: x\r\n" + field + b"\r\n\r\n" + PAGE)
    status, headers, _ = await browser.read()
    assert (status, headers["connection"]) == (200, "close")
    assert await browser.rest() == b""
    await site.until(lambda: site.metrics.http_requests == 1)


async def test_who_sends_no_more_is_given_the_answer(site):
    browser = site.connect()
    await browser.send(PAGE.replace(b"/page", b"/slow") + PAGE)
    await browser.stream.send_eof()
    await site.until(lambda: site.application.working)
    await site.settle()
    assert site.application.working == 1
    site.application.release.set()
    assert (await browser.read())[2] == b"at last"
    assert (await browser.read())[0] == 200
    assert await browser.rest() == b""
    await site.until(site.is_idle)


async def test_who_asks_for_nothing_more_is_closed(site, mock_clock):
    browser = site.connect()
    await browser.get()
    await site.settle()
    mock_clock.jump(14.9)
    assert (await browser.get())[0] == 200
    await site.settle()
    mock_clock.jump(15.1)
    assert await browser.rest() == b""
    await site.until(site.is_idle)


async def test_half_a_request_more_is_nothing(site, mock_clock):
    browser = site.connect()
    await browser.get()
    await browser.send(PAGE[:-1])
    await site.settle()
    mock_clock.jump(15.1)
    assert await browser.rest() == b""
    await site.until(site.is_idle)


# ---- bodies


@pytest.mark.parametrize("size", [0, 1, 1000, 65536])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_bodies_are_read_and_forgotten(site, size, pieces):
    browser = site.connect()
    head = f"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    data = head + b"x" * size + PAGE
    for start in range(0, len(data), len(data) // pieces + 1):
        await browser.send(data[start : start + len(data) // pieces + 1])
        await site.settle()
    assert (await browser.read())[0] == 200
    assert (await browser.read())[0] == 200
    assert site.application.asked == [("POST", "/page"), ("GET", "/page")]


async def test_a_client_that_waits_for_leave_is_given_it(site):
    browser = site.connect()
    fields = {"Content_Length": 5, "Expect": "100-continue"}
    assert (await browser.get(method="POST", **fields))[0] == 100
    await browser.send(b"hello")
    assert (await browser.read())[0] == 200
    assert (await browser.get())[0] == 200


BOTH = "A body has a Content-Length or is chunked, not both."
REFUSED = [
    (b"Content-Length: 65537", 413, TOO_LARGE.format(65536)),
    (b"Content-Length: 999999999999", 413, TOO_LARGE.format(65536)),
    (b"Transfer-Encoding: gzip, chunked", 501, "A body is taken as it is or chunked."),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400, BOTH),
    (b"Content-Length: 5\r\nContent-Length: 6", 400, "The Content-Length is none."),
    (b"A: b\r\n folded", 400, "This is no proper HTTP request."),
]


@pytest.mark.parametrize(("fields", "status", "text"), REFUSED)
@pytest.mark.parametrize("later", [False, True])
async def test_what_is_refused(site, fields, status, text, later):
    """Of a connection's first request and of its next, hypercorn sees nothing of it."""
    browser = site.connect()
    if later:
        await browser.get()
    await browser.send(b"POST /page HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\n" + b"x" * 100)
    found, headers, body = await browser.read()
    assert (found, body.decode()) == (status, text + "\n")
    assert headers["connection"] == "close"
    assert await browser.rest() == b""
    assert len(site.application.asked) == later
    assert site.metrics.websocket_handshakes_refused == 1


async def test_a_head_has_a_limit_later_too(make_site):
    site = await make_site(head_bytes=1000)
    browser = site.connect()
    assert (await browser.get(A="x" * 900))[0] == 200
    status, _, body = await browser.get(A="x" * 1000)
    assert (status, body) == (431, b"A request's head may have 1000 bytes.\n")
    endless = site.connect()
    await endless.get()
    await endless.send(b"GET / HTTP/1.1\r\nA: " + b"x" * 10_000)
    assert (await endless.read())[0] == 431


async def test_a_body_has_its_time(site, mock_clock):
    browser = site.connect()
    await browser.send(b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    for _ in range(14):
        await site.settle()
        mock_clock.jump(1)
        await browser.send(b"x")
    await site.settle()
    mock_clock.jump(1.1)
    status, _, body = await browser.read()
    assert (status, body) == (408, b"Your request took too long.\n")
    await site.until(site.is_idle)


async def test_half_a_body_is_no_request(site):
    browser = site.connect()
    await browser.send(b"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    await browser.stream.send_eof()
    status, _, body = await browser.read()
    assert (status, body) == (400, b"The body was shorter than its Content-Length.\n")
    assert await browser.rest() == b""
    await site.until(site.is_idle)


# ---- other protocols


async def test_http_2_is_not_spoken(site):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for later in (False, True):
        browser = site.connect()
        if later:
            await browser.get()
        await browser.send(preface)
        assert (await browser.read())[0] == 505
        assert await browser.rest() == b""


@pytest.mark.parametrize("later", [False, True])
async def test_an_offer_of_http_2_is_passed_over(site, later):
    browser = site.connect()
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAM"}
    if later:
        await browser.send(PAGE)
    status, _, _ = await browser.get(**offer)
    assert status == 200
    if later:
        assert (await browser.read())[0] == 200
    assert (await browser.get())[0] == 200


# ---- readers that stop, and clients that go


async def test_a_large_answer_arrives_whole(site):
    browser = site.connect()
    status, _, body = await browser.get(f"/big/{4 * MIB}")
    assert (status, len(body)) == (200, 4 * MIB)
    assert (await browser.get())[0] == 200


async def test_a_reader_that_stops_is_cut(site, mock_clock):
    browser = site.connect()
    # Less than what the hub's own bound is for.
    await browser.send(PAGE.replace(b"/page", b"/big/1000000") + PAGE * 10)
    await site.until(lambda: 0 < site.hub.unsent < 1_000_000)
    await site.settle()
    mock_clock.jump(29)
    await site.settle()
    assert site.http.connections == 1
    assert len(site.application.asked) == 1
    # What the kernel took at once may have been progress still.
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            mock_clock.jump(31)
            await site.settle()
        await site.until(site.is_idle)
    assert site.hub.unsent == 0
    why = "read too slowly: it took too little of a long answer"
    assert browser.connection.close_reason == why
    assert site.metrics.slow_readers_cut == 1
    (cut,) = (entry for entry in logs if entry["event"] == "slow_reader_cut")
    assert (cut["address"], cut["reason"]) == ("192.0.2.7", why)
    assert 0 < cut["unsent"] < 1_100_000


@pytest.mark.parametrize("moment", ["idle", "in a head", "waiting", "in an answer"])
async def test_nothing_is_left_of_a_client_that_goes(site, moment):
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
    assert site.http.connections == 1
    with structlog.testing.capture_logs() as logs:
        browser.connection.abort()
        await site.until(site.is_idle)
        await site.settle()
    # Whatever was being answered is logged once, and nothing else is.
    expected = ["http_request"] if moment in {"waiting", "in an answer"} else []
    assert [entry["event"] for entry in logs] == expected
