"""Readiness as the kernel reports it, on socket pairs."""

import select
import socket
from pathlib import Path

import pytest

from portal.errors import ServiceError
from portal.hub.poller import GONE, READABLE, WRITABLE, Poller


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
    poller.register(near.fileno(), interest)
    assert poller.poll(9) == ([(near.fileno(), before)] if before else [])
    far.send(b"x")
    assert poller.poll(9) == ([(near.fileno(), after)] if after else [])


def test_a_change_of_interest(poller, pair):
    near, _ = pair
    poller.register(near.fileno(), READABLE)
    poller.modify(near.fileno(), WRITABLE, priority=False)
    assert poller.poll(9) == [(near.fileno(), WRITABLE)]


def test_that_a_peer_is_gone_is_reported_unasked(poller, pair):
    near, far = pair
    poller.register(near.fileno(), 0)
    far.close()
    assert [event & GONE != 0 for _, event in poller.poll(9)] == [True]


def test_what_is_unregistered_is_silent(poller, pair):
    near, far = pair
    poller.register(near.fileno(), READABLE)
    far.send(b"x")
    poller.unregister(near.fileno(), priority=False)
    assert poller.poll(9) == []


def test_a_limit_leaves_the_rest_for_later(poller):
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            poller.register(sock.fileno(), WRITABLE)
        seen = poller.poll(1) + poller.poll(1)
        assert {fd for fd, _ in seen} == {one.fileno(), two.fileno()}


def test_the_priority_set_can_be_asked_alone(poller, pair):
    near, far = pair
    poller.register(near.fileno(), READABLE)
    poller.move(near.fileno(), READABLE, priority=True)
    assert not is_ready(poller)
    far.send(b"x")
    assert is_ready(poller)
    assert poller.poll_priority(9) == [(near.fileno(), READABLE)]
    assert known(poller.poll(9), near) == []
    poller.modify(near.fileno(), 0, priority=True)
    assert poller.poll_priority(9) == []
    poller.move(near.fileno(), READABLE, priority=False)
    assert poller.poll(9) == [(near.fileno(), READABLE)]
    assert poller.poll_priority(9) == []


def test_waking_lasts_for_one_poll(poller):
    assert not is_ready(poller)
    for _ in range(2):
        poller.wake()
        poller.wake()
        assert is_ready(poller)
        assert len(poller.poll(9)) == 1
        assert not is_ready(poller)


def test_closing_leaves_no_descriptor():
    before = descriptors()
    Poller().close()
    assert descriptors() == before


def test_a_system_without_epoll(monkeypatch):
    monkeypatch.delattr(select, "epoll")
    with pytest.raises(ServiceError, match="Portal runs on Linux"):
        Poller()
