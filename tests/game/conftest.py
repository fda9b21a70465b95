"""A sessionhandler of the game's side with a Portal that is not there, and one that is."""

import socket
from dataclasses import dataclass, field

import pytest
import trio

from portal.amp.commands import (
    AdminPortal2Server,
    AdminServer2Portal,
    MsgPortal2Server,
    MsgServer2Portal,
    Operation,
)
from portal.amp.link import Link
from portal.config import AmpConfig, HubConfig
from portal.errors import RemoteProtocolError
from portal.game.inputfuncs import Hooks, InputFunctions
from portal.game.sessionhandler import ServerSessionHandler
from portal.game.workers import Workers
from portal.hub.hub import Hub
from portal.metrics import Metrics


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
        self.news = trio.Event()
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
        self.news.set()
        self.news = trio.Event()

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


class FakePortal:
    """The Portal's end of AMP over a real hub, as small as it can be.

    It accepts any number of Servers, notes what they send, and answers each PSYNC with
    `sessiondata`, unless `silent` is set.
    """

    def __init__(self, hub, config):
        self.hub = hub
        self.config = config
        self.metrics = Metrics()
        self.links = []
        self.lost = []
        self.messages = []
        self.operations = []
        self.answers = []
        self.sessiondata = {}
        self.start_time = 1.0
        self.silent = False
        self.refuse = set()
        self.responders = {}
        self.allow = None
        self.news = trio.Event()

    async def listen(self, sock, *, task_status=trio.TASK_STATUS_IGNORED):
        """Accept Servers until `listening` is cancelled."""
        sock.setblocking(False)
        self.listening = trio.CancelScope()
        task_status.started()
        with sock, self.listening:
            while True:
                await trio.lowlevel.wait_readable(sock)
                self.hub.add_socket(sock.accept()[0], self.make_link)

    def make_link(self, connection):
        link = Link(
            connection,
            self.config,
            self.metrics,
            responders=self.responders,
            packed={MsgServer2Portal: self.message, AdminServer2Portal: self.admin},
            lost=self.lose,
            allow=self.allow,
        )
        self.links.append(link)
        return link

    @property
    def link(self):
        return self.links[-1]

    def lose(self, link, _error):
        self.lost.append(link)
        self.tell()

    def tell(self):
        self.news.set()
        self.news = trio.Event()

    def message(self, _link, sessid, message):
        self.messages.append((sessid, message))
        self.tell()

    def admin(self, link, sessid, kwargs):
        operation = kwargs.pop("operation")
        self.operations.append((operation, sessid, kwargs))
        self.tell()
        if operation in self.refuse:
            raise RemoteProtocolError("Refused", "on purpose")
        if operation == Operation.PSYNC and not self.silent:
            self.order(
                Operation.PSYNC,
                link=link,
                server_restart_mode="reload",
                sessiondata=self.sessiondata,
                portal_start_time=self.start_time,
            )

    def order(self, operation, sessid=0, *, link=None, **kwargs):
        kwargs["operation"] = operation
        (link or self.link).send_packed(
            AdminPortal2Server, sessid, kwargs, answered=self.answered, context=operation
        )

    def say(self, sessid, line, tag=None):
        message = {"text": [[line], {"options": {}}]}
        self.link.send_packed(
            MsgPortal2Server, sessid, message, answered=self.answered, context=tag or line
        )

    def answered(self, context, error):
        name = getattr(error, "code", type(error).__name__)
        self.answers.append((context, error and name))
        self.tell()

    async def until(self, condition):
        while not condition():
            await self.news.wait()

    async def until_operation(self, operation, times=1):
        await self.until(lambda: self.count(operation) >= times)
        return [entry for entry in self.operations if entry[0] == operation][times - 1]

    def count(self, operation):
        return sum(entry[0] == operation for entry in self.operations)

    def texts(self):
        return [(sessid, message["text"][0][0]) for sessid, message in self.messages]


@pytest.fixture
async def portal(nursery):
    """A Portal that a game can dial; the test sets what it answers before it does."""
    hub = Hub(HubConfig(), Metrics())
    await nursery.start(hub.run)
    fake = FakePortal(hub, AmpConfig())
    sock = socket.create_server(("127.0.0.1", 0))
    fake.address = sock.getsockname()
    await nursery.start(fake.listen, sock)
    return fake


@pytest.fixture
def deadline():
    """Waiting in vain fails the test: at once where it runs on the mock clock."""
    return trio.fail_after(1000)
