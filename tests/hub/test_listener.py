"""Who is let in, how the others are turned away, and what listeners survive."""

import contextlib
import errno
import os
import socket
import stat

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from portal.config import HubConfig, LimitsConfig
from portal.hub import listener as module
from portal.hub.listener import (
    FORGET_FROM,
    FULL,
    TOO_FAST,
    TOO_MANY,
    Admission,
    Listener,
    open_tcp_sockets,
    open_unix_socket,
)

HERE = "127.0.0.1"


class Protocol:
    """Greets, echoes, notes its end."""

    def __init__(self, connection):
        self.connection = connection
        self.lost = False
        connection.write(b"hello\r\n")

    def receive_data(self, data):
        self.connection.write(data)

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        self.lost = True


@pytest.fixture
async def listen(hub, nursery):
    """Start a listener that admits by the given limits."""

    async def start(sockets=None, *, make=Protocol, refusal=b"", **limits):
        admission = Admission(LimitsConfig(**limits))
        if sockets is None:
            sockets = open_tcp_sockets([HERE], 0, 16)
        listener = Listener(hub, "test", sockets, make, admission=admission, refusal=refusal)
        assert await nursery.start(listener.run) == listener.addresses
        return listener, admission

    return start


@pytest.fixture
async def dial(until):
    """Connect to a listener; every stream is closed at the end."""
    streams = []

    async def dial(listener):
        (address,) = listener.addresses
        if isinstance(address, str):
            stream = await trio.open_unix_socket(address)
        else:
            stream = await trio.open_tcp_stream(*address)
        streams.append(stream)
        return stream

    yield dial
    for stream in streams:
        await trio.aclose_forcefully(stream)


async def read_to_end(stream):
    return b"".join([data async for data in stream])


# ---- admission


LIMITS = LimitsConfig(
    connections=4, connections_per_address=2, connections_per_second=1.0, connection_burst=3
)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a0 a0", ["", ""]),
        ("a0 a0 a0", ["", "", TOO_MANY]),
        ("a0 a0 b0 c0 d0", ["", "", "", "", FULL]),
        ("a0 a0 -a a0", ["", "", ""]),
        ("a0 a0 -a a0 -a a0", ["", "", "", TOO_FAST]),
        ("a0 a0 -a a0 -a a1", ["", "", "", ""]),
        ("a0 a0 -a a0 -a a0 b0", ["", "", "", TOO_FAST, ""]),
        # Whoever is refused takes no place from anybody.
        ("a0 a0 a0 a0 a0 b0 b0", ["", "", TOO_MANY, TOO_MANY, TOO_MANY, "", ""]),
        ("u0 u0 u0 u0 u0", ["", "", "", "", FULL]),
    ],
)
def test_admission(script, expected):
    admission = Admission(LIMITS)
    answers = []
    for step in script.split():
        name = {"u": ""}.get(step[-1] if step[0] == "-" else step[0], f"192.0.2.{ord(step[-2])}")
        if step[0] == "-":
            name = f"192.0.2.{ord(step[1])}" if step[1] != "u" else ""
            admission.release(name)
        else:
            answers.append(admission.admit(name, float(step[1:])))
    assert answers == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_customer_has_one_network(one, other, same):
    admission = Admission(LimitsConfig(connections_per_address=1))
    assert admission.admit(one, 0.0) == ""
    assert admission.admit(other, 0.0) == (TOO_MANY if same else "")


def test_who_is_behind_a_proxy_counts_in_its_place():
    admission = Admission(LimitsConfig(connections=3, connections_per_address=1))
    assert admission.admit("", 0.0) == admission.admit_client("192.0.2.1", 0.0) == ""
    assert admission.admit_client("192.0.2.1", 0.0) == TOO_MANY
    assert admission.admit("192.0.2.1", 0.0) == TOO_MANY
    admission.release_client("192.0.2.1")
    assert admission.admit("192.0.2.1", 0.0) == ""
    assert admission.total == 2
    assert admission.admit_client("127.0.0.1", 0.0) == admission.admit_client("", 0.0) == ""


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.9.9.9", "::1"])
def test_on_this_machine_only_the_total_counts(address):
    admission = Admission(
        LimitsConfig(connections=3, connections_per_address=1, connection_burst=1)
    )
    for _ in range(3):
        assert admission.admit(address, 0.0) == ""
    assert admission.admit(address, 0.0) == FULL
    admission.release(address)
    assert admission.admit(address, 0.0) == ""


