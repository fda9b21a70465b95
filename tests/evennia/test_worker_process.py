"""The Portal's end of the pipe: a stand-in for the process, on a clock that the test moves."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from portal.evennia.worker_process import (
    DIED,
    DOWN,
    END_SECONDS,
    FIRST_PAUSE_SECONDS,
    LONGEST_LINE,
    LONGEST_LOGGED,
    LONGEST_PAUSE_SECONDS,
    MAX_QUESTIONS,
    NOT_RUNNING,
    OLD_SECONDS,
    QUESTION_SECONDS,
    START_SECONDS,
    TOO_LATE,
    TOO_MANY,
    WorkerProcess,
    make_worker,
)
from portal.metrics import Metrics

PATIENCE = 60


class StandIn:
    """A process that does what the test says; its pid is the how-manieth it is."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None
        self.stubborn = False  # it does not end with its input
        self.killed = False
        self.ended = trio.Event()
        self.stdin = trio.testing.MemorySendStream(close_hook=self.end_with_input)
        self.stdout = trio.testing.MemoryReceiveStream()
        self.stderr = trio.testing.MemoryReceiveStream()
        self.buffer = b""

    async def wait(self):
        await self.ended.wait()
        return self.returncode

    def kill(self):
        self.killed = True
        self.end(-9)

    def end_with_input(self):
        if not self.stubborn:
            self.end(0)

    def end(self, code):
        if self.returncode is None:
            self.returncode = code
            self.ended.set()
            self.stdout.put_eof()
            self.stderr.put_eof()

    def asked(self):
        """The questions that have come since the last look."""
        with suppress(trio.WouldBlock):
            self.buffer += self.stdin.get_data_nowait()
        *lines, self.buffer = self.buffer.split(b"\n")
        return [json.loads(line) for line in lines]


class World:
    def __init__(self, nursery, clock):
        self.nursery = nursery
        self.clock = clock
        self.metrics = Metrics()
        self.processes = []
        self.cannot_start = False
        self.worker = WorkerProcess(self.start, self.metrics)
        self.answers = []
        self.scope = trio.CancelScope()

    async def start(self):
        await trio.lowlevel.checkpoint()
        if self.cannot_start:
            raise FileNotFoundError(2, "No such file or directory")
        self.processes.append(StandIn(len(self.processes) + 1))
        return self.processes[-1]

    @property
    def process(self):
        return self.processes[-1]

    async def run(self, *, task_status):
        with self.scope:
            await self.worker.run(task_status=task_status)

    def ask(self, name="double", **arguments):
        """Ask; answers are noted by the name."""
        self.worker.ask(name, arguments, lambda *answer: self.answers.append((name, *answer)))

    async def settle(self):
        """Wait until nothing happens any more; what a clock has moved happens in a later pass."""
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()

    async def pass_time(self, seconds):
        self.clock.jump(seconds + 1e-6)  # sums of these are no exact numbers
        await self.settle()

    async def say(self, *values):
        for value in values:
            whole = isinstance(value, bytes)
            self.process.stdout.put_data(value if whole else json.dumps(value).encode() + b"\n")
        await self.settle()

    async def begin(self):
        """Have a process that is ready, by a question."""
        self.ask("first")
        await self.settle()
        (question,) = self.process.asked()
        await self.say({"ready": True}, {"id": question["id"], "answer": None})
        assert self.take() == [("first", None, "")]

    async def lose(self, code=1):
        self.process.end(code)
        await self.settle()

    def take(self):
        taken, self.answers = self.answers, []
        return taken


@pytest.fixture
async def world(nursery, mock_clock):
    world = World(nursery, mock_clock)
    await nursery.start(world.run)
    return world


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as logs:
        yield lambda: [entry["event"] for entry in logs]


# ---- questions


async def test_it_is_started_by_the_first_question(world, mock_clock, logged):
    await world.settle()
    assert (world.processes, world.worker.pid) == ([], None)
    world.ask("double", number=4)
    await world.settle()
    assert world.process.asked() == [{"id": 1, "ask": "double", "with": {"number": 4}}]
    assert (world.worker.pid, world.worker.waiting) == (1, 1)
    await world.say({"ready": True}, {"id": 1, "answer": 8})
    assert world.take() == [("double", 8, "")]
    world.ask("fail")
    await world.settle()
    await world.say({"id": 2, "error": "KeyError: 1"})
    assert world.take() == [("fail", None, "KeyError: 1")]
    assert len(world.processes) == world.metrics.worker_starts == 1
    assert (world.metrics.worker_questions, world.metrics.worker_questions_failed) == (2, 1)
    assert logged() == ["worker_started"]
    assert world.worker.waiting == 0


