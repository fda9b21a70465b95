"""What comes back from the worker, and what is believed of it."""

import pytest
import structlog.testing

from portal.evennia.browser_sessions import BrowserSessions

KEY = "abcdefghijklmnopqrstuvwxyz012345"


class Worker:
    def __init__(self, answer=None, error=""):
        self.answer = answer
        self.error = error
        self.asked = []

    def ask(self, name, arguments, answered):
        self.asked.append((name, arguments))
        answered(self.answer, self.error)


@pytest.mark.parametrize(
    ("answer", "uid", "nonce"),
    [
        ({"uid": 3, "nonce": 1}, 3, 1),
        ({"uid": None, "nonce": 0}, None, 0),
        ({"uid": 0, "nonce": 0}, None, 0),
        ({"uid": -1, "nonce": 0}, None, 0),
        ({"uid": True, "nonce": True}, None, None),
        ({"uid": "3", "nonce": "1"}, None, None),
        ({"uid": [3]}, None, None),
        ({}, None, None),
        ([3, 1], None, None),
        (None, None, None),
    ],
)
def test_reading(answer, uid, nonce):
    worker, found = Worker(answer), []
    BrowserSessions(worker).read(KEY, lambda *what: found.append(what))
    assert found == [(uid, nonce)]
    assert worker.asked == [("read_browser_session", {"csessid": KEY})]


@pytest.mark.parametrize(
    ("answer", "nonce"), [({"nonce": 5}, 5), ({"nonce": None}, None), (None, None)]
)
def test_logging_in(answer, nonce):
    worker, found = Worker(answer), []
    BrowserSessions(worker).log_in(KEY, 3, found.append)
    assert found == [nonce]
    assert worker.asked == [("log_in_browser_session", {"csessid": KEY, "uid": 3})]


@pytest.mark.parametrize("nonce", [4, None])
def test_logging_out(nonce):
    worker = Worker({"done": True})
    BrowserSessions(worker).log_out(KEY, 3, nonce)
    assert worker.asked == [("log_out_browser_session", {"csessid": KEY, "uid": 3, "nonce": nonce})]


def test_failures_are_logged_without_the_key():
    found = []
    sessions = BrowserSessions(Worker(error="it took too long"))
    with structlog.testing.capture_logs() as logs:
        sessions.read(KEY, lambda *what: found.append(what))
        sessions.log_in(KEY, 3, found.append)
        sessions.log_out(KEY, 3, 0)
    assert found == [(None, None), None]
    assert [(entry["event"], entry["question"], entry["reason"]) for entry in logs] == [
        ("browser_session_failed", question, "it took too long")
        for question in ("read", "log_in", "log_out")
    ]
    assert KEY not in str(logs)
