"""The Portal's end of the pipe to the worker, which has the game's database (`evennia.worker`).

Nobody waits for it: a question is asked with a function that gets the answer, or the reason why
there is none, within QUESTION_SECONDS. The worker is started with the first question, and again
when it has died, later each time it dies young. What it was asked and has not answered then goes to
the next one, once.
"""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast

import structlog
import trio

from portal.metrics import Metrics

log = structlog.get_logger(__name__)

QUESTION_SECONDS = 5.0  # a player waits for it
MAX_QUESTIONS = 256  # asked and not answered; at a millisecond each this is no wait yet
START_SECONDS = 60.0  # Django and a large game take two on a slow day
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
OLD_SECONDS = 60.0  # one that has lived so long died of something else than its start
END_SECONDS = 1.0  # for one whose input has ended; a question takes less
MAX_TRIES = 2  # a question that ends the process a second time is the reason for it
READ_BYTES = 64 * 1024
LONGEST_LINE = 64 * 1024
LONGEST_LOGGED = 500  # of a line that it wrote to its standard error

TOO_MANY = "too many questions are not answered yet"
TOO_LATE = "it took too long"
DIED = "the worker died of it"
DOWN = "the worker does not start"
NOT_RUNNING = "the worker is not to be asked any more"

Answered = Callable[[Any, str], None]
"""Takes an answer and "", or None and the reason why there is none."""


class Process(Protocol):
    """What is needed of a `trio.Process`."""

    @property
    def pid(self) -> int:
        """Its pid."""
        ...

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it lives."""
        ...

    @property
    def stdin(self) -> trio.abc.SendStream:
        """For questions."""
        ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream:
        """Where answers come."""
        ...

    @property
    def stderr(self) -> trio.abc.ReceiveStream:
        """What the code of the game prints."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


Start = Callable[[], Awaitable[Process]]