async def test_questions_keep_their_order(world, mock_clock):
    for name in ("one", "two", "three"):
        world.ask(name)
    await world.settle()
    assert [each["ask"] for each in world.process.asked()] == ["one", "two", "three"]
    world.ask("four")
    await world.settle()
    assert [each["ask"] for each in world.process.asked()] == ["four"]


async def test_answers_are_cut_anywhere(world, mock_clock):
    for _ in range(3):
        world.ask("x")
    await world.settle()
    data = b"".join(
        json.dumps(each).encode() + b"\n"
        for each in ({"ready": True}, *({"id": n, "answer": n} for n in (1, 2, 3)))
    )
    for byte in data:
        await world.say(bytes([byte]))
    assert world.take() == [("x", 1, ""), ("x", 2, ""), ("x", 3, "")]


async def test_an_answer_to_nothing_is_passed_over(world, mock_clock):
    await world.begin()
    world.ask("x")
    await world.settle()
    await world.say({"id": 99, "answer": 1}, {"id": 2, "answer": 2}, {"id": 2, "answer": 3})
    assert world.take() == [("x", 2, "")]


async def test_one_who_asks_wrongly_harms_nobody(world, mock_clock, logged):
    def boom(answer, error):
        raise RuntimeError("a bug")

    world.worker.ask("x", {}, boom)
    world.ask("y")
    await world.settle()
    await world.say({"ready": True}, {"id": 1, "answer": 1}, {"id": 2, "answer": 2})
    assert world.take() == [("y", 2, "")]
    assert logged() == ["worker_started", "worker_answer_failed"]


async def test_too_many_questions(world, mock_clock):
    for _ in range(MAX_QUESTIONS):
        world.ask("x")
    world.ask("one more")
    assert world.take() == [("one more", None, TOO_MANY)]
    await world.settle()
    await world.say({"ready": True}, {"id": 1, "answer": 1})
    world.ask("another")
    assert world.take() == [("x", 1, "")]


async def test_nothing_is_asked_before_it_runs_nor_afterwards(nursery, mock_clock):
    world = World(nursery, mock_clock)
    world.ask("early")
    assert world.take() == [("early", None, NOT_RUNNING)]
    await nursery.start(world.run)
    world.ask("x")
    await world.settle()
    world.scope.cancel()
    await world.settle()
    assert world.take() == [("x", None, NOT_RUNNING)]
    assert world.process.returncode == 0
    world.ask("late")
    assert world.take() == [("late", None, NOT_RUNNING)]


# ---- deadlines


async def test_what_takes_too_long_has_no_answer(world, mock_clock):
    await world.begin()
    world.ask("slow")
    await world.pass_time(1)
    world.ask("next")
    await world.say({"id": 99, "answer": None})  # it lives
    await world.pass_time(QUESTION_SECONDS - 1.5)
    assert world.take() == []
    await world.pass_time(0.5)
    assert world.take() == [("slow", None, TOO_LATE)]
    await world.say({"id": 2, "answer": 1}, {"id": 3, "answer": 2})
    assert world.take() == [("next", 2, "")]
    assert not world.process.killed


async def test_one_that_hangs_is_ended_and_the_next_asked(world, mock_clock, logged):
    await world.begin()
    world.ask("hang")
    await world.pass_time(3)
    world.ask("next")
    await world.pass_time(2)
    assert world.take() == [("hang", None, TOO_LATE)]
    assert world.process.killed
    await world.pass_time(FIRST_PAUSE_SECONDS)
    assert world.process.pid == 2
    assert [each["ask"] for each in world.process.asked()] == ["next"]
    await world.say({"ready": True}, {"id": 3, "answer": 1})
    assert world.take() == [("next", 1, "")]
    assert logged() == ["worker_started", "worker_failed", "worker_ended", "worker_started"]


async def test_one_that_starts_is_given_its_time(world, mock_clock, logged):
    world.ask("x")
    await world.settle()
    await world.pass_time(QUESTION_SECONDS)
    assert world.take() == [("x", None, TOO_LATE)]
    await world.pass_time(START_SECONDS - QUESTION_SECONDS - 0.5)
    assert not world.process.killed
    await world.pass_time(0.5)
    assert world.process.killed
    assert logged() == ["worker_started", "worker_failed", "worker_ended"]


# ---- its death


