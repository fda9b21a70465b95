"""A connection's bytes and its ends, over both kinds of sockets, served by a real hub."""

import select
import socket

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from portal.hub.poller import GUEST, LINK, PLAYER

MIB = 1024 * 1024

both = pytest.mark.parametrize("kind", ["tcp", "unix"])


class Counting(socket.socket):
    """A socket that counts its sends."""

    sends = 0

    def send(self, data, *flags):
        self.sends += 1
        return super().send(data, *flags)


# ---- what is written


@both
async def test_what_is_written_leaves_in_one_send(hub, connect, kind):
    made = []

    def wrap(**options):
        made.append(Counting(**options))
        return made[0]

    recorder, peer = connect(hub, kind, wrap=wrap)
    for piece in (b"one ", b"", b"two ", b"three"):
        recorder.connection.write(piece)
    assert recorder.connection.unsent == 13
    assert await peer.read(13) == b"one two three"
    assert made[0].sends == 1
    assert recorder.connection.unsent == 0


async def test_writing_nothing_sends_nothing(hub, connect, metrics, until):
    recorder, peer = connect(hub)
    recorder.connection.write(b"")
    peer.send(b"x")
    await until(lambda: recorder.data)
    assert metrics.bytes_sent == 0
    assert metrics.bytes_received == 1


@both
@pytest.mark.parametrize("pieces", [[8 * MIB], [MIB] * 4, [4 * MIB, 1, 2, 3], [10] * 5000])
async def test_more_than_the_kernel_takes_arrives_whole(hub, connect, kind, pieces):
    recorder, peer = connect(hub, kind)
    data = b"".join(bytes([number % 251]) * size for number, size in enumerate(pieces))
    start = 0
    for size in pieces:
        recorder.connection.write(data[start : start + size])
        start += size
    assert await peer.read(len(data)) == data
    assert recorder.connection.unsent == hub.unsent == 0


@both
async def test_what_is_written_while_the_peer_is_slow_comes_behind(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    connection = recorder.connection
    connection.write(b"a" * 7 * MIB)
    await until(lambda: hub.unsent)
    for letter in (b"b", b"c"):
        connection.write(letter * 1000)
    state = connection.get_state()
    assert len(state["unsent"]) == connection.unsent
    assert state["unsent"].endswith(b"b" * 1000 + b"c" * 1000)
    data = await peer.read(7 * MIB + 2000)
    assert data == b"a" * 7 * MIB + b"b" * 1000 + b"c" * 1000


async def test_state_is_plain_data(hub, connect):
    recorder, _ = connect(hub)
    connection = recorder.connection
    connection.write(b"one ")
    connection.write(b"two")
    expected = {"peer": connection.peer, "unsent": b"one two", "closing": False, "paused": False}
    assert connection.get_state() == expected
    connection.pause_reading()
    connection.close()
    assert connection.get_state() == expected | {"closing": True, "paused": True}


@pytest.mark.parametrize(
    ("kind", "options", "address", "local"),
    [
        ("tcp", {}, "127.0.0.1", True),
        ("tcp", {"host": "::1"}, "::1", True),
        ("unix", {}, "", True),
    ],
)
async def test_where_a_peer_is(hub, make_pair, kind, options, address, local):
    near, far = make_pair(kind, **options)
    connection = hub.add_socket(near, Silent)
    name = far.getsockname()
    assert connection.peer == (name if isinstance(name, str) else name[:2])
    assert (connection.address, connection.is_local) == (address, local)
    assert connection.sessid is None


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        (("192.0.2.1", 5), False),
        (("127.8.9.1", 5), True),
        (("2001:db8::1", 5, 0, 0), False),
        ("/run/portal", True),
    ],
)
async def test_who_is_local(hub, make_pair, peer, local):
    near, _ = make_pair()
    connection = hub.add_socket(near, Silent, peer=peer)
    assert connection.is_local is local
    assert connection.peer == (peer if isinstance(peer, str) else peer[:2])


class Elsewhere(socket.socket):
    """A socket whose own end is at an address that is not loopback."""

    def getsockname(self):
        return ("192.0.2.1", 7)


async def test_a_peer_at_this_end_s_own_address_is_local(hub, make_pair):
    near, _ = make_pair()
    sock = Elsewhere(fileno=near.detach())
    connection = hub.add_socket(sock, Silent, peer=("192.0.2.1", 5))
    assert connection.is_local


