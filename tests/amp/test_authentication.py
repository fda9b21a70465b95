"""Who may speak, and the handshake: right, wrong, out of turn, reflected, late."""

import hashlib
import hmac
import socket

import pytest
import structlog
import trio
import trio.testing

from portal.amp import authentication
from portal.amp.authentication import (
    AuthenticateFinish,
    AuthenticateStart,
    AuthenticationError,
    Authenticator,
    Trust,
    authenticate,
    check_address,
    may_speak,
    prove,
)
from portal.amp.commands import MsgStatus
from portal.config import AmpConfig
from portal.errors import (
    ConfigError,
    PortalError,
    RemoteAMPError,
    RemoteProtocolError,
    UnhandledCommand,
)

SECRET = "correct horse"
NETWORKS = ("10.1.0.0/16", "fd00::/8", "192.0.2.7")


@pytest.mark.parametrize(
    ("address", "secret", "networks", "expected"),
    [
        ("", None, (), Trust.LOCAL),
        ("", SECRET, (), Trust.LOCAL),
        ("127.0.0.1", None, (), Trust.LOCAL),
        ("127.0.0.1", None, NETWORKS, Trust.LOCAL),
        ("127.8.8.8", SECRET, (), Trust.SECRET),
        ("::1", SECRET, NETWORKS, Trust.SECRET),
        ("127.0.0.1", SECRET, ("127.0.0.0/8",), Trust.NETWORK),
        ("::1", None, (), Trust.LOCAL),
        ("::ffff:127.0.0.1", None, (), Trust.LOCAL),
        ("10.1.2.3", None, NETWORKS, Trust.NETWORK),
        ("::ffff:10.1.2.3", None, NETWORKS, Trust.NETWORK),
        ("10.1.2.3", SECRET, NETWORKS, Trust.NETWORK),
        ("fd00::7", None, NETWORKS, Trust.NETWORK),
        ("192.0.2.7", None, NETWORKS, Trust.NETWORK),
        ("10.2.0.1", None, NETWORKS, Trust.REFUSED),
        ("10.2.0.1", SECRET, NETWORKS, Trust.SECRET),
        ("10.2.0.1", SECRET, (), Trust.SECRET),
        ("10.2.0.1", "", (), Trust.REFUSED),
        ("2001:db8::1", None, (), Trust.REFUSED),
        ("no address", SECRET, (), Trust.REFUSED),
    ],
)
def test_may_speak(address, secret, networks, expected):
    config = AmpConfig(host="0.0.0.0", secret=secret, trusted_networks=networks)
    assert may_speak(config, address) is expected


@pytest.mark.parametrize("settings", [{}, {"host": "::1"}, {"host": "localhost"}])
def test_a_port_on_loopback_demands_no_proof(settings):
    config = AmpConfig(secret=SECRET, **settings)
    assert may_speak(config, "127.0.0.1") is Trust.LOCAL


@pytest.mark.parametrize(
    ("secret", "expected"), [(None, Trust.LOCAL), (SECRET, Trust.SECRET), ("", Trust.LOCAL)]
)
def test_this_machine_by_its_own_address(secret, expected):
    config = AmpConfig(host="192.0.2.2", secret=secret, trusted_networks=NETWORKS)
    assert may_speak(config, "192.0.2.2", local=True) is expected


@pytest.mark.parametrize(
    ("settings", "refused", "warned"),
    [
        ({}, False, False),
        ({"host": "localhost"}, False, False),
        ({"host": "::1"}, False, False),
        ({"host": "0.0.0.0"}, True, False),
        ({"host": "::"}, True, False),
        ({"host": "game.example"}, True, False),
        ({"host": "0.0.0.0", "socket": "/run/portal.sock"}, False, False),
        ({"host": "0.0.0.0", "secret": SECRET}, False, False),
        ({"host": "0.0.0.0", "secret": ""}, True, False),
        ({"host": "0.0.0.0", "trusted_networks": ("10.0.0.0/8",)}, False, True),
        ({"trusted_networks": ("ten",)}, True, False),
    ],
)
def test_check_address(settings, refused, warned):
    with structlog.testing.capture_logs() as events:
        if refused:
            with pytest.raises(ConfigError):
                check_address(AmpConfig(**settings))
        else:
            check_address(AmpConfig(**settings))
    assert [event["event"] for event in events] == ["amp_networks_trusted"] * warned


