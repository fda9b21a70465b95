"""An Evennia game, and what is started from it: either Portal, and the game's Server."""

import contextlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import processes

ROOT = Path(__file__).parents[1]
PYTHON = "PORTAL_EVENNIA_PYTHON"
BESIDE = ROOT / ".evennia/5.0.1/bin/python"
TWISTD = processes.HERE / "peers/evennia_portal.py"
BEGINNING = processes.HERE / "peers/evennia_beginning.py"
PLAYER = ("bench", "a password for the bench")
STEP_SECONDS = 120  # a step of making a game, on a busy machine
PORTS = "PORTAL_BENCH_PORTS"

# Throttles are out of the way, and whatever is started gets ports of its own: both Portals stand
# beside each other, so that they can take turns.
SETTINGS = f"""
import os

_ports = [int(port) for port in os.environ["{PORTS}"].split()]
TELNET_PORTS = [_ports[0]]
WEBSOCKET_CLIENT_PORT = _ports[1]
AMP_PORT = _ports[2]
WEBSERVER_PORTS = [tuple(_ports[3:])]
TELNET_INTERFACES = WEBSERVER_INTERFACES = ["127.0.0.1"]
WEBSOCKET_CLIENT_INTERFACE = "127.0.0.1"
MAX_CONNECTION_RATE = MAX_COMMAND_RATE = 1_000_000
"""


def find_python():
    """The Python of an environment with Evennia and this Portal in it, or None."""
    path = Path(os.environ.get(PYTHON) or BESIDE)
    return path if path.exists() else None


class Game:
    """A game's directory and the Python that runs it. `made()` makes one."""

    def __init__(self, directory, python):
        self.directory, self.python = directory, python

    def run(self, *command, cwd=None, **environment):
        """One step, to its end: what it prints. RuntimeError with all it said where it fails."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.directory,
            env=_environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise RuntimeError(f"{command} ended with {done.returncode}: {said}")
        return done.stdout

    def populate(self):
        """Makes its database, its first player and its first room; some ten seconds."""
        self.run(self.python, "-m", "django", "migrate", "--verbosity=0", **self._django())
        self.run(self.python, BEGINNING, *PLAYER)

    def _django(self):
        return {"DJANGO_SETTINGS_MODULE": "server.conf.settings", "PYTHONPATH": self.directory}

    @contextlib.contextmanager
    def stock(self):
        """Evennia's own Portal: (child, its ports by name)."""
        with self._running(processes.cores()[0], free_ports(), TWISTD) as child:
            yield child, child.read()

    @contextlib.contextmanager
    def portal(self):
        """This Portal: the same."""
        command = ["-m", "portal", "run", "--evennia", self.directory, "--json"]
        with self._running(processes.cores()[0], free_ports(), *command) as child:
            info = child.read()
            ways = {f"{way}_port": info[way][0][1] for way in ("telnet", "websocket")}
            yield child, {**ways, "amp_port": info["amp"][1]}

    @contextlib.contextmanager
    def server(self, amp_port):
        """Its Server, which dials in there, on the core of the load."""
        ports = f"1 2 {amp_port} 4 {free_ports().split()[0]}"
        with self._running(processes.cores()[1], ports, TWISTD, "server") as child:
            child.read()
            yield child

    def _running(self, core, ports, *arguments):
        return processes.running(
            [self.python, *arguments],
            core,
            cwd=self.directory,
            env=_environment(**{PORTS: ports}),
        )


@contextlib.contextmanager
def made(python):
    """A new game without a database, in a directory that goes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        game = Game(Path(folder, "game"), python)
        evennia = python.with_name("evennia")
        game.run(evennia, "--init", "game", cwd=folder)
        with Path(game.directory, "server/conf/settings.py").open("a") as file:
            file.write(SETTINGS)
        yield game


def _environment(**own):
    """What a process of a game inherits: Portal's own environment points into another Python."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {PORTS: "1 2 3 4 5", **given, **{name: str(value) for name, value in own.items()}}


def free_ports():
    """Five ports that nobody listens at, as one text: Evennia's settings have no 0."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(5)]
        return " ".join(str(one.getsockname()[1]) for one in sockets)
