"""The way in: from an accepted handshake to a session, and what sessions share."""

import pytest
import structlog.testing

from portal.config import Config, HttpConfig, LimitsConfig, WebSocketConfig
from portal.protocols.websocket import WRONG_ORIGIN
from portal.wire.formats import V1
from portal.wire.upgrade import read_upgrade


class World:
    """The websockets of a Portal that is nowhere."""

    def __init__(self, surroundings, make_handshake, website=None):
        self.surroundings = surroundings
        self.handler = surroundings.handler
        self.metrics = surroundings.metrics
        self.hub = surroundings.hub
        self.protocol = surroundings.make_websocket(website)
        self.make_handshake = make_handshake

    def open(self, target="/", address="192.0.2.7", received=b"", **fields):
        connection = self.surroundings.connect(address)
        upgrade = read_upgrade(self.make_handshake(target, **fields))
        self.protocol.open(connection, upgrade, received)
        return connection


@pytest.fixture
def make_world(make_surroundings, make_handshake):
    return lambda **sections: World(make_surroundings(**sections), make_handshake)


@pytest.fixture
def world(make_world):
    return make_world()


def test_the_handshake_reaches_the_session(world):
    connection = world.open(
        "/play/me?name=A%20B&status=0",
        Origin="https://game.example",
        Sec_WebSocket_Protocol="other, v1.evennia.com",
    )
    assert world.handler.take() == ["connect"]
    (session,) = world.handler.sessions
    assert connection.protocol is session
    assert (session.path, session.query) == ("/play/me", "name=A%20B&status=0")
    assert session.origin == "https://game.example"
    assert session.subprotocol == "v1.evennia.com"
    assert (session.protocol_key, session.address) == ("websocket", "192.0.2.7")
    assert session.protocol_flags["CLIENTNAME"] == "websocket"
    (answer,) = connection.take()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: v1.evennia.com" in answer


@pytest.mark.parametrize("offered", ["", "telnet.mudstandards.org"])
def test_where_no_known_subprotocol_is_offered(world, offered):
    connection = world.open(**({"Sec_WebSocket_Protocol": offered} if offered else {}))
    (answer,) = connection.take()
    assert b"Sec-WebSocket-Protocol" not in answer
    (session,) = world.handler.sessions
    assert (session.subprotocol, session.format.name) == (None, "v1.evennia.com")
    assert (session.path, session.query, session.origin) == ("/", "", "")


def test_the_first_frames_may_come_with_the_handshake(world, peer):
    world.open(received=peer.say("text", ["look"], {}) + peer.say("text", ["no"], {})[:9])
    assert world.handler.take() == ["connect", "look"]
    (session,) = world.handler.sessions
    session.receive_data(peer.say("text", ["no"], {})[9:])
    assert world.handler.take() == ["no"]


# ---- who may come


@pytest.mark.parametrize(
    ("allowed", "origin", "taken"),
    [
        ((), "https://evil.example", True),
        ((), None, True),
        (("https://game.example",), "https://game.example", True),
        (("https://a.example", "http://b.example:8080"), "http://b.example:8080", True),
        (("https://game.example",), "https://evil.example", False),
        (("https://game.example",), "http://game.example", False),
        (("https://game.example",), "https://game.example:8443", False),
        (("https://game.example",), "https://game.example.evil", False),
        (("https://game.example",), "null", False),
        # A program that is no browser says nothing, or whatever it wants.
        (("https://game.example",), None, True),
    ],
)
def test_origins(make_world, allowed, origin, taken):
    world = make_world(websocket=WebSocketConfig(origins=allowed))
    connection = world.open(**({} if origin is None else {"Origin": origin}))
    answer, *rest = connection.take()
    if taken:
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert world.handler.take() == ["connect"]
    else:
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert rest == [("close", WRONG_ORIGIN)]
        assert world.handler.take() == []
        assert world.metrics.websocket_handshakes_refused == 1


