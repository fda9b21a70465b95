"""Being a Portal: the settings that it gets, and what it says when it is ready."""

import json
import os
import sys
from pathlib import Path

import pytest
import structlog

from portal.errors import ConfigError, ServiceError

GAME = f"{sys.executable} 'my game.py' --fast"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where the command is given: nothing lies there, and everything may be written."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_demo(portal, served, tmp_path):
    result = portal("demo", "--data", str(tmp_path), "--telnet-port", "0", "--host", "::1")
    assert result.exit_code == 0
    (config,) = served
    assert config.server.command == (
        sys.executable,
        "-m",
        "portal.demo",
        "--data",
        str(tmp_path),
    )
    assert config.directory == str(tmp_path)
    assert (config.telnet.hosts, config.telnet.port) == (("::1",), 0)
    assert (config.amp.host, config.amp.port) == ("127.0.0.1", 4006)


def test_demo_without_options(portal, served, place):
    portal("demo")
    (config,) = served
    assert config.directory == str(place / "portal-demo-data")
    assert (config.telnet.hosts, config.telnet.port) == (("127.0.0.1",), 4000)


def test_run(portal, served, monkeypatch, tmp_path):
    monkeypatch.setenv("PORTAL_AMP_SECRET", "xyzzy")
    words = ["--server", GAME, "--amp-host", "10.0.0.1", "--amp-port", "0"]
    words += ["--host", "0.0.0.0", "--host", "::", "--log-level", "debug", "--log-file", "x.log"]
    assert portal("run", *words, "--data", str(tmp_path)).exit_code == 0
    (config,) = served
    assert config.server.command == (sys.executable, "my game.py", "--fast")
    assert (config.amp.host, config.amp.port, config.amp.secret) == ("10.0.0.1", 0, "xyzzy")
    assert config.telnet.hosts == ("0.0.0.0", "::")
    assert (config.log.level, config.log.path) == ("debug", "x.log")
    assert config.directory == str(tmp_path)


def test_run_without_a_server(portal, served):
    assert portal("run", "--no-server", "--amp-socket", "amp").exit_code == 0
    (config,) = served
    assert config.server.command == ()
    assert config.amp.socket == "amp"
    assert config.directory is None


# ---- a file below the flags


FILE = f"""
name = "Harbour"
directory = "here"
[telnet]
port = 23
hosts = ["::"]
[limits]
connections_per_address = 7
[amp]
socket = "amp"
trusted_networks = ["127.0.0.0/8"]
[server]
command = ["{sys.executable}", "game.py"]
resend_uncertain = true
[log]
level = "error"
"""


def test_a_file(portal, served, file, place, monkeypatch):
    monkeypatch.setenv("PORTAL_AMP_SECRET", "xyzzy")
    assert portal("run", *file(FILE)).exit_code == 0
    (config,) = served
    assert (config.name, config.directory) == ("Harbour", str(place / "here"))
    assert (config.telnet.port, config.telnet.hosts) == (23, ("::",))
    assert config.limits.connections_per_address == 7
    assert (config.amp.socket, config.amp.secret) == ("amp", "xyzzy")
    assert config.amp.trusted_networks == ("127.0.0.0/8",)
    assert config.server.command == (sys.executable, "game.py")
    assert config.server.resend_uncertain
    assert config.log.level == "error"


