"""A real Evennia game in a directory of its own, its launcher, and players of it."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio
import trio_websocket

from players import PATIENCE, Player, WebPlayer

# `stock` is Evennia's own Portal: what no test may ask of the game is found out with it.
WAYS = ("hook", "run", "stock")
HOOK = "portal.evennia.PortalService"
# Below what Linux gives to outgoing connections, so that nobody has one while a game is down.
PORTS = range(20000, 32768)
LAUNCHER_SECONDS = 60  # the launcher itself gives up earlier

SUPERUSER = "Admin"
PASSWORD = "lamp-oil-and-rope"
TYPISTS = tuple(f"Typist{number:02}" for number in range(20))  # each in a room of its own
FRIENDS = ("Berta", "Carlo", "Dora")  # together in Limbo
SUPERUSER_ENVIRONMENT = {
    "EVENNIA_SUPERUSER_USERNAME": SUPERUSER,
    "EVENNIA_SUPERUSER_PASSWORD": PASSWORD,
    "EVENNIA_SUPERUSER_EMAIL": "admin@example.com",
}

# What goes into the game's secret_settings.py: a test comes often and from one address.
COMMON = """
TELNET_INTERFACES = WEBSERVER_INTERFACES = ["127.0.0.1"]
WEBSOCKET_CLIENT_INTERFACE = "127.0.0.1"
MAX_CONNECTION_RATE = 100
MAX_COMMAND_RATE = 1000
CREATION_THROTTLE_LIMIT = LOGIN_THROTTLE_LIMIT = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""
# The first start's own work, but for the restart at its end; then those who will play.
POPULATE = """
import django
django.setup()
import evennia
evennia._init()
from django.conf import settings
from evennia import AccountDB, create_object, search_object
from evennia.accounts.accounts import DefaultAccount
from evennia.server.initial_setup import handle_setup
from typeclasses.accounts import Account

settings.TEST_ENVIRONMENT = True
AccountDB.objects.create_superuser({superuser!r}, "admin@example.com", {password!r})
handle_setup()
for name in {typists!r} + {friends!r}:
    account, errors = Account.create(username=name, password={password!r})
    assert account, errors
    character = search_object(name)[0]
    if name in {typists!r}:
        room = create_object("typeclasses.rooms.Room", key="Cell of " + name)
        character.home = room
        character.location = None
        character.db.prelogout_location = room
    account.db._last_puppet = character
"""


class GameFailed(AssertionError):
    """A game that does not do what it was told, with what its logs say last."""