def test_a_refused_origin_is_logged_with_the_real_address(make_world):
    world = make_world(
        websocket=WebSocketConfig(origins=("https://game.example",)),
        http=HttpConfig(trusted_proxies=("10.0.0.0/8",)),
    )
    with structlog.testing.capture_logs() as logs:
        world.open(address="10.0.0.1", Origin="x" * 500, X_Forwarded_For="192.0.2.9")
    (entry,) = logs
    assert (entry["event"], entry["address"]) == ("origin_refused", "192.0.2.9")
    assert entry["origin"] == "x" * 200


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.0.0.1", "203.0.113.9"), ("192.0.2.7", "192.0.2.7"), ("127.0.0.1", "127.0.0.1")],
)
def test_the_real_address_is_the_sessions(make_world, address, expected):
    world = make_world(http=HttpConfig(trusted_proxies=("10.0.0.0/8",)))
    fields = {"X_Forwarded_For": "127.0.0.1, 203.0.113.9", "Forwarded": "for=198.51.100.1"}
    world.open(address=address, **fields)
    (session,) = world.handler.sessions
    assert session.address == expected


def test_forwarded_is_read_where_the_proxy_writes_that(make_world):
    http = HttpConfig(trusted_proxies=("10.0.0.1",), forwarded_header="forwarded")
    world = make_world(http=http)
    fields = {"X_Forwarded_For": "127.0.0.1", "Forwarded": 'for="[2001:db8::1]:4711"'}
    world.open(address="10.0.0.1", **fields)
    assert world.handler.sessions[0].address == "2001:db8::1"


def test_behind_a_proxy_each_address_has_its_limits(make_world):
    """The proxy itself is let in as often as it comes; who is behind it is not."""
    world = make_world(
        http=HttpConfig(trusted_proxies=("10.0.0.1", "127.0.0.1")),
        limits=LimitsConfig(connections_per_address=2),
    )

    def come(client, proxy="10.0.0.1"):
        connection = world.open(address=proxy, X_Forwarded_For=client)
        status = int(connection.take()[0].split()[1])
        return connection.protocol if status == 101 else status

    first = come("203.0.113.9")
    assert come("203.0.113.9", "127.0.0.1") != 503
    with structlog.testing.capture_logs() as logs:
        assert come("203.0.113.9") == 503
    (entry,) = logs
    assert (entry["event"], entry["address"]) == ("client_refused", "203.0.113.9")
    assert world.metrics.websocket_handshakes_refused == 1
    assert come("203.0.113.10") != 503
    first.disconnect()
    assert come("203.0.113.9") == 503  # its connection still is
    first.connection_lost(None)
    assert come("203.0.113.9") != 503
    # Whoever the proxy does not name counts for nothing, as the proxy does.
    assert 503 not in [come("unknown") for _ in range(5)]


# ---- browsers that are known on the game's website

KEY = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def evennia(make_surroundings, make_handshake, website):
    world = World(make_surroundings(), make_handshake, website)
    world.site = website
    return world


def test_a_browser_is_logged_in_before_the_game_hears_of_it(evennia):
    evennia.site.uid, evennia.site.nonce = 3, 5
    seen = []
    evennia.handler.connect = lambda session: seen.append(session.get_sync_data())
    evennia.open(f"/?{KEY}&p1&chrome", Origin="http://game.example:4001")
    (data,) = seen
    assert (data["uid"], data["logged_in"], data["csessid"]) == (3, True, KEY)
    flags = data["protocol_flags"]
    assert flags["CLIENTNAME"] == "Evennia Webclient (websocket:chrome)"
    assert all(flags[name] for name in ("UTF-8", "OOB", "TRUECOLOR", "XTERM256", "ANSI"))


def test_until_the_website_has_answered_nothing_is_read(evennia, peer):
    evennia.site.slow = True
    said = peer.say("text", ["look"], {})
    connection = evennia.open(f"/?{KEY}&p1&chrome", received=said)
    answer, *rest = connection.take()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert rest == ["pause"]
    assert evennia.handler.take() == []
    evennia.site.answer()
    assert evennia.handler.take() == ["connect", "look"]
    assert connection.take() == ["resume"]
    assert connection.protocol.logged_in is False