@pytest.mark.parametrize(
    ("words", "table", "expected"),
    [
        (["--telnet-port", "0"], "telnet", {"port": 0, "hosts": ("::",)}),
        (["--websocket-port", "5"], "websocket", {"port": 5, "enabled": True}),
        (["--http-port", "5"], "http", {"port": 5, "enabled": True}),
        (["--no-websocket"], "websocket", {"enabled": False}),
        (["--no-http"], "http", {"enabled": False}),
        (["--host", "::1", "--host", "127.0.0.1"], "telnet", {"hosts": ("::1", "127.0.0.1")}),
        (["--host", "::1", "--host", "127.0.0.1"], "websocket", {"hosts": ("::1", "127.0.0.1")}),
        (["--host", "::1", "--host", "127.0.0.1"], "http", {"hosts": ("::1", "127.0.0.1")}),
        (["--amp-port", "0"], "amp", {"port": 0, "socket": None}),
        (["--amp-host", "::1"], "amp", {"host": "::1", "socket": None}),
        (["--amp-socket", "x"], "amp", {"socket": "x"}),
        (["--server", "sh b"], "server", {"command": ("sh", "b"), "resend_uncertain": True}),
        (["--no-server"], "server", {"command": ()}),
        (["--log-level", "debug"], "log", {"level": "debug", "path": None}),
        (["--log-file", "x"], "log", {"level": "error", "path": "x"}),
    ],
)
def test_flags_stand_above_the_file(portal, served, file, words, table, expected):
    assert portal("run", *file(FILE), *words).exit_code == 0
    section = getattr(served[0], table)
    assert {name: getattr(section, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "variables", "text", "ports"),
    [
        ([], {}, "", (4000, 4002, 4001)),
        (["--telnet-port", "0"], {}, "", (0, 0, 0)),
        (["--telnet-port", "0", "--http-port", "7"], {}, "", (0, 0, 7)),
        (["--telnet-port", "0"], {"PORTAL_WEBSOCKET_PORT": "7"}, "", (0, 7, 0)),
        (["--telnet-port", "0"], {}, "[http]\nport = 7", (0, 0, 7)),
        (["--telnet-port", "7"], {}, "", (7, 4002, 4001)),
        ([], {"PORTAL_TELNET_PORT": "0"}, "", (0, 4002, 4001)),
        ([], {}, "[telnet]\nport = 0", (0, 4002, 4001)),
        (["--http-port", "0"], {}, "", (4000, 4002, 0)),
    ],
)
def test_free_ports(portal, served, file, monkeypatch, words, variables, text, ports):
    """Who asks for any port on the command line does not want a usual one to be taken either."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert portal("run", "--no-server", *file(text), *words).exit_code == 0
    (config,) = served
    assert (config.telnet.port, config.websocket.port, config.http.port) == ports


def test_the_environment_stands_between_file_and_flags(portal, served, file, monkeypatch):
    monkeypatch.setenv("PORTAL_TELNET_PORT", "24")
    monkeypatch.setenv("PORTAL_LOG_LEVEL", "warning")
    monkeypatch.setenv("PORTAL_SERVER_COMMAND", "sh other.sh")
    assert portal("run", *file(FILE), "--log-level", "debug").exit_code == 0
    (config,) = served
    assert (config.telnet.port, config.log.level) == (24, "debug")
    assert config.server.command == ("sh", "other.sh")
    assert config.limits.connections_per_address == 7


def test_the_file_that_the_environment_names(portal, served, file, monkeypatch):
    monkeypatch.setenv("PORTAL_CONFIG", file('name = "Harbour"')[1])
    assert portal("run", "--no-server").exit_code == 0
    assert served[0].name == "Harbour"


def test_no_file_is_read_that_nobody_has_named(portal, served, place):
    (place / "portal.toml").write_text('name = "Harbour"')
    assert portal("run", "--no-server").exit_code == 0
    assert served[0].name == "Portal"


def test_what_is_wrong_on_the_command_line_is_called_as_it_is_there(portal, served):
    result = portal("run", "--no-server", "--telnet-port", "5", "--http-port", "5", "--host", "a b")
    assert (result.exit_code, served) == (1, [])
    assert result.stderr == (
        'command line: --host: expected an address such as 127.0.0.1 or ::1, or a name, got "a b"\n'
    )


def test_everything_is_read_again(portal, served, file, monkeypatch):
    assert portal("run", *file(FILE), "--telnet-port", "7").exit_code == 0
    assert served.reread() == served[0]
    file(FILE.replace('"Harbour"', '"Port"').replace("port = 23", "port = 24"))
    again = served.reread()
    assert (again.name, again.telnet.port) == ("Port", 7)
    assert again.directory == served[0].directory
    file("[telnet]\nprot = 1")
    with pytest.raises(ConfigError, match=r"telnet\.prot"):
        served.reread()


def test_a_game_that_is_taken_away_from_the_file(portal, served, file):
    portal("run", *file(FILE))
    file("")
    assert served.reread().server.command == ()


def test_the_demo_reads_again_and_stays_the_demo(portal, served, file, place):
    portal("demo", *file(""))
    file('[server]\ncommand = ["sh"]\ndirectory = "/none"\nstop_seconds = 5')
    again = served.reread()
    assert again.server.command == served[0].server.command
    assert (again.server.directory, again.server.stop_seconds) == (None, 5.0)
    assert again.directory == str(place / "portal-demo-data")


def test_a_demo_has_its_directory_in_any_case(portal, served, file, place):
    portal("demo", *file('directory = ""'))
    assert served[0].directory == str(place / "portal-demo-data")


def test_the_demo_with_a_file(portal, served, file, tmp_path):
    assert portal("demo", *file(FILE), "--data", str(tmp_path)).exit_code == 0
    (config,) = served
    assert (config.name, config.directory) == ("Harbour", str(tmp_path))
    assert config.server.command[-2:] == ("--data", str(tmp_path))
    assert config.server.resend_uncertain


def test_a_file_without_a_game(portal, served, file):
    result = portal("run", *file("[telnet]\nport = 0"))
    assert (result.exit_code, served) == (2, [])
    assert "server.command" in result.stderr
    assert portal("run", *file("[server]\ncommand = []")).exit_code == 0


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_file_with_a_mistake(portal, served, file, command):
    words = file("[telnet]\nprot = 1")
    result = portal(command, *words)
    assert (result.exit_code, result.stdout, served) == (1, "", [])
    reason = "telnet.prot: there is no such setting; the nearest is telnet.port"
    assert result.stderr == f"{words[1]}: {reason}\n"


def test_no_such_file(portal, served, tmp_path):
    result = portal("run", "--config", str(tmp_path / "none.toml"))
    assert (result.exit_code, served) == (1, [])
    assert len(result.stderr.splitlines()) == 1


# ---- what a Portal says when it is ready


def test_one_line_of_json(portal, served):
    result = portal("run", "--no-server", "--json")
    (line,) = result.stdout.splitlines()
    assert json.loads(line) == {
        "name": "Portal",
        "version": "1",
        "portal_pid": 5,
        "server_pid": 6,
        "telnet": [["127.0.0.1", 4000], ["::1", 4000]],
        "websocket": [["127.0.0.1", 4002]],
        "http": [["127.0.0.1", 4001]],
        "amp": ["127.0.0.1", 4006],
    }


@pytest.mark.parametrize(
    ("amp", "words"),
    [(("127.0.0.1", 4006), "--amp-port 4006"), ("/my run", "--amp-socket '/my run'")],
)
def test_where_to_connect(portal, served, amp, words):
    served.info = served.info | {"amp": amp}
    lines = portal("run", "--no-server").stdout.splitlines()
    assert "Play:   telnet 127.0.0.1 4000" in lines
    assert "Play:   telnet ::1 4000" in lines
    assert "Play:   http://127.0.0.1:4001/ in a browser" in lines
    assert f"portal status {words}" in lines[-1]


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_of_the_portal(portal, served, code):
    served.result = code
    assert portal("run", "--no-server").exit_code == code


def test_a_portal_that_cannot_start(portal, served):
    served.result = ServiceError("telnet", "cannot listen at 127.0.0.1 port 4000: in use")
    result = portal("run", "--no-server")
    assert result.exit_code == 1
    assert result.stderr == "telnet: cannot listen at 127.0.0.1 port 4000: in use\n"


# ---- an Evennia game


@pytest.fixture
def nothing_logged():
    yield
    structlog.reset_defaults()


def test_an_evennia_game(portal, served, collected):
    assert portal("run", "--evennia", "game", "--telnet-port", "23", "--start").exit_code == 0
    (config,) = served
    assert (config.name, config.telnet.port, config.http.port) == ("Evennia", 23, 4001)
    assert config.server.autostart
    assert config.server.pid_file == f"{collected['directory']}/server/server.pid"
    assert served.evennia.config is config
    assert served.reread is None, "its settings need another start"
    assert collected["asked"] == ["game"]


def test_its_settings_stand_below_file_and_environment(
    portal, served, collected, file, monkeypatch
):
    monkeypatch.setenv("PORTAL_AMP_PORT", "6")
    text = "[telnet]\nport = 5\n[amp]\nport = 5\n"
    assert portal("run", "--evennia", "game", *file(text)).exit_code == 0
    assert (served[0].telnet.port, served[0].amp.port) == (5, 6)


def test_what_the_launcher_has_left(portal, served, collected):
    descriptor = os.memfd_create("settings")
    os.write(descriptor, json.dumps(collected).encode())
    words = ("run", "--evennia", "game", "--settings-fd", str(descriptor))
    assert portal(*words).exit_code == 0
    assert served[0].name == "Evennia"
    assert collected["asked"] == []


@pytest.mark.parametrize("cause", ["setting", "port"])
def test_an_evennia_game_that_cannot_start(portal, served, collected, nothing_logged, cause):
    pid_file = Path(collected["directory"], "server", "portal.pid")
    pid_file.write_text(str(os.getpid()))
    if cause == "setting":
        collected["settings"]["AMP_INTERFACE"] = "0.0.0.0"
        expected = "AMP_INTERFACE: expected an address of this machine alone"
    else:
        served.result = ServiceError("telnet", "cannot listen at ::1 port 23: in use")
        expected = "telnet: cannot listen"
    result = portal("run", "--evennia", "game")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert expected in line
    log = Path(collected["settings"]["PORTAL_LOG_FILE"]).read_text()
    assert json.loads(log)["event"] == "portal_not_started"
    assert json.loads(log)["reason"] == line
    assert not pid_file.exists()