def free_ports(number):
    """Choose ports that nobody listens on."""
    found = []
    while len(found) < number:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def make_environment(python):
    """What a shell has in which that environment was activated, and nothing of the tests'."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "PORTAL", "PYTHON", "DJANGO", "EVENNIA"))
    }
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    environment["VIRTUAL_ENV"] = str(python.parents[1])
    return environment


def make_templates(python, folder):
    """Make a game that was never started, `fresh`, and one that people play, `played`."""
    environment = make_environment(python)

    def run(*words, directory, given=None):
        done = subprocess.run(
            words,
            cwd=directory,
            env=environment,
            input=given,
            stdin=None if given else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * LAUNCHER_SECONDS,
            check=False,
        )
        if done.returncode:
            raise GameFailed(f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}")

    fresh, played = folder / "fresh", folder / "played"
    run(python.with_name("evennia"), "--init", "fresh", directory=folder)
    with (fresh / "server/conf/secret_settings.py").open("a") as settings:
        settings.write(COMMON)
    run(python.with_name("evennia"), "migrate", directory=fresh)
    shutil.copytree(fresh, played)
    names = {"superuser": SUPERUSER, "password": PASSWORD, "typists": TYPISTS, "friends": FRIENDS}
    environment |= {"DJANGO_SETTINGS_MODULE": "server.conf.settings", "PYTHONPATH": str(played)}
    run(python, "-", directory=played, given=POPULATE.format(**names))
    return fresh, played


class Game:
    """One game, from a copy of a template; `way` says which Portal is in front of it and how."""

    def __init__(self, python, template, directory, way, settings=""):
        shutil.copytree(template, directory)
        self.python = python
        self.directory = directory
        self.way = way
        self.telnet, self.web, self.web_internal, self.websocket, self.amp = free_ports(5)
        self.environment = make_environment(python)
        self.foreground = None  # the Portal of `portal run`
        self.everybody = set()  # pids of all that ever ran
        self.configure(
            f"TELNET_PORTS = [{self.telnet}]\n"
            f"WEBSERVER_PORTS = [({self.web}, {self.web_internal})]\n"
            f"WEBSOCKET_CLIENT_PORT = {self.websocket}\n"
            f"AMP_PORT = {self.amp}\n"
            + (f"EVENNIA_PORTAL_SERVICE_CLASS = {HOOK!r}\n" if way == "hook" else "")
            + settings
        )

    def configure(self, settings):
        """Add lines to the game's settings."""
        with (self.directory / "server/conf/secret_settings.py").open("a") as file:
            file.write(settings)

    # ---- its launcher

    def launch(self, *words, check=True, **environment):
        """Run `evennia WORDS`; returns it with all that it printed as `stdout`."""
        command = [self.python.with_name("evennia"), *words]
        try:
            done = subprocess.run(
                command,
                cwd=self.directory,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LAUNCHER_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            printed = (error.stdout or b"").decode()
            raise self.failed(f"evennia {words} did not end: {printed}") from error
        self.processes()
        if check and done.returncode:
            raise self.failed(f"evennia {words} returned {done.returncode}: {done.stdout}")
        return done

    async def do(self, method, *words, **options):
        """Call one of the other methods while players play: `await game.do(game.start)`."""
        return await trio.to_thread.run_sync(partial(method, *words, **options))

    async def launcher(self, *words):
        """Run `evennia WORDS` while players play; returns what it printed."""
        return (await self.do(self.launch, *words)).stdout

    def start(self, **environment):
        """Start Portal and Server; returns when the launcher says that they run."""
        if self.way == "run":
            self.start_portal()
        done = self.launch("start", **environment)
        self.wait_for(self.server_pid, "a Server")
        if self.way == "run":  # the launcher, which started no Portal, does not wait for a Server
            self.wait_for(self.is_connected, "the Server's link")
        return done.stdout

    def state(self):
        """Return what the Portal's log says of the Server (docs/lifecycle.md)."""
        events = self.events("server_state")
        return events[-1]["state"] if events else "DOWN"

    def start_server(self):
        """Start the Server alone, and in the foreground; returns its process."""
        (server,) = self.python.parents[1].glob(
            "lib/python*/site-packages/evennia/server/server.py"
        )
        return subprocess.Popen(
            [
                self.python.with_name("twistd"),
                "--nodaemon",
                f"--python={server}",
                f"--pidfile={self.server_pid_file}",
            ],
            cwd=self.directory,
            env=self.environment
            | {"DJANGO_SETTINGS_MODULE": "server.conf.settings", "PYTHONPATH": str(self.directory)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def is_connected(self):
        return self.state() == "CONNECTED"

    def start_portal(self, *words):
        """Start `portal run` in the foreground, until it can be asked for."""
        command = [self.python, "-m", "portal", "run", "--evennia", self.directory, *words]
        with self.foreground_log.open("ab") as log:
            self.foreground = subprocess.Popen(
                command,
                cwd=self.directory.parent,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.wait_for(lambda: self.foreground.poll() is not None or self.listens(), "the Portal")
        if self.foreground.returncode is not None:
            raise self.failed(f"portal run returned {self.foreground.returncode}")

    @property
    def foreground_log(self):
        return self.directory / "server/logs/foreground.log"

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.amp)) == 0

    def stop(self):
        """Stop both; returns what the launcher printed."""
        done = self.launch("stop")
        if self.foreground is not None:
            self.foreground.wait(PATIENCE)
        self.wait_for(lambda: not self.processes(), "the end of all processes")
        return done.stdout

    def close(self):
        """End whatever is left of it."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.foreground is not None:
            self.foreground.kill()
            self.foreground.wait()
        self.wait_for(lambda: not self.processes(), "the end of all processes")

    # ---- its processes

    @property
    def portal_pid_file(self):
        return self.directory / "server/portal.pid"

    @property
    def server_pid_file(self):
        return self.directory / "server/server.pid"

    def portal_pid(self):
        return read_pid(self.portal_pid_file)

    def server_pid(self):
        return read_pid(self.server_pid_file)

    def processes(self):
        """Return the pids of all that runs in the game's directory or was started by it."""
        found = {
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if runs(entry) and working_directory(entry) == self.directory
        }
        if self.foreground is not None and self.foreground.poll() is None:
            found.add(self.foreground.pid)
        self.everybody |= found
        return found

    def wait_for(self, condition, what, seconds=PATIENCE):
        """Wait until a condition holds that another process brings about; returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise self.failed(f"waited in vain for {what}")
            time.sleep(0.02)
        return value

    async def until(self, condition, what, seconds=PATIENCE):
        """The same while players play."""
        deadline = trio.current_time() + seconds
        while not (value := condition()):
            if trio.current_time() > deadline:
                raise self.failed(f"waited in vain for {what}")
            await trio.sleep(0.02)
        return value

    def assert_nothing_left(self):
        """No process that was ever seen runs, no pid file is there, and nobody listens."""
        assert [pid for pid in self.everybody if runs(Path(f"/proc/{pid}"))] == []
        assert not self.portal_pid_file.exists()
        assert not self.server_pid_file.exists()
        assert not self.listens()

    # ---- its logs

    def log(self, name):
        """Return what the log of the portal or the server holds."""
        path = self.directory / "server/logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.is_file() else ""

    def events(self, name=None):
        """Return the Portal's log events, of one name or all."""
        lines = (self.log("portal") + self.log("foreground")).splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if name in {None, event.get("event")}]

    def failed(self, what):
        """Return an error that shows the ends of the logs, to be raised."""
        ends = [
            f"--- {name}.log\n{self.log(name)[-2000:]}"
            for name in ("portal", "foreground", "server")
        ]
        return GameFailed("\n".join([what, *ends]))

    # ---- its players

    @asynccontextmanager
    async def players(self):
        """Let people connect, and hang up at the end: `async with game.players() as doors`."""
        async with trio.open_nursery() as nursery:
            doors = Doors(self, nursery)
            try:
                yield doors
            finally:
                for player in doors.players:
                    await trio.aclose_forcefully(player.stream)
                nursery.cancel_scope.cancel()


def read_pid(path):
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def runs(process):
    """Whether a process (its folder in /proc) runs: one that only waits to be reaped does not."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def working_directory(process):
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None


class Doors:
    """The ways into a game."""

    def __init__(self, game, nursery):
        self.game = game
        self.nursery = nursery
        self.players = []

    async def connect(self, protocol="telnet"):
        """Connect; returns the player before the login screen has come."""
        if protocol == "telnet":
            player = Player(await trio.open_tcp_stream("127.0.0.1", self.game.telnet))
        else:
            stream = await trio.open_tcp_stream("127.0.0.1", self.game.websocket)
            host = f"127.0.0.1:{self.game.websocket}"
            websocket = await trio_websocket.wrap_client_stream(self.nursery, stream, host, "/")
            player = WebPlayer(websocket, stream)
        player.name = None
        self.players.append(player)
        self.nursery.start_soon(player.read)
        return player

    async def log_in(self, name, protocol="telnet"):
        """Connect, and log in with an account that there is; returns the player."""
        player = await self.connect(protocol)
        player.name = name
        await player.expect("connect <username>")
        await player.say(f"connect {name} {PASSWORD}")
        await player.expect(f"You become {name}")
        return player
