"""A connection as a trio stream, over real sockets and a real hub."""

import pytest
import trio
import trio.testing

from portal.hub.stream import HIGH_WATER_BYTES, PROGRESS_BYTES, ConnectionStream

MIB = 1024 * 1024


@pytest.fixture
async def connect(hub, connect, nursery):
    """Give a running hub one end of a pair: (stream, peer)."""

    def make(received=b"", kind="tcp", **options):
        recorder, peer = connect(hub, kind)
        stream = ConnectionStream(recorder.connection, received, **options)
        return stream, peer

    return make


async def test_bytes_there_and_back(connect):
    stream, peer = connect()
    await peer.stream.send_all(b"hello")
    assert await stream.receive_some() == b"hello"
    await stream.send_all(b"good ")
    await stream.send_all(memoryview(b"day"))
    await stream.send_all(b"")
    assert await peer.read(8) == b"good day"


async def test_what_was_read_before_comes_first(connect):
    stream, peer = connect(b"GET /")
    peer.send(b" HTTP")
    data = b""
    while len(data) < 10:
        data += await stream.receive_some(2)
    assert data == b"GET / HTTP"


@pytest.mark.parametrize("sizes", [[1, 2, 3], [100]])
async def test_it_reads_no_more_than_is_asked_for(connect, sizes):
    stream, _ = connect(b"abcdefgh")
    for size in sizes:
        assert len(await stream.receive_some(size)) == min(size, 8)


async def test_the_end_of_input_is_not_the_end_of_output(connect):
    stream, peer = connect()
    peer.send(b"question")
    peer.shut()
    assert await stream.receive_some() == b"question"
    assert await stream.receive_some() == b""
    assert stream.eof
    assert not stream.lost
    await stream.send_all(b"answer")
    assert await peer.read(6) == b"answer"


async def test_unread_input_pauses_the_connection(connect, until):
    stream, peer = connect()
    with trio.move_on_after(1) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.stream.send_all, bytes(16 * MIB))
            await until(lambda: len(stream._buffer) > HIGH_WATER_BYTES)
            await trio.testing.wait_all_tasks_blocked()
            held = len(stream._buffer)
            assert held <= HIGH_WATER_BYTES + 16 * 1024
            total = 0
            while total < 16 * MIB:
                total += len(await stream.receive_some(10_000))
                assert len(stream._buffer) <= HIGH_WATER_BYTES + 16 * 1024
    assert not scope.cancelled_caught
    assert total == 16 * MIB


async def test_taking_what_was_received_reads_on(connect, until):
    """Whoever has the connection next must not find it paused."""
    stream, peer = connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, bytes(MIB))
        await until(lambda: stream._paused)
        total = len(stream.take_received())
        assert total > HIGH_WATER_BYTES
        while total < MIB:
            total += len(await stream.receive_some())
    assert stream.take_received() == b""


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_long_answer_waits_for_its_reader(connect, until, kind):
    stream, peer = connect(kind=kind)
    done = []

    async def send():
        await stream.send_all(b"x" * 7 * MIB)
        done.append(stream.connection.unsent)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await until(lambda: stream.connection.unsent)
        await trio.testing.wait_all_tasks_blocked()
        assert done == []
        await peer.read(7 * MIB)
    assert done == [0]


async def test_a_little_unsent_is_not_waited_for(connect, until):
    stream, peer = connect()
    stream.connection.write(b"x" * 8 * MIB)
    await until(lambda: stream.connection.unsent < 8 * MIB)
    await trio.testing.wait_all_tasks_blocked()
    unsent = stream.connection.unsent
    await peer.read(8 * MIB - HIGH_WATER_BYTES // 2)
    await until(lambda: stream.connection.unsent <= HIGH_WATER_BYTES < unsent)
    await stream.wait_send_all_might_not_block()


async def stalled(stream, until):
    """Begin to send more than anybody takes."""
    stream.connection.write(b"x" * 7 * MIB)
    await until(lambda: stream.connection.unsent < 7 * MIB)
    await trio.testing.wait_all_tasks_blocked()


async def test_a_peer_that_takes_nothing_is_cut(connect, until, mock_clock, nursery):
    stream, peer = connect(send_seconds=5)
    await stalled(stream, until)

    async def send():
        with pytest.raises(trio.BrokenResourceError, match="too slowly"):
            await stream.send_all(b"more")

    async with trio.open_nursery() as sending:
        sending.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        # What it sends meanwhile is no progress.
        mock_clock.jump(4)
        peer.send(b"keep me")
        await until(lambda: stream._buffer)
        mock_clock.jump(1.5)
    why = "read too slowly: it took too little of a long answer"
    assert stream.connection.close_reason == why
    await until(lambda: stream.lost)


async def test_a_peer_that_takes_enough_is_waited_for(connect, until, mock_clock):
    stream, peer = connect(send_seconds=5, kind="unix")
    await stalled(stream, until)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"end")
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            before = stream.connection.unsent
            await peer.read(MIB)
            await until(lambda: stream.connection.unsent <= before - PROGRESS_BYTES)  # noqa: B023
            mock_clock.jump(5.5)
        await trio.testing.wait_all_tasks_blocked()
        assert not stream.lost
        data = await peer.read(4 * MIB + 3)
    assert data.endswith(b"xend")


