"""Who is cut, by which bound, on a clock that the test turns."""

from dataclasses import dataclass

import msgspec
import pytest
from structlog.testing import capture_logs

from portal.config import HubConfig
from portal.hub.poller import LINK, PLAYER, Rank
from portal.hub.slow_peers import SlowPeers
from portal.hub.timers import Timers

BOUNDS = HubConfig(
    unsent_soft_bytes=100,
    unsent_grace_seconds=10.0,
    unsent_hard_bytes=1000,
    unsent_total_bytes=2000,
)


class World:
    """Slow peers, their clock and their connections."""

    def __init__(self, metrics):
        self.now = 0.0
        self.timers = Timers(lambda: self.now)
        self.slow_peers = SlowPeers(BOUNDS, metrics, self.timers)

    def at(self, now):
        self.now = now
        self.timers.sweep()


@dataclass(eq=False)
class Stub:
    """A connection as far as slow peers look at it."""

    world: World
    unsent: int = 0
    rank: Rank = PLAYER
    sessid: int = 7
    address: str = "192.0.2.1"
    reason: str = ""

    def leave(self, unsent, *, progress=False):
        self.unsent = unsent
        self.world.slow_peers.settle(self, progress=progress)

    def abort(self, reason):
        self.reason = reason
        self.world.slow_peers.forget(self)


@pytest.fixture
def world(metrics):
    return World(metrics)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([(0, 100, False), (99, 100, False)], ""),  # the soft bound itself is allowed
        ([(0, 101, False), (9.9, None, False)], ""),
        ([(0, 101, False), (10, None, False)], "took nothing for a while"),
        # More and more is written, and nothing is read: that is no progress.
        ([(0, 101, False), (9, 900, False), (10, None, False)], "took nothing"),
        ([(0, 900, False), (9, 800, True), (18.9, None, False)], ""),
        ([(0, 900, False), (9, 800, True), (19, None, False)], "took nothing"),
        ([(0, 900, False), (9, 100, True), (99, None, False)], ""),
        ([(0, 900, False), (9, 0, True), (99, None, False)], ""),
        ([(0, 1000, False)], ""),
        ([(0, 1001, False)], "too much was waiting for it"),
        ([(0, 1001, True)], "too much was waiting for it"),
    ],
)
def test_bounds_of_one(world, metrics, script, reason):
    stub = Stub(world)
    for now, unsent, progress in script:
        world.at(now)
        if unsent is not None:
            stub.leave(unsent, progress=progress)
    assert reason in stub.reason
    assert bool(reason) == bool(stub.reason)
    assert metrics.slow_readers_cut == bool(reason)
    assert world.slow_peers.total == (0 if reason else stub.unsent)


def test_the_server_is_not_cut(world, metrics):
    link = Stub(world, rank=LINK)
    link.leave(5000)
    world.at(99)
    world.slow_peers.cut_largest()
    assert (link.reason, metrics.slow_readers_cut, world.slow_peers.total) == ("", 0, 5000)


def test_one_that_becomes_the_server_within_its_grace(world):
    link = Stub(world)
    link.leave(500)
    link.rank = LINK
    world.at(10)
    assert link.reason == ""


@pytest.mark.parametrize(
    ("unsent", "cut"),
    [
        ([600, 700, 700], []),
        ([600, 701, 700], [701]),
        ([800, 900, 700, 600], [800, 900]),
        ([500] * 5, [500]),
    ],
)
def test_the_largest_are_cut_first(world, metrics, unsent, cut):
    stubs = [Stub(world) for _ in unsent]
    for stub, size in zip(stubs, unsent, strict=True):
        stub.leave(size)
    world.slow_peers.cut_largest()
    assert [stub.unsent for stub in stubs if stub.reason] == cut
    assert metrics.slow_readers_cut == len(cut)
    assert world.slow_peers.total == sum(unsent) - sum(cut) <= 2000


def test_what_is_taken_counts_no_more(world):
    one, two = Stub(world), Stub(world)
    one.leave(900)
    two.leave(300)
    one.leave(200, progress=True)
    assert world.slow_peers.total == 500
    world.slow_peers.forget(one)
    world.slow_peers.forget(one)
    assert world.slow_peers.total == 300


def test_the_log_tells_who_and_why(world):
    with capture_logs() as logs:
        Stub(world).leave(1001)
    assert logs == [
        {
            "event": "slow_reader_cut",
            "log_level": "warning",
            "sessid": 7,
            "address": "192.0.2.1",
            "unsent": 1001,
            "reason": "read too slowly: too much was waiting for it",
        }
    ]


@pytest.mark.parametrize(
    ("change", "unsent", "reason"),
    [
        ({"unsent_soft_bytes": 50}, 60, "took nothing for a while"),
        ({"unsent_hard_bytes": 200}, 300, "too much was waiting for it"),
        ({"unsent_total_bytes": 40}, 50, "too much was waiting for everybody"),
        ({}, 60, ""),
    ],
)
def test_other_bounds(world, change, unsent, reason):
    world.slow_peers.reconfigure(msgspec.structs.replace(BOUNDS, **change))
    stub = Stub(world)
    stub.leave(unsent)
    world.slow_peers.cut_largest()
    world.at(10)
    assert reason in stub.reason
    assert bool(reason) == bool(stub.reason)


def test_another_grace_is_for_those_who_have_it_already(world):
    stub = Stub(world)
    stub.leave(500)
    world.slow_peers.reconfigure(msgspec.structs.replace(BOUNDS, unsent_grace_seconds=2.0))
    world.at(2)
    assert "took nothing" in stub.reason