class Silent:
    def __init__(self, connection):
        pass

    def receive_data(self, data):
        pass

    def receive_eof(self):
        pass

    def connection_lost(self, error):
        pass


# ---- orderly ends


@both
async def test_the_peer_closes(hub, connect, until, metrics, kind):
    recorder, peer = connect(hub, kind)
    peer.send(b"last words")
    peer.close()
    await until(lambda: recorder.lost)
    assert recorder.data == b"last words"
    assert recorder.events == ["eof", ("lost", None)]
    assert metrics.connections_lost == 1
    assert hub.connections == 0
    assert recorder.connection.fileno() == -1


@both
async def test_this_side_closes(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    connection = recorder.connection
    connection.write(b"goodbye")
    connection.close("told to")
    connection.close("again")
    connection.write(b"too late")
    assert await peer.read_to_end() == b"goodbye"
    assert recorder.lost == []
    peer.send(b"not heard")
    peer.close()
    await until(lambda: recorder.lost)
    assert recorder.events == [("lost", None)]
    assert recorder.data == b""
    assert connection.close_reason == "told to"


async def test_a_goodbye_arrives_although_input_is_unread(hub, connect, until):
    recorder, peer = connect(hub)
    recorder.connection.pause_reading()
    peer.send(b"x" * 40_000)
    recorder.connection.write(b"goodbye")
    recorder.connection.close()
    # A reset would raise here, or swallow the line.
    assert await peer.read_to_end() == b"goodbye"
    peer.send(b"y" * 1000)
    peer.close()
    await until(lambda: recorder.lost)
    assert recorder.events == [("lost", None)]


@both
async def test_output_is_not_cut_by_the_end_of_input(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    recorder.connection.write(b"z" * 4 * MIB)
    peer.shut()
    await until(lambda: recorder.events)
    assert len(await peer.read_to_end()) == 4 * MIB
    await until(lambda: recorder.lost)
    assert recorder.events == ["eof", ("lost", None)]


@both
async def test_the_end_of_input_while_closing_goes_on_sending(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    recorder.connection.write(b"z" * 4 * MIB)
    recorder.connection.close()
    await until(lambda: hub.unsent)
    peer.shut()
    assert len(await peer.read_to_end()) == 4 * MIB
    await until(lambda: recorder.lost)
    assert recorder.events == [("lost", None)]


@both
async def test_a_protocol_may_go_on_after_the_end_of_input(hub, connect, until, kind):
    recorder, peer = connect(hub, kind, half_open=True)
    peer.shut()
    await until(lambda: recorder.events)
    recorder.connection.pause_reading()
    recorder.connection.resume_reading()
    recorder.connection.write(b"still here")
    assert await peer.read(10) == b"still here"
    recorder.connection.close()
    assert await peer.read_to_end() == b""
    await until(lambda: recorder.lost)
    assert recorder.events == ["eof", ("lost", None)]


# ---- ends without order


async def test_a_reset(hub, connect, until):
    recorder, peer = connect(hub)
    peer.reset()
    await until(lambda: recorder.lost)
    assert [type(error) for error in recorder.lost] == [ConnectionResetError]


async def test_a_reset_after_the_end_of_input(hub, connect, until):
    recorder, peer = connect(hub, half_open=True)
    peer.shut()
    await until(lambda: recorder.events)
    peer.reset()
    await until(lambda: recorder.lost)
    assert isinstance(recorder.lost[0], OSError)


async def test_a_unix_peer_that_goes_after_its_end_of_input(hub, connect, until):
    recorder, peer = connect(hub, "unix", half_open=True)
    peer.shut()
    await until(lambda: recorder.events)
    peer.close()
    await until(lambda: recorder.lost)
    assert recorder.lost == [None]


@pytest.mark.parametrize("half_open", [True, False])
async def test_what_came_before_a_failed_send_is_delivered(
    make_hub, connect, until, nursery, half_open
):
    hub = make_hub(receive_bytes=16)
    recorder, peer = connect(hub, "unix", half_open=half_open)
    peer.send(b"w" * 1000)
    peer.close()
    # It is written to in the first tick, when most of the input has not been read.
    recorder.connection.write(b"nobody takes this")
    nursery.start_soon(hub.run)
    await until(lambda: recorder.data)
    recorder.connection.write(b"nor this")
    recorder.connection.pause_reading()
    recorder.connection.resume_reading()
    await until(lambda: recorder.lost)
    assert recorder.data == b"w" * 1000
    assert recorder.events == ["eof", ("lost", None)]
    assert hub.unsent == 0


async def test_a_failed_send_after_the_end_of_input_is_the_end(hub, connect, until):
    recorder, peer = connect(hub, "unix")

    def answer():
        peer.close()
        recorder.connection.write(b"nobody takes this")

    recorder.receive_eof = answer
    peer.shut()
    await until(lambda: recorder.lost)
    assert [type(error) for error in recorder.lost] == [BrokenPipeError]


async def test_a_peer_that_resets_while_it_is_said_goodbye(hub, connect, until):
    recorder, peer = connect(hub)
    recorder.connection.write(b"z" * 4 * MIB)
    recorder.connection.close("enough")
    await until(lambda: hub.unsent)
    peer.reset()
    await until(lambda: recorder.lost)
    assert [type(error) for error in recorder.lost] == [ConnectionResetError]
    assert hub.unsent == 0


@both
async def test_abort_drops_what_is_unsent(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    connection = recorder.connection
    connection.write(b"never sent")
    connection.abort("enough")
    assert recorder.lost == []  # told at the end of the tick, not from within the call
    connection.abort("again")
    connection.close("again")
    connection.write(b"too late")
    assert connection.unsent == 0
    await until(lambda: recorder.lost)
    assert await peer.read_to_end() == b""
    connection.abort("long gone")
    connection.pause_reading()
    connection.resume_reading()
    assert recorder.events == [("lost", None)]
    assert connection.close_reason == "enough"


async def test_aborting_a_close_keeps_its_reason(hub, connect, until):
    recorder, _ = connect(hub)
    recorder.connection.close("first")
    recorder.connection.abort("second")
    await until(lambda: recorder.lost)
    assert recorder.connection.close_reason == "first"


# ---- being told that all was sent


@both
async def test_it_is_told_once_when_all_was_sent(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    connection = recorder.connection
    told = []
    connection.write(b"z" * 4 * MIB)
    connection.call_when_sent(lambda: told.append(connection.unsent))
    await until(lambda: 0 < connection.unsent < 4 * MIB)
    await trio.testing.wait_all_tasks_blocked()
    assert told == []
    await peer.read(4 * MIB)
    await until(lambda: told)
    connection.write(b"more")
    await peer.read(4)
    assert told == [0]


async def test_where_nothing_is_unsent_it_is_told_with_the_next_tick(hub, connect, until):
    recorder, _ = connect(hub)
    told = []
    recorder.connection.call_when_sent(lambda: told.append("sent"))
    assert told == []
    await until(lambda: told)
    await trio.testing.wait_all_tasks_blocked()
    assert told == ["sent"]


async def test_a_goodbye_that_was_sent_is_told(hub, connect, until):
    recorder, _ = connect(hub)
    told = []
    recorder.connection.write(b"goodbye")
    recorder.connection.close()
    recorder.connection.call_when_sent(lambda: told.append("sent"))
    await until(lambda: told)


@pytest.mark.parametrize("end", ["abort", "reset"])
async def test_the_end_forgets_who_wants_to_be_told(hub, connect, until, end):
    recorder, peer = connect(hub)
    connection = recorder.connection
    told = []
    connection.write(b"z" * 4 * MIB)
    connection.call_when_sent(lambda: told.append("sent"))
    await until(lambda: connection.unsent < 4 * MIB)
    (connection.abort if end == "abort" else peer.reset)()
    await until(lambda: recorder.lost)
    connection.call_when_sent(lambda: told.append("after the end"))
    await trio.testing.wait_all_tasks_blocked()
    assert told == []
    assert connection._sent is None


# ---- deadlines of closing


async def test_a_peer_that_does_not_close_is_not_waited_for(hub, connect, until, mock_clock):
    recorder, peer = connect(hub)
    recorder.connection.write(b"goodbye")
    recorder.connection.close("done")
    assert await peer.read_to_end() == b"goodbye"
    mock_clock.jump(2.5)
    await trio.testing.wait_all_tasks_blocked()
    assert recorder.lost == []
    mock_clock.jump(1)
    await until(lambda: recorder.lost)
    assert recorder.events == [("lost", None)]
    assert recorder.connection.close_reason == "done"


async def test_a_peer_that_goes_on_reading_is_waited_for(hub, connect, until, mock_clock):
    recorder, peer = connect(hub, "unix")
    recorder.connection.write(b"z" * 8 * MIB)
    recorder.connection.close()
    await until(lambda: hub.unsent)
    for _ in range(5):
        mock_clock.jump(2.5)
        await trio.testing.wait_all_tasks_blocked()
        before = recorder.connection.unsent
        await peer.read(MIB)
        await until(lambda: recorder.connection.unsent < before)  # noqa: B023 - called at once
    assert recorder.lost == []
    await trio.testing.wait_all_tasks_blocked()  # it has sent all that it can
    mock_clock.jump(3.5)
    await until(lambda: recorder.lost)


async def test_but_not_for_ever(make_hub, connect, until, mock_clock, nursery):
    hub = make_hub(close_cap_seconds=5.0)
    recorder, peer = connect(hub, "unix")
    recorder.connection.write(b"z" * 8 * MIB)
    recorder.connection.close()
    nursery.start_soon(hub.run)
    await until(lambda: hub.unsent)
    for _ in range(2):
        mock_clock.jump(2.4)
        before = recorder.connection.unsent
        await peer.read(MIB)
        await until(lambda: recorder.lost or recorder.connection.unsent < before)  # noqa: B023
    mock_clock.jump(0.5)
    await until(lambda: recorder.lost)
    assert recorder.connection.unsent == hub.unsent == 0


async def test_a_peer_that_goes_on_sending_is_not_read_for_ever(
    make_hub, connect, until, nursery, metrics
):
    hub = make_hub(close_discard_bytes=MIB)
    recorder, peer = connect(hub)
    recorder.connection.close("enough")
    await nursery.start(hub.run)
    with pytest.raises(trio.BrokenResourceError):
        await peer.stream.send_all(b"flood" * 10 * MIB)
    await until(lambda: recorder.lost)
    assert recorder.events == [("lost", None)]
    assert recorder.data == b""
    assert MIB < metrics.bytes_received < 2 * MIB


# ---- pausing


@both
async def test_pausing(hub, connect, until, kind):
    recorder, peer = connect(hub, kind)
    other, other_peer = connect(hub, kind)
    recorder.connection.pause_reading()
    peer.send(b"kept by the kernel")
    other_peer.send(b"x")
    await until(lambda: other.data)
    assert recorder.data == b""
    recorder.connection.resume_reading()
    await until(lambda: recorder.data == b"kept by the kernel")


async def test_pausing_from_within(make_hub, connect, until, nursery):
    hub = make_hub(receive_bytes=4)
    recorder, peer = connect(hub)
    recorder.at_data = lambda _: recorder.connection.pause_reading()
    peer.send(b"12345678")
    nursery.start_soon(hub.run)
    await until(lambda: recorder.data == b"1234")
    await trio.testing.wait_all_tasks_blocked()
    assert recorder.data == b"1234"
    recorder.connection.resume_reading()
    await until(lambda: recorder.data == b"12345678")


async def test_a_peer_that_is_gone_is_read_to_its_end_despite_a_pause(hub, connect, until):
    recorder, peer = connect(hub, "unix")
    recorder.connection.pause_reading()
    peer.send(b"last words")
    peer.close()
    await until(lambda: recorder.lost)
    assert recorder.data == b"last words"
    assert recorder.events == ["eof", ("lost", None)]


@both
@pytest.mark.parametrize("verb", ["shut", "close"])
async def test_the_end_of_input_is_noticed_despite_a_pause(hub, connect, until, kind, verb):
    recorder, peer = connect(hub, kind)
    recorder.connection.pause_reading()
    await trio.testing.wait_all_tasks_blocked()
    peer.send(b"last words")
    getattr(peer, verb)()
    await until(lambda: recorder.lost)
    assert recorder.data == b"last words"
    assert recorder.events == ["eof", ("lost", None)]


@both
async def test_a_paused_peer_that_ends_cannot_flood(make_hub, connect, until, nursery, kind):
    hub = make_hub(receive_bytes=10)
    recorder, peer = connect(hub, kind, half_open=True)
    recorder.connection.pause_reading()
    peer.send(b"0123456789" * 1000)
    peer.shut()
    with capture_logs() as logs:
        nursery.start_soon(hub.run)
        await until(lambda: recorder.events)
    assert recorder.data == b"0123456789"
    assert recorder.events == ["eof"]
    assert [(entry["event"], entry["size"]) for entry in logs] == [("input_discarded", 9990)]
    recorder.connection.resume_reading()
    recorder.connection.write(b"your answer")
    recorder.connection.close()
    # Nothing of the input is left unread, so no reset swallows the answer.
    assert await peer.read_to_end() == b"your answer"
    await until(lambda: recorder.lost)
    assert recorder.data == b"0123456789"


@both
@pytest.mark.parametrize(
    ("at_data", "data", "events"),
    [
        ("close", b"1234", []),
        ("abort", b"1234", []),
        ("pause_reading", b"1234", ["eof"]),
        ("resume_reading", b"12345678", ["eof"]),
    ],
)
async def test_what_the_last_words_of_a_paused_peer_lead_to(
    make_hub, connect, until, nursery, kind, at_data, data, events
):
    hub = make_hub(receive_bytes=4)
    recorder, peer = connect(hub, kind)
    recorder.connection.pause_reading()
    recorder.at_data = lambda _: getattr(recorder.connection, at_data)()
    peer.send(b"12345678")
    peer.shut()
    nursery.start_soon(hub.run)
    await until(lambda: recorder.lost)
    assert recorder.data == data
    assert recorder.events == [*events, ("lost", None)]


async def test_a_half_closed_peer_costs_no_ticks(hub, connect, until):
    recorder, peer = connect(hub, half_open=True)
    recorder.connection.pause_reading()
    peer.shut()
    await until(lambda: recorder.events)
    await trio.testing.wait_all_tasks_blocked()
    assert select.select([hub._poller.fileno()], [], [], 0)[0] == []


# ---- protocols


async def test_a_protocol_may_be_replaced_between_two_reads(make_hub, connect, until, nursery):
    hub = make_hub(receive_bytes=4)
    first, peer = connect(hub)
    second = type(first)(first.connection)
    first.at_data = lambda _: setattr(first.connection, "protocol", second)
    peer.send(b"head" + b"body")
    nursery.start_soon(hub.run)
    await until(lambda: second.data)
    assert (first.data, second.data) == (b"head", b"body")
    peer.close()
    await until(lambda: second.lost)
    assert first.events == []


@pytest.mark.parametrize("verb", ["receive_data", "receive_eof"])
async def test_an_exception_ends_its_connection_only(hub, connect, until, metrics, verb):
    recorder, peer = connect(hub, sessid=42)
    other, other_peer = connect(hub)
    error = RuntimeError("a bug")

    def fail(*_):
        raise error

    setattr(recorder, verb, fail)
    with capture_logs() as logs:
        peer.send(b"secret")
        peer.shut()
        await until(lambda: recorder.lost)
    assert recorder.lost == [error]
    assert recorder.connection.close_reason == "internal error"
    assert metrics.protocol_crashes == 1
    (entry,) = logs
    assert (entry["event"], entry["sessid"], entry["exc_info"]) == ("protocol_failed", 42, error)
    other_peer.send(b"unharmed")
    await until(lambda: other.data == b"unharmed")


async def test_an_exception_after_an_abort_of_its_own(hub, connect, until, metrics):
    recorder, peer = connect(hub)

    def fail(_):
        recorder.connection.abort("enough")
        raise RuntimeError("a bug")

    recorder.receive_data = fail
    with capture_logs():
        peer.send(b"x")
        await until(lambda: recorder.lost)
    assert recorder.lost == [None]
    assert recorder.connection.close_reason == "enough"
    assert metrics.protocol_crashes == 1


async def test_an_exception_at_the_very_end(hub, connect, until, metrics):
    recorder, peer = connect(hub, sessid=42)
    other, other_peer = connect(hub)
    recorder.connection_lost = lambda _: 1 / 0
    with capture_logs() as logs:
        peer.close()
        await until(lambda: metrics.protocol_crashes)
    assert [(entry["event"], entry["sessid"]) for entry in logs] == [("connection_lost_failed", 42)]
    other_peer.send(b"unharmed")
    await until(lambda: other.data == b"unharmed")
    assert hub.connections == 1


# ---- rank


async def test_the_link_is_served_first(make_hub, connect, until, ready, nursery):
    hub = make_hub(tick_events=2)
    order = []
    recorders = []
    for number in range(6):
        recorder, peer = connect(hub)
        recorder.at_data = lambda _, number=number: order.append(number)
        recorders.append((recorder, peer))
    link, link_peer = recorders[-1]
    link.connection.rank = LINK
    for _, peer in recorders:
        peer.send(b"x")
    await ready(*(recorder for recorder, _ in recorders))
    nursery.start_soon(hub.run)
    await until(lambda: len(order) == 6)
    assert order[0] == 5
    link.connection.rank = PLAYER
    link_peer.send(b"y")
    await until(lambda: link.data == b"xy")
    link.connection.abort()
    await until(lambda: link.lost)
    link.connection.rank = LINK
    assert link.connection.rank is LINK


async def test_the_link_is_served_however_many_clients_are_ready(
    make_hub, connect, until, ready, nursery
):
    hub = make_hub(tick_events=1, receive_bytes=1)
    order = []
    clients = [connect(hub) for _ in range(5)]
    link, link_peer = connect(hub)
    link.connection.rank = LINK
    link.at_data = lambda _: order.append("link")
    for client, peer in clients:
        client.at_data = lambda _: order.append("client")
        peer.send(b"x" * 4)
    link_peer.send(b"x" * 10)
    await ready(link, *(client for client, _ in clients))
    nursery.start_soon(hub.run)
    await until(lambda: len(order) == 30)
    # One byte of it in each tick, beside one event of a client.
    assert order[:20].count("link") == 10


async def test_some_guests_are_served_before_players(make_hub, connect, until, ready, nursery):
    hub = make_hub(tick_guests=2, tick_events=2)
    order = []
    players = [connect(hub) for _ in range(4)]
    guests = [connect(hub) for _ in range(4)]
    for name, pairs in (("player", players), ("guest", guests)):
        for recorder, peer in pairs:
            recorder.at_data = lambda _, name=name: order.append(name)
            recorder.connection.rank = GUEST if name == "guest" else PLAYER
            peer.send(b"x")
    await ready(*(recorder for recorder, _ in (*players, *guests)))
    nursery.start_soon(hub.run)
    await until(lambda: len(order) == 8)
    # The guests' set is one of the two events of a player's turn as long as it has more.
    assert order[:2] == ["guest", "guest"]
    assert order.index("player") == 2
    assert order[-1] == "player"


async def test_guests_take_no_more_than_a_phase(make_hub, connect, until, ready, nursery):
    hub = make_hub(tick_guests=9, phase_seconds=0.0)
    order = []
    pairs = [connect(hub) for _ in range(4)]
    for number, (recorder, peer) in enumerate(pairs):
        recorder.at_data = lambda _, number=number: order.append(number)
        recorder.connection.rank = PLAYER if number == 3 else GUEST
        peer.send(b"x")
    await ready(*(recorder for recorder, _ in pairs))
    nursery.start_soon(hub.run)
    await until(lambda: len(order) == 4)
    assert order.index(3) < 3


async def test_what_the_link_has_to_send_goes_first(make_hub, connect, until, nursery):
    hub = make_hub(phase_seconds=0.0)
    order = []

    class Noting(socket.socket):
        def send(self, data, *flags):
            order.append(data)
            return super().send(data, *flags)

    clients = [connect(hub, wrap=Noting)[0] for _ in range(10)]
    link, _ = connect(hub, wrap=Noting)
    link.connection.rank = LINK
    for recorder in (*clients, link):
        recorder.connection.write(b"link" if recorder is link else b"client")
    nursery.start_soon(hub.run)
    await until(lambda: len(order) == 11)
    assert order[0] == b"link"


async def test_another_rank_while_something_is_unsent(hub, connect, until):
    recorder, peer = connect(hub)
    recorder.connection.write(b"z" * 4 * MIB)
    await until(lambda: hub.unsent)
    recorder.connection.rank = LINK
    assert await peer.read(4 * MIB) == b"z" * 4 * MIB
    peer.close()
    await until(lambda: recorder.lost)
