"""The worker's end of the pipe, in this process: both ends are pipes of the test."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from portal.evennia.worker import serving
from portal.evennia.worker.serving import LONGEST_ERROR, Refused, serve

PATIENCE = 30


def double(number):
    return number * 2


def refuse():
    raise Refused("there is none")


def fail(text):
    raise KeyError(text)


REGISTRY = {"double": double, "refuse": refuse, "fail": fail}


class Pipes:
    def __init__(self):
        self.questions, self.ask_here = os.pipe()
        self.read_here, self.answers = os.pipe()
        self.rests = 0

    def rest(self):
        self.rests += 1

    def serve(self, *parts):
        """Serve what is asked in these parts, up to the end of the input; returns the answers."""
        for part in parts:
            os.write(self.ask_here, part)
        os.close(self.ask_here)
        serve(self.questions, self.answers, REGISTRY, self.rest)
        os.close(self.answers)
        with os.fdopen(self.read_here, "rb") as file:
            return [json.loads(line) for line in file]


def question(number, name, /, **arguments):
    return json.dumps({"id": number, "ask": name, "with": arguments}).encode() + b"\n"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("double", {"number": 4}), {"answer": 8}),
        (("refuse", {}), {"error": "there is none"}),
        (("fail", {"text": "x"}), {"error": "KeyError: 'x'"}),
        (("no_such", {}), {"error": "this worker does not know the question"}),
    ],
)
def test_answers(asked, answer):
    name, arguments = asked
    ready, found = Pipes().serve(question(7, name, **arguments))
    assert ready == {"ready": True}
    assert found == {"id": 7, **answer}


def test_a_question_that_is_asked_wrongly():
    _, found = Pipes().serve(question(7, "double", figure=4))
    assert found["error"].startswith("TypeError: double() got an unexpected keyword")


def test_one_after_the_other_and_cut_anywhere():
    data = question(1, "double", number=1) + question(2, "refuse") + question(3, "double", number=3)
    for cut in range(len(data)):
        found = Pipes().serve(*filter(None, (data[:cut], data[cut:])))
        assert [each.get("id") for each in found] == [None, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("one\\nSELECT secret", "one"), ("x" * 500, "x" * LONGEST_ERROR), ("", "")],
)
def test_errors_are_told_in_a_line(monkeypatch, text, shown):
    def fail():
        raise RuntimeError(text.replace("\\n", "\n"))

    monkeypatch.setitem(REGISTRY, "fail", fail)
    _, found = Pipes().serve(question(1, "fail"))
    assert found == {"id": 1, "error": f"RuntimeError: {shown}"}


def test_when_nobody_asks_it_rests_once(monkeypatch):
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0)
    pipes = Pipes()
    waiting = threading.Thread(
        target=serve, args=(pipes.questions, pipes.answers, REGISTRY, pipes.rest)
    )
    monkeypatch.setattr(serving.signal, "setitimer", lambda *_: None)  # the main thread's only
    waiting.start()
    with os.fdopen(pipes.read_here, "rb") as file:
        assert json.loads(file.readline()) == {"ready": True}
        for number in (1, 2):
            os.write(pipes.ask_here, question(number, "double", number=number))
            assert json.loads(file.readline()) == {"id": number, "answer": 2 * number}
        os.close(pipes.ask_here)
        waiting.join(PATIENCE)
        assert not waiting.is_alive()
        os.close(pipes.answers)
    assert 1 <= pipes.rests <= 3


def test_it_ends_when_nobody_hears_the_answer():
    pipes = Pipes()
    os.close(pipes.read_here)
    with pytest.raises(SystemExit) as ended:
        serve(pipes.questions, pipes.answers, REGISTRY, pipes.rest)
    assert ended.value.code == 0


PROGRAM = """
import sys, time
from portal.evennia.worker import serving
serving.HANGING_SECONDS = 0.2
questions, answers = serving.take_pipe()
print("for standard error")
sys.stdin.read()
serving.serve(questions, answers, {"hang": lambda: time.sleep(600)}, lambda: None)
"""


def test_a_process_keeps_the_pipe_for_itself_and_does_not_hang_for_ever():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    answers, printed = process.communicate(question(1, "hang"), timeout=PATIENCE)
    assert answers == b'{"ready": true}\n'
    assert printed == b"for standard error\n"
    assert process.returncode == -signal.SIGALRM
