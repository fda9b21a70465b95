"""The hub's tick: order, bounds, re-entrancy, waking, stopping. Real sockets, one trio run."""

import itertools
import socket

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from portal.config import HubConfig
from portal.errors import ConnectionLost
from portal.hub.timers import SWEEP_ITEMS

MIB = 1024 * 1024


# ---- figures


async def test_how_late_tasks_come_to_run(hub, connect, until, mock_clock):
    assert hub.lag == 0.0
    recorder, peer = connect(hub, at_data=lambda _: mock_clock.jump(2.0))
    await trio.testing.wait_all_tasks_blocked()  # the sweep waits for its time
    peer.send(b"a turn that takes two seconds")
    await until(lambda: hub.lag > 0.0)
    assert recorder.data
    assert hub.lag == 2.0 - hub.config.sweep_seconds


# ---- waking


async def test_what_another_task_writes_wakes_the_hub(hub, connect):
    recorder, peer = connect(hub)
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked()
        recorder.connection.write(b"from afar")
        assert await peer.read(9) == b"from afar"


async def test_an_abort_by_another_task_wakes_the_hub(hub, connect, until):
    recorder, _ = connect(hub)
    await trio.testing.wait_all_tasks_blocked()
    recorder.connection.abort()
    await until(lambda: recorder.lost)


async def test_what_a_deadline_writes_wakes_the_hub(hub, connect, mock_clock):
    recorder, peer = connect(hub)
    queue = hub.deadlines(5.0, lambda made: made.write(b"time is up"))
    queue.start(recorder.connection)
    assert hub.now() == mock_clock.current_time()
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(5.25)
    assert await peer.read(10) == b"time is up"


async def test_what_a_layer_writes_leaves_with_the_tick_it_was_flushed_in(hub, connect, metrics):
    recorder, peer = connect(hub)

    class Layer:
        def __init__(self):
            self.ticks = []

        def flush(self):
            self.ticks.append(metrics.ticks)
            recorder.connection.write(b"all of it")
            return 0

    layer = Layer()
    await trio.testing.wait_all_tasks_blocked()
    hub.flush_later(layer)
    assert await peer.read(9) == b"all of it"
    assert layer.ticks == [metrics.ticks]


async def test_the_clock_stands_still_within_a_tick(hub, connect, until, mock_clock):
    seen = []

    def look(_data):
        for _ in range(2):
            seen.append(hub.now())
            mock_clock.jump(1.0)

    mock_clock.jump(7.0)
    recorder, peer = connect(hub, at_data=look)
    peer.send(b"look")
    await until(lambda: recorder.data)
    assert seen == [7.0, 7.0]
    assert hub.now() == 9.0


async def test_many_deadlines_at_once_let_others_run(hub, mock_clock, until):
    expired = []
    queue = hub.deadlines(1.0, expired.append)
    for number in range(1000):
        queue.start(number)
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(1.25)
    seen = [0]
    while len(expired) < 1000:
        await trio.lowlevel.checkpoint()
        seen.append(len(expired))
    # Tasks run in any order: of two turns of this one at most two sweeps come between.
    steps = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert max(steps) <= 2 * SWEEP_ITEMS


async def test_a_connection_added_while_it_sleeps_is_served(hub, connect, until):
    await trio.testing.wait_all_tasks_blocked()
    recorder, peer = connect(hub)
    peer.send(b"new")
    await until(lambda: recorder.data == b"new")


# ---- a tick


async def all_ready(make_hub, connect, ready, *, count, **options):
    """A hub that has not looked yet, with input for `count` connections."""
    hub = make_hub(**options)
    pairs = [connect(hub) for _ in range(count)]
    for number, (_, peer) in enumerate(pairs):
        peer.send(b"%d" % number)
    await ready(*(recorder for recorder, _ in pairs))
    return hub, pairs


@pytest.mark.parametrize("options", [{}, {"tick_events": 3}, {"phase_seconds": 0.0}])
async def test_every_connection_is_served(make_hub, connect, ready, until, nursery, options):
    hub, pairs = await all_ready(make_hub, connect, ready, count=20, **options)
    for recorder, _ in pairs:
        recorder.at_data = recorder.connection.write
    nursery.start_soon(hub.run)
    for number, (_, peer) in enumerate(pairs):
        expected = b"%d" % number
        assert await peer.read(len(expected)) == expected


@pytest.mark.parametrize("options", [{}, {"phase_seconds": 0.0}])
async def test_aborting_itself(make_hub, connect, ready, until, nursery, options):
    hub, ((recorder, _), (other, _)) = await all_ready(make_hub, connect, ready, count=2, **options)
    recorder.at_data = lambda _: (recorder.connection.abort(), recorder.events.append("after"))
    nursery.start_soon(hub.run)
    await until(lambda: recorder.lost and other.data)
    assert recorder.events == ["after", ("lost", None)]


