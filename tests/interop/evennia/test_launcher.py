"""Evennia's launcher, unmodified, finds in the Portal all that it expects of one."""

import re
import signal
from pathlib import Path

import pytest

from evennia_game import SUPERUSER, SUPERUSER_ENVIRONMENT
from players import PATIENCE

pytestmark = pytest.mark.interop


def test_status_and_info(game):
    status = game.launch("status").stdout
    assert re.search(rf"Portal: .*RUNNING.* \(pid {game.portal_pid()}\)", status)
    assert re.search(rf"Server: .*RUNNING.* \(pid {game.server_pid()}\)", status)
    assert "NOT RUNNING" not in status
    info = game.launch("info").stdout
    for line in (
        rf"telnet.*: {game.telnet}",
        rf"webserver-proxy.*: {game.web}",
        rf"webclient-websocket.*: {game.websocket}",
        rf"webserver: {game.web_internal}",
        rf"amp: {game.amp}",
    ):
        assert re.search(line, info)


def test_what_runs_is_left_running(game):
    portal, server = game.portal_pid(), game.server_pid()
    said = game.launch("start").stdout
    assert f"Portal is already running as process {portal}" in said
    assert f"Server is already running as process {server}" in said
    assert (game.portal_pid(), game.server_pid()) == (portal, server)


def test_nothing_of_the_settings_can_be_read_by_others(game):
    """The key of the website's sessions is neither on a command line nor handed to children."""
    settings = (game.directory / "server/conf/secret_settings.py").read_text()
    key = re.search(r"^SECRET_KEY = '(.*)'$", settings, re.MULTILINE)[1].encode()
    for pid in (game.portal_pid(), game.server_pid()):
        for file in ("cmdline", "environ"):
            assert key not in Path(f"/proc/{pid}/{file}").read_bytes()
    # What twistd leaves would make the Portal's files its owner's alone.
    assert "Umask:\t0022" in Path(f"/proc/{game.portal_pid()}/status").read_text()


async def stop_by_launcher(game, owner):
    assert "Evennia shut down." in await game.launcher("stop")


async def reboot_and_shut_down(game, owner):
    portal, server = game.portal_pid(), game.server_pid()
    assert "Evennia running." in await game.launcher("reboot")
    await owner.until_closed()
    assert {portal, server}.isdisjoint({game.portal_pid(), game.server_pid()})
    async with game.players() as doors:
        owner = await doors.log_in(SUPERUSER)
        await owner.say("@shutdown")
        await owner.until_closed()


@pytest.mark.parametrize(
    ("way", "end"), [("hook", reboot_and_shut_down), ("run", stop_by_launcher)]
)
async def test_a_game_from_its_first_start_to_its_end(new_game, way, end):
    """The first Server orders a reset as soon as it runs; the owner is in before that is done."""
    game = new_game(way=way, fresh=True)
    assert "Evennia running." in await game.do(game.start, **SUPERUSER_ENVIRONMENT)
    async with game.players() as doors:
        owner = await doors.log_in(SUPERUSER)
        await game.until(lambda: "Restarting Server once" in game.log("server"), "the set-up")
        await owner.say("@reload")
        await owner.expect("Server restart initiated")
        await owner.expect("... Server restarted.")
        assert "Server reset" in await game.launcher("reset")
        await owner.expect("... Server restarted.")
        await owner.say("look")
        await owner.expect("Welcome to your new Evennia-based game")
        await end(game, owner)
        await owner.until_closed()
    await game.until(lambda: not game.processes(), "the end of all processes")
    game.assert_nothing_left()
    assert game.launch("status").stdout.count("NOT RUNNING") == 2


@pytest.mark.parametrize("connected", [True, False])
def test_the_end_of_the_portal_in_the_foreground(new_game, connected):
    """Also while the Server is just going into the background, which nobody can stop there."""
    game = new_game(way="run")
    game.start_portal("--start")
    game.wait_for(game.is_connected if connected else game.server_pid, "the Server")
    game.foreground.send_signal(signal.SIGTERM if connected else signal.SIGINT)
    assert game.foreground.wait(PATIENCE) == 0
    game.wait_for(lambda: not game.processes(), "the end of all processes")
    game.assert_nothing_left()