def test_one_that_has_gone_before_the_answer_is_not_begun(evennia):
    evennia.site.slow = True
    connection = evennia.open(f"/?{KEY}&p1&chrome")
    connection.protocol.connection_lost(None)
    evennia.handler.take()
    evennia.site.answer()
    assert evennia.handler.take() == []
    assert len(evennia.protocol.browsers) == 0


@pytest.mark.parametrize("paused", ["input_paused", "_flooding"])
def test_one_that_has_to_wait_is_not_read_on(evennia, peer, paused):
    evennia.site.slow = True
    connection = evennia.open(f"/?{KEY}&p1&chrome")
    connection.take()
    setattr(connection.protocol, paused, True)
    evennia.site.answer()
    assert connection.take() == []


def test_a_fault_at_the_beginning_ends_that_connection_only(evennia):
    evennia.site.slow = True
    connection = evennia.open(f"/?{KEY}&p1&chrome")
    connection.take()

    def fail(session):
        raise RuntimeError("a bug")

    evennia.handler.connect = fail
    with structlog.testing.capture_logs() as logs:
        evennia.site.answer()
    assert [entry["event"] for entry in logs] == ["protocol_failed"]
    assert connection.take() == [("abort", "internal error")]
    assert evennia.metrics.protocol_crashes == 1


@pytest.mark.parametrize("query", ["", "?status=1", "?false&p1&chrome"])
def test_who_names_no_browser_begins_at_once(evennia, query):
    evennia.site.uid = 3
    evennia.open(f"/{query}", Origin="https://evil.example")
    assert evennia.handler.take() == ["connect"]
    (session,) = evennia.handler.sessions
    assert (session.logged_in, session.csessid, session.page) == (False, None, None)
    assert session.protocol_flags["CLIENTNAME"] == "Evennia Webclient (websocket)"
    assert evennia.site.asked == []


def test_without_a_website_a_query_is_a_query(world):
    world.open(f"/?{KEY}&p1&chrome", Origin="https://evil.example")
    assert world.handler.take() == ["connect"]
    (session,) = world.handler.sessions
    assert (session.csessid, session.protocol_flags["CLIENTNAME"]) == (None, "websocket")


@pytest.mark.parametrize(
    ("origin", "fields", "taken"),
    [
        ("http://game.example:4001", {}, True),
        (None, {}, True),  # no browser, or a very old one
        ("https://evil.example", {}, False),
        ("null", {}, False),
        ("https://play.example", {"X_Forwarded_Host": "play.example"}, False),
        ("https://play.example", {"address": "10.0.0.1"}, False),
        (
            "https://play.example",
            {"address": "10.0.0.1", "X_Forwarded_Host": "play.example"},
            True,
        ),
    ],
)
def test_a_browser_is_named_by_pages_of_the_same_host(
    make_surroundings, make_handshake, website, origin, fields, taken
):
    http = HttpConfig(trusted_proxies=("10.0.0.1",))
    evennia = World(make_surroundings(http=http), make_handshake, website)
    with structlog.testing.capture_logs() as logs:
        connection = evennia.open(
            f"/?{KEY}&p1&chrome", **fields, **({} if origin is None else {"Origin": origin})
        )
    status = 101 if taken else 403
    assert connection.take()[0].startswith(f"HTTP/1.1 {status} ".encode())
    assert [entry["event"] for entry in logs] == ([] if taken else ["origin_refused"])
    assert KEY not in str(logs)


@pytest.mark.parametrize(
    ("origin", "status"), [("https://play.example", 101), ("http://game.example", 403)]
)
def test_where_origins_are_named_these_count(
    make_surroundings, make_handshake, website, origin, status
):
    settings = WebSocketConfig(origins=("https://play.example",))
    evennia = World(make_surroundings(websocket=settings), make_handshake, website)
    connection = evennia.open(f"/?{KEY}&p1&chrome", Origin=origin)
    assert connection.take()[0].startswith(f"HTTP/1.1 {status} ".encode())


