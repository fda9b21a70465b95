"""Coming, going, coming back after a restart; and the program itself."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from portal.demo import game
from portal.demo.players import FILE


async def test_others_hear_who_comes_and_goes(town, anna):
    bert = await town.enter(2, "Bert")
    assert town.portal.take(1) == ["Bert arrives."]
    town.sessions.portal_disconnect(bert)
    assert town.portal.take(1) == ["Bert has left."]
    assert [person.name for person in town.people] == ["Anna"]


async def test_one_who_never_got_in_goes_unnoticed(town, anna):
    town.sessions.portal_disconnect(town.connect(2))
    assert town.portal.take(1) == []


async def test_the_newer_session_takes_over(town, anna, bert):
    newer = await town.enter(3, "anna")
    assert not anna.connected
    reason = town.portal.admin[-2][2]["reason"]
    assert reason == "You have come in from somewhere else, so this connection ends."
    assert [person.name for person in town.people] == ["Anna", "Bert"]
    assert town.person(newer).name == "Anna"
    assert town.portal.take(2) == []
    await town.type(newer, "say still me")
    assert town.portal.take(2) == ['Anna says, "still me"']


async def test_after_a_restart_everybody_is_where_they_were(town, anna, bert):
    await town.type(anna, "s", "e")
    town.portal.take(1)
    town.portal.take(2)
    town.restart()
    assert town.portal.take(1) == ["The game is back. You are still here: Foot of the Lighthouse."]
    assert town.portal.take(2) == ["The game is back. You are still here: Market Square."]
    anna, bert = town.sessions.all()
    await town.type(anna, "up")
    assert town.portal.take(1)[0].startswith("The Lamp Room\n")
    await town.type(bert, "tell anna hello")
    assert town.portal.take(1) == ['Bert tells you, "hello"']


async def test_names_that_were_lost_with_the_file_are_made_anew(town, anna):
    before = anna.uid
    town.store._database.execute("DELETE FROM players")
    town.restart()
    session = town.sessions.get(1)
    assert session.uid == town.store.find("Anna").uid != before
    assert town.portal.take(1) == ["The game is back. You are still here: Market Square."]


async def test_a_take_over_that_a_crash_cut_short_is_finished(town, anna):
    data = {
        sessid: {"sessid": sessid, "uid": anna.uid, "uname": "Anna", "logged_in": True}
        for sessid in (1, 2)
    }
    town.start()
    town.sessions.portal_sessions_sync(data, 1.0)
    (session,) = town.sessions.all()
    assert session.sessid == 2


async def test_a_message_without_a_line_is_an_empty_one(town, anna):
    await town.demo.text(anna)
    assert town.portal.take(1) == []


def test_it_dies_as_by_kill_9():
    code = "from portal.demo.game import kill_this_process; kill_this_process(); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize("by", ["argument", "environment", "default"])
def test_the_program(tmp_path, by):
    """It opens its file, dials, is told to leave before anybody answers, and closes the file."""
    data = tmp_path / ("portal-demo-data" if by == "default" else "elsewhere")
    words = ["--data", str(data)] if by == "argument" else []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PORTAL_")}
    environment["PORTAL_AMP"] = f"unix:{tmp_path / 'nobody'}"
    if by == "environment":
        environment[game.DATA_VARIABLE] = str(data)
    with subprocess.Popen(
        [sys.executable, "-m", "portal.demo", *words],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        patience = threading.Timer(20, process.kill)
        patience.start()
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "portal_unreachable" in line:
                process.terminate()
        patience.cancel()
        assert process.wait() == 0
    assert re.search("demo_begins.*forgotten_guests", lines[0])
    assert "game_leaves" in lines[-1]
    assert (data / FILE).is_file()
    assert not (data / f"{FILE}-wal").exists()  # it was closed


def test_the_program_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "portal.demo", "--help"], capture_output=True, text=True, check=True
    )
    assert "--data DIR" in done.stdout
    assert game.DATA_VARIABLE in done.stdout
