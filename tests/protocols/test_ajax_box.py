"""The box in which messages wait for a page: their order, bounds and end."""

import pytest
import trio
import trio.testing

from portal.config import Config, HubConfig
from portal.protocols.ajax_box import MESSAGE_BYTES, TOO_SLOW, Box

ONE = MESSAGE_BYTES + 1  # what a message of one byte counts


class Shelf:
    def __init__(self, **hub):
        self.config = Config(hub=HubConfig(**hub))
        self.time = 0.0
        self.size = 0

    def now(self):
        return self.time

    def note_size(self, change):
        self.size += change


class World:
    def __init__(self, nursery, **hub):
        self.nursery = nursery
        self.shelf = Shelf(**hub)
        self.box = Box(self.shelf, "192.0.2.7")
        self.lost = 0
        self.box.lost = self.lose
        self.taken = {}

    def lose(self):
        self.lost += 1

    async def ask(self, name):
        """Have the page ask, and note what it gets by this name."""

        async def ask():
            self.taken[name] = await self.box.take()

        self.nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()

    async def write(self, *messages):
        for message in messages:
            self.box.write(message)
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def world(nursery):
    return World(nursery)


async def test_messages_are_taken_in_their_order(world):
    await world.write(b"a", b"", b"b")
    assert world.box.unsent == world.shelf.size == 2 * ONE
    assert [await world.box.take(), await world.box.take()] == [b"a", b"b"]
    assert world.box.unsent == world.shelf.size == 0


async def test_who_asks_before_there_is_any_waits(world):
    await world.ask("one")
    assert world.taken == {}
    await world.write(b"a", b"b")
    assert world.taken == {"one": b"a"}


async def test_only_the_newest_of_those_who_ask_is_answered(world):
    for name in ("one", "two", "three"):
        await world.ask(name)
    assert world.taken == {"one": None, "two": None}
    await world.write(b"a")
    assert world.taken == {"one": None, "two": None, "three": b"a"}


async def test_of_two_who_ask_at_once_one_gets_it(world):
    await world.ask("one")
    world.box.write(b"a")
    await world.ask("two")
    assert world.taken in ({"one": None, "two": b"a"}, {"one": b"a"})


async def test_what_did_not_arrive_is_taken_again(world):
    await world.write(b"a", b"b")
    message = await world.box.take()
    world.box.put_back(message)
    assert world.box.unsent == world.shelf.size == 2 * ONE
    assert [await world.box.take(), await world.box.take()] == [b"a", b"b"]


async def test_putting_back_wakes_who_asks(world):
    await world.write(b"a")
    message = await world.box.take()
    await world.ask("one")
    world.box.put_back(message)
    await trio.testing.wait_all_tasks_blocked()
    assert world.taken == {"one": b"a"}


async def test_it_ends_when_the_last_message_has_arrived(world):
    await world.write(b"a")
    world.box.close("bye")
    await world.write(b"late")
    assert (world.lost, world.box.ended, world.box.close_reason) == (0, False, "bye")
    message = await world.box.take()
    world.box.put_back(message)
    world.box.settle()
    assert world.lost == 0
    assert await world.box.take() == b"a"
    assert world.lost == 0
    world.box.settle()
    world.box.settle()
    assert (world.lost, world.box.ended) == (1, True)
    assert await world.box.take() is None


async def test_an_empty_one_ends_at_once(world):
    await world.ask("one")
    world.box.close("bye")
    world.box.close("again")
    await trio.testing.wait_all_tasks_blocked()
    assert (world.lost, world.taken, world.box.close_reason) == (1, {"one": None}, "bye")


async def test_abort_drops_everything(world):
    await world.write(b"a", b"b")
    message = await world.box.take()
    world.box.abort("gone")
    assert (world.lost, world.box.unsent, world.shelf.size) == (1, 0, 0)
    world.box.put_back(message)
    world.box.abort("again")
    assert (world.lost, world.shelf.size, world.box.close_reason) == (1, 0, "gone")
    assert await world.box.take() is None


@pytest.mark.parametrize("end", ["close", "abort", "resume_reading"])
async def test_what_the_page_sends_waits(world, end):
    await world.box.wait_for_reading()
    world.box.pause_reading()
    world.nursery.start_soon(world.box.wait_for_reading)
    await trio.testing.wait_all_tasks_blocked()
    assert len(world.nursery.child_tasks) == 1
    getattr(world.box, end)()
    await trio.testing.wait_all_tasks_blocked()
    assert len(world.nursery.child_tasks) == 0
    await world.box.wait_for_reading()


async def test_after_its_end_nothing_waits(world):
    world.box.abort()
    world.box.pause_reading()
    await world.box.wait_for_reading()


# ---- bounds


async def test_a_page_that_is_too_far_behind_is_cut(nursery):
    world = World(nursery, unsent_soft_bytes=1, unsent_hard_bytes=3 * ONE)
    await world.write(b"a", b"b", b"c")
    assert world.lost == 0
    await world.write(b"d")
    assert (world.lost, world.box.close_reason, world.shelf.size) == (1, TOO_SLOW, 0)


@pytest.mark.parametrize(("taken", "lost"), [(False, 1), (True, 0)])
async def test_above_the_soft_bound_it_has_to_take_something(nursery, taken, lost):
    world = World(nursery, unsent_soft_bytes=2 * ONE, unsent_grace_seconds=10)
    world.shelf.time = 5
    await world.write(b"a", b"b", b"c")
    world.shelf.time = 12
    if taken:
        await world.box.take()
    await world.write(b"d")
    assert world.lost == 0
    world.shelf.time = 16
    await world.write(b"e")
    assert world.lost == lost


async def test_its_messages_survive_in_another_process(world):
    await world.write(b'["text",["\xc3\xa9"],{}]', b"b")
    other = World(world.nursery)
    other.box.set_state(world.box.get_state())
    assert other.box.unsent == world.box.unsent == other.shelf.size
    assert [await other.box.take(), await other.box.take()] == [
        b'["text",["\xc3\xa9"],{}]',
        b"b",
    ]
