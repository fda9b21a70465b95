"""A sessionhandler of the game's side with a Portal that is not there, and one that is."""

from dataclasses import dataclass, field

import pytest

from portal.game.inputfuncs import Hooks, InputFunctions
from portal.game.sessionhandler import ServerSessionHandler
from portal.game.workers import Workers


@dataclass
class RecordingPortal:
    """Stands in for the link to the Portal: notes what is sent, in order."""

    sent: list = field(default_factory=list)

    def send_message(self, sessid, message):
        self.sent.append((sessid, message))

    def send_admin(self, operation, sessid=0, **kwargs):
        self.sent.append((operation, sessid, kwargs))

    def take(self):
        sent, self.sent = self.sent, []
        return sent

    def take_texts(self):
        return [(sessid, message["text"][0][0]) for sessid, message in self.take()]


@dataclass
class RecordingAnswer:
    """Stands in for the answer that a message is owed."""

    given: list = field(default_factory=list)

    def answer(self):
        self.given.append(None)

    def fail(self, error):
        self.given.append(error)


class Side:
    """The game's side without a socket: `handler`, and what it is made of."""

    def __init__(self):
        self.hooks = Hooks()
        self.functions = InputFunctions()
        self.workers = Workers(self.functions)
        self.portal = RecordingPortal()
        self.orders = []
        self.synchronised = 0
        self.time = 1000.0
        self.handler = ServerSessionHandler(
            self.hooks,
            self.workers,
            wall=lambda: self.time,
            at_order=self.orders.append,
            at_synchronised=self._synchronise,
        )
        self.handler.portal = self.portal
        self.answers = {}

    def _synchronise(self):
        self.synchronised += 1

    def connect(self, sessid=1, **data):
        return self.handler.portal_connect(session_data(sessid, **data))

    def receive(self, sessid, tag=None, **kwargs):
        """Take a message in; its deferred answer is in `answers[tag]`, if there is one."""
        message = {name: [args, {"options": {}}] for name, args in kwargs.items()}

        def defer():
            self.answers[tag] = RecordingAnswer()
            return self.answers[tag]

        self.handler.receive_message(sessid, message, defer)

    def answered(self):
        """Which deferred messages have their answer, in the order of arrival."""
        return [tag for tag, answer in self.answers.items() if answer.given]


def session_data(sessid, **data):
    """Sync data of a session, as a Portal sends it."""
    return {
        "sessid": sessid,
        "protocol_key": "telnet",
        "address": "192.0.2.7",
        "suid": None,
        "uid": None,
        "csessid": None,
        "uname": None,
        "logged_in": False,
        "puid": None,
        "conn_time": 900.0,
        "cmd_last": 950.0,
        "cmd_last_visible": 950.0,
        "cmd_total": 3,
        "protocol_flags": {"ENCODING": "utf-8", "SCREENWIDTH": {0: 80}},
        "server_data": {},
        **data,
    }


@pytest.fixture
def make_session_data():
    return session_data


@pytest.fixture(scope="session")
def make_side():
    return Side


@pytest.fixture
def side():
    return Side()


@pytest.fixture
async def running_side(side, nursery):
    """The same, with workers for asynchronous functions."""
    await nursery.start(side.workers.run)
    return side