def test_a_session_that_is_restored_is_a_page_again(evennia):
    session = evennia.open(f"/?{KEY}&p1&chrome").protocol
    session.uid, session.logged_in = 3, True
    session.at_login()
    state = session.get_state()
    session.connection_lost(None)
    restored = evennia.protocol.restore(evennia.surroundings.connect(), state)
    restored.at_login()
    restored.at_logout()
    assert evennia.site.asked == ["read", "log_in 3", "log_out 3"]
    assert evennia.site.uid is None


# ---- what they share


def test_what_is_said_to_many_is_rendered_once(world, monkeypatch):
    rendered = []
    real = V1.frame_text

    def frame_text(self, markup, text):
        rendered.append(text)
        return real(self, markup, text)

    monkeypatch.setattr(V1, "frame_text", frame_text)
    connections = [world.open() for _ in range(5)]
    for connection in connections:
        connection.take()
    for text in ("|rhello", "|rhello", "bye", "|rhello"):
        for connection in connections:
            connection.protocol.send_text(text)
    assert rendered == ["|rhello", "bye", "|rhello"]
    assert len({tuple(connection.take()) for connection in connections}) == 1


def test_what_is_remembered_is_for_those_only_whom_it_fits(world, peer):
    one, plain, raw, closed, other = (world.open().protocol for _ in range(5))
    plain.protocol_flags["NOCOLOR"] = True
    raw.protocol_flags["RAW"] = True
    closed.disconnect()

    class Other(V1):
        def frame_text(self, markup, text):
            return b"another format's"

    other.format = Other()
    sessions = (one, plain, raw, closed, other, one)
    for session in sessions:
        session.connection.take()
    for session in sessions:
        session.send_text("|rhi")
    assert other.connection.take() == [b"another format's"]
    red = ["text", ['<span class="color-009">hi</span>'], {}]
    assert peer.read(one.connection.take()) == [red, red]
    assert peer.read(plain.connection.take()) == [["text", ["hi"], {}]]
    assert peer.read(raw.connection.take()) == [["text", ["|rhi"], {}]]
    assert closed.connection.take() == []


@pytest.mark.parametrize("limit", [100, 8192])
def test_below_a_length_no_text_is_too_long(make_world, limit):
    world = make_world(limits=LimitsConfig(line_bytes=limit))
    assert len("😀".encode()) * world.protocol.short_length <= limit


# ---- its end


def test_nothing_is_kept_of_who_has_gone(world):
    session = world.open().protocol
    world.hub.pass_time(26.0)
    assert session in world.protocol.pongs
    session.at_throttled()
    session.connection_lost(None)
    queues = (world.protocol.pings, world.protocol.pongs, world.protocol.floods)
    assert [len(queue) for queue in queues] == [0, 0, 0]
    assert world.handler.take() == ["connect", "disconnect"]


def test_a_session_goes_on_elsewhere(world):
    state = world.open("/a?b=c").protocol.get_state()
    connection = world.surroundings.connect()
    world.handler.take()
    session = world.protocol.restore(connection, state)
    assert (session.path, session.query, session.sessid) == ("/a", "b=c", 7)
    assert connection.take() == world.handler.take() == []
    assert session in world.protocol.pings


# ---- another configuration


def test_another_configuration_counts_from_now_on(world):
    old = world.open().protocol
    old.connection.take()
    config = Config(
        websocket=WebSocketConfig(
            ping_seconds=5.0, pong_seconds=3.0, origins=("https://game.example",)
        ),
        http=HttpConfig(trusted_proxies=("192.0.2.7",)),
        limits=LimitsConfig(line_bytes=100),
    )
    world.protocol.reconfigure(config)
    assert world.protocol.short_length == 25
    world.hub.pass_time(5.1)
    assert len(old.connection.take()) == 1
    world.hub.pass_time(3.1)
    assert old.connection.take() == [("abort", "it did not answer a ping")]
    world.open(X_Forwarded_For="203.0.113.9")
    assert world.handler.sessions[-1].address == "203.0.113.9"
    assert world.open(Origin="https://evil.example").take()[0].startswith(b"HTTP/1.1 403 ")
