"""Being a Portal: the settings that it gets, and what it says when it is ready."""

import json
import sys

import pytest

from portal.errors import ServiceError


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


def test_demo_without_options(portal, served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    portal("demo")
    (config,) = served
    assert config.directory == str(tmp_path / "portal-demo-data")
    assert (config.telnet.hosts, config.telnet.port) == (("127.0.0.1",), 4000)


def test_run(portal, served, monkeypatch, tmp_path):
    monkeypatch.setenv("PORTAL_AMP_SECRET", "xyzzy")
    words = ["--server", "python 'my game.py' --fast", "--amp-host", "10.0.0.1", "--amp-port", "0"]
    words += ["--host", "0.0.0.0", "--host", "::", "--log-level", "debug", "--log-file", "x.log"]
    assert portal("run", *words, "--data", str(tmp_path)).exit_code == 0
    (config,) = served
    assert config.server.command == ("python", "my game.py", "--fast")
    assert (config.amp.host, config.amp.port, config.amp.secret) == ("10.0.0.1", 0, "xyzzy")
    assert config.telnet.hosts == ("0.0.0.0", "::")
    assert (config.log.level, config.log.path) == ("debug", "x.log")
    assert config.directory == str(tmp_path)


def test_run_without_a_server(portal, served):
    assert portal("run", "--no-server", "--amp-socket", "/run/portal").exit_code == 0
    (config,) = served
    assert config.server.command == ()
    assert config.amp.socket == "/run/portal"
    assert config.directory is None


# ---- a file below the flags


@pytest.fixture
def file(tmp_path):
    """Write a configuration file; the flags that name it are returned."""

    def write(text):
        (tmp_path / "portal.toml").write_text(text)
        return ["--config", str(tmp_path / "portal.toml")]

    return write


FILE = """
name = "Harbour"
directory = "here"
[telnet]
port = 23
hosts = ["::"]
[limits]
connections_per_address = 7
[amp]
socket = "/run/amp"
trusted_networks = ["127.0.0.0/8"]
[server]
command = ["python", "game.py"]
resend_uncertain = true
[log]
level = "error"
"""


def test_a_file(portal, served, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTAL_AMP_SECRET", "xyzzy")
    assert portal("run", *file(FILE)).exit_code == 0
    (config,) = served
    assert (config.name, config.directory) == ("Harbour", str(tmp_path / "here"))
    assert (config.telnet.port, config.telnet.hosts) == (23, ("::",))
    assert config.limits.connections_per_address == 7
    assert (config.amp.socket, config.amp.secret) == ("/run/amp", "xyzzy")
    assert config.amp.trusted_networks == ("127.0.0.0/8",)
    assert config.server.command == ("python", "game.py")
    assert config.server.resend_uncertain
    assert config.log.level == "error"


@pytest.mark.parametrize(
    ("words", "table", "expected"),
    [
        (["--telnet-port", "0"], "telnet", {"port": 0, "hosts": ("::",)}),
        (["--host", "::1", "--host", "127.0.0.1"], "telnet", {"hosts": ("::1", "127.0.0.1")}),
        (["--amp-port", "0"], "amp", {"port": 0, "socket": None}),
        (["--amp-host", "::1"], "amp", {"host": "::1", "socket": None}),
        (["--amp-socket", "/x"], "amp", {"socket": "/x"}),
        (["--server", "a b"], "server", {"command": ("a", "b"), "resend_uncertain": True}),
        (["--no-server"], "server", {"command": ()}),
        (["--log-level", "debug"], "log", {"level": "debug", "path": None}),
        (["--log-file", "x"], "log", {"level": "error", "path": "x"}),
    ],
)
def test_flags_stand_above_the_file(portal, served, file, words, table, expected):
    assert portal("run", *file(FILE), *words).exit_code == 0
    section = getattr(served[0], table)
    assert {name: getattr(section, name) for name in expected} == expected


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
