"""A process that is a Portal: its note, its signals, and its end."""

import gc
import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from portal import process
from portal.app import GOODBYE, Portal
from portal.config import (
    AmpConfig,
    Config,
    HttpConfig,
    TelnetConfig,
    WebSocketConfig,
)
from portal.errors import ServiceError
from portal.evennia.notes import Note
from portal.lifecycle import State
from portal.process import noted, pid_noted, run_process

PATIENCE = 30


GAME = """
from portal.game import GameServer
game = GameServer("test game")
@game.inputfunc
def text(session, line, **kwargs):
    session.msg(text="heard " + line)
game.run()
"""


def make_config(**settings):
    defaults = {
        "telnet": TelnetConfig(port=0),
        "websocket": WebSocketConfig(port=0),
        "http": HttpConfig(port=0),
        "amp": AmpConfig(port=0),
    }
    return Config(**defaults | settings)


# ---- its note


def test_the_note(tmp_path):
    directory = tmp_path / "new" / "data"
    with noted(str(directory), {"amp": ("::1", 1)}):
        path = directory / "portal.json"
        assert json.loads(path.read_text()) == {"amp": ["::1", 1]}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(directory.iterdir()) == [path]
    assert list(directory.iterdir()) == []


def test_the_note_of_another_portal_stays(tmp_path):
    with noted(str(tmp_path), {"portal_pid": 1}):
        (tmp_path / "portal.json").write_text("another's")
    assert (tmp_path / "portal.json").read_text() == "another's"


def test_a_note_that_was_taken_away(tmp_path):
    with noted(str(tmp_path), {}):
        (tmp_path / "portal.json").unlink()


def test_no_note_without_a_directory():
    with noted(None, {}):
        pass


def test_a_note_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="note: cannot write"), noted(str(tmp_path / "file"), {}):
        pass


def test_the_pid_is_in_a_file_until_it_is_forgotten(tmp_path):
    path = tmp_path / "portal.pid"
    path.write_text("1")
    with pid_noted(str(path)) as forget:
        assert path.read_text() == str(os.getpid())
        assert path.stat().st_mode & 0o777 == 0o644
        forget()
        assert not path.exists()
        path.write_text("4711")  # the next Portal's
        forget()
    assert path.read_text() == "4711"


def test_the_pid_file_goes_with_the_portal(tmp_path):
    path = tmp_path / "portal.pid"
    with pid_noted(str(path)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_pid_file(tmp_path):
    with pid_noted(None) as forget:
        forget()
    path = tmp_path / "no" / "portal.pid"
    with pytest.raises(ServiceError, match="pid file: cannot write"), pid_noted(str(path)):
        pass


# ---- the process around it


def test_as_many_descriptors_as_allowed(monkeypatch):
    set_to = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    process.raise_descriptor_limit()
    assert set_to == [(4096, 4096)]


def test_the_collector_looks_seldom():
    before = gc.get_threshold()
    try:
        process.calm_collector()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == (50_000, 20, 100)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.fixture
def own_process(monkeypatch):
    """Let `run_process` change nothing that other tests would notice."""
    monkeypatch.setattr(process, "raise_descriptor_limit", lambda: None)
    monkeypatch.setattr(process, "calm_collector", lambda: None)
    yield
    structlog.reset_defaults()


def test_a_process_that_is_told_to_stop(own_process, capsys):
    seen = []

    def ready(info):
        seen.append(info)
        os.kill(os.getpid(), signal.SIGTERM)

    assert run_process(make_config(), ready) == 0
    assert seen[0]["server_pid"] is None
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events[0] == "portal_started"
    assert events[-1] == "portal_stopped"


def test_what_an_evennia_game_has_to_be_told_is_logged_first(own_process, capsys):
    game = SimpleNamespace(
        directory=".",
        environment={},
        connect_bot=None,
        status={},
        notes=(Note("warning", "evennia_class_ignored", {"setting": "X", "docs": "y"}),),
    )
    assert (
        run_process(make_config(), lambda _: os.kill(os.getpid(), signal.SIGTERM), evennia=game)
        == 0
    )
    first = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (first["event"], first["level"]) == ("evennia_class_ignored", "warning")
    assert (first["setting"], first["docs"]) == ("X", "y")


def test_a_crash_is_logged_and_ends_it(own_process, capsys, monkeypatch):
    async def run(self, *, task_status):
        raise ZeroDivisionError("in the middle")

    portal = Portal.open
    opened = []
    monkeypatch.setattr(Portal, "open", lambda self: (portal(self), opened.append(self)))
    monkeypatch.setattr(Portal, "run", run)
    assert run_process(make_config(), lambda _: None) == 1
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["event"]) == ("critical", "portal_crashed")
    assert "in the middle" in line["exception"]
    for listener in opened[0]._listeners():
        for sock in listener._sockets:
            sock.close()