@pytest.mark.parametrize("options", [{}, {"phase_seconds": 0.0}])
async def test_aborting_another_that_is_ready_too(
    make_hub, connect, ready, until, nursery, options
):
    hub, ((one, _), (two, _), (three, _)) = await all_ready(
        make_hub, connect, ready, count=3, **options
    )
    one.at_data = lambda _: two.connection.abort()
    two.at_data = lambda _: one.connection.abort()
    nursery.start_soon(hub.run)
    await until(lambda: one.lost or two.lost)
    # Whichever came first ended the other one, and that one heard nothing any more.
    assert sorted([one.data, two.data]) in ([b"", b"0"], [b"", b"1"])
    assert three.data == b"2"


@pytest.mark.parametrize("options", [{}, {"phase_seconds": 0.0}])
async def test_a_descriptor_does_not_change_hands_within_a_tick(
    make_hub, connect, ready, until, nursery, make_pair, options
):
    """Sockets added while others end hear nothing that was meant for those."""
    hub, pairs = await all_ready(make_hub, connect, ready, count=6, **options)
    recorders = [recorder for recorder, _ in pairs]
    numbers = {recorder.connection.fileno() for recorder in recorders}
    added = []

    def end_others(recorder):
        for other in recorders:
            if other is not recorder:
                other.connection.abort()
        near, _ = make_pair()
        added.append(hub.add_socket(near, type(recorder)).protocol)
        assert near.fileno() not in numbers

    for recorder in recorders:
        recorder.at_data = lambda _, recorder=recorder: end_others(recorder)
    nursery.start_soon(hub.run)
    await until(lambda: sum(bool(recorder.lost) for recorder in recorders) == 5)
    await trio.testing.wait_all_tasks_blocked()
    (newcomer,) = added
    assert newcomer.data == b""
    assert newcomer.events == []
    assert hub.connections == 2


async def test_a_socket_added_at_the_end_of_another_gets_its_descriptor(
    hub, connect, until, make_pair
):
    recorder, peer = connect(hub)
    number = recorder.connection.fileno()
    added = []

    def replace(error):
        near, far = make_pair()
        # The pair's two ends fill the gap in any order; the one of the hub shall have the number.
        if far.fileno() == number:
            near, far = far, near
        added.append((near.fileno(), hub.add_socket(near, type(recorder)).protocol, far))

    recorder.connection_lost = replace
    peer.close()
    await until(lambda: added)
    ((reused, newcomer, far),) = added
    assert reused == number
    far.send(b"mine")
    await until(lambda: newcomer.data == b"mine")
    assert hub.connections == 1


async def test_what_the_end_of_one_says_to_another(hub, connect, until):
    one, one_peer = connect(hub)
    two, two_peer = connect(hub)
    one.connection_lost = lambda _: (
        two.connection.write(b"one is gone"),
        two.connection.close(),
    )
    one_peer.close()
    assert await two_peer.read_to_end() == b"one is gone"


async def test_ends_that_end_others(make_hub, connect, until, nursery):
    hub = make_hub(phase_seconds=0.0)
    pairs = [connect(hub) for _ in range(10)]
    for (one, _), (other, _) in itertools.pairwise(pairs):
        one.connection_lost = lambda _, other=other: other.connection.abort()
    nursery.start_soon(hub.run)
    pairs[0][1].close()
    await until(lambda: hub.connections == 0)
    assert pairs[-1][0].lost == [None]


# ---- fairness


@pytest.fixture
def saturate(make_pair):
    """Have two connections of a hub keep each other busy.

    Returns the list that their hits fill, and a function that waits for some more of them.
    """

    class Ball:
        def __init__(self, connection):
            self.connection = connection

        def receive_data(self, data):
            hits.append(1)
            hit.unpark_all()
            self.connection.write(data)

        def receive_eof(self):
            self.connection.close()

        def connection_lost(self, error):
            pass

    hits = []
    hit = trio.lowlevel.ParkingLot()

    async def more():
        for _ in range(20):
            await hit.park()

    def play(hub):
        near, far = make_pair()
        hub.add_socket(near, Ball).write(b"ball")
        hub.add_socket(far, Ball)
        return hits, more

    return play


async def test_others_run_while_it_is_saturated(hub, saturate, until):
    hits, _ = saturate(hub)
    turns = [0, 0]

    async def spin(place):
        while turns[place] < 300:
            turns[place] += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(spin, 0)
        nursery.start_soon(spin, 1)
        await until(lambda: len(hits) > 20)
    assert turns == [300, 300]
    # Nor do those who are always runnable shut it out: it waits for them a few times a tick.
    assert len(hits) > 20