class Pair:
    """Two links whose bytes the test carries over, and what the listener is."""

    def __init__(self, make_link, secret=SECRET):
        self.authenticator = Authenticator(secret)
        self.listener = make_link(
            responders={**self.authenticator.responders, MsgStatus: lambda status: {"status": b""}},
            allow=self.authenticator.allow,
        )
        self.dialler = make_link()

    async def carry(self):
        """Carry bytes until both ends wait; returns every box that went either way."""
        boxes = []
        await trio.testing.wait_all_tasks_blocked()
        while self.dialler.connection.written or self.listener.connection.written:
            for source, sink in ((self.dialler, self.listener), (self.listener, self.dialler)):
                data = source.connection.take()
                sink.receive_data(data)
                boxes.append(data)
            await trio.testing.wait_all_tasks_blocked()
        return b"".join(boxes)


@pytest.fixture
def pair(make_link):
    return Pair(make_link)


@pytest.fixture
def start(nursery):
    def run(function, *arguments):
        results = []

        async def keep():
            try:
                results.append(await function(*arguments))
            except PortalError as error:
                results.append(error)

        nursery.start_soon(keep)
        return results

    return run


async def ask_status(link):
    return await link.call(MsgStatus, status=b"")


async def test_both_ends_know_the_secret(pair, start):
    early = start(ask_status, pair.dialler)
    await pair.carry()
    assert isinstance(early[0], UnhandledCommand)
    results = start(authenticate, pair.dialler, SECRET)
    traffic = await pair.carry()
    assert results == [None]
    assert SECRET.encode() not in traffic
    assert pair.authenticator.authenticated
    later = start(ask_status, pair.dialler)
    await pair.carry()
    assert later == [{"status": b""}]


async def test_the_dialler_does_not_know_it(pair, start):
    results = start(authenticate, pair.dialler, "guess")
    traffic = await pair.carry()
    assert isinstance(results[0], AuthenticationError)
    assert not pair.authenticator.authenticated
    assert (
        pair.listener.connection.close_reason
        == "AuthenticateFinish failed with AUTHENTICATION_FAILED"
    )
    # Nothing came back on which secrets could be tried offline.
    assert b"\0\5proof" not in traffic.partition(b"_error")[2]


async def test_the_listener_does_not_know_it(make_link, start):
    dialler = make_link()
    results = start(authenticate, dialler, SECRET)
    await trio.testing.wait_all_tasks_blocked()
    dialler.connection.take()
    dialler.receive_data(b"\0\7_answer\0\x011\0\5nonce\0\x20" + bytes(32) + b"\0\0")
    await trio.testing.wait_all_tasks_blocked()
    (box,) = dialler.connection.take_boxes()
    # Its own proof, sent back, does not do.
    proof = box["proof"]
    dialler.receive_data(b"\0\7_answer\0\x012\0\5proof\0\x20" + proof + b"\0\0")
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(results[0], RemoteProtocolError)
    assert results[0].name == "WrongProof"
    assert dialler.connection.abort_reason == "the peer does not know the secret"


async def test_a_nonce_of_another_length_proves_nothing(make_link, start):
    dialler = make_link()
    results = start(authenticate, dialler, SECRET)
    await trio.testing.wait_all_tasks_blocked()
    dialler.connection.take()
    dialler.receive_data(b"\0\7_answer\0\x011\0\5nonce\0\0\0\0")
    await trio.testing.wait_all_tasks_blocked()
    assert results[0].name == "WrongProof"
    assert (dialler.connection.take(), dialler.closed) == (b"", True)


async def test_a_listener_without_a_secret(make_link, start):
    dialler, listener = make_link(), make_link()
    results = start(authenticate, dialler, SECRET)
    await trio.testing.wait_all_tasks_blocked()
    listener.receive_data(dialler.connection.take())
    dialler.receive_data(listener.connection.take())
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(results[0], UnhandledCommand)


