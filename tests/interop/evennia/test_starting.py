"""Every way to start a Portal in front of a game, and what is said where that cannot be."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

# Each module that is imported is a line on standard error, with its name behind the last bar.
TRACING = {"PYTHONPROFILEIMPORTTIME": "1"}


@pytest.fixture
def taken():
    """A port that somebody else has."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def list_imports(text):
    lines = [line for line in text.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_the_portal_imports_no_django_and_starts_the_server_by_itself(new_game):
    game = new_game(way="run")
    game.environment |= TRACING
    game.start_portal("--start")
    game.wait_for(lambda: "CONNECTED" in states(game), "a Server that has dialled in")
    imported = list_imports(game.log("foreground"))
    assert "portal.evennia.settings" in imported
    assert {name.partition(".")[0] for name in imported} & {"django", "evennia"} == set()
    assert "twisted.internet.reactor" not in imported
    assert "RUNNING" in game.launch("status").stdout
    game.stop()
    assert not game.portal_pid_file.exists()
    assert not game.server_pid_file.exists()


def states(game):
    return [event["state"] for event in game.events("server_state")]


def test_a_port_in_use(new_game, taken):
    game = new_game(way="hook", settings=f"TELNET_PORTS = [{taken}]\n")
    game.launch("start", check=False)
    (event,) = game.events("portal_not_started")
    assert event["level"] == "critical"
    assert (
        event["reason"]
        == f"telnet: cannot listen at 127.0.0.1 port {taken}: Address already in use"
    )
    assert "Traceback" not in game.log("portal")
    assert not game.portal_pid_file.exists()
    assert game.processes() == set()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("AMP_INTERFACE = '0.0.0.0'", "settings.py: AMP_INTERFACE: expected an address of this"),
        ("AMP_PORT = TELNET_PORTS[0]", "settings.py: AMP_PORT: expected another port"),
        ("del TELNET_PORTS", "settings.py: TELNET_PORTS: is missing"),
        ("TELNET_PORTS = unknown", "NameError: name 'unknown' is not defined ("),
    ],
)
def test_a_setting_that_is_wrong(new_game, settings, reason):
    game = new_game(way="run")
    with (game.directory / "server/conf/settings.py").open("a") as file:
        file.write(f"\n{settings}\n")
    done = run_portal(game)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert reason in line
    assert not game.portal_pid_file.exists()


def test_what_is_no_game(new_game):
    game = new_game(way="run")
    for directory in ("server", "nowhere"):
        done = run_portal(game, directory)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def run_portal(game, directory="."):
    return subprocess.run(
        [game.python, "-m", "portal", "run", "--evennia", directory],
        cwd=game.directory,
        env=game.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_in_the_foreground(new_game):
    """By `evennia ipstart`: the log is the terminal's, and Ctrl-C ends it all."""
    game = new_game(way="hook")
    with game.foreground_log.open("wb") as log:
        launcher = subprocess.Popen(
            [game.python.with_name("evennia"), "ipstart"],
            cwd=game.directory,
            env=game.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        game.wait_for(lambda: "CONNECTED" in states(game), "a Server that has dialled in", 60)
        assert "portal_started" in game.log("foreground")
        assert game.portal_pid() in game.processes()
        assert "portal_started" not in game.log("portal")
    finally:
        os.killpg(launcher.pid, signal.SIGINT)  # as a terminal does
        launcher.wait(60)
    game.wait_for(lambda: not game.processes(), "the end of all processes")
    assert not game.portal_pid_file.exists()


def test_what_the_portal_leaves_to_the_server(new_game):
    """The umask is not the one that twistd has, and the Portal says what it does not profile."""
    game = new_game(way="hook")
    game.launch("start", "--profiler")
    game.wait_for(game.server_pid, "a Server")
    status = Path(f"/proc/{game.portal_pid()}/status").read_text()
    assert "Umask:\t0022" in status
    assert game.events("evennia_portal_not_profiled")
    assert "--profiler=cprofile" in Path(f"/proc/{game.server_pid()}/cmdline").read_text()
    game.stop()
