import pytest
import structlog.testing

from portal.config import Config, HttpConfig
from portal.protocols import opening as module
from portal.protocols.opening import NO_HTTP, ONLY_WEBSOCKETS, OpeningProtocol
from portal.wire.upgrade import ONLY_13

PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
HANDSHAKE = (
    b"GET /play?a=b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Websockets:
    """Notes what is opened in place of `WebSocketProtocol`."""

    def __init__(self, proxies):
        self.proxies = proxies
        self.opened = []

    def open(self, connection, upgrade, received):
        self.opened.append((upgrade.path, upgrade.query, received))


class Trusting:
    def __init__(self, *trusted):
        self.trust = trusted.__contains__


class World:
    """The openings of a Portal that is nowhere; what is no websocket is noted in `served`."""

    def __init__(self, surroundings, *trusted):
        self.surroundings = surroundings
        self.hub = surroundings.hub
        self.metrics = surroundings.metrics
        self.websockets = Websockets(Trusting(*trusted))
        config, metrics, hub, _ = surroundings.parts
        self.protocol = OpeningProtocol(config, metrics, hub, self.websockets)
        self.served = []

    def connect(self, address="192.0.2.7"):
        connection = self.surroundings.connect(address)
        connection.protocol = self.protocol.begin(connection, self.serve)
        return connection

    def serve(self, connection, received):
        self.served.append(received)


@pytest.fixture
def make_world(make_surroundings):
    return lambda *trusted, **http: World(make_surroundings(http=HttpConfig(**http)), *trusted)


@pytest.fixture
def world(make_world):
    return make_world()


def refusal(connection):
    """The status and text of the one answer that a connection was given, before it was closed."""
    answer, (verb, reason) = connection.take()
    assert verb == "close"
    top, text = answer.decode().split("\r\n\r\n")
    assert reason == text.rstrip("\n")
    return int(top.split()[1]), reason


# ---- requests


@pytest.mark.parametrize("cut", range(1, len(PAGE)))
def test_a_page_cut_anywhere(world, cut):
    connection = world.connect()
    connection.protocol.receive_data(PAGE[:cut])
    assert world.served == []
    connection.protocol.receive_data(PAGE[cut:] + b"more")
    assert world.served == [PAGE + b"more"]
    assert connection.take() == []
    assert len(world.protocol.waiting) == 0


@pytest.mark.parametrize("rest", [b"", b"\x81\x85first frame", b"x" * 20_000])
def test_a_websocket_cut_anywhere(world, rest):
    data = HANDSHAKE + rest
    for cut in {*range(1, len(HANDSHAKE) + 2), len(data) - 1} - {len(data)}:
        connection = world.connect()
        for piece in (data[:cut], data[cut:]):
            if len(world.websockets.opened) == 0:
                connection.protocol.receive_data(piece)
        ((path, query, received),) = world.websockets.opened
        assert (path, query) == ("/play", "a=b")
        assert rest.startswith(received)
        assert received == rest or cut >= len(HANDSHAKE)
        world.websockets.opened.clear()
    assert world.served == []


def test_byte_by_byte(world):
    connection = world.connect()
    for number in range(len(HANDSHAKE)):
        connection.protocol.receive_data(HANDSHAKE[number : number + 1])
    assert world.websockets.opened == [("/play", "a=b", b"")]


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03"),  # TLS ClientHello
        bytes.fromhex("ff fb 18 ff fb 1f"),  # telnet: IAC WILL
        b"\r\n",
        b"\r\nGET / HTTP/1.1\r\n\r\n",
        b"\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"\x80",
        b"\r\n\r\n\0\r\nQUIT\n",  # PROXY protocol, version 2
        b"[1]",
        b"{}",
        "é".encode(),
    ],
)
def test_what_is_no_http_is_refused_at_its_first_byte(world, data):
    connection = world.connect()
    connection.protocol.receive_data(data)
    assert refusal(connection) == (400, NO_HTTP)
    assert world.metrics.websocket_handshakes_refused == 1
    assert len(world.protocol.waiting) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"look\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (PAGE.replace(b"1.1", b"3.0"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (PAGE.replace(b"Host: x", b"Transfer-Encoding: gzip"), 501),
        (PAGE.replace(b"Host: x", b"a:b\r\n" * 200), 431),
        (HANDSHAKE.replace(b"GET", b"POST"), 400),
        (HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (HANDSHAKE.replace(b"Host: x\r\n", b""), 400),
        (HANDSHAKE.replace(b"Host: x", b"Host: \xff"), 400),
        (HANDSHAKE.replace(b"Host: x", b"Host: g\xc3\xa4me"), 400),
        (HANDSHAKE.replace(b"Connection: Upgrade\r\n", b""), 400),
        (HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 8"), 426),
    ],
)
def test_what_is_refused(world, data, status):
    for cut in (0, 1, len(data) - 1):
        connection = world.connect()
        for piece in (data[:cut], data[cut:]):
            if piece and not connection.calls:  # a connection that closes delivers nothing more
                connection.protocol.receive_data(piece)
        assert refusal(connection)[0] == status
    assert world.served == world.websockets.opened == []
    assert world.metrics.websocket_handshakes_refused == 3
    assert len(world.protocol.waiting) == 0


