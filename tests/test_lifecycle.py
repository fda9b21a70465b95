"""The Server's life: the table is whole, its page shows it, and series of starts are counted."""

from pathlib import Path

import pytest

from portal.lifecycle import TRANSITIONS, Action, Event, Lifecycle, State, table

ROOT = Path(__file__).parents[1]

IGNORE = Action.IGNORE
DOWN, STARTING, CONNECTED = State.DOWN, State.STARTING, State.CONNECTED
RELOADING, RESETTING, STOPPING = State.RELOADING, State.RESETTING, State.STOPPING

# Every pair in which something happens; all others are ignored and keep their state.
EXPECTED = {
    (DOWN, Event.START): (STARTING, Action.START),
    (DOWN, Event.RELOAD): (STARTING, Action.START),
    (DOWN, Event.RESET): (STARTING, Action.START),
    (DOWN, Event.CONNECTED): (CONNECTED, Action.SETTLE),
    (STARTING, Event.START): (STARTING, Action.START),
    (STARTING, Event.RELOAD): (STARTING, Action.START),
    (STARTING, Event.RESET): (STARTING, Action.START),
    (STARTING, Event.STOP): (STOPPING, Action.END_PROCESS),
    (STARTING, Event.CONNECTED): (CONNECTED, Action.SETTLE),
    (STARTING, Event.CRASHED): (STARTING, Action.START_LATER),
    (STARTING, Event.LEFT): (DOWN, Action.REST),
    (STARTING, Event.EXPIRED): (STARTING, Action.END_PROCESS),
    (STARTING, Event.NO_COMMAND): (DOWN, Action.REST),
    (STARTING, Event.FAILED): (DOWN, Action.GIVE_UP),
    (CONNECTED, Event.RELOAD): (RELOADING, Action.SEND_RELOAD),
    (CONNECTED, Event.RESET): (RESETTING, Action.SEND_RESET),
    (CONNECTED, Event.STOP): (STOPPING, Action.SEND_STOP),
    (CONNECTED, Event.CONNECTED): (CONNECTED, Action.SETTLE),
    (CONNECTED, Event.LINK_LOST): (STARTING, Action.AWAIT_LINK),
    (CONNECTED, Event.CRASHED): (STARTING, Action.START_LATER),
    (CONNECTED, Event.LEFT): (DOWN, Action.REST),
    (STOPPING, Event.CONNECTED): (STOPPING, Action.SEND_STOP),
    (STOPPING, Event.CRASHED): (DOWN, Action.REST),
    (STOPPING, Event.LEFT): (DOWN, Action.REST),
    (STOPPING, Event.EXPIRED): (STOPPING, Action.END_PROCESS),
} | {
    (state, event): result
    for state in (RELOADING, RESETTING)
    for event, result in [
        (Event.STOP, (STOPPING, Action.SEND_STOP)),
        (Event.CONNECTED, (CONNECTED, Action.SETTLE)),
        (Event.CRASHED, (STARTING, Action.START)),
        (Event.LEFT, (STARTING, Action.START)),
        (Event.EXPIRED, (state, Action.END_PROCESS)),
    ]
}


def lifecycle(state=DOWN, **settings):
    defaults = {
        "failed_starts": 5,
        "restart_seconds": 1.0,
        "restart_factor": 2.0,
        "restart_max_seconds": 30.0,
    }
    made = Lifecycle(**defaults | settings)
    made.state = state
    return made


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair(state, event):
    expected = EXPECTED.get((state, event), (state, IGNORE))
    assert TRANSITIONS[state, event] == expected
    life = lifecycle(state)
    assert life.handle(event) is expected[1]
    assert life.state is expected[0]


def test_nothing_is_started_while_stopping():
    starts = {Action.START, Action.START_LATER}
    assert not {TRANSITIONS[STOPPING, event][1] for event in Event} & starts
    assert {TRANSITIONS[STOPPING, event][0] for event in Event} == {STOPPING, DOWN}


def test_it_gives_up_after_the_starts_that_never_connected():
    life = lifecycle()
    assert life.handle(Event.START) is Action.START
    delays = []
    while (action := life.handle(Event.CRASHED)) is Action.START_LATER:
        delays.append(life.delay)
    assert action is Action.GIVE_UP
    assert life.state is DOWN
    assert life.starts == 5
    assert delays == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("order", [Event.START, Event.RELOAD, Event.RESET])
def test_an_order_begins_anew(order):
    life = lifecycle(failed_starts=1)
    life.handle(Event.START)
    assert life.handle(Event.CRASHED) is Action.GIVE_UP
    assert life.handle(order) is Action.START
    assert (life.state, life.starts, life.restarts) == (STARTING, 1, 0)


def test_a_crash_of_a_connected_server_is_no_failed_start():
    life = lifecycle(failed_starts=2)
    for _ in range(10):
        life.handle(Event.CONNECTED)
        assert life.handle(Event.CRASHED) is Action.START_LATER
        assert life.delay == 1.0
    assert life.handle(Event.CRASHED) is Action.START_LATER
    assert life.delay == 2.0
    assert life.handle(Event.CRASHED) is Action.GIVE_UP


def test_a_link_that_dropped_first_is_no_failed_start_either():
    life = lifecycle(failed_starts=1)
    life.handle(Event.CONNECTED)
    assert life.handle(Event.LINK_LOST) is Action.AWAIT_LINK
    assert life.handle(Event.CRASHED) is Action.START_LATER
    assert life.handle(Event.CRASHED) is Action.GIVE_UP


def test_the_delay_has_a_bound():
    life = lifecycle(failed_starts=10_000)
    life.handle(Event.START)
    delays = []
    for _ in range(2000):
        life.handle(Event.CRASHED)
        delays.append(life.delay)
    assert delays[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert max(delays) == 30.0


def test_the_page_shows_the_table():
    assert table() in (ROOT / "docs/lifecycle.md").read_text()


def test_other_numbers_within_a_series_of_starts():
    life = lifecycle(failed_starts=5)
    life.handle(Event.START)
    assert life.handle(Event.CRASHED) is Action.START_LATER
    life.set_patience(1, 7.0, 3.0, 8.0)
    assert life.delay == 7.0
    assert life.handle(Event.CRASHED) is Action.GIVE_UP
