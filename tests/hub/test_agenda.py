"""What is noted, and when a note wakes the hub."""

from dataclasses import dataclass, field

import pytest

from portal.config import HubConfig
from portal.hub.agenda import Agenda
from portal.hub.poller import LINK, PLAYER, Rank
from portal.hub.timers import Timers


@dataclass(eq=False)
class Bell:
    """Stands in for a poller: counts how often it is woken."""

    rung: int = 0

    def wake(self):
        self.rung += 1


@dataclass(eq=False)
class Stub:
    _rank: Rank = PLAYER
    aborted: list = field(default_factory=list)

    def abort(self, reason=""):
        self.aborted.append(reason)


class World:
    def __init__(self, metrics):
        self.now = 0.0
        self.bell = Bell()
        self.timers = Timers(lambda: self.now)
        config = HubConfig(close_seconds=3.0, close_cap_seconds=30.0, close_discard_bytes=100)
        self.agenda = Agenda(config, metrics, self.bell, self.timers)

    def at(self, now):
        self.now = now
        self.timers.sweep()


@pytest.fixture
def world(metrics):
    return World(metrics)


def flush(agenda):
    agenda.flush_later(Stub())


def flush_layer(agenda):
    agenda.flush_layer_later(Stub())


def bury(agenda):
    agenda.bury_later(Stub(), None)


@pytest.mark.parametrize("note", [flush, flush_layer, bury])
def test_only_the_first_note_wakes_and_only_a_sleeper(world, note):
    agenda = world.agenda
    assert agenda.empty
    note(agenda)
    assert not agenda.empty
    assert world.bell.rung == 0
    agenda.asleep = True
    note(agenda)
    note(agenda)
    assert world.bell.rung == 1
    assert not agenda.asleep


def test_the_server_is_flushed_apart_from_the_others(world):
    client, link = Stub(), Stub(_rank=LINK)
    world.agenda.flush_later(client)
    world.agenda.flush_later(link)
    assert (world.agenda.urgent, world.agenda.dirty) == ([link], [client])
    world.agenda.dirty.clear()
    assert not world.agenda.empty


def test_a_closing_connection_has_its_time(world):
    stub = Stub()
    world.agenda.begin_closing(stub)
    world.at(2.9)
    assert stub.aborted == []
    world.at(3.0)
    assert stub.aborted == [""]


def test_progress_gives_it_anew_under_the_cap(world):
    stub = Stub()
    world.agenda.begin_closing(stub)
    for now in range(2, 30, 2):
        world.at(now)
        world.agenda.prolong_closing(stub)
        assert stub.aborted == []
    world.at(30)
    assert stub.aborted == [""]


def test_one_that_has_ended_has_no_deadline(world):
    stub = Stub()
    world.agenda.begin_closing(stub)
    world.agenda.bury_later(stub, None)
    world.at(99)
    assert stub.aborted == []
    assert world.agenda.doomed == [(stub, None)]


def test_what_is_discarded_is_bounded_for_each(world):
    one, other = Stub(), Stub()
    for stub in (one, other):
        world.agenda.discard(stub, 60)
    world.agenda.discard(one, 40)
    assert (one.aborted, other.aborted) == ([], [])
    world.agenda.discard(one, 1)
    assert (one.aborted, other.aborted) == ([""], [])
    world.agenda.bury_later(one, None)
    assert world.agenda._discarded == {other: 60}


def test_other_bounds(world):
    closing, flooding = Stub(), Stub()
    world.agenda.begin_closing(closing)
    config = HubConfig(
        receive_bytes=5,
        close_seconds=2.0,
        close_cap_seconds=5.0,
        close_discard_bytes=10,
        unsent_soft_bytes=7,
    )
    world.agenda.reconfigure(config)
    world.agenda.discard(flooding, 11)
    assert flooding.aborted == [""]
    assert world.agenda.receive_bytes == 5
    assert world.agenda.slow_peers._config is config
    world.at(1)
    world.agenda.prolong_closing(closing)
    for now in (2, 3.5):
        world.at(now)
        assert closing.aborted == []
        world.agenda.prolong_closing(closing)
    world.at(5)
    assert closing.aborted == [""]
