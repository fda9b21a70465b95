"""The worker's end of the pipe: one question after the other, each a line of JSON.

    {"id": 7, "ask": "read_browser_session", "with": {"csessid": "..."}}
    {"id": 7, "answer": {"uid": 3, "nonce": 1}}      or     {"id": 7, "error": "why there is none"}

The first line of all is `{"ready": true}`: questions may be sent before, and wait.

A worker ends with the Portal that started it. Its input ends then, and where it does not see that
because a database hangs, the alarm ends it. (The kernel's own signal for that,
PR_SET_PDEATHSIG, comes when the *thread* ends that started the process, and trio's threads do.)
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Question = Callable[..., Any]

STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR = 0, 1, 2
# The Portal waits 5 s for an answer, and starts another worker where none comes any more.
HANGING_SECONDS = 15.0
# A connection to a database is closed when nobody has asked for so long.
IDLE_SECONDS = 10.0
READ_BYTES = 64 * 1024
LONGEST_ERROR = 200


class Refused(Exception):
    """A question that has no answer; its text says why, to those who run the game."""


def take_pipe() -> tuple[int, int]:
    """Keep the pipe to the Portal for questions and answers alone; returns its two descriptors.

    What the code of the game prints goes to standard error from here on, and its children have
    no part in the pipe.
    """
    questions, answers = os.dup(STANDARD_INPUT), os.dup(STANDARD_OUTPUT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STANDARD_INPUT)
    os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    os.close(nothing)
    return questions, answers


def serve(
    questions: int, answers: int, registry: Mapping[str, Question], rest: Callable[[], None]
) -> None:
    """Answer by the functions of `registry` until the input ends.

    `rest()` is called when nobody asks for a while.
    """
    _write(answers, {"ready": True})
    for line in _read_lines(questions, rest):
        signal.setitimer(signal.ITIMER_REAL, HANGING_SECONDS)
        try:
            answer = _answer(line, registry)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, answer)


def _answer(line: bytes, registry: Mapping[str, Question]) -> dict[str, Any]:
    asked = json.loads(line)
    question = registry.get(asked["ask"])
    if question is None:
        return {"id": asked["id"], "error": "this worker does not know the question"}
    try:
        return {"id": asked["id"], "answer": question(**asked["with"])}
    except Refused as error:
        return {"id": asked["id"], "error": str(error)}
    except Exception as error:  # noqa: BLE001 - the barrier: one question's fault is no other's
        # The first line only: in those below a database may quote what it was asked for.
        text = (str(error).splitlines() or [""])[0][:LONGEST_ERROR]
        return {"id": asked["id"], "error": f"{type(error).__name__}: {text}"}


def _read_lines(questions: int, rest: Callable[[], None]) -> Iterator[bytes]:
    buffer = b""
    while True:
        if not select.select([questions], [], [], IDLE_SECONDS)[0]:
            rest()
            select.select([questions], [], [])
        data = os.read(questions, READ_BYTES)
        if not data:
            return
        *lines, buffer = (buffer + data).split(b"\n")
        yield from lines


def _write(answers: int, answer: Mapping[str, Any]) -> None:
    data = json.dumps(answer).encode() + b"\n"
    try:
        while data:
            data = data[os.write(answers, data) :]
    except BrokenPipeError:
        sys.exit(0)  # nobody is there to hear it