@pytest.mark.parametrize(
    "steps",
    [
        [("start", b"short")],
        [("start", bytes(33))],
        [("start", bytes(32)), ("start", bytes(32))],
        [("finish", bytes(32))],
        [("finish", b"")],
        [("start", bytes(32)), ("finish", bytes(32))],
        [("start", bytes(32)), ("finish", b"")],
    ],
)
def test_out_of_turn(steps):
    authenticator = Authenticator(SECRET)
    *before, (name, value) = steps
    for earlier, given in before:
        getattr(authenticator, earlier)(given)
    with pytest.raises(AuthenticationError):
        getattr(authenticator, name)(value)
    assert not authenticator.authenticated


def test_before_a_nonce_no_proof_is_right(monkeypatch):
    monkeypatch.setattr(authentication.secrets, "token_bytes", bytes)
    authenticator = Authenticator(SECRET)
    with pytest.raises(AuthenticationError):
        authenticator.finish(prove(SECRET, b"dialler", b"", bytes(32)))


def test_the_proof_is_what_the_page_says():
    message = b"portal amp authentication 1\0dialler\0" + b"D" * 32 + b"L" * 32
    expected = hmac.new(SECRET.encode(), message, hashlib.sha256).digest()
    assert prove(SECRET, b"dialler", b"D" * 32, b"L" * 32) == expected
    assert prove(SECRET, b"listener", b"D" * 32, b"L" * 32) != expected


def test_nonces_are_new_each_time():
    nonces = {Authenticator(SECRET).start(bytes(32))["nonce"] for _ in range(10)}
    assert len(nonces) == 10
    assert {len(nonce) for nonce in nonces} == {32}


@pytest.mark.parametrize("command", [AuthenticateStart, AuthenticateFinish])
def test_a_failure_is_fatal(command):
    assert command.error_to_code(AuthenticationError()) == ("AUTHENTICATION_FAILED", True)
    assert isinstance(command.code_to_error("AUTHENTICATION_FAILED", "x"), AuthenticationError)
    assert type(command.code_to_error("UNKNOWN", "x")) is RemoteAMPError


def test_too_late(make_link, deadlines, metrics):
    authenticator = Authenticator(SECRET)
    authenticator.expire()  # nothing to end
    link = make_link(responders=authenticator.responders)
    authenticator.watch(link, deadlines)
    assert deadlines.running == [authenticator]
    authenticator.expire()
    assert link.connection.abort_reason == "the peer did not prove itself in time"
    assert metrics.amp_connections_refused == 1
    authenticator.expire()  # it is gone already
    assert metrics.amp_connections_refused == 1


def test_in_time(make_link, deadlines):
    authenticator = Authenticator(SECRET)
    link = make_link(responders=authenticator.responders)
    authenticator.watch(link, deadlines)
    nonce = authenticator.start(bytes(32))["nonce"]
    authenticator.finish(prove(SECRET, b"dialler", bytes(32), nonce))
    assert deadlines.running == []
    authenticator.expire()
    assert not link.closed


async def test_too_late_on_the_hub(hub, plug, autojump_clock):
    ours, theirs = socket.socketpair()
    authenticator = Authenticator(SECRET)
    link = plug(ours, responders=authenticator.responders, allow=authenticator.allow)
    seconds = AmpConfig().authentication_seconds
    authenticator.watch(link, hub.deadlines(seconds, Authenticator.expire))
    start = trio.current_time()
    async with trio.SocketStream(trio.socket.from_stdlib_socket(theirs)) as stream:
        assert await stream.receive_some() == b""
    assert seconds <= trio.current_time() - start < seconds + 1


async def test_in_time_on_the_hub(hub, plug):
    ours, theirs = socket.socketpair()
    authenticator = Authenticator(SECRET)
    deadlines = hub.deadlines(AmpConfig().authentication_seconds, Authenticator.expire)
    listener = plug(ours, responders=authenticator.responders, allow=authenticator.allow)
    authenticator.watch(listener, deadlines)
    await authenticate(plug(theirs), SECRET)
    assert authenticator.authenticated
    assert len(deadlines) == 0