async def test_what_it_left_is_asked_of_the_next(world, mock_clock, logged):
    await world.begin()
    world.ask("one")
    await world.settle()
    await world.lose()
    world.ask("two")
    assert world.take() == []
    await world.pass_time(FIRST_PAUSE_SECONDS)
    assert [each["ask"] for each in world.process.asked()] == ["one", "two"]
    await world.lose()
    assert world.take() == [("one", None, DIED)]
    await world.pass_time(2 * FIRST_PAUSE_SECONDS)
    assert [each["ask"] for each in world.process.asked()] == ["two"]


async def test_one_that_nobody_needs_is_not_started_again(world, mock_clock, logged):
    await world.begin()
    await world.lose(-15)
    await world.pass_time(10)
    assert len(world.processes) == 1
    assert logged() == ["worker_started", "worker_ended"]
    world.ask("x")
    await world.settle()
    assert len(world.processes) == 2


async def test_while_it_rests_long_there_is_an_answer_at_once(world, mock_clock):
    world.cannot_start = True
    waits = []
    for _ in range(9):
        world.ask("x")
        await world.settle()
        rest = world.worker._resting_until - trio.current_time()
        waits.append(rest)
        world.take()
        world.ask("y")
        at_once = world.take() == [("y", None, DOWN)]
        assert at_once is (rest > QUESTION_SECONDS)
        await world.pass_time(rest)
        world.take()
    assert [round(each, 3) for each in waits] == [
        0.5,
        1,
        2,
        4,
        8,
        16,
        LONGEST_PAUSE_SECONDS,
        30,
        30,
    ]


async def test_one_that_was_old_has_a_successor_soon(world, mock_clock):
    for lived in (1, 1, OLD_SECONDS):
        await world.begin()
        await world.pass_time(lived)
        await world.lose()
        rest = world.worker._resting_until - trio.current_time()
        await world.pass_time(rest)
    assert round(rest, 3) == FIRST_PAUSE_SECONDS


@pytest.mark.parametrize(
    "said",
    [
        b"a print of the game\n",
        b'{"id": 1, "answer": 1}\n',  # before it is ready
        b"[1]\n",
        b"\xff\n",
        b"x" * (LONGEST_LINE + 1),
    ],
)
async def test_what_is_no_worker_is_ended(world, mock_clock, logged, said):
    world.ask("x")
    await world.settle()
    await world.say(said)
    assert world.process.killed
    assert logged() == ["worker_started", "worker_failed", "worker_ended"]


async def test_one_that_does_not_end_is_killed(world, mock_clock):
    await world.begin()
    world.process.stubborn = True
    world.scope.cancel()
    await world.settle()
    assert not world.process.killed
    await world.pass_time(END_SECONDS)
    assert world.process.killed


async def test_what_the_game_prints_is_logged(world, mock_clock):
    with structlog.testing.capture_logs() as logs:
        await world.begin()
        for data in (
            b"one\ntw",
            b"o\n\n",
            b"y" * 600 + b"\n",
            b"z" * (LONGEST_LINE + 1),
            b"\xff\n",
        ):
            world.process.stderr.put_data(data)
            await world.settle()
    texts = [entry["text"] for entry in logs if entry["event"] == "worker_output"]
    long = "y" * LONGEST_LOGGED, "z" * LONGEST_LOGGED
    assert texts == ["one", "two", *long, "\ufffd"]


# ---- a real process

WORKER = """
import json, os, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], "answer": [os.getcwd(), os.environ["OF_THE_GAME"]]}), flush=True)
"""


async def test_a_real_process(nursery, tmp_path, monkeypatch):
    """It runs in the game's directory, with the game's path, and ends with its input."""
    package = tmp_path / "portal_stand_in"
    (package / "portal" / "evennia" / "worker").mkdir(parents=True)
    for folder in ("portal", "portal/evennia", "portal/evennia/worker"):
        (package / folder / "__init__.py").write_text("")
    (package / "portal/evennia/worker/__main__.py").write_text(WORKER)
    game = tmp_path / "game"
    game.mkdir()
    environment = {"PYTHONPATH": str(package), "OF_THE_GAME": "yes"}
    worker = make_worker(str(game), environment, Metrics())
    send, receive = trio.open_memory_channel(1)
    with trio.fail_after(PATIENCE):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                await inner.start(worker.run)
                worker.ask("x", {}, lambda *answer: send.send_nowait(answer))
                answer, error = await receive.receive()
                pid = worker.pid
                scope.cancel()
        assert (answer, error) == ([str(game), "yes"], "")
        assert not Path(f"/proc/{pid}").exists()
