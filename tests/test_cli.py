"""The command line: what its words become, what it prints, and with which code it ends."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

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


@pytest.fixture
def portal(monkeypatch):
    """Run the command line in this process; it neither dials nor serves."""
    monkeypatch.delenv("PORTAL_AMP_SECRET", raising=False)
    runner = CliRunner()
    return lambda *words: runner.invoke(cli.command, words)


@pytest.fixture
def asked(monkeypatch):
    """What was asked, as (query, address, seconds, until_gone); `answers` are the answers."""

    class Asked(list):
        def __call__(self, query, address, seconds, *, until_gone=False):
            self.append((query, address, seconds, until_gone))
            answer = self.answers[query]
            if isinstance(answer, Exception):
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
    monkeypatch.setattr("portal.app.run_process", made)
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
        ["--unknown"],
    ],
)
def test_a_wrong_command_line(portal, served, words):
    result = portal("run", *words)
    assert result.exit_code == 2
    assert served == []


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


# ---- as a process


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
