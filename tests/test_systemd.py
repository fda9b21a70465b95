"""What systemd is told: against a socket as systemd has it, and a real Portal that tells it."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import trio
from structlog.testing import capture_logs

from portal.systemd import Notifier

PATIENCE = 30


class Systemd(socket.socket):
    """The socket of a systemd that is told; `address` is what it calls it."""

    address = ""


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    name = str(tmp_path / "notify")
    with Systemd(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind(name if request.param == "path" else f"\0{name}")
        sock.address = name if request.param == "path" else f"@{name}"
        yield sock


def told(systemd):
    """Return the next message by its variables."""
    return dict(line.split("=", 1) for line in systemd.recv(1000).decode().split("\n"))


@pytest.mark.parametrize(
    ("tell", "expected"),
    [
        (lambda notifier: notifier.ready("Listening."), {"READY": "1", "STATUS": "Listening."}),
        (lambda notifier: notifier.status("Well."), {"STATUS": "Well."}),
        (Notifier.stopping, {"STOPPING": "1", "STATUS": "Stopping."}),
    ],
)
def test_messages(systemd, tell, expected):
    notifier = Notifier(systemd.address)
    tell(notifier)
    assert told(systemd) == expected
    notifier.close()
    tell(notifier)  # nobody is told
    notifier.close()


def test_reloading_carries_the_time(systemd):
    notifier = Notifier(systemd.address)
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    message = told(systemd)
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.close()


def test_after_stopping_it_says_no_more(systemd):
    notifier = Notifier(systemd.address)
    notifier.stopping()
    notifier.reloading()
    notifier.ready("Listening.")
    notifier.stopping()
    assert told(systemd)["STOPPING"] == "1"
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(1000)
    notifier.close()


async def test_the_watchdog_beats_twice_in_its_time(systemd, autojump_clock):
    notifier = Notifier(systemd.address, 10.0)
    beats = []
    with trio.move_on_after(21):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifier.run)
            for _ in range(5):
                await trio.lowlevel.wait_readable(systemd)
                assert told(systemd) == {"WATCHDOG": "1"}
                beats.append(trio.current_time())
            await trio.sleep_forever()
    assert beats == [0, 5, 10, 15, 20]
    notifier.close()


MY_PID = str(os.getpid())


@pytest.mark.parametrize(
    ("watchdog", "seconds"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": MY_PID}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon", "WATCHDOG_PID": MY_PID}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
    ],
)
async def test_the_variables_of_systemd(systemd, watchdog, seconds):
    environment = {"NOTIFY_SOCKET": systemd.address, "HOME": "/", **watchdog}
    notifier = Notifier.from_environment(environment)
    assert environment == {"HOME": "/"}, "a game must not speak for the Portal"
    assert notifier.watchdog_seconds == seconds
    notifier.status("Here.")
    assert told(systemd) == {"STATUS": "Here."}
    if not seconds:
        await notifier.run()  # there is nothing to do
    notifier.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
async def test_where_nobody_is_told(address):
    with capture_logs() as logs:
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "5"})
        notifier.ready("Listening.")
        await notifier.run()
        notifier.close()
    assert [entry["event"] for entry in logs] == (["notify_socket_unknown"] if address else [])


def test_a_systemd_that_does_not_take_it(tmp_path):
    notifier = Notifier(str(tmp_path / "nobody"))
    with capture_logs() as logs:
        notifier.ready("Listening.")
    (entry,) = logs
    assert (entry["event"], entry["line"]) == ("systemd_not_told", "READY=1")
    assert entry["reason"] == os.strerror(errno.ENOENT)
    notifier.close()


# ---- a real Portal


GAME = """
import os
from portal.game import GameServer
game = GameServer("test game")
@game.inputfunc
def text(session, line, **kwargs):
    session.msg(text=str(sorted(name for name in os.environ if name[:6] in ("NOTIFY", "WATCHD"))))
game.run()
"""
SETTINGS = """
[telnet]
port = 0
[websocket]
port = 0
[http]
port = 0
[amp]
port = 0
"""


def skip_to(systemd, **expected):
    """Return the first message that says this; beats of the watchdog come at any time."""
    while True:
        message = told(systemd)
        if message == {"WATCHDOG": "1"}:
            continue
        if expected.items() <= message.items():
            return message
        assert message.keys() == {"STATUS"}, message


def test_the_life_of_a_portal(systemd, tmp_path):
    (tmp_path / "game.py").write_text(GAME)
    (tmp_path / "portal.toml").write_text(SETTINGS)
    words = ["run", "--config", str(tmp_path / "portal.toml"), "--json"]
    words += ["--server", f"{sys.executable} {tmp_path / 'game.py'}"]
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": systemd.address,
        "WATCHDOG_USEC": "200000",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "portal", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        try:
            status = skip_to(systemd, READY="1")["STATUS"]
            assert status == "Listening; the game is STARTING."
            skip_to(systemd, STATUS="Listening; the game is CONNECTED.")
            info = json.loads(process.stdout.readline())
            with socket.create_connection(info["telnet"][0], timeout=PATIENCE) as player:
                player.sendall(b"what?\r\n")
                while b"[]" not in player.recv(1000):
                    pass
            while told(systemd) != {"WATCHDOG": "1"}:
                pass
            process.send_signal(signal.SIGHUP)
            skip_to(systemd, RELOADING="1")
            skip_to(systemd, READY="1", STATUS="Listening; the game is CONNECTED.")
            process.send_signal(signal.SIGUSR1)
            skip_to(systemd, STATUS="Listening; the game is RELOADING.")
            skip_to(systemd, STATUS="Listening; the game is CONNECTED.")
            process.terminate()
            skip_to(systemd, STOPPING="1")
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