async def test_a_trickle_is_not_enough(connect, until, mock_clock):
    stream, peer = connect(send_seconds=5, kind="unix")
    await stalled(stream, until)
    with pytest.RaisesGroup(trio.BrokenResourceError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"end")
            await trio.testing.wait_all_tasks_blocked()
            await peer.read(100)
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(5.5)


async def test_a_peer_that_goes_ends_the_wait(connect, until, mock_clock):
    stream, peer = connect()
    await stalled(stream, until)
    with pytest.RaisesGroup(pytest.RaisesExc(trio.BrokenResourceError, match="gone")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"end")
            await trio.testing.wait_all_tasks_blocked()
            peer.reset()
    assert stream.lost
    assert stream.eof
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await stream.wait_send_all_might_not_block()
    assert await stream.receive_some() == b""


async def test_cancelling_loses_nothing(connect, until):
    stream, peer = connect()
    with trio.move_on_after(0):
        await stream.receive_some()
    peer.send(b"x")
    await until(lambda: stream._buffer)
    with trio.move_on_after(0):
        await stream.receive_some()
    assert await stream.receive_some() == b"x"
    with trio.move_on_after(0):
        await stream.send_all(b"sent all the same")
    assert await peer.read(17) == b"sent all the same"


async def test_closing_sends_what_was_written(connect, until):
    stream, peer = connect()
    await stream.send_all(b"goodbye")
    await stream.aclose()
    await stream.aclose()
    assert await peer.read_to_end() == b"goodbye"
    for use in (
        stream.receive_some(),
        stream.send_all(b"x"),
        stream.wait_send_all_might_not_block(),
    ):
        with pytest.raises(trio.ClosedResourceError):
            await use
    peer.close()
    await until(lambda: stream.lost)


async def test_closing_wakes_whoever_reads(connect):
    stream, _ = connect()
    with pytest.RaisesGroup(trio.ClosedResourceError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            await stream.aclose()


async def test_closed_it_returns_nothing_that_came_before(connect):
    stream, _ = connect(b"unread")
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()


async def test_abandoned_it_keeps_no_task(connect, until):
    """Also one that is shielded against being cancelled, as hypercorn's senders are."""
    stream, peer = connect()
    await stalled(stream, until)

    async def send():
        with trio.CancelScope(shield=True), pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"end")

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            stream.abandon()
    assert len(await peer.read_to_end()) == 7 * MIB + 3
    peer.close()
    await until(lambda: stream.connection.fileno() < 0)


async def test_a_pause_ends_with_the_peer(connect, until):
    stream, peer = connect()
    await peer.stream.send_all(bytes(HIGH_WATER_BYTES * 2))
    await until(lambda: stream._paused)
    peer.close()
    await until(lambda: stream.eof)
    data = b""
    while more := await stream.receive_some():
        data += more
    assert HIGH_WATER_BYTES < len(data) <= HIGH_WATER_BYTES * 2


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_broken_off_it_does_not_look_like_an_end(connect, until, kind):
    stream, peer = connect(kind=kind)
    await stream.send_all(b"half of an ")
    await until(lambda: not stream.connection.unsent)
    stream.break_off("the other half does not come")
    await until(lambda: stream.lost)
    assert stream.connection.close_reason == "the other half does not come"
    if kind == "tcp":
        with pytest.raises(trio.BrokenResourceError):
            while await peer.stream.receive_some(100):
                pass