def test_another_version_is_told_ours(world):
    connection = world.connect()
    connection.protocol.receive_data(HANDSHAKE.replace(b"Version: 13", b"Version: 8"))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in connection.calls[0]
    assert refusal(connection) == (426, ONLY_13)


@pytest.mark.parametrize(
    ("size", "served"),
    [(100 - len(PAGE) + 4, True), (100 - len(PAGE) + 5, False)],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_head_has_a_limit(make_world, size, served, pieces):
    world = make_world(head_bytes=100)
    connection = world.connect()
    data = PAGE.replace(b"/page", b"/page" + b"x" * size)
    for start in range(0, len(data), len(data) // pieces + 1):
        connection.protocol.receive_data(data[start : start + len(data) // pieces + 1])
    assert bool(world.served) is served
    if not served:
        assert refusal(connection) == (431, "A request's head may have 100 bytes.")


def test_a_head_without_end_is_refused_while_it_grows(make_world):
    connection = make_world(head_bytes=16_000).connect()
    sent = 0
    while not connection.calls:
        connection.protocol.receive_data(b"GET / HTTP/1.1\r\nA: " if not sent else b"x" * 1000)
        sent += 1000
    assert sent <= 17_000
    assert refusal(connection)[0] == 431


@pytest.mark.parametrize("data", [PAGE, HANDSHAKE])
def test_the_websockets_own_port(world, data):
    connection = world.surroundings.connect()
    connection.protocol = world.protocol.make_websocket(connection)
    connection.protocol.receive_data(data)
    if data is HANDSHAKE:
        assert world.websockets.opened == [("/play", "a=b", b"")]
    else:
        assert b"\r\nUpgrade: websocket\r\n" in connection.calls[0]
        assert refusal(connection) == (426, ONLY_WEBSOCKETS)
        assert world.metrics.websocket_handshakes_refused == 1


# ---- time and numbers


def test_a_slow_request_is_refused(world):
    connection = world.connect()
    connection.protocol.receive_data(b"GET / HT")
    world.hub.pass_time(4.9)
    connection.protocol.receive_data(b"TP/1.1\r\n")  # it makes progress, which does not count
    assert connection.take() == []
    world.hub.pass_time(0.2)
    assert refusal(connection) == (408, "Your request took too long.")
    assert world.metrics.handshakes_timed_out == 1
    world.hub.pass_time(100)
    assert connection.take() == []


def test_a_browser_that_only_connected_is_let_go_without_a_word(world):
    """It would show a 408 as the answer to what it asks for next."""
    connection = world.connect()
    with structlog.testing.capture_logs() as logs:
        world.hub.pass_time(5.1)
    assert connection.take() == [("close", "it sent no request")]
    assert world.metrics.handshakes_timed_out == 1
    assert logs == []


@pytest.mark.parametrize("end", ["receive_eof", "connection_lost"])
def test_who_has_gone_is_forgotten(world, end):
    connection = world.connect()
    connection.protocol.receive_data(b"GET")
    if end == "receive_eof":
        connection.protocol.receive_eof()
        assert connection.take() == [("close", "it sent no request")]
    else:
        connection.protocol.connection_lost(None)
    assert len(world.protocol.waiting) == len(world.protocol.tally) == 0
    world.hub.pass_time(10)
    assert connection.take() == []
    assert world.metrics.handshakes_timed_out == 0


@pytest.mark.parametrize("data", [PAGE, HANDSHAKE])
def test_a_whole_request_has_all_the_time(world, data):
    connection = world.connect()
    connection.protocol.receive_data(data)
    world.hub.pass_time(100)
    assert connection.take() == []


def test_the_oldest_gives_way(make_world):
    world = make_world(half_open=3)
    connections = [world.connect(f"192.0.2.{number}") for number in range(5)]
    why = "too many connections had not finished their request"
    assert [connection.take() for connection in connections] == [[("abort", why)]] * 2 + [[]] * 3
    assert world.metrics.half_open_dropped == 2
    connections[3].protocol.receive_data(PAGE)
    world.connect("192.0.2.9")
    assert connections[2].take() == []
    assert len(world.protocol.waiting) == len(world.protocol.tally) == 3


def test_a_flood_does_not_fill_the_log(make_world):
    world = make_world(half_open=1)
    with structlog.testing.capture_logs() as logs:
        for _ in range(1000):
            world.connect()
        events = [entry["event"] for entry in logs]
        assert events == ["half_open_dropped"] * module.LOGGED_BURST
        world.hub.pass_time(1.5)
        world.connect()
        assert logs[-1]["dropped"] == 1000
        for _ in range(1000):
            world.connect().protocol.receive_data(b"\0")
    assert len(logs) == module.LOGGED_BURST + 1
    assert world.metrics.websocket_handshakes_refused == 1000


def test_refusals_are_logged(world):
    with structlog.testing.capture_logs() as logs:
        world.connect().protocol.receive_data(b"\0secret")
    assert logs == [
        {
            "event": "request_refused",
            "log_level": "info",
            "address": "192.0.2.7",
            "status": 400,
            "reason": NO_HTTP,
            "refused": 1,
        }
    ]


def test_each_address_has_a_share(make_world):
    world = make_world("10.0.0.1", half_open_per_address=2)
    first = [world.connect() for _ in range(3)]
    assert [connection.calls for connection in first[:2]] == [[], []]
    assert b"\r\nRetry-After: 5\r\n" in first[2].calls[0]
    status, text = refusal(first[2])
    assert (status, "your address" in text) == (503, True)
    # What is refused is read no further, and counts for nothing.
    first[2].protocol.connection_lost(None)
    assert world.connect("192.0.2.8").calls == []
    assert refusal(world.connect())[0] == 503
    first[0].protocol.receive_data(PAGE)
    assert world.connect().calls == []
    # The networks of IPv6 customers are as many addresses.
    assert world.connect("2001:db8::1").calls == world.connect("2001:db8::2").calls == []
    assert refusal(world.connect("2001:db8::3"))[0] == 503
    # Proxies stand for many.
    for address in ("127.0.0.1", "::1", "", "10.0.0.1"):
        assert [world.connect(address).calls for _ in range(5)] == [[]] * 5


def test_nothing_is_kept_of_an_address(make_world):
    world = make_world(half_open_per_address=2, half_open=2)
    for data in (PAGE, HANDSHAKE, b"\0", PAGE.replace(b"1.1", b"9.9"), b"GET", b""):
        connection = world.connect()
        if data:
            connection.protocol.receive_data(data)
        world.connect("192.0.2.9")
        world.connect("192.0.2.9")
        world.hub.pass_time(10)
    assert len(world.protocol.tally) == len(world.protocol.waiting) == 0


def test_other_bounds_count_from_now_on(world):
    waiting = world.connect()
    waiting.protocol.receive_data(b"GET")
    world.protocol.reconfigure(
        Config(http=HttpConfig(head_seconds=2.0, head_bytes=20, half_open_per_address=1))
    )
    assert refusal(world.connect())[0] == 503
    world.hub.pass_time(2.1)
    assert refusal(waiting)[0] == 408
    long = world.connect()
    long.protocol.receive_data(b"GET / HTTP/1.1\r\nA: b")
    assert long.calls == []
    long.protocol.receive_data(b"c")
    assert refusal(long)[0] == 431
