"""Connections to a game's web server, by themselves; what goes over them is in test_proxy.py."""

from functools import partial
from types import SimpleNamespace

import h11
import pytest
import trio
import trio.testing

from portal.errors import UpstreamFailed
from portal.protocols.upstream import (
    AWAY,
    KEEP_SECONDS,
    KEPT_CONNECTIONS,
    SHORT,
    WRONG,
    Upstream,
)

REQUEST = (h11.Request(method="GET", target="/", headers=[("Host", "x")]), h11.EndOfMessage())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
async def game(nursery):
    """A listener, whose connections a test takes from `accept`."""
    send, receive = trio.open_memory_channel(100)

    async def serve(stream):
        await send.send(stream)
        await trio.sleep_forever()

    (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    return SimpleNamespace(port=listener.socket.getsockname()[1], accept=receive.receive)


@pytest.fixture
async def upstream(game, nursery):
    upstream = Upstream(f"http://127.0.0.1:{game.port}")
    await nursery.start(upstream.run)
    return upstream


async def ask(connection, far, answer=OK):
    """Ask, have it answered, and return the parts of the answer."""
    await connection.send(*REQUEST)
    assert await far.receive_some(1000)
    await far.send_all(answer)
    return await read(connection)


async def read(connection):
    events = []
    while not events or not isinstance(events[-1], h11.EndOfMessage):
        event = connection.take_event()
        if event is None:
            await connection.receive()
        else:
            events.append(event)
    return events


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://127.0.0.1:4005", "127.0.0.1", 4005, b"127.0.0.1:4005"),
        ("http://[::1]:80", "::1", 80, b"[::1]:80"),
        ("http://game:8080", "game", 8080, b"game:8080"),
    ],
)
def test_where_it_is(url, host, port, authority):
    upstream = Upstream(url)
    assert (upstream.host, upstream.port, upstream.authority) == (host, port, authority)


async def test_a_connection_may_be_used_again(upstream, game):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    for _ in range(3):
        _, body, _ = await ask(connection, far)
        assert body.data == b"ok"
        upstream.give_back(connection)
        assert upstream.kept == 1
        assert await upstream.connect("a", again=True) is connection
        assert connection.used
        assert upstream.kept == 0
    connection.close()


async def test_but_only_for_the_same_client_and_where_that_is_wanted(upstream, game):
    connection = await upstream.connect("a", again=True)
    await ask(connection, await game.accept())
    upstream.give_back(connection)
    for client, again in (("b", True), ("a", False)):
        other = await upstream.connect(client, again=again)
        assert other is not connection
        assert not other.used
        other.close()
    assert upstream.kept == 1


@pytest.mark.parametrize("what", [b"", b"HTTP/1.1 408 Too slow\r\n\r\n"])
async def test_one_where_something_has_come_is_not_used(upstream, game, what):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    await ask(connection, far)
    upstream.give_back(connection)
    if what:
        await far.send_all(what)
    else:
        await far.send_eof()
    while connection.is_quiet():
        await trio.lowlevel.checkpoint()
    other = await upstream.connect("a", again=True)
    assert other is not connection
    assert upstream.kept == 0
    other.close()


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"more",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_one_that_cannot_be_used_again_is_closed(upstream, game, answer):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    await ask(connection, far, answer)
    upstream.give_back(connection)
    assert upstream.kept == 0


async def test_one_whose_request_has_not_ended_is_closed(upstream, game):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    headers = [("Host", "x"), ("Content-Length", "5")]
    await connection.send(h11.Request(method="POST", target="/", headers=headers))
    await far.send_all(OK)
    await read(connection)
    upstream.give_back(connection)
    assert upstream.kept == 0


async def test_only_so_many_are_kept(upstream, game):
    for number in range(KEPT_CONNECTIONS + 3):
        connection = await upstream.connect(str(number), again=True)
        await ask(connection, await game.accept())
        upstream.give_back(connection)
    assert upstream.kept == KEPT_CONNECTIONS
    (oldest, *_) = upstream._kept
    assert oldest.client == "3"


async def test_none_is_kept_for_long(upstream, game, mock_clock):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    await ask(connection, far)
    upstream.give_back(connection)
    for _ in range(2):
        assert upstream.kept == 1
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(KEEP_SECONDS - 0.1)
        await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(KEEP_SECONDS)
    await trio.testing.wait_all_tasks_blocked()
    assert upstream.kept == 0
    assert await far.receive_some(1) == b""


async def test_at_the_end_none_is_left(game, nursery):
    upstream = Upstream(f"http://127.0.0.1:{game.port}")
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            await inner.start(upstream.run)
            connection = await upstream.connect("a", again=True)
            far = await game.accept()
            await ask(connection, far)
            upstream.give_back(connection)
            scope.cancel()
    assert upstream.kept == 0
    with trio.fail_after(5):
        assert await far.receive_some(1) == b""


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (b"", 503, AWAY),
        (b"HTTP/1.1 200", 503, AWAY),
        (b"nonsense\r\n\r\n", 502, WRONG),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 502, SHORT),
    ],
)
async def test_what_is_no_answer(upstream, game, answer, status, text):
    connection = await upstream.connect("a", again=True)
    far = await game.accept()
    await connection.send(*REQUEST)
    assert await far.receive_some(1000)
    await far.send_all(answer)
    await far.aclose()
    with pytest.raises(UpstreamFailed) as caught:
        await read(connection)
    assert caught.value.text == text
    assert caught.value.status == status
    assert connection.answering is bool(answer)
    connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_names_and_addresses(game, host):
    upstream = Upstream(f"http://{host}:{game.port}")
    connection = await upstream.connect("a", again=False)
    assert len(await ask(connection, await game.accept())) == 3
    connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "no.such.host.invalid"])
async def test_nobody_there(host):
    upstream = Upstream(f"http://{host}:1")
    with pytest.raises(UpstreamFailed) as caught:
        await upstream.connect("a", again=True)
    assert (caught.value.status, caught.value.text) == (503, AWAY)