async def test_who_has_many_turns_to_take_waits_for_few_ticks(make_hub, saturate, nursery):
    hub = make_hub(phase_seconds=60.0, tick_events=1)
    hits, more = saturate(hub)
    nursery.start_soon(hub.run)
    for _ in range(3):
        await more()
        before = len(hits)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        # A tick may begin in front of the first turn.
        assert len(hits) <= before + 2


@pytest.mark.parametrize(("others", "largest"), [(False, 4), (True, 1)])
async def test_a_tick_is_shorter_while_others_want_to_run(
    make_hub, connect, ready, nursery, others, largest
):
    hub, pairs = await all_ready(
        make_hub, connect, ready, count=12, tick_events=4, tick_events_crowded=1
    )
    ticks = []
    served = trio.Event()

    def note(_data):
        ticks.append(hub.metrics.ticks)
        if len(ticks) == len(pairs):
            served.set()

    for recorder, _ in pairs:
        recorder.at_data = note
    nursery.start_soon(hub.run)
    while others and not served.is_set():
        await trio.lowlevel.checkpoint()
    await served.wait()
    # The first tick follows a sleep, and what was seen in that.
    assert max(ticks.count(tick) for tick in ticks[4:]) == largest


async def test_a_full_poll_is_followed_by_the_next(make_hub, connect, ready, until, nursery):
    hub, pairs = await all_ready(make_hub, connect, ready, count=4, tick_events=2)
    nursery.start_soon(hub.run)
    await until(lambda: all(recorder.data for recorder, _ in pairs))


# ---- slow peers


async def test_a_peer_that_never_reads_is_cut_and_harms_nobody(hub, connect, until, metrics):
    slow, _ = connect(hub)
    other, other_peer = connect(hub)
    with capture_logs() as logs:
        while not slow.lost:
            slow.connection.write(b"z" * MIB)
            await trio.lowlevel.checkpoint()
    assert slow.lost == [None]
    assert slow.connection.close_reason.startswith("read too slowly")
    assert [entry["event"] for entry in logs] == ["slow_reader_cut"]
    assert metrics.slow_readers_cut == 1
    assert hub.unsent == 0
    other.connection.write(b"unharmed")
    assert await other_peer.read(8) == b"unharmed"


async def test_the_grace_of_a_peer_that_takes_nothing(hub, connect, until, metrics, mock_clock):
    slow, _ = connect(hub, "unix")
    slow.connection.write(b"z" * 4 * MIB)
    await until(lambda: hub.unsent)
    mock_clock.jump(9.5)
    await trio.testing.wait_all_tasks_blocked()
    assert slow.lost == []
    mock_clock.jump(1)
    await until(lambda: slow.lost)
    assert metrics.slow_readers_cut == 1


async def test_a_long_reply_to_a_slow_phone(hub, connect, until, metrics, mock_clock):
    phone, peer = connect(hub, "unix")
    phone.connection.write(b"z" * 4 * MIB)
    await until(lambda: hub.unsent)
    for _ in range(4):
        mock_clock.jump(9.5)
        await trio.testing.wait_all_tasks_blocked()
        before = phone.connection.unsent
        assert await peer.read(MIB) == b"z" * MIB
        await until(lambda: not before or phone.connection.unsent < before)  # noqa: B023
    assert phone.lost == []
    assert metrics.slow_readers_cut == 0


async def test_all_together(make_hub, connect, until, metrics, nursery):
    hub = make_hub(unsent_total_bytes=6 * MIB)
    sizes = [3, 4, 2]
    recorders = [connect(hub, "unix")[0] for _ in sizes]
    nursery.start_soon(hub.run)
    for recorder, size in zip(recorders, sizes, strict=True):
        recorder.connection.write(b"z" * size * MIB)
    await until(lambda: metrics.slow_readers_cut)
    await until(lambda: recorders[1].lost)
    assert [len(recorder.lost) for recorder in recorders] == [0, 1, 0]
    assert 0 < hub.unsent <= 6 * MIB


# ---- adding sockets


async def test_tcp_is_dialled(hub, until, make_pair):
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = await hub.connect_tcp(*server.getsockname(), Greeter)
        far, _ = server.accept()
        with far:
            assert made.peer == server.getsockname()
            assert made._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert made._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(far))
            assert await stream.receive_some() == b"hello"
            await stream.aclose()
        await until(lambda: hub.connections == 0)


