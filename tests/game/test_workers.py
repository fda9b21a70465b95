"""Order within a session, no waiting between sessions, and an answer for every message."""

import gc
import inspect
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import NotBegun
from portal.game.inputfuncs import FAILED, InputError
from portal.game.workers import MAX_OUTSTANDING, MAX_PARKED


@pytest.fixture
def gates(running_side):
    """`text` waits for the gate of its word to be opened; `plain` does not wait."""

    class Gates(dict):
        def open(self, *words):
            for word in words:
                self.setdefault(word, trio.Event()).set()

    gates = Gates()

    async def text(session, word, **_):
        await gates.setdefault(word, trio.Event()).wait()
        gates.done.append(word)

    def plain(session, word, **_):
        gates.done.append(word)

    gates.done = []
    running_side.functions.add("text", text)
    running_side.functions.add("plain", plain)
    return gates


settle = trio.testing.wait_all_tasks_blocked


def test_plain_functions_are_called_at_once(side):
    called = []
    side.functions.add("text", lambda session, *args, **kwargs: called.append((args, kwargs)))
    side.functions.add("hp", lambda session, *args, **kwargs: called.append("hp"))
    side.connect()
    side.receive(1, "a", text=["look"], hp=[])
    assert called == [(("look",), {"options": {}}), "hp"]
    assert side.answers == {}


def test_what_nobody_takes_is_answered_all_the_same(side):
    side.connect()
    side.receive(1, "a", text=["look"])
    assert side.answers == {}
    assert side.portal.take() == []


def test_a_function_that_fails(side):
    called = []
    side.functions.add("text", lambda session, line, **_: 1 / 0)
    side.functions.add("hp", lambda session, **_: called.append("hp"))
    side.connect(3)
    with pytest.raises(InputError, match="text failed"):
        side.receive(3, text=["secret"], hp=[])
    assert called == ["hp"]  # one command of a message is not its neighbour's fault
    assert side.portal.take_texts() == [(3, FAILED)]
    with pytest.raises(InputError):
        side.receive(3, text=[])  # arguments that do not fit are no different


def test_without_a_nursery_nothing_waits(side):
    async def text(session, **_): ...

    side.functions.add("text", text)
    side.functions.add("later", lambda session, **_: Later(iter(())))
    side.connect()
    for name in ("text", "later"):
        with pytest.raises(InputError, match="not running"):
            side.receive(1, "a", **{name: []})


async def test_a_slow_function_holds_up_its_own_session_only(running_side, gates):
    running_side.connect(1)
    running_side.connect(2)
    running_side.receive(1, "a", text=["slow"])
    running_side.receive(1, "b", plain=["behind"])
    running_side.receive(2, "c", text=["quick"])
    running_side.receive(2, "d", text=["second"])
    gates.open("quick", "second")
    await settle()
    assert gates.done == ["quick", "second"]
    assert running_side.answered() == ["c", "d"]
    gates.open("slow")
    await settle()
    assert gates.done[2:] == ["slow", "behind"]
    assert running_side.answered() == ["a", "b", "c", "d"]
    running_side.receive(1, "e", plain=["at once"])
    assert gates.done[-1] == "at once"
    assert "e" not in running_side.answers