class Process:
    """A Portal in a process of its own with a game behind it."""

    def __init__(self, tmp_path, game, **settings):
        script = tmp_path / "game.py"
        script.write_text(game)
        self.log = tmp_path / "portal.log"
        self.note = tmp_path / "portal.json"
        words = ["--server", f"{sys.executable} {script}", "--data", str(tmp_path)]
        words += ["--telnet-port", "0", "--amp-port", "0", "--log-file", str(self.log), "--json"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal", "run", *words], stdout=subprocess.PIPE, text=True
        )
        self.ready = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def events(self, path=None):
        lines = (path or self.log).read_text().splitlines()
        return [json.loads(line)["event"] for line in lines]

    def connect(self):
        sock = socket.create_connection(tuple(self.ready["telnet"][0]), timeout=PATIENCE)
        return sock, sock.makefile("rb")

    def status(self):
        words = ["status", "--json", "--data", str(self.note.parent)]
        line = [sys.executable, "-m", "portal", *words]
        answer = subprocess.run(line, capture_output=True, timeout=PATIENCE, check=True)
        return json.loads(answer.stdout)

    def until(self, condition):
        while not condition(status := self.status()):
            assert self.process.poll() is None
        return status


def read_until(file, text):
    for line in file:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def test_signals_of_a_process(tmp_path):
    with Process(tmp_path, GAME) as portal:
        assert portal.ready["server_pid"] != portal.process.pid
        sock, file = portal.connect()
        with sock, file:
            sock.sendall(b"one\r\n")
            read_until(file, b"heard one")
            portal.process.send_signal(signal.SIGUSR1)
            read_until(file, b"restarting")
            sock.sendall(b"two\r\n")
            read_until(file, b"heard two")
            status = portal.until(lambda s: s["server"]["state"] == State.CONNECTED)
            assert status["server"]["pid"] != portal.ready["server_pid"]
            assert status["sessions"] == {"telnet": 1}

            moved = portal.log.rename(tmp_path / "portal.log.1")
            portal.process.send_signal(signal.SIGHUP)
            portal.until(lambda _: portal.log.exists())
            portal.process.send_signal(signal.SIGINT)
            read_until(file, GOODBYE.encode())
        assert portal.process.wait(PATIENCE) == 0
        assert not Path(f"/proc/{status['server']['pid']}").exists()
        assert portal.events(moved)[-1] == "signal_received"
        assert portal.events()[-1] == "portal_stopped"
        assert not portal.note.exists()


def test_a_second_signal_drops_everything(tmp_path):
    with Process(tmp_path, GAME) as portal:
        sock, file = portal.connect()
        with sock, file:
            os.kill(portal.ready["server_pid"], signal.SIGSTOP)  # it hears of no order
            portal.process.send_signal(signal.SIGTERM)
            read_until(file, GOODBYE.encode())
            portal.process.send_signal(signal.SIGTERM)
            assert portal.process.wait(PATIENCE) == 1
        assert not Path(f"/proc/{portal.ready['server_pid']}").exists()


def test_killed_it_leaves_no_game_behind(tmp_path):
    with Process(tmp_path, GAME) as portal:
        game = os.pidfd_open(portal.ready["server_pid"])
        try:
            portal.process.kill()
            assert select.select([game], [], [], PATIENCE)[0]
        finally:
            os.close(game)


