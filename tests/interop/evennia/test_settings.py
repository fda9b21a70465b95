"""What a game has set, and its players notice; and what its log says of the rest."""

import os
import signal

import pytest
import trio

from evennia_game import SUPERUSER, TYPISTS, free_ports

pytestmark = pytest.mark.interop

TWISTED = """
from twisted.internet import reactor
def start_plugin_services(portal):
    raise RuntimeError("not to be run")
"""
SETTINGS = """
SERVERNAME = "Harbour"
TELNET_PORTS = [{ports[0]}, {ports[1]}]
MAX_CHAR_LIMIT = 200
MAX_CHAR_LIMIT_WARNING = "Shorter, please."
MAX_COMMAND_RATE = 4
COMMAND_RATE_WARNING = "Slower, please."
IDLE_COMMAND = "nothing"
SSL_ENABLED = True
SSL_PORTS = [{ports[2]}]
TELNET_PROTOCOL_CLASS = "server.conf.mine.Telnet"
PORTAL_SERVICES_PLUGIN_MODULES = ["server.conf.twisted_services", "server.conf.nowhere"]
PORTAL_LOG_MAX_SIZE = 4000
print("a game may print")
"""
BOT = (
    'py evennia.SESSION_HANDLER.start_bot_session("evennia.server.portal.irc.IRCBotFactory", '
    '{"uid": 1, "botname": "evbot", "channel": "#x"})'
)


@pytest.fixture(scope="module")
def changed_game(game_of_one_s_own, tmp_path_factory):
    """A game with much of its own, that runs."""
    ports = free_ports(3)
    folder = tmp_path_factory.mktemp("changed")
    with game_of_one_s_own(folder, way="hook", settings=SETTINGS.format(ports=ports)) as game:
        game.telnet = ports[0]
        (game.directory / "server/conf/twisted_services.py").write_text(TWISTED)
        game.start()
        yield game
        game.stop()


async def test_what_cannot_be_gone_by_is_named_and_the_game_runs(changed_game):
    events = changed_game.events()
    told = [(each["event"], each["docs"].partition("#")[2]) for each in events if "docs" in each]
    assert told == [
        ("evennia_ports_not_served", "tls-and-ssh"),
        ("evennia_class_ignored", "protocol-classes"),
        ("evennia_plugin_skipped", "plugin-services"),
        ("evennia_module_missing", "plugin-services"),
    ]
    assert "Traceback" not in changed_game.log("portal")
    info = await changed_game.launcher("info")
    assert "Harbour Portal" in info
    assert "(not served by this Portal)" in info


async def test_limits_with_the_game_s_own_words(changed_game):
    async with changed_game.players() as doors:
        for name, protocol in zip(TYPISTS, ("telnet", "websocket"), strict=False):
            player = await doors.log_in(name, protocol)
            await player.say("say " + "\N{SNOWMAN}" * 196)
            await player.expect("You say, ")
            await player.say("say " + "x" * 197)
            await player.expect("Shorter, please.")
            fast = await doors.connect(protocol)  # one is told of one limit a second
            for _ in range(12):
                await fast.say("look")
            await fast.expect("Slower, please.")


async def test_bytes_of_telnet(changed_game):
    async with changed_game.players() as doors:
        player = await doors.log_in(TYPISTS[2])
        await player.stream.send_all(b"say \xe9\xe8\r\n")
        await player.expect('You say, "éè"')
        await player.stream.send_all(b"\0")  # to the game it is a command that it answers nothing
        await player.say("quit")
        await player.until_closed()
    closed = changed_game.events("session_closed")[-1]
    assert closed["commands"] == 4


async def test_every_port(changed_game):
    for event in changed_game.events("portal_started")[-1:]:
        for address in event["telnet"]:
            async with await trio.open_tcp_stream(*address) as stream:
                assert await stream.receive_some()


async def test_a_bot_is_named_and_skipped(changed_game):
    async with changed_game.players() as doors:
        player = await doors.log_in(SUPERUSER)
        await player.say(BOT)
        await changed_game.until(lambda: changed_game.events("bot_skipped"), "the bot's line")
    (event,) = changed_game.events("bot_skipped")
    assert (event["botname"], event["channel"], event["uid"]) == ("evbot", "#x", 1)
    assert "Traceback" not in changed_game.log("server")


async def test_the_log_is_set_aside_and_opened_anew(changed_game):
    pid = changed_game.portal_pid()
    logs = changed_game.directory / "server/logs"
    (logs / "portal.log").rename(logs / "moved")
    os.kill(pid, signal.SIGHUP)
    async with changed_game.players() as doors:
        await changed_game.until((logs / "portal.log").exists, "the new log")
        for _ in range(20):
            player = await doors.connect()
            await player.expect("connect <username>")
        await changed_game.until(lambda: list(logs.glob("portal.log.2*")), "a log that is full")
    assert "config_refused" not in (logs / "moved").read_text()


async def test_the_command_line_finds_it(changed_game):
    for query, expected in (("status", "Harbour"), ("sessions", "session")):
        done = await run_portal(changed_game, query)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout.decode()


async def test_going_back(changed_game):
    """Without the line the game runs as before: what the Portal has left behind harms nothing."""
    stock = "evennia.server.portal.service.EvenniaPortalService"
    changed_game.configure(f"EVENNIA_PORTAL_SERVICE_CLASS = {stock!r}\n")
    changed_game.configure(
        "TELNET_PROTOCOL_CLASS = 'evennia.server.portal.telnet.TelnetProtocol'\n"
    )
    changed_game.configure("SSL_ENABLED = False\nPORTAL_SERVICES_PLUGIN_MODULES = []\n")
    before = len(changed_game.events("portal_started"))
    await changed_game.launcher("reboot")
    async with changed_game.players() as doors:
        player = await doors.log_in(TYPISTS[3])
        await player.say("look")
        await player.expect("Cell of")
    assert len(changed_game.events("portal_started")) == before


async def run_portal(game, *words):
    command = [game.python, "-m", "portal", *words, "--evennia", str(game.directory)]
    return await trio.run_process(
        [str(word) for word in command],
        env=game.environment,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
