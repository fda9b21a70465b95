"""Bodies of requests, as an application gets them, over real sockets."""

import pytest
import trio

from portal.hub.stream import HIGH_WATER_BYTES
from portal.protocols.http_request import REST_BYTES
from portal.protocols.http_stream import PIECE_BYTES

KIB = 1024
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path, body, *fields):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def post_chunks(path, *chunks):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


# ---- what the application gets


@pytest.mark.parametrize("size", [0, 1, 1000, 65536])
async def test_a_body(site, size):
    browser = site.connect()
    body = bytes(number % 251 for number in range(size))
    for _ in range(2):
        await browser.send(post("/echo", body))
        assert (await browser.read())[2] == body
    assert (await browser.get())[0] == 200


@pytest.mark.parametrize("pieces", [1, 2, 1000])
async def test_a_body_in_chunks(site, pieces):
    browser = site.connect()
    data = post_chunks("/echo", b"one, ", b"two, ", *[b"x"] * 1000, b"three") + PAGE
    step = len(data) // pieces + 1
    for start in range(0, len(data), step):
        await browser.send(data[start : start + step])
    assert (await browser.read())[2] == b"one, two, " + b"x" * 1000 + b"three"
    assert (await browser.read())[0] == 200


async def test_a_body_comes_back_as_it_goes(site):
    """An answer may begin before the body ends."""
    browser = site.connect()
    body = b"0123456789" * 6000
    head, _, _ = (data := post("/back", body)).partition(body)
    await browser.send(head)
    assert (await browser.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(browser.send, data[len(head) :])
        assert await browser.chunks() == body
    assert (await browser.get())[0] == 200


async def test_an_application_that_does_not_read_keeps_the_client_waiting(make_site):
    site = await make_site(body_bytes=1024 * KIB)
    browser = site.connect()
    body = b"x" * (1024 * KIB)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(browser.send, post("/parked", body))
        await site.until(lambda: site.application.working)
        (stream,) = site.http._streams
        await site.until(lambda: stream._paused)
        await site.settle()
        assert len(stream._buffer) <= HIGH_WATER_BYTES + 16 * KIB
        site.application.release.set()
        assert (await browser.read())[2] == body


# ---- what it leaves


@pytest.mark.parametrize("path", ["/page", "/piece", "/none"])
async def test_a_body_that_nobody_reads_is_read_to_its_end(site, path):
    browser = site.connect()
    await browser.send(post(path, b"x" * REST_BYTES) + post_chunks(path, b"x" * 1000) + PAGE)
    for _ in range(3):
        assert (await browser.read())[0] in {200, 404}
    assert len(site.application.asked) == 3


async def test_an_application_gets_pieces(make_site):
    site = await make_site(body_bytes=1024 * KIB)
    browser = site.connect()
    await browser.send(post("/piece", b"x" * 1000))
    await browser.read()
    assert site.application.piece == {
        "type": "http.request",
        "body": b"x" * 1000,
        "more_body": True,
    }
    assert len(site.application.piece["body"]) <= PIECE_BYTES


async def test_a_long_rest_ends_the_connection(make_site):
    site = await make_site(body_bytes=1024 * KIB)
    browser = site.connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(browser.send, post("/page", b"x" * (1024 * KIB)) + PAGE)
        assert (await browser.read())[0] == 200
        assert await browser.rest() == b""
    assert len(site.application.asked) == 1
    await site.until(site.is_idle)


async def test_a_fault_before_a_long_body_ends_the_connection(make_site):
    site = await make_site(body_bytes=1024 * KIB)
    browser = site.connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(browser.send, post("/boom", b"x" * (1024 * KIB)))
        assert (await browser.read())[0] == 500
        assert await browser.rest() == b""
    await site.until(site.is_idle)


# ---- bounds


@pytest.mark.parametrize("path", ["/echo", "/page"])
async def test_chunks_have_the_limit_of_a_body(make_site, path):
    site = await make_site(body_bytes=1000)
    browser = site.connect()
    await browser.send(post_chunks(path, b"x" * 500, b"x" * 500))
    assert (await browser.read())[0] == 200
    await browser.send(post_chunks(path, b"x" * 500, b"x" * 501))
    status, _, body = await browser.read()
    assert (status, body) == (413, b"A request's body may have 1000 bytes.\n")
    assert await browser.rest() == b""


async def test_chunks_that_are_none(site):
    browser = site.connect()
    await browser.send(post_chunks("/echo", b"x")[:-5] + b"xyz\r\n" + PAGE)
    status, _, body = await browser.read()
    assert (status, body) == (400, b"The body is not properly chunked.\n")
    assert await browser.rest() == b""


@pytest.mark.parametrize("end", ["eof", "time", "too much"])
async def test_an_answer_that_has_begun_is_cut_and_nothing_is_put_into_it(
    make_site, end, mock_clock
):
    site = await make_site(body_bytes=1000)
    browser = site.connect()
    await browser.send(post_chunks("/back", b"hello")[:-5])
    await browser.until(b"\r\nhello\r\n")
    match end:
        case "eof":
            await browser.stream.send_eof()
        case "time":
            await site.settle()
            mock_clock.jump(15.1)
        case "too much":
            await browser.send(b"400\r\n" + b"x" * 1024)
    assert await browser.rest() == b""
    assert browser.connection.close_reason
    await site.until(site.is_idle)


async def test_the_time_of_a_body_is_the_client_s(site, mock_clock):
    """That of an application which does not read counts for nobody."""
    browser = site.connect()
    await browser.send(post("/parked", b"x" * 100)[:-1])
    await site.until(lambda: site.application.working)
    for _ in range(5):
        mock_clock.jump(10)
        await site.settle()
    site.application.release.set()
    await site.settle()
    mock_clock.jump(14.9)
    await site.settle()
    await browser.send(b"x")
    assert (await browser.read())[2] == b"x" * 100


async def test_a_long_body_has_more_time(make_site, mock_clock):
    site = await make_site(body_bytes=1024 * KIB)
    browser = site.connect()
    size = 5 * 64 * KIB
    await browser.send(post("/echo", b"x" * size)[:-size])
    for _ in range(5):
        await site.settle()
        mock_clock.jump(14)
        await browser.send(b"x" * 64 * KIB)
    assert len((await browser.read())[2]) == size
    await browser.send(post("/echo", b"x" * size)[:-size])
    for _ in range(2):
        await browser.send(b"x" * 10)
        await site.settle()
        mock_clock.jump(8)
    assert (await browser.read())[0] == 408
