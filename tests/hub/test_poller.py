"""Readiness as the kernel reports it, on socket pairs."""

import select
import socket
from pathlib import Path

import pytest

from portal.errors import ServiceError
from portal.hub.poller import GONE, GUEST, LINK, PLAYER, READABLE, WRITABLE, Poller, Rank


@pytest.fixture
def poller():
    poller = Poller()
    yield poller
    poller.close()


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def is_ready(poller):
    return bool(select.select([poller.fileno()], [], [], 0)[0])


def descriptors():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def known(events, *socks):
    numbers = [sock.fileno() for sock in socks]
    return [event for event in events if event[0] in numbers]


@pytest.mark.parametrize(
    ("interest", "before", "after"),
    [(READABLE, 0, READABLE), (WRITABLE, WRITABLE, WRITABLE), (0, 0, 0)],
)
def test_interest(poller, pair, interest, before, after):
    near, far = pair
    poller.register(near.fileno(), interest, PLAYER)
    assert poller.poll(PLAYER, 9) == ([(near.fileno(), before)] if before else [])
    far.send(b"x")
    assert poller.poll(PLAYER, 9) == ([(near.fileno(), after)] if after else [])


def test_a_change_of_interest(poller, pair):
    near, _ = pair
    poller.register(near.fileno(), READABLE, PLAYER)
    poller.modify(near.fileno(), WRITABLE, PLAYER)
    assert poller.poll(PLAYER, 9) == [(near.fileno(), WRITABLE)]


def test_that_a_peer_is_gone_is_reported_unasked(poller, pair):
    near, far = pair
    poller.register(near.fileno(), 0, PLAYER)
    far.close()
    assert [event & GONE != 0 for _, event in poller.poll(PLAYER, 9)] == [True]


def test_what_is_unregistered_is_silent(poller, pair):
    near, far = pair
    poller.register(near.fileno(), READABLE, PLAYER)
    far.send(b"x")
    poller.unregister(near.fileno(), PLAYER)
    assert poller.poll(PLAYER, 9) == []


def test_a_limit_leaves_the_rest_for_later(poller):
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            poller.register(sock.fileno(), WRITABLE, PLAYER)
        seen = poller.poll(PLAYER, 1) + poller.poll(PLAYER, 1)
        assert {fd for fd, _ in seen} == {one.fileno(), two.fileno()}


@pytest.mark.parametrize("rank", [GUEST, LINK])
def test_each_rank_can_be_asked_alone(poller, pair, rank):
    near, far = pair
    others = set(Rank) - {rank}
    poller.register(near.fileno(), READABLE, rank)
    assert not is_ready(poller)
    far.send(b"x")
    assert is_ready(poller)
    assert poller.poll(rank, 9) == [(near.fileno(), READABLE)]
    for other in others:
        assert known(poller.poll(other, 9), near) == []
    poller.modify(near.fileno(), 0, rank)
    assert poller.poll(rank, 9) == []
    poller.unregister(near.fileno(), rank)
    poller.register(near.fileno(), READABLE, PLAYER)
    assert poller.poll(PLAYER, 9) == [(near.fileno(), READABLE)]
    assert poller.poll(rank, 9) == []


def test_waking_lasts_for_one_poll(poller):
    assert not is_ready(poller)
    for _ in range(2):
        poller.wake()
        poller.wake()
        assert is_ready(poller)
        assert len(poller.poll(PLAYER, 9)) == 1
        assert not is_ready(poller)


def test_closing_leaves_no_descriptor():
    before = descriptors()
    Poller().close()
    assert descriptors() == before


def test_a_system_without_epoll(monkeypatch):
    monkeypatch.delattr(select, "epoll")
    with pytest.raises(ServiceError, match="Portal runs on Linux"):
        Poller()
