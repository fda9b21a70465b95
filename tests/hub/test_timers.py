"""Deadline queues on a clock that the test turns."""

import pytest
from structlog.testing import capture_logs

from portal.hub.timers import SWEEP_ITEMS, DeadlineQueue, Timers


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def expired():
    return []


@pytest.fixture
def queue(clock, expired):
    return DeadlineQueue(5.0, expired.append, clock)


def run(queue, clock, script):
    """Do `script`, pairs of (verb, argument); "at" sets the clock and sweeps."""
    for verb, argument in script:
        if verb == "at":
            clock.now = 100.0 + argument
            queue.sweep(clock.now)
        else:
            getattr(queue, verb)(argument)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([("start", "a"), ("at", 4.9)], []),
        ([("start", "a"), ("at", 5.0)], ["a"]),
        ([("start", "a"), ("at", 5.0), ("at", 50.0)], ["a"]),
        ([("start", "a"), ("start", "b"), ("at", 5.0)], ["a", "b"]),
        ([("start", "a"), ("at", 1.0), ("start", "b"), ("at", 5.5)], ["a"]),
        ([("start", "a"), ("cancel", "a"), ("at", 9.0)], []),
        ([("cancel", "a"), ("at", 9.0)], []),
        ([("start", "a"), ("at", 3.0), ("restart", "a"), ("at", 7.9)], []),
        ([("start", "a"), ("at", 3.0), ("restart", "a"), ("at", 8.0)], ["a"]),
        ([("start", "a"), ("at", 3.0), ("start", "a"), ("at", 7.9)], []),
        ([("restart", "a"), ("at", 5.0)], ["a"]),
        # A restarted item goes behind those that were started before.
        ([("start", "a"), ("start", "b"), ("restart", "a"), ("at", 5.0)], ["b", "a"]),
        ([("start", "a"), ("at", 5.0), ("start", "a"), ("at", 10.0)], ["a", "a"]),
    ],
)
def test_what_expires(queue, clock, expired, script, expected):
    run(queue, clock, script)
    assert expired == expected


def test_what_runs_is_known(queue):
    queue.start("a")
    assert "a" in queue
    assert "b" not in queue
    assert len(queue) == 1


def test_the_first_to_expire(queue):
    with pytest.raises(LookupError):
        queue.first()
    for item in "abc":
        queue.start(item)
    assert queue.first() == "a"
    queue.restart("a")
    assert queue.first() == "b"
    queue.cancel("b")
    assert queue.first() == "c"
    assert len(queue) == 2


def test_an_expired_item_runs_no_longer(clock):
    seen = []
    queue = DeadlineQueue(1.0, lambda item: seen.append(item in queue), clock)
    queue.start("a")
    queue.sweep(clock.now + 1)
    assert seen == [False]


@pytest.mark.parametrize(("verb", "later"), [("cancel", []), ("restart", ["b"]), ("start", ["b"])])
def test_a_callback_may_change_what_is_due(clock, verb, later):
    seen = []

    def expire(item):
        seen.append(item)
        if item == "a":
            getattr(queue, verb)("b")

    queue = DeadlineQueue(1.0, expire, clock)
    queue.start("a")
    queue.start("b")
    clock.now += 1
    queue.sweep(clock.now)
    assert seen == ["a"]
    queue.sweep(clock.now + 1)
    assert seen == ["a", *later]


def test_an_item_may_start_itself_anew(clock, expired):
    queue = DeadlineQueue(1.0, lambda item: (expired.append(item), queue.start(item)), clock)
    queue.start("a")
    for _ in range(3):
        clock.now += 1
        queue.sweep(clock.now)
    assert expired == ["a", "a", "a"]


def test_a_sweep_is_bounded(queue, clock, expired):
    for item in range(SWEEP_ITEMS + 1):
        queue.start(item)
    assert queue.sweep(clock.now + 5)
    assert len(expired) == SWEEP_ITEMS
    assert not queue.sweep(clock.now + 5)
    assert expired == list(range(SWEEP_ITEMS + 1))


def test_a_callback_that_fails_costs_its_item_only(clock):
    seen = []

    def expire(item):
        seen.append(item)
        raise RuntimeError("bad item")

    queue = DeadlineQueue(1.0, expire, clock)
    queue.start("a")
    queue.start("b")
    with capture_logs() as logs:
        queue.sweep(clock.now + 1)
    assert seen == ["a", "b"]
    assert [entry["event"] for entry in logs] == ["deadline_failed"] * 2
    assert len(queue) == 0


def test_every_queue_is_swept(clock, expired):
    timers = Timers(clock)
    queues = [timers.make_queue(seconds, expired.append) for seconds in (3.0, 1.0, 2.0)]
    for number, queue in enumerate(queues):
        for item in range(SWEEP_ITEMS):
            queue.start((number, item))
    clock.now += 2
    assert timers.sweep()
    assert {number for number, _ in expired} == {1, 2}
    assert len(expired) == 2 * SWEEP_ITEMS
    assert not timers.sweep()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (5.0, [("a", 5.0), ("b", 6.0)]),
        (2.0, [("a", 2.0), ("b", 3.0)]),
        (9.0, [("a", 9.0), ("b", 10.0)]),
    ],
)
def test_another_time_counts_from_each_start(queue, clock, seconds, expected):
    queue.start("a")
    clock.now = 101.0
    queue.start("b")
    queue.set_seconds(seconds)
    assert queue.seconds == seconds
    assert [(item, when - 100.0) for item, when in queue._running.items()] == expected


def test_a_shorter_time_may_be_over_at_once(queue, clock, expired):
    queue.start("a")
    clock.now = 103.0
    queue.set_seconds(2.0)
    queue.start("b")
    queue.sweep(clock.now)
    assert expired == ["a"]
    queue.sweep(105.0)
    assert expired == ["a", "b"]
