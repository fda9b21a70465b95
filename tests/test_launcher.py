"""What Evennia's launcher orders, and when it is told what has become of it."""

import os
import pickle
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from portal.amp.commands import MsgStatus, Operation
from portal.config import Config
from portal.errors import RemoteProtocolError
from portal.launcher import Launcher

ADDRESSES = {
    "telnet": [("0.0.0.0", 4000), ("0.0.0.0", 4010)],
    "websocket": [("0.0.0.0", 4002)],
    "http": [("0.0.0.0", 4001)],
    "amp": ("127.0.0.1", 4006),
}
# Each of these is formatted by the launcher; a missing one is a KeyError there.
KEYS = [
    "servername",
    "version",
    "errors",
    "info",
    "lockdown_mode",
    "amp",
    "telnet",
    "telnet_ssl",
    "ssh",
    "webclient",
    "webserver_proxy",
    "webserver_internal",
]


class FakeSupervisor:
    def __init__(self):
        self.calls = []
        self.server_pid = 77

    def start(self, command=()):
        self.calls.append(("start", command))

    def order(self, operation, *, by_launcher=False):
        self.calls.append((operation, by_launcher))


class FakeLink:
    """The launcher's connection."""

    def __init__(self):
        self.closed = False
        self.told = []

    def notify(self, command, status):
        assert command is MsgStatus
        self.told.append(pickle.loads(status))


class FakeGame:
    def __init__(self):
        self.status = {"version": "9.9", "ssh": ["ssh: 4004"]}
        self.asked = []

    def choose_command(self, arguments):
        self.asked.append(arguments)
        return ("game",)


@pytest.fixture
def launcher():
    server = SimpleNamespace(link=None, info={})
    made = Launcher(Config(name="Harbour"), FakeSupervisor(), server, lambda: ADDRESSES)
    made.game = FakeGame()
    return made


def obey(launcher, link, operation, arguments=("twistd",)):
    data = pickle.dumps(list(arguments))
    assert launcher.obey(link, operation.encode("latin-1"), data) is None


def connect(launcher, connected=True):
    launcher.server.link = object() if connected else None
    launcher.tell()


def test_the_status_has_all_that_is_formatted(launcher):
    launcher.server.info = {"servername": "Harbour"}
    status = pickle.loads(launcher.answer_status(b"")["status"])
    there, connected, pid, server_pid, portal, server = status
    assert (there, connected, pid, server_pid) == (True, False, os.getpid(), 77)
    assert server == {"servername": "Harbour"}
    assert list(portal) == KEYS
    assert portal["telnet"] == ["telnet: 4000", "telnet: 4010"]
    assert portal["webclient"] == ["webclient-websocket: 4002"]
    assert portal["webserver_proxy"] == ["webserver-proxy: 4001"]
    assert portal["amp"] == "amp: 4006"
    assert portal["version"] == "9.9"
    assert portal["ssh"] == ["ssh: 4004"]


@pytest.mark.parametrize(
    ("addresses", "shown"), [({"amp": "/run/amp"}, "amp: unix:/run/amp"), (ADDRESSES, "amp: 4006")]
)
def test_where_the_amp_port_is(launcher, addresses, shown):
    launcher.addresses = lambda: addresses
    launcher.game = None
    status = launcher.describe()[4]
    assert status["amp"] == shown
    assert list(status) == KEYS


@pytest.mark.parametrize("operation", [Operation.SSTART, Operation.SRELOAD, Operation.SRESET])
def test_without_a_server_one_is_started_and_the_launcher_told_when_it_is_there(
    launcher, operation
):
    link = FakeLink()
    obey(launcher, link, operation, ["twistd", "--pidfile=x"])
    assert launcher.supervisor.calls == [("start", ("game",))]
    assert launcher.game.asked == [["twistd", "--pidfile=x"]]
    launcher.tell()
    assert link.told == [], "something happened, but there is no Server"
    connect(launcher)
    assert [status[1] for status in link.told] == [True]
    connect(launcher, connected=False)
    assert len(link.told) == 1


@pytest.mark.parametrize("operation", [Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD])
def test_an_order_is_passed_on_and_the_launcher_told_when_the_server_is_gone(launcher, operation):
    connect(launcher)
    link = FakeLink()
    obey(launcher, link, operation)
    assert launcher.supervisor.calls == [(operation, True)]
    launcher.tell()
    assert link.told == []
    connect(launcher, connected=False)
    assert [status[1] for status in link.told] == [False]


def test_nothing_to_do(launcher):
    link = FakeLink()
    obey(launcher, link, Operation.SSHUTD)
    connect(launcher)
    assert launcher.supervisor.calls == []
    assert link.told == []


def test_a_server_that_comes_back_before_the_order_to_start_it(launcher):
    """The launcher saw a Portal without one, and waits for the word that it is there."""
    connect(launcher)
    link = FakeLink()
    obey(launcher, link, Operation.SSTART)
    assert launcher.supervisor.calls == []
    assert [status[1] for status in link.told] == [True]
    connect(launcher, connected=False)
    assert len(link.told) == 1


@pytest.mark.parametrize("connected", [True, False])
def test_the_portal_is_stopped_at_any_time(launcher, connected):
    connect(launcher, connected=connected)
    obey(launcher, FakeLink(), Operation.PSHUTD)
    assert launcher.supervisor.calls == [(Operation.PSHUTD, False)]


def test_a_launcher_that_has_gone_is_told_nothing(launcher):
    gone, closed, other = FakeLink(), FakeLink(), FakeLink()
    obey(launcher, gone, Operation.SSTART)
    launcher.forget(other)
    launcher.forget(gone)
    connect(launcher)
    assert gone.told == []
    obey(launcher, closed, Operation.SSHUTD)
    closed.closed = True
    connect(launcher, connected=False)
    assert closed.told == []


@pytest.mark.parametrize("operation", ["", "x", "\x01", "\x0e\x0e"])
def test_what_is_no_order(launcher, operation):
    with pytest.raises(RemoteProtocolError):
        obey(launcher, FakeLink(), operation)
    assert launcher.supervisor.calls == []


def test_arguments_that_cannot_be_read_cost_no_more_than_themselves(launcher):
    with capture_logs() as logs:
        launcher.obey(FakeLink(), Operation.SSTART.encode(), b"cos\nsystem\n(S'id'\ntR.")
        launcher.obey(FakeLink(), Operation.SSTART.encode(), b"no pickle")
    assert launcher.supervisor.calls == [("start", ("game",))] * 2
    events = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert events.count("launcher_arguments_ignored") >= 1


def test_without_a_game_the_command_is_the_configurations(launcher):
    launcher.game = None
    obey(launcher, FakeLink(), Operation.SSTART)
    assert launcher.supervisor.calls == [("start", ())]
