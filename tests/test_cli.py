"""The command line: what its words become, what it prints, and with which code it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from typing import NamedTuple

import pytest

from portal import cli
from portal.errors import ConnectionLost, ServiceError

STATUS = {
    "name": "Portal demo",
    "version": "1.2",
    "pid": 10,
    "uptime": 3723.5,
    "server": {"state": "CONNECTED", "pid": 11, "info": {"servername": "demo", "version": "3"}},
    "sessions": {"telnet": 2, "websocket": 1},
    "addresses": {"telnet": [["127.0.0.1", 4000], ["::1", 4000]], "amp": ["127.0.0.1", 4006]},
    "counters": {"messages_in": 5, "messages_out": 0},
}
SESSIONS = [
    {
        "sessid": 1,
        "protocol_key": "telnet",
        "address": "10.0.0.9",
        "uname": "Ann",
        "logged_in": True,
        "conn_time": 1.0,
        "idle": 90061.0,
    },
    {
        "sessid": 12,
        "protocol_key": "websocket",
        "address": "",
        "uname": None,
        "logged_in": False,
        "conn_time": 2.0,
        "idle": 0.2,
    },
]


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def portal(monkeypatch, capsys):
    """Run the command line in this process; it neither dials nor serves."""
    monkeypatch.delenv("PORTAL_AMP_SECRET", raising=False)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def asked(monkeypatch):
    """What was asked, as (query, address, seconds, until_gone); `answers` are the answers."""

    class Asked(list):
        def __call__(self, query, address, seconds, *, until_gone=False):
            self.append((query, address, seconds, until_gone))
            answer = self.answers[query]
            if isinstance(answer, BaseException):
                raise answer
            return answer

    made = Asked()
    made.answers = {
        "status": STATUS,
        "sessions": {"sessions": SESSIONS},
        "reload": {"state": "CONNECTED", "seconds": 1.25},
        "stop": {},
    }
    monkeypatch.setattr("portal.amp.query.ask", made)
    return made


@pytest.fixture
def served(monkeypatch):
    """The configurations that were served; `result` is the exit code, or what is raised."""

    class Served(list):
        def __call__(self, config, ready):
            self.append(config)
            if isinstance(self.result, Exception):
                raise self.result
            ready(self.info)
            return self.result

    made = Served()
    made.result = 0
    made.info = {
        "name": "Portal",
        "version": "1",
        "portal_pid": 5,
        "server_pid": 6,
        "telnet": [("127.0.0.1", 4000), ("::1", 4000)],
        "amp": ("127.0.0.1", 4006),
    }
    monkeypatch.setattr("portal.process.run_process", made)
    return made


# ---- asking


@pytest.mark.parametrize("query", ["status", "sessions", "reload", "stop"])
@pytest.mark.parametrize(
    ("words", "address"),
    [
        ([], ("127.0.0.1", 4006)),
        (["--amp-port", "5000", "--host", "::1"], ("::1", 5000)),
        (["--amp-socket", "/run/portal"], "/run/portal"),
    ],
)
def test_where_it_asks(portal, asked, query, words, address):
    assert portal(query, *words).exit_code == 0
    ((name, where, seconds, until_gone),) = asked
    assert (name, where) == (query, address)
    assert seconds >= 10
    assert until_gone == (query == "stop")


@pytest.mark.parametrize("amp", [["127.0.0.1", 4711], "/run/portal"])
def test_it_finds_the_portal_by_its_note(portal, asked, tmp_path, amp):
    (tmp_path / "portal.json").write_text(json.dumps({"amp": amp, "portal_pid": 1}))
    assert portal("status", "--data", str(tmp_path)).exit_code == 0
    assert asked[0][1] == (amp if isinstance(amp, str) else tuple(amp))


@pytest.mark.parametrize("note", [None, "", "no JSON", "{}", "[]", '{"amp": null}', '{"amp": [1]}'])
def test_a_note_that_is_none(portal, asked, tmp_path, note):
    if note is not None:
        (tmp_path / "portal.json").write_text(note)
    result = portal("status", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.startswith("no Portal answers: ")
    assert len(result.stderr.splitlines()) == 1
    assert asked == []


@pytest.mark.parametrize("query", ["status", "sessions", "reload", "stop"])
def test_when_no_portal_answers(portal, asked, query):
    asked.answers = {query: ConnectionLost("no Portal answers at 127.0.0.1:4006")}
    result = portal(query)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "no Portal answers at 127.0.0.1:4006\n"


def test_status_as_json(portal, asked):
    assert json.loads(portal("status", "--json").stdout) == STATUS


def test_sessions_as_json(portal, asked):
    assert json.loads(portal("sessions", "--json").stdout) == {"sessions": SESSIONS}


def test_status_for_people(portal, asked):
    lines = portal("status").stdout.splitlines()
    assert lines == [
        "Portal    Portal demo, version 1.2, pid 10",
        "Uptime    1 h 2 min",
        "Server    CONNECTED, pid 11 (demo 3)",
        "Sessions  3 (telnet 2, websocket 1)",
        "Telnet    127.0.0.1 4000, ::1 4000",
        "AMP       127.0.0.1:4006",
        "",
        "messages_in                             5",
    ]


def test_status_of_a_portal_without_anything():
    answer = STATUS | {
        "server": {"state": "DOWN", "pid": None, "info": {}},
        "sessions": {},
        "addresses": {"telnet": [], "amp": "/run/portal"},
        "counters": {"messages_in": 0},
    }
    lines = [line.rstrip() for line in cli.describe_status(answer).splitlines()]
    assert lines[2:] == [
        "Server    DOWN, pid -",
        "Sessions  0",
        "Telnet",
        "AMP       unix:/run/portal",
    ]


def test_sessions_for_people(portal, asked):
    assert portal("sessions").stdout.splitlines() == [
        "sessid  protocol   address   name  idle",
        "1       telnet     10.0.0.9  Ann   1 d 1 h",
        "12      websocket  local     -     0 s",
        "2 sessions",
    ]


def test_a_name_does_not_steer_the_terminal():
    entry = SESSIONS[0] | {"uname": "A\x1b[2Jnn"}
    text = cli.describe_sessions([entry])
    assert "\x1b" not in text
    assert "A?[2Jnn" in text
    assert text.endswith("\n1 session")


def test_a_session_that_is_logged_in_without_a_name():
    assert "?" in cli.describe_sessions([SESSIONS[0] | {"uname": None}])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 s"),
        (86400 + 3600 + 61, "1 d 1 h"),
    ],
)
def test_durations(seconds, text):
    assert cli.describe_seconds(seconds) == text


def test_reload_and_stop_say_what_happened(portal, asked):
    assert portal("reload").stdout == "The game was reloaded in 1.2 s.\n"
    assert portal("stop").stdout == "The Portal has stopped.\n"


# ---- serving


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


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--server", "x", "--no-server"],
        ["--server", ""],
        ["--server", "unfinished 'quote"],
        ["--no-server", "--telnet-port", "65536"],
        ["--no-server", "--telnet-port", "http"],
        ["--no-server", "--telnet-port", "-1"],
        ["--no-server", "--log-level", "loud"],
        ["--no-server", "--no"],
        ["--unknown"],
    ],
)
def test_a_wrong_command_line(portal, served, words):
    result = portal("run", *words)
    assert result.exit_code == 2
    assert served == []


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


def test_help_names_the_exit_codes(portal):
    for words in (["--help"], ["run", "--help"], ["status", "--help"]):
        assert "Exit codes" in portal(*words).stdout


def test_without_a_command(portal):
    assert portal().exit_code == 2


def test_ctrl_c_during_a_question(portal, asked):
    asked.answers = {"status": KeyboardInterrupt()}
    result = portal("status")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")


# ---- as a process


def test_nobody_reads_what_it_prints():
    reading, writing = os.pipe()
    os.close(reading)
    answered = "import portal.cli, portal.amp.query as q; q.ask = lambda *_, **__: {'sessions': []}"
    line = [sys.executable, "-c", f"{answered}; portal.cli.main(['sessions'])"]
    with subprocess.Popen(line, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")


def test_the_portal_carries_no_parser_of_the_kind_that_brings_a_library():
    """Whatever `portal run` imports stays in its memory for months."""
    code = "import sys, portal.cli, portal.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"typer", "click", "pydantic", "httpx", "argon2"}.isdisjoint(done.stdout.split())


def start(*words, **options):
    line = [sys.executable, "-m", "portal", *words]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_no_portal():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with start("status", "--amp-port", str(port)) as process:
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert err == f"no Portal answers at 127.0.0.1:{port}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_portal_from_start_to_end(tmp_path, number):
    words = ["run", "--no-server", "--telnet-port", "0", "--amp-port", "0", "--json"]
    with start(*words, "--data", str(tmp_path)) as process:
        try:
            ready = json.loads(process.stdout.readline())
            assert ready["portal_pid"] == process.pid
            assert ready["server_pid"] is None
            assert json.loads((tmp_path / "portal.json").read_text()) == ready
            with start("status", "--json", "--data", str(tmp_path)) as asking:
                status = json.loads(asking.communicate(timeout=30)[0])
            assert status["pid"] == process.pid
            assert status["addresses"]["telnet"] == ready["telnet"]
            with start("reload", "--data", str(tmp_path)) as asking:
                _, err = asking.communicate(timeout=30)
            assert (asking.returncode, err) == (
                1,
                "reload: there is no Server, and none is being started\n",
            )
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[-1] == "portal_stopped"
    assert not (tmp_path / "portal.json").exists()


def test_portal_stop(tmp_path):
    words = ["run", "--no-server", "--telnet-port", "0", "--amp-socket", str(tmp_path / "amp")]
    with start(*words, "--json") as process:
        try:
            assert json.loads(process.stdout.readline())["amp"] == str(tmp_path / "amp")
            with start("stop", "--amp-socket", str(tmp_path / "amp")) as asking:
                out, _ = asking.communicate(timeout=30)
            assert (asking.returncode, out) == (0, "The Portal has stopped.\n")
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert not os.path.lexists(tmp_path / "amp")


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("run", "--no-server", "--amp-port", "0", "--telnet-port", str(port)) as process:
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert err == f"telnet: cannot listen at 127.0.0.1 port {port}: Address already in use\n"


def test_an_amp_port_for_everybody_is_refused():
    environment = {key: value for key, value in os.environ.items() if "PORTAL_AMP" not in key}
    words = ["run", "--no-server", "--telnet-port", "0", "--amp-port", "0", "--amp-host", "0.0.0.0"]
    with start(*words, env=environment) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert "amp.host" in err
    assert len(err.splitlines()) == 1
