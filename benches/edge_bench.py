"""The edge alone: what an echo on websocket costs on the hub, and on what others build on."""

from contextlib import ExitStack

import processes
import rounds as turns
from results import Aim, aims_table, table, write

FLOOR = ("peers/epoll_echo.c", "websocket")
SERVERS = {
    "Portal's hub": "websocket_echo.py",
    "picows": "peers/websocket_picows.py",
    "websockets": "peers/websocket_asyncio.py",
    "autobahn": "peers/websocket_twisted.py",
    "trio-websocket": "peers/websocket_trio.py",
}
PORT = "websocket_port"
CROWDS = (100, 500)
IDLE = 1000

METHOD = """\
An echo of 60-byte text messages on websocket, without sessions and without a Server: on Portal's hub with its handshake and codec, and, in the same run and taking turns, on what else there is to build on. None of them compresses.
The server is pinned to one core, the load (`crates/load`) to another; CPU is the run time of the server's process for each message. Medians of {rounds} rounds of {seconds:g} s.

- *Portal's hub*: one trio task for all sockets, a native codec.
- *picows* on uvloop: callbacks, its protocol and loop compiled.
- *websockets*: an asyncio task for each connection. *trio-websocket*: a trio task for each.
- *autobahn* on Twisted: callbacks, as in the ancestor.
- *C echo*: one epoll, one `recv` and one `send` for each frame and the mask taken off."""


def run(*, quick=False):
    """Measures all sides; about two minutes, or twenty seconds where it is `quick`."""
    rounds, seconds = (1, 1.0) if quick else (3, 2.0)
    figures = {"rounds": rounds, "seconds": seconds}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(processes.server(script)) for name, script in SERVERS.items()
        }
        servers["C echo"] = stack.enter_context(processes.floor(*FLOOR))
        sides = {name: (child, ports[PORT]) for name, (child, ports) in servers.items()}
        figures["echo"] = {
            str(clients): turns.alternate(sides, rounds, measure(clients, seconds))
            for clients in CROWDS
        }
    figures["idle_clients"] = IDLE
    figures["idle_bytes"] = {name: idle_bytes(script) for name, script in SERVERS.items()}
    return figures


def measure(clients, seconds):
    """One round of one side."""

    def once(child, port):
        return processes.load(
            "talk",
            port,
            protocol="websocket",
            clients=clients,
            seconds=seconds,
            warmup=0.5,
            pid=child.pid,
        )

    return once


def idle_bytes(script):
    """Memory of the process for each websocket that does nothing."""
    with processes.server(script) as (child, ports):
        base = child.memory()
        with processes.idle(ports[PORT], IDLE, "websocket") as crowd:
            crowd.read()
            return (child.memory() - base) / IDLE


def aims(figures):
    """What the issue asks of the edge."""
    own = figures["echo"]["500"]["Portal's hub"]["cpu_us_each"]
    return [Aim("CPU of an echo on websocket, the edge alone, at 500", own, 7, "us")]


def report(figures):
    """Writes results/edge.md; returns the aims."""
    echoes = [
        [clients, side, taken["cpu_us_each"], taken["p50_us"], taken["p99_us"]]
        for clients, sides in figures["echo"].items()
        for side, taken in sides.items()
    ]
    idle = [[side, size / 1024] for side, size in figures["idle_bytes"].items()]
    goals = aims(figures)
    write(
        "edge",
        "The edge alone",
        figures,
        METHOD.format(**figures),
        "## Aims",
        aims_table(goals),
        "## An echo",
        table(["connections", "", "CPU us", "p50 us", "p99 us"], echoes),
        f"## Memory of an idle websocket, at {figures['idle_clients']}",
        table(["", "KB"], idle),
    )
    return goals
