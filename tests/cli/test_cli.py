"""The command: with which code it ends, and what it is as a process."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest


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
    assert err.startswith("command line: --amp-host: 0.0.0.0 is not loopback")
    assert len(err.splitlines()) == 1