def test_addresses_are_forgotten_once_they_mean_nothing():
    admission = Admission(LimitsConfig(connections_per_second=10.0, connection_burst=1))
    for number in range(FORGET_FROM):
        assert admission.admit(f"10.0.{number // 256}.{number % 256}", 0.0) == ""
        if number:
            admission.release(f"10.0.{number // 256}.{number % 256}")
    admission.admit("192.0.2.1", 0.05)  # none has its burst again
    assert len(admission._callers) == FORGET_FROM + 1
    assert admission.admit("10.0.0.1", 0.05) == TOO_FAST
    for number in range(FORGET_FROM):
        admission.admit(f"10.1.{number // 256}.{number % 256}", 0.5)
        admission.release(f"10.1.{number // 256}.{number % 256}")
    admission.admit("192.0.2.2", 10.0)
    assert len(admission._callers) <= 2 * FORGET_FROM + 3
    assert "10.0.0.0" in admission._callers
    admission.release("10.0.0.0")


# ---- listening


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["::1"], ["127.0.0.1", "::1", "127.0.0.1"]])
def test_one_port_for_every_host(hosts):
    sockets = open_tcp_sockets(hosts, 0, 8)
    try:
        names = [sock.getsockname()[:2] for sock in sockets]
        assert [host for host, _ in names] == list(dict.fromkeys(hosts))
        assert len({port for _, port in names}) == 1
        assert names[0][1] > 0
    finally:
        for sock in sockets:
            sock.close()


def test_every_address_of_both_kinds():
    sockets = open_tcp_sockets(["0.0.0.0", "::"], 0, 8)
    assert {sock.family for sock in sockets} == {socket.AF_INET, socket.AF_INET6}
    for sock in sockets:
        sock.close()


def test_a_port_in_use():
    with socket.create_server((HERE, 0)) as server:
        with pytest.raises(OSError, match="in use") as caught:
            open_tcp_sockets([HERE], server.getsockname()[1], 8)
        assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(("failures", "works"), [(1, True), (15, True), (16, False)])
def test_a_free_port_that_another_host_has_taken(monkeypatch, failures, works):
    left = [failures]

    class Taken(socket.socket):
        """Finds the port taken, so often, on the second address."""

        def bind(self, address):
            if address[1] and left[0]:
                left[0] -= 1
                raise OSError(errno.EADDRINUSE, "taken")
            super().bind(address)

    monkeypatch.setattr(module.socket, "socket", Taken)
    if works:
        for sock in open_tcp_sockets(["127.0.0.1", "127.0.0.2"], 0, 8):
            sock.close()
    else:
        with pytest.raises(OSError, match="taken"):
            open_tcp_sockets(["127.0.0.1", "127.0.0.2"], 0, 8)
    assert left == [0]


def test_a_unix_socket_is_for_its_owner(tmp_path):
    path = tmp_path / "socket"
    with open_unix_socket(str(path), 8):
        assert stat.filemode(path.stat().st_mode) == "srw-------"


def test_a_stale_unix_socket_is_replaced(tmp_path):
    path = str(tmp_path / "socket")
    open_unix_socket(path, 8).close()
    with open_unix_socket(path, 8), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_live_unix_socket_is_left_alone(tmp_path, waiting):
    path = str(tmp_path / "socket")
    with open_unix_socket(path, 0) as live, socket.socket(socket.AF_UNIX) as client:
        if waiting:
            client.connect(path)  # its backlog is full now
        with pytest.raises(OSError, match="in use") as caught:
            open_unix_socket(path, 8)
        assert caught.value.errno == errno.EADDRINUSE
        live.accept()[0].close()


def test_a_file_is_not_a_socket(tmp_path):
    path = tmp_path / "socket"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        open_unix_socket(str(path), 8)
    assert path.read_text() == "precious"


def test_a_unix_socket_in_no_folder(tmp_path):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    with pytest.raises(FileNotFoundError):
        open_unix_socket(str(tmp_path / "no" / "socket"), 8)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


# ---- the service


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_tcp(listen, dial, host, metrics, until):
    listener, admission = await listen(open_tcp_sockets([host], 0, 8))
    stream = await dial(listener)
    assert await stream.receive_some() == b"hello\r\n"
    await stream.send_all(b"echo")
    assert await stream.receive_some() == b"echo"
    assert (metrics.connections_accepted, admission.total) == (1, 1)
    await stream.aclose()
    await until(lambda: admission.total == 0)


async def test_unix(listen, dial, tmp_path, until):
    path = tmp_path / "socket"
    listener, admission = await listen([open_unix_socket(str(path), 8)])
    assert listener.addresses == [str(path)]
    stream = await dial(listener)
    assert await stream.receive_some() == b"hello\r\n"
    assert admission.total == 1
    listener.close()
    assert not path.exists()
    await stream.aclose()
    await until(lambda: admission.total == 0)


