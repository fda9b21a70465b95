"""The service that makes way for the Portal: what it hands on, and what it leaves alone."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from twisted.logger import capturedLogs

from portal.evennia import PortalService, hook


class Replaced(BaseException):
    """The image of the process is another one now."""


class FakeReactor:
    def __init__(self):
        self.calls = []
        self.stopped = False

    def callWhenRunning(self, call):
        self.calls.append(call)

    def stop(self):
        self.stopped = True


@pytest.fixture
def reactor(monkeypatch):
    made = FakeReactor()
    monkeypatch.setattr(hook, "reactor", made)
    return made


@pytest.fixture
def started(monkeypatch, reactor, game_directory, tmp_path):
    """A service that has been started in a game, with Evennia and Django around it."""
    (tmp_path / "VERSION.txt").write_text("5.0.1\n")
    settings = SimpleNamespace(SERVERNAME="Harbour" * 20_000, TELNET_PORTS=[4000])
    monkeypatch.setitem(sys.modules, "evennia", SimpleNamespace(__file__=tmp_path / "__init__.py"))
    monkeypatch.setitem(sys.modules, "django.conf", SimpleNamespace(settings=settings))
    monkeypatch.setattr(sys, "argv", ["twistd", "--nodaemon"])
    monkeypatch.chdir(game_directory)
    service = PortalService()
    service.privilegedStartService()
    umask = os.umask(0o077)
    yield service
    os.umask(umask)


def test_nothing_happens_before_the_reactor_runs(started, reactor):
    assert len(reactor.calls) == 1


def test_it_becomes_a_portal(started, reactor, monkeypatch, game_directory):
    replaced = []

    def replace(program, command):
        replaced.append((program, command))
        raise Replaced

    monkeypatch.setattr(os, "execv", replace)
    with pytest.raises(Replaced):
        reactor.calls[0]()
    ((program, command),) = replaced
    assert program == sys.executable
    *words, descriptor = command
    assert words == [
        sys.executable,
        "-P",
        "-m",
        "portal",
        "run",
        "--evennia",
        str(game_directory),
        "--settings-fd",
    ]
    assert os.get_inheritable(int(descriptor))
    with os.fdopen(int(descriptor), "rb") as file:
        file.seek(0)
        collected = json.load(file)
    assert len(collected["settings"]["SERVERNAME"]) == 140_000, "all of it, however much"
    assert collected["foreground"]
    umask = os.umask(0o077)
    assert umask == 0o022
    assert not reactor.stopped


@pytest.mark.parametrize("broken", ["execv", "memfd_create"])
def test_what_keeps_it_from_that_is_said_and_ends_twistd(started, reactor, monkeypatch, broken):
    def fail(*_):
        raise OSError(8, "Exec format error")

    monkeypatch.setattr(os, broken, fail)
    with capturedLogs() as logs:
        reactor.calls[0]()
    (event,) = [each for each in logs if each["log_level"].name == "critical"]
    assert "Exec format error" in event["reason"]
    assert reactor.stopped


PROBE = """
import sys
import portal.evennia
from portal.evennia import PortalService
ours = {name for name in sys.modules if name.partition(".")[0] == "portal"}
print(sorted(ours))
print(sorted({"django", "trio", "structlog", "msgspec"} & set(sys.modules)))
"""


def test_it_brings_the_standard_library_and_twisted_only():
    command = [sys.executable, "-c", PROBE]
    output = subprocess.check_output(command, text=True).splitlines()
    ours = ["portal", "portal.evennia", "portal.evennia.collecting", "portal.evennia.hook"]
    assert output == [str(ours), "[]"]