def decorated(function):
    """Wrap a function as a decorator does that knows nothing of waiting."""

    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Later:
    """Something to be awaited that is no coroutine."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


@pytest.mark.parametrize(
    "wrap",
    [
        decorated,
        lambda function: partial(decorated(function)),
        lambda function: lambda *args, **kwargs: Later(function(*args, **kwargs)),
    ],
)
async def test_a_function_that_only_returns_something_to_be_awaited(running_side, gates, wrap):
    """What counts is what it returns, not how it looks."""
    text = wrap(running_side.functions.find("text"))
    running_side.functions.add("text", text)
    running_side.functions.add("default", lambda session, _name, word, **_: text(session, word))
    running_side.connect()
    running_side.receive(1, "a", plain=["before"], text=["slow"], other=["slower"])
    running_side.receive(1, "b", plain=["behind"])
    assert gates.done == ["before"]
    gates.open("slow")
    await settle()
    assert gates.done == ["before", "slow"]
    assert running_side.answered() == []
    gates.open("slower")
    await settle()
    assert gates.done == ["before", "slow", "slower", "behind"]
    assert running_side.answered() == ["a", "b"]


async def test_what_a_function_hands_on_itself_comes_before_it(running_side, gates):
    def text(session, **_):
        running_side.receive(1, "inner", slow=["first"])
        return gates.wait("second")

    async def wait(word):
        gates.done.append(word)

    gates.wait = wait
    running_side.functions.add("slow", running_side.functions.find("text"))
    running_side.functions.add("text", text)
    running_side.connect()
    running_side.receive(1, "outer", text=[])
    gates.open("first")
    await settle()
    assert gates.done == ["first", "second"]
    assert running_side.answered() == ["inner", "outer"]
    assert running_side.workers.busy == 0


async def test_a_waiting_function_that_fails(running_side):
    async def text(session, **_):
        await trio.lowlevel.checkpoint()
        raise ValueError

    running_side.functions.add("text", text)
    running_side.functions.add("unheard", text)
    running_side.connect(3)
    running_side.receive(3, "a", text=[], nothing=[])
    running_side.receive(3, "b", text=["too", "many"])
    running_side.receive(3, "c", text=[], unheard=[])
    await settle()
    assert running_side.portal.take_texts() == [(3, FAILED)] * 4
    for tag in ("a", "b", "c"):
        (error,) = running_side.answers[tag].given
        assert isinstance(error, InputError)


async def test_a_session_too_far_behind_is_refused(running_side, gates):
    running_side.connect()
    for number in range(MAX_OUTSTANDING):
        running_side.receive(1, number, text=["a"])
    with pytest.raises(InputError, match="outstanding"):
        running_side.receive(1, "over", text=["a"])
    gates.open("a")
    await settle()
    assert running_side.answered() == list(range(MAX_OUTSTANDING))
    running_side.receive(1, "after", text=["a"])
    await settle()
    assert "after" in running_side.answered()


async def test_what_an_ended_session_left_is_dropped(running_side, gates):
    session = running_side.connect()
    for tag in "abc":
        running_side.receive(1, tag, text=[tag])
    await settle()
    running_side.handler.portal_disconnect(session)
    assert set(running_side.answered()) == {"b", "c"}
    gates.open("a", "b", "c")
    await settle()
    assert gates.done == ["a"]
    assert set(running_side.answered()) == {"a", "b", "c"}
    running_side.workers.forget(session)  # with nothing in its inbox nothing happens


async def test_what_was_not_begun_is_given_back_in_its_order(running_side, gates):
    session = running_side.connect()
    given = []
    for tag in "abcd":
        running_side.receive(1, tag, text=[tag])
        running_side.answers[tag].fail = lambda error, tag=tag: given.append((tag, type(error)))
    running_side.workers.give_back(session)
    assert given == [(tag, NotBegun) for tag in "bcd"]
    gates.open("a")
    await settle()
    assert gates.done == ["a"]
    running_side.workers.give_back(session)  # with nothing in its inbox nothing happens
    assert running_side.answered() == ["a"]


async def test_workers_are_used_again(running_side, gates):
    statistics = trio.lowlevel.current_statistics
    running_side.connect(1)
    running_side.connect(2)
    before = statistics().tasks_living
    for number in range(20):
        running_side.receive(1 + number % 2, number, text=["x"])
        gates.open("x")
        await settle()
    assert statistics().tasks_living == before + 1


async def test_more_workers_than_are_needed_end(running_side, gates):
    statistics = trio.lowlevel.current_statistics
    before = statistics().tasks_living
    sessions = MAX_PARKED + 10
    for sessid in range(1, sessions + 1):
        running_side.connect(sessid)
        running_side.receive(sessid, sessid, text=["x"])
    await settle()
    assert statistics().tasks_living == before + sessions
    assert running_side.workers.busy == sessions
    gates.open("x")
    await settle()
    assert statistics().tasks_living == before + MAX_PARKED
    assert running_side.workers.busy == 0


async def test_drain_waits_for_what_is_in_flight(running_side, gates, autojump_clock):
    running_side.connect()
    running_side.receive(1, "a", text=["x"])
    running_side.receive(1, "b", text=["x"])

    async def open_later():
        await trio.sleep(3)
        gates.open("x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_later)
        assert await running_side.workers.drain(5)
    assert running_side.answered() == ["a", "b"]
    assert await running_side.workers.drain(5)


async def test_drain_cuts_short_what_takes_too_long_and_leaves_it_unanswered(side, autojump_clock):
    async def text(session, **_):
        await trio.sleep_forever()

    side.functions.add("text", text)
    side.connect()
    async with trio.open_nursery() as nursery:
        await nursery.start(side.workers.run)
        side.receive(1, "a", text=[])
        side.receive(1, "b", text=[])
        start = trio.current_time()
        assert not await side.workers.drain(5)
        assert trio.current_time() - start == pytest.approx(5, abs=0.01)
    assert side.answered() == []
    assert side.workers.busy == 0


async def test_parked_workers_end_with_run(side, autojump_clock):
    async def text(session, **_):
        await trio.lowlevel.checkpoint()

    side.functions.add("text", text)
    side.connect()
    async with trio.open_nursery() as nursery:
        await nursery.start(side.workers.run)
        side.receive(1, "a", text=[])
        await settle()
        nursery.cancel_scope.cancel()
    assert side.answered() == ["a"]


async def test_parked_workers_keep_no_session(running_side):
    async def text(session, **_):
        await trio.lowlevel.checkpoint()

    running_side.functions.add("text", text)
    session = running_side.connect()
    running_side.receive(1, "a", text=[])
    await settle()
    running_side.handler.portal_disconnect(session)
    others = [each for each in gc.get_referrers(session) if not inspect.isframe(each)]
    assert others == []
    running_side.connect(2)
    running_side.receive(2, "b", text=[])
    await settle()
    assert running_side.answered() == ["a", "b"]


async def test_draining_without_run_ends_as_well(side, autojump_clock):
    side.workers.busy = 1
    side.workers._quiet = trio.Event()
    assert not await side.workers.drain(1)


@given(
    messages=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["plain", "short", "long"])), max_size=60
    )
)
def test_each_session_s_messages_run_once_and_in_order(make_side, messages):
    trio.run(partial(run_messages, make_side(), messages))


async def run_messages(side, messages):
    done = {sessid: [] for sessid in range(1, 5)}

    def plain(session, number, **_):
        done[session.sessid].append(number)

    async def short(session, number, **_):
        await trio.lowlevel.checkpoint()
        done[session.sessid].append(number)

    async def long(session, number, **_):
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        done[session.sessid].append(number)

    for function in (plain, short, long):
        side.functions.add(function.__name__, function)
    async with trio.open_nursery() as nursery:
        await nursery.start(side.workers.run)
        for sessid in done:
            side.connect(sessid)
        for number, (sessid, kind) in enumerate(messages):
            side.receive(sessid, number, **{kind: [number]})
            if number % 3 == 0:
                await trio.lowlevel.checkpoint()
        await settle()
        nursery.cancel_scope.cancel()
    for sessid, numbers in done.items():
        assert numbers == [n for n, (owner, _) in enumerate(messages) if owner == sessid]
    assert side.answered() == list(side.answers)