async def test_no_delay_and_keepalive_on_what_is_accepted(listen, dial):
    made = []
    listener, _ = await listen(make=lambda made_: made.append(made_) or Protocol(made_))
    await (await dial(listener)).receive_some()
    (connection,) = made
    assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_several_sockets(listen, hub):
    listener, _ = await listen(open_tcp_sockets(["127.0.0.1", "::1"], 0, 8))
    for address in listener.addresses:
        async with await trio.open_tcp_stream(*address) as stream:
            assert await stream.receive_some() == b"hello\r\n"


@pytest.mark.parametrize(
    ("limits", "refusal", "line"),
    [
        ({"connections": 1}, b"", FULL.encode() + b"\r\n"),
        ({"connections": 1}, b"\x00no\x00", b"\x00no\x00"),
    ],
)
async def test_a_refused_peer_is_told_why(listen, dial, metrics, until, limits, refusal, line):
    listener, admission = await listen(refusal=refusal, **limits)
    first = await dial(listener)
    assert await first.receive_some() == b"hello\r\n"
    second = await dial(listener)
    await second.send_all(b"unread input would cost the line")
    with capture_logs() as logs:
        assert await read_to_end(second) == line
    assert metrics.connections_refused == 1
    assert admission.total == 1
    assert all(entry["event"] == "connection_refused" for entry in logs)
    await first.send_all(b"unharmed")
    assert await first.receive_some() == b"unharmed"
    await second.aclose()
    await until(lambda: listener.lingering == 0)


async def test_a_flood_of_refusals_does_not_fill_the_log(listen, dial, monkeypatch, until, metrics):
    monkeypatch.setattr(module, "LOGGED_BURST", 2)
    monkeypatch.setattr(module, "LOGGED_PER_SECOND", 1e-9)
    listener, _ = await listen(connections=0)
    with capture_logs() as logs:
        for number in range(1, 5):
            async with await dial(listener):
                await until(lambda number=number: metrics.connections_refused == number)
    assert [entry["refused"] for entry in logs if entry["event"] == "connection_refused"] == [1, 2]


async def test_so_many_linger_and_no_more(listen, dial, until, metrics, hub):
    hub.reconfigure(HubConfig(refusals=2))
    listener, _ = await listen(connections=0)
    streams = [await dial(listener) for _ in range(3)]
    await until(lambda: metrics.connections_refused == 3)
    assert hub.connections == 2
    answers = [await read_to_end(stream) for stream in streams]
    assert sorted(answers) == [b"", *[FULL.encode() + b"\r\n"] * 2]
    await streams[answers.index(FULL.encode() + b"\r\n")].aclose()
    await until(lambda: listener.lingering == 1)


async def test_a_protocol_that_cannot_be_made(listen, dial, metrics, until):
    broken = [True]

    def make(connection):
        if broken:
            broken.clear()
            raise OSError("a bug")
        return Protocol(connection)

    listener, admission = await listen(make=make)
    with capture_logs() as logs:
        assert await read_to_end(await dial(listener)) == b""
        await until(lambda: admission.total == 0)
    assert [entry["event"] for entry in logs] == ["protocol_not_made"]
    assert metrics.protocol_crashes == 1
    assert await (await dial(listener)).receive_some() == b"hello\r\n"


class Failing(socket.socket):
    """A listening socket that fails to accept, as often as `errors` says."""

    errors = ()

    def accept(self):
        if self.errors:
            raise OSError(self.errors.pop(0), "not now")
        return super().accept()


def failing_socket(*errors):
    (plain,) = open_tcp_sockets([HERE], 0, 8)
    sock = Failing(fileno=plain.detach())
    sock.errors = list(errors)
    return sock


@pytest.mark.parametrize(
    "errors",
    [
        (errno.EMFILE, errno.ENFILE),
        (errno.ENOBUFS, errno.ENOMEM),
        (errno.ENETDOWN, errno.EPROTO),
        (errno.EHOSTUNREACH, errno.EPERM),
        (errno.ENOSYS, errno.EIO),
    ],
)
async def test_what_may_pass_pauses_accepting(listen, dial, metrics, mock_clock, until, errors):
    listener, _ = await listen([failing_socket(*errors)])
    stream = await dial(listener)
    for pauses in (1, 2):
        await until(lambda: metrics.accept_pauses == pauses)  # noqa: B023 - called at once
        await trio.testing.wait_all_tasks_blocked()
        assert metrics.accept_pauses == pauses
        assert metrics.connections_accepted == 0
        mock_clock.jump(0.1)
    assert await stream.receive_some() == b"hello\r\n"


