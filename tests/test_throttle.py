"""Token buckets on a clock that the test holds."""

import msgspec
import pytest

from portal.config import LimitsConfig
from portal.throttle import Throttle, TokenBucket


@pytest.mark.parametrize(
    ("rate", "burst", "times", "expected"),
    [
        (1, 1, [0, 0, 1, 1, 1.5, 2], [True, False, True, False, False, True]),
        (1, 3, [5, 5, 5, 5], [True, True, True, False]),
        (10, 1, [0, 0.05, 0.1, 0.2], [True, False, True, True]),
        (2, 2, [0, 0, 100, 100, 100], [True, True, True, True, False]),
        (1, 1, [50, 50.5, 20, 20.5, 21.0], [True, False, False, True, False]),
        (1, 0.5, [0, 10, 20], [False, False, False]),
    ],
    ids=["one a second", "burst", "part of a token", "full at most", "clock set back", "never"],
)
def test_bucket(rate, burst, times, expected):
    bucket = TokenBucket(rate, burst)
    assert [bucket.take(now) for now in times] == expected


def test_a_long_run_keeps_to_the_rate():
    bucket = TokenBucket(80, 160)
    passed = sum(bucket.take(step / 1000) for step in range(10_000))
    assert passed == pytest.approx(80 * 10 + 160, abs=2)


def test_bucket_goes_on_where_it_was_written_down():
    bucket = TokenBucket(1, 2)
    bucket.take(10.0)
    other = TokenBucket(1, 2)
    other.set_state(msgspec.json.decode(msgspec.json.encode(bucket.get_state())))
    assert [other.take(10.0), other.take(10.0), other.take(11.0)] == [True, False, True]


LIMITS = LimitsConfig(commands_per_second=1, command_burst=1, oob_per_second=1, oob_burst=2)


def test_commands_and_other_messages_are_counted_apart():
    throttle = Throttle(LIMITS)
    assert [throttle.commands.take(0.0) for _ in range(2)] == [True, False]
    assert [throttle.oob.take(0.0) for _ in range(3)] == [True, True, False]


def test_a_player_is_told_once_a_second():
    throttle = Throttle(LIMITS)
    times = [0.0, 0.5, 0.99, 1.0, 1.5, 2.0]
    assert [throttle.must_tell(now) for now in times] == [True, False, False, True, False, True]
    assert throttle.must_tell(-100.0), "a clock of another process"


def test_throttle_goes_on_where_it_was_written_down():
    throttle = Throttle(LIMITS)
    throttle.commands.take(3.0)
    throttle.must_tell(3.0)
    other = Throttle(LIMITS)
    other.set_state(msgspec.json.decode(msgspec.json.encode(throttle.get_state())))
    assert not other.commands.take(3.5)
    assert not other.must_tell(3.5)
    assert other.oob.take(3.5)


@pytest.mark.parametrize(
    ("rate", "burst", "times", "expected"),
    [
        (1, 5, [0, 1, 1], [True, True, False]),  # no more is saved up than there was
        (1, 1, [0, 0], [True, False]),
        (100, 2, [0, 0.01, 0.01], [True, True, False]),
    ],
)
def test_another_rate(rate, burst, times, expected):
    bucket = TokenBucket(1, 3)
    bucket.take(0.0)
    bucket.take(0.0)
    bucket.set_rate(rate, burst)
    assert [bucket.take(now) for now in times] == expected


def test_what_was_saved_beyond_a_smaller_burst_is_lost():
    bucket = TokenBucket(1, 100)
    bucket.set_rate(1, 2)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]


def test_a_throttle_goes_by_other_limits():
    throttle = Throttle(LIMITS)
    throttle.reconfigure(
        LimitsConfig(commands_per_second=2, command_burst=3, oob_per_second=4, oob_burst=5)
    )
    assert (throttle.commands.rate, throttle.commands.burst) == (2, 3)
    assert (throttle.oob.rate, throttle.oob.burst) == (4, 5)
