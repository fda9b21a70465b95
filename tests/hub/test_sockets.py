"""What is set on a socket, and what its addresses and its kernel tell."""

import socket

import pytest

from portal.hub.sockets import discard_input, is_local, prepare, reset_at_close, take_error

ELSEWHERE = "192.0.2.1"


class At(socket.socket):
    """A socket whose own end has the address that a case gives it."""

    address = ""

    def getsockname(self):
        return (self.address, 5)


@pytest.fixture
def near_at(make_pair):
    """Make the near end of a TCP pair that is at an address."""

    def make(address):
        near, _ = make_pair()
        sock = At(fileno=near.detach())
        made.append(sock)
        sock.address = address
        return sock

    made = []
    yield make
    for sock in made:
        sock.close()


@pytest.mark.parametrize(
    ("own", "peer", "local"),
    [
        (ELSEWHERE, "127.0.0.1", True),
        (ELSEWHERE, "127.8.9.1", True),
        (ELSEWHERE, "::1", True),
        (ELSEWHERE, "", True),
        (ELSEWHERE, ELSEWHERE, True),
        (ELSEWHERE, "192.0.2.10", False),
        ("127.0.0.1", ELSEWHERE, False),
        ("2001:db8::7", "2001:db8::7", True),
        ("2001:db8::7", "2001:db8::8", False),
    ],
)
def test_who_is_on_this_machine(near_at, own, peer, local):
    assert is_local(near_at(own), peer) is local


@pytest.mark.parametrize(("peer", "local"), [(ELSEWHERE, False), ("127.0.0.1", True), ("", True)])
def test_a_closed_socket_is_nowhere(make_pair, peer, local):
    near, _ = make_pair()
    near.close()
    assert is_local(near, peer) is local


def tcp_option(sock, name):
    return sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))


@pytest.mark.parametrize("options", [{}, {"host": "::1"}])
def test_a_vanished_peer_is_noticed(make_pair, options):
    near, far = make_pair("tcp", **options)
    prepare(near, far.getsockname()[0])
    assert near.getblocking() is False
    assert tcp_option(near, "TCP_NODELAY") == 1
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle, interval, count = (
        tcp_option(near, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    )
    # Players' clients that get a NOP every 30 s are never asked; the others within two minutes.
    assert idle > 30
    assert 60 <= idle + interval * count <= 120
    assert count >= 3


@pytest.mark.parametrize(("peer", "seconds"), [(ELSEWHERE, 120), ("127.0.0.1", 0)])
def test_unacknowledged_bytes_are_waited_for_as_long(make_pair, peer, seconds):
    near, _ = make_pair()
    prepare(near, peer)
    assert tcp_option(near, "TCP_USER_TIMEOUT") == 1000 * seconds


def test_a_unix_socket_needs_no_keepalive(make_pair):
    near, _ = make_pair("unix")
    prepare(near, "")
    assert near.getblocking() is False
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_closing_may_reset_the_connection(make_pair):
    near, far = make_pair()
    reset_at_close(near)
    near.close()
    with pytest.raises(ConnectionResetError):
        far.recv(1)
    reset_at_close(near)  # which is closed
    near, far = make_pair("unix")
    reset_at_close(near)
    near.close()
    assert far.recv(1) == b""


def test_what_ended_a_socket_is_told_once(make_pair):
    near, far = make_pair("unix")
    assert take_error(near) is None
    near.send(b"unread when the far end closes: a reset")
    far.close()
    error = take_error(near)
    assert isinstance(error, ConnectionResetError)
    assert take_error(near) is None


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_input_is_discarded_whole(make_pair, size):
    near, far = make_pair("unix")
    near.setblocking(False)
    far.send(b"x" * size)
    assert discard_input(near) == size
    assert discard_input(near) == 0


def test_nothing_is_discarded_of_a_peer_that_is_gone(make_pair):
    near, far = make_pair("unix")
    far.close()
    assert discard_input(near) == 0