def test_a_reload_that_fails_is_logged(tmp_path):
    """SIGUSR1 where there is nothing to reload."""
    log = tmp_path / "portal.log"
    words = ["run", "--no-server", "--telnet-port", "0", "--amp-port", "0", "--json"]
    line = [sys.executable, "-m", "portal", *words, "--log-file", str(log)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert json.loads(process.stdout.readline())
            process.send_signal(signal.SIGUSR1)
            while "reload_failed" not in log.read_text():
                assert process.poll() is None
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def wait_for_events(log, process, name, count=1):
    """The events of a name, once there are so many of them in a log."""
    while True:
        events = [json.loads(line) for line in log.read_text().splitlines()]
        found = [event for event in events if event["event"] == name]
        if len(found) >= count:
            return found
        assert process.poll() is None


def test_a_configuration_that_is_changed_while_it_runs(tmp_path):
    log, file = tmp_path / "portal.log", tmp_path / "portal.toml"
    file.write_text("[limits]\nline_bytes = 4000\n")
    words = ["--config", str(file), "--telnet-port", "0", "--amp-port", "0", "--log-file", str(log)]
    line = [sys.executable, "-m", "portal", "run", "--no-server", "--json", *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            sock = socket.create_connection(tuple(ready["telnet"][0]), timeout=PATIENCE)
            with sock, sock.makefile("rb") as player:
                sock.sendall(b"x" * 2000 + b"\n")
                read_until(player, b"what you type is kept")
                file.write_text(
                    "[limits]\nline_bytes = 1024\n[telnet]\nport = 5\n[http]\nport = 5\n"
                )
                process.send_signal(signal.SIGHUP)
                (applied,) = wait_for_events(log, process, "config_applied")
                assert applied["settings"] == ["limits.line_bytes"]
                (unchanged,) = wait_for_events(log, process, "config_unchanged")
                assert unchanged["settings"] == ["http.port"]  # of telnet the flag has the word
                sock.sendall(b"x" * 2000 + b"\n")
                read_until(player, b"may have 1024 bytes")

                file.write_text("[limits]\nline_bytes = 0\nline_byte = 5\n")
                process.send_signal(signal.SIGHUP)
                refused = wait_for_events(log, process, "config_refused", 2)
                assert [event["key"] for event in refused] == [
                    "limits.line_byte",
                    "limits.line_bytes",
                ]
            with socket.create_connection(tuple(ready["telnet"][0]), timeout=PATIENCE) as sock:
                sock.sendall(b"x" * 2000 + b"\n")
                read_until(sock.makefile("rb"), b"may have 1024 bytes")
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


# ---- a start that fails


FREE = {section: {"port": 0} for section in ("telnet", "websocket", "http", "amp")}


def write_settings(path, settings):
    """Write a configuration: tables of plain values, which look alike in JSON and TOML."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if name in TOP]
    for table in settings.keys() - TOP:
        lines.append(f"[{table}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in settings[table].items()]
    path.write_text("\n".join(lines))


TOP = {"name", "directory"}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"telnet": {"port": "TAKEN"}}, "telnet: cannot listen at 127.0.0.1 port TAKEN"),
        ({"websocket": {"port": "TAKEN"}}, "websocket: cannot listen at 127.0.0.1 port TAKEN"),
        ({"http": {"port": "TAKEN"}}, "http: cannot listen at 127.0.0.1 port TAKEN"),
        ({"amp": {"port": "TAKEN"}}, "amp: cannot listen at 127.0.0.1 port TAKEN"),
        ({"amp": {"socket": "DIR/no/amp"}}, "amp.socket: there is no directory DIR/no"),
        (
            {"amp": {"socket": f"DIR/{'x' * 200}"}},
            "amp.socket: expected a path of at most 107 bytes",
        ),
        ({"amp": {"socket": "DIR/file"}}, "amp: cannot listen at DIR/file"),
        ({"telnet": {"hosts": ["a name that nobody has"]}}, "a name that nobody has"),
        ({"http": {"hosts": ["192.0.2.1"]}}, "http: cannot listen at 192.0.2.1"),
        ({"amp": {"host": "0.0.0.0"}}, "PORTAL_AMP_SECRET"),
        ({"log": {"path": "DIR/no/log"}}, "log.path: there is no directory DIR/no"),
        ({"log": {"path": "DIR"}}, "log.path"),
        ({"directory": "DIR/file"}, "directory: there is no directory DIR/file"),
        ({"directory": "/proc/no"}, "/proc"),
        ({"telnet": {"port": "x"}}, "telnet.port"),
        ({"telnet": {"prot": 1}}, "telnet.prot"),
        ({"telnet": {"port": 1_000_000}}, "telnet.port"),
        ({"log": {"level": "loud"}}, "log.level"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_start_that_fails_says_so_in_one_line(tmp_path, settings, names):
    (tmp_path / "file").write_text("")
    file = tmp_path / "portal.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        def fill(text):
            return text.replace("DIR", str(tmp_path)).replace("TAKEN", port)

        write_settings(file, {**FREE, **settings})
        file.write_text(fill(file.read_text()).replace(f'"{port}"', port))
        run = subprocess.run(
            [sys.executable, "-m", "portal", "run", "--no-server", "--config", str(file)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "PORTAL_AMP_SECRET"},
        )
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert fill(names) in line


@pytest.mark.parametrize(
    ("file", "names"),
    [(None, "cannot be read"), ("[telnet", "portal.toml"), ("\xff", "portal.toml")],
    ids=["missing", "no TOML", "no UTF-8"],
)
def test_a_configuration_that_is_none(tmp_path, file, names):
    path = tmp_path / "portal.toml"
    if file is not None:
        path.write_bytes(file.encode("latin-1"))
    run = subprocess.run(
        [sys.executable, "-m", "portal", "run", "--no-server", "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert names in line
