"""One thing that happens if nothing else does in time."""

import pytest
import trio

from portal.deadline import Deadline


@pytest.fixture
def deadline(nursery):
    return Deadline(nursery)


async def test_it_expires_once(deadline, autojump_clock):
    expired = []
    deadline.set(5, lambda: expired.append(trio.current_time()))
    began = trio.current_time()
    await trio.sleep(100)
    assert expired == [began + 5]


async def test_it_is_ended(deadline, autojump_clock):
    expired = []
    deadline.end()  # there is none
    deadline.set(5, lambda: expired.append(1))
    await trio.sleep(4)
    deadline.end()
    await trio.sleep(100)
    assert expired == []


async def test_another_takes_its_place(deadline, autojump_clock):
    expired = []
    deadline.set(5, lambda: expired.append("first"))
    deadline.set(10, lambda: expired.append("second"))
    await trio.sleep(100)
    assert expired == ["second"]


async def test_what_expires_may_set_the_next(deadline, autojump_clock):
    expired = []
    deadline.set(1, lambda: deadline.set(1, lambda: expired.append(trio.current_time())))
    began = trio.current_time()
    await trio.sleep(100)
    assert expired == [began + 2]


@pytest.mark.parametrize(("seconds", "after"), [(3, 3), (20, 10)])
async def test_it_is_brought_forward_and_never_put_off(deadline, autojump_clock, seconds, after):
    expired = []
    deadline.bring_forward(1)  # there is none
    deadline.set(10, lambda: expired.append(trio.current_time()))
    began = trio.current_time()
    deadline.bring_forward(seconds)
    await trio.sleep(100)
    assert expired == [began + after]