async def test_unix_is_dialled(hub, until, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        made = await hub.connect_unix(path, Greeter)
        far, _ = server.accept()
        with far:
            assert made.peer == path
            assert made.is_local
            far.setblocking(True)
            await trio.to_thread.run_sync(lambda: far.recv(5))
        await until(lambda: hub.connections == 0)


class Greeter:
    def __init__(self, connection):
        self.connection = connection
        connection.write(b"hello")

    def receive_data(self, data):
        pass

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


async def test_a_protocol_that_cannot_be_made(hub, make_pair, until, metrics):
    near, _ = make_pair()
    ended = []

    def make(connection):
        connection.write(b"never sent")
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        hub.add_socket(near, make, ended=ended.append)
    await until(lambda: ended)
    assert hub.connections == 0
    assert near.fileno() == -1


async def test_a_peer_that_has_gone_already(hub):
    with socket.socket() as unconnected:
        with pytest.raises(OSError):
            hub.add_socket(unconnected, Greeter)
        assert unconnected.fileno() == -1
    assert hub.connections == 0


async def test_the_end_is_told_after_the_protocol(hub, make_pair, until):
    near, far = make_pair()
    told = []

    class Teller(Greeter):
        def connection_lost(self, error):
            told.append("protocol")

    hub.add_socket(near, Teller, ended=lambda _: told.append("ended"))
    far.close()
    await until(lambda: len(told) == 2)
    assert told == ["protocol", "ended"]


# ---- stopping


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("size", [7, MIB])
async def test_stopping_sends_what_was_written(make_hub, connect, kind, size):
    hub = make_hub()
    recorder, peer = connect(hub, kind)
    idle, idle_peer = connect(hub, kind)
    received = []

    async def read():
        received.append(await peer.read_to_end())

    async with trio.open_nursery() as outer:
        outer.start_soon(read)
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            peer.send(b"unread input would cost the last line")
            recorder.connection.write(b"g" * size)
            nursery.cancel_scope.cancel()
    assert received == [b"g" * size]
    assert await idle_peer.read_to_end() == b""
    for end in (recorder, idle):
        assert end.lost == [None]
        assert end.connection.close_reason == "the hub is shutting down"
    assert hub.connections == 0


async def test_the_last_line_survives_unread_input(make_hub, connect):
    hub = make_hub()
    recorder, peer = connect(hub)
    recorder.connection.pause_reading()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        peer.send(b"x" * 40_000)
        recorder.connection.write(b"goodbye")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await peer.read_to_end() == b"goodbye"
    assert recorder.data == b""


async def test_stopping_does_not_wait_for_those_who_are_closing(make_hub, connect, mock_clock):
    hub = make_hub()
    recorder, peer = connect(hub)
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        recorder.connection.close("done")
        assert await peer.read_to_end() == b""
        assert recorder.lost == []
        nursery.cancel_scope.cancel()
    assert recorder.lost == [None]
    assert recorder.connection.close_reason == "done"


async def test_stopping_is_bounded(make_hub, connect, autojump_clock):
    hub = make_hub(drain_seconds=1.0)
    slow, _ = connect(hub, "unix")
    ended, _ = connect(hub)
    begun = trio.current_time()
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            slow.connection.write(b"z" * 4 * MIB)
            nursery.cancel_scope.cancel()
    assert trio.current_time() - begun == 1.0
    assert slow.lost == [None]
    assert ended.lost == [None]
    assert [entry["event"] for entry in logs] == ["hub_drain_cut"]


async def test_nothing_begins_after_the_end(make_hub, make_pair, connect):
    hub = make_hub()
    refused = []
    recorder, _ = connect(hub)

    def try_again(error):
        near, _ = make_pair()
        with pytest.raises(ConnectionLost):
            hub.add_socket(near, Greeter)
        refused.append(near.fileno())

    recorder.connection_lost = try_again
    with trio.CancelScope() as scope:
        scope.cancel()
        await hub.run()
    assert refused == [-1]


async def test_it_stops_under_load(hub, make_pair, until, make_hub):
    storm = make_hub(tick_events=2)
    pairs = [make_pair() for _ in range(4)]
    hits = []

    class Ball(Greeter):
        def receive_data(self, data):
            hits.append(1)
            self.connection.write(data)

    async with trio.open_nursery() as nursery:
        await nursery.start(storm.run)
        for pair in pairs:
            for end in pair:
                storm.add_socket(end, Ball)
        await until(lambda: len(hits) > 100)
        nursery.cancel_scope.cancel()
    assert storm.connections == 0


async def test_other_bounds_from_the_next_tick_on(hub, connect, until):
    recorder, peer = connect(hub)
    config = HubConfig(receive_bytes=3, tick_events=1)
    hub.reconfigure(config)
    parts = []
    recorder.at_data = parts.append
    peer.send(b"abcdefgh")
    await until(lambda: recorder.data == b"abcdefgh")
    assert parts == [b"abc", b"def", b"gh"]
    assert hub.config is config