async def test_a_peer_that_left_the_backlog(listen, dial, metrics):
    listener, _ = await listen([failing_socket(errno.ECONNABORTED)])
    assert await (await dial(listener)).receive_some() == b"hello\r\n"
    assert metrics.accept_pauses == 0


@pytest.mark.parametrize("error", [errno.EBADF, errno.EINVAL, errno.ENOTSOCK])
async def test_a_socket_that_never_accepts_again(hub, dial, error):
    sock = failing_socket(error)
    listener = Listener(hub, "test", [sock], Protocol, admission=Admission(LimitsConfig()))
    with pytest.RaisesGroup(pytest.RaisesGroup(OSError)):
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.run)
            await dial(listener)
    assert sock.fileno() == -1


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ({"accept_batch": 9, "phase_seconds": 60.0}, 3),
        ({"accept_batch": 2, "phase_seconds": 60.0}, 2),
        ({"accept_batch": 9, "phase_seconds": 0.0}, 1),
    ],
)
async def test_a_batch_is_bounded(make_hub, nursery, until, options, accepted):
    hub = make_hub(**options)
    (sock,) = open_tcp_sockets([HERE], 0, 8)
    listener = Listener(hub, "test", [sock], Protocol, admission=Admission(LimitsConfig()))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.addresses[0]))
        listener._accept_batch(sock)
        assert hub.connections == accepted
        # The rest comes in the next batches, without anything that happens.
        await nursery.start(hub.run)
        await nursery.start(listener.run)
        await until(lambda: hub.connections == 3)


async def test_closing_is_final(listen, dial):
    listener, _ = await listen()
    stream = await dial(listener)
    listener.close()
    listener.close()
    with pytest.raises(OSError):
        await dial(listener)
    assert await stream.receive_some() == b"hello\r\n"


async def test_closing_before_running(hub, nursery):
    listener = Listener(
        hub, "test", open_tcp_sockets([HERE], 0, 8), Protocol, admission=Admission(LimitsConfig())
    )
    listener.close()
    assert listener.addresses[0][0] == HERE


async def test_what_comes_when_the_hub_has_stopped(make_hub, nursery, dial, until, metrics):
    hub = make_hub()
    with trio.CancelScope() as scope:
        scope.cancel()
        await hub.run()
    admission = Admission(LimitsConfig(connections=1))
    listener = Listener(hub, "test", open_tcp_sockets([HERE], 0, 8), Protocol, admission=admission)
    await nursery.start(listener.run)
    await read_to_end(await dial(listener))
    await until(lambda: metrics.connections_accepted)
    assert admission.total == 0
    admission.admit(HERE, 0.0)
    await read_to_end(await dial(listener))
    assert metrics.connections_refused == 1


async def test_a_proxy_is_let_in_as_often_as_it_comes(hub, make_pair, until):
    proxies = {"10.0.0.1"}
    admission = Admission(LimitsConfig(connections_per_address=1), proxies.__contains__)
    listener = Listener(hub, "test", [], Protocol, admission=admission)

    def come(address):
        near, far = make_pair("unix")
        listener._take(near, (address, 4711))
        return far

    ends = [come("10.0.0.1"), come("10.0.0.1"), come("192.0.2.1")]
    refused = trio.SocketStream(trio.socket.from_stdlib_socket(come("192.0.2.1")))
    assert await refused.receive_some() == TOO_MANY.encode() + b"\r\n"
    assert admission.total == 3
    proxies.clear()  # it is one no more, as the configuration says now
    ends.append(come("10.0.0.1"))
    assert admission.total == 4
    for end in ends:
        end.close()
    await until(lambda: admission.total == 0)
    assert [caller.connections for caller in admission._callers.values()] == [0, 0]


def test_other_limits_are_for_those_who_are_in_as_well():
    admission = Admission(LIMITS)
    assert [admission.admit("192.0.2.1", 0.0) for _ in range(3)] == ["", "", TOO_MANY]
    limits = LimitsConfig(
        connections=5,
        connections_per_address=4,
        connections_per_second=LIMITS.connections_per_second,
        connection_burst=10,
    )
    admission.reconfigure(limits)
    admission._callers["192.0.2.1"].bucket.tokens = 10
    assert [admission.admit("192.0.2.1", 0.0) for _ in range(3)] == ["", "", TOO_MANY]
    assert [admission.admit("192.0.2.2", 0.0) for _ in range(2)] == ["", FULL]
    admission.reconfigure(LIMITS)
    assert admission._callers["192.0.2.1"].bucket.burst == LIMITS.connection_burst
    assert admission.admit("192.0.2.1", 0.0) == FULL
    assert admission.total == 5