async def start_worker(directory: str, environment: Mapping[str, str]) -> Process:
    """Start the worker of a game that is in `directory`; OSError where that fails."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "portal.evennia.worker"],
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # what a terminal sends to the Portal is not for it
    )
    return cast("Process", process)  # with all three streams


class _Question:
    """One that is not answered yet, until `deadline`."""

    __slots__ = ("answered", "deadline", "line", "tries")

    def __init__(self, line: bytes, deadline: float, answered: Answered) -> None:
        self.line = line
        self.deadline = deadline
        self.answered = answered
        self.tries = 0


class WorkerProcess:
    """The worker as those see it who ask; a service.

    `start()` starts a process. Questions may be asked while `run` runs, and `most_waiting` of them
    may wait for an answer.
    """

    most_waiting = MAX_QUESTIONS

    def __init__(self, start: Start, metrics: Metrics) -> None:
        self.metrics = metrics
        self._start = start
        self._running = False
        self._questions: dict[int, _Question] = {}  # in the order of their deadlines
        self._unsent: deque[int] = deque()
        self._asked = trio.Event()
        self._last_number = 0
        self._process: Process | None = None
        self._ready = False
        self._heard = 0.0  # when it last answered anything
        self._resting_until = 0.0
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The pid of the process, None while there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def waiting(self) -> int:
        """How many questions are not answered yet."""
        return len(self._questions)

    def ask(self, name: str, arguments: Mapping[str, Any], answered: Answered) -> None:
        """Ask by the name of a question; `answered` may be called before this returns.

        Questions are answered in the order in which they were asked.
        """
        self.metrics.worker_questions += 1
        reason = self._find_obstacle()
        self._last_number += 1
        number = self._last_number
        line = json.dumps({"id": number, "ask": name, "with": dict(arguments)}).encode() + b"\n"
        question = _Question(line, trio.current_time() + QUESTION_SECONDS, answered)
        if reason:
            self._answer(question, None, reason)
            return
        self._questions[number] = question
        self._unsent.append(number)
        self._asked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Have the worker run when it is needed; cancelling it ends the worker."""
        try:
            async with trio.open_nursery() as nursery:
                self._running = True
                nursery.start_soon(self._expire)
                task_status.started()
                while True:
                    await self._wait_for_question()
                    began = trio.current_time()
                    await self._live()
                    await self._rest(trio.current_time() - began)
        finally:
            self._running = False
            for number in list(self._questions):
                self._settle(number, None, NOT_RUNNING)

    # ---- one life of the process

    async def _live(self) -> None:
        """Start a process, and ask it until it ends."""
        try:
            process = self._process = await self._start()
        except OSError as error:
            log.error("worker_failed", reason=f"it cannot be started: {error.strerror}")  # noqa: TRY400 - it is said
            return
        self.metrics.worker_starts += 1
        log.info("worker_started", pid=process.pid)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, process)
                nursery.start_soon(_log_errors, process)
                await self._read(process)
                nursery.cancel_scope.cancel()
        finally:
            self._process, self._ready = None, False
            with trio.CancelScope(shield=True):
                await _end(process)
        log.warning("worker_ended", pid=process.pid, exit_code=process.returncode)

    async def _write(self, process: Process) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                while self._unsent:
                    question = self._questions.get(self._unsent.popleft())
                    if question is not None:
                        question.tries += 1
                        await process.stdin.send_all(question.line)
                await self._wait_for_question()

    async def _read(self, process: Process) -> None:
        """Read answers until there are no more, or no worker could have sent them."""
        buffer = b""
        with trio.CancelScope(deadline=trio.current_time() + START_SECONDS) as scope:
            while data := await process.stdout.receive_some(READ_BYTES):
                *lines, buffer = (buffer + data).split(b"\n")
                if len(buffer) > LONGEST_LINE or not all(map(self._receive, lines)):
                    log.error("worker_failed", reason="it does not speak as a worker does")
                    break
                if self._ready:
                    scope.deadline = float("inf")
        if scope.cancelled_caught:
            log.error("worker_failed", reason=f"it was not ready in {START_SECONDS:g} s")
        if process.returncode is None and (scope.cancelled_caught or data):
            process.kill()

    def _receive(self, line: bytes) -> bool:
        """Take in a line; returns whether it was one."""
        try:
            said = json.loads(line)
            if self._ready:
                number, answer, error = said["id"], said.get("answer"), said.get("error", "")
            else:
                self._ready = said["ready"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        self._heard = trio.current_time()
        if "id" in said:
            self._settle(number, answer, error)
        return True

    # ---- between two of them

    def _find_obstacle(self) -> str:
        """Say why a question can have no answer now; "" if it can."""
        if not self._running:
            return NOT_RUNNING
        if len(self._questions) >= self.most_waiting:
            return TOO_MANY
        if self._resting_until - trio.current_time() > QUESTION_SECONDS:
            return DOWN
        return ""

    async def _wait_for_question(self) -> None:
        while not self._unsent:
            self._asked = trio.Event()
            await self._asked.wait()

    async def _rest(self, lived: float) -> None:
        """Wait before the next process, and let it be asked what this one has not answered."""
        self._failures = 1 if lived >= OLD_SECONDS else self._failures + 1
        for number, question in list(self._questions.items()):
            if question.tries >= MAX_TRIES:
                self._settle(number, None, DIED)
        self._unsent = deque(self._questions)
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
        self._resting_until = trio.current_time() + pause
        await trio.sleep_until(self._resting_until)

    async def _expire(self) -> None:
        """Give up on questions whose time has come, and on a worker that answers none."""
        while True:
            now = trio.current_time()
            for number, question in list(self._questions.items()):
                if question.deadline > now:
                    break
                self._settle(number, None, TOO_LATE)
                self._give_up(question, now)
            first = next(iter(self._questions.values()), None)
            # No question that is asked later is due earlier than this.
            await trio.sleep_until(now + QUESTION_SECONDS if first is None else first.deadline)

    def _give_up(self, question: _Question, now: float) -> None:
        """End a worker that hangs, since all others wait behind the question."""
        process = self._process
        hangs = self._ready and question.tries and now - self._heard >= QUESTION_SECONDS
        if hangs and process is not None and process.returncode is None:
            log.error("worker_failed", reason=f"it has not answered for {QUESTION_SECONDS:g} s")
            process.kill()

    def _settle(self, number: int, answer: Any, error: str) -> None:
        question = self._questions.pop(number, None)
        if question is not None:
            self._answer(question, answer, error)

    def _answer(self, question: _Question, answer: Any, error: str) -> None:
        if error:
            self.metrics.worker_questions_failed += 1
        try:
            question.answered(answer, error)
        except Exception:
            # The barrier between one who asks and all the others.
            log.exception("worker_answer_failed")


async def _log_errors(process: Process) -> None:
    """Log what the code of the game prints, line by line."""
    buffer = b""
    async for data in process.stderr:
        *lines, buffer = (buffer + data).split(b"\n")
        for line in [*lines, buffer] if len(buffer) > LONGEST_LINE else lines:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                log.info("worker_output", pid=process.pid, text=text[:LONGEST_LOGGED])
        if len(buffer) > LONGEST_LINE:
            buffer = b""


async def _end(process: Process) -> None:
    """Let a process end by itself, or end it; leaves no zombie."""
    await trio.aclose_forcefully(process.stdin)
    with trio.move_on_after(END_SECONDS):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    for stream in (process.stdout, process.stderr):
        await trio.aclose_forcefully(stream)


def make_worker(directory: str, environment: Mapping[str, str], metrics: Metrics) -> WorkerProcess:
    """Make the worker of a game; `environment` is for it, beside the Portal's own."""
    return WorkerProcess(partial(start_worker, directory, environment), metrics)
