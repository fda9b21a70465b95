"""The hub alone: CPU of one 60-byte echo, and memory of an idle connection.

The peer is the same echo as trio programs write it, one task and one SocketStream a connection.

    python hub_echo.py                  measures, prints JSON
    python hub_echo.py serve hub|trio   prints {"port": ...} and serves
"""

import gc
import json
import resource
import statistics
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import trio

import processes
from portal.config import HubConfig, LimitsConfig
from portal.hub.hub import Hub
from portal.hub.listener import Admission, Listener, open_tcp_sockets
from portal.metrics import Metrics

SIDES = ("hub", "trio")
CROWDS = (100, 500)
IDLE = 10_000
BACKLOG = 4096
GREETING = b"\r\n"  # by which an idle client knows that it is served
RECEIVE_BYTES = 16 * 1024
EVERYBODY = LimitsConfig(
    connections=1_000_000,
    connections_per_address=1_000_000,
    connections_per_second=1e6,
    connection_burst=1_000_000,
)


class Echo:
    """Sends back what comes."""

    __slots__ = ("connection",)

    def __init__(self, connection):
        self.connection = connection
        connection.write(GREETING)

    def receive_data(self, data):
        self.connection.write(data)

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


def tell(name, port):
    # As a Portal does after its start: what is there by now is not garbage.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    print(json.dumps({name: port}), flush=True)


async def serve_hub(make_protocol=Echo, name="port"):
    """Serves on a hub; `name` is that of the port in what it prints."""
    hub = Hub(HubConfig(), Metrics())
    sockets = open_tcp_sockets(["127.0.0.1"], 0, BACKLOG)
    listener = Listener(hub, "echo", sockets, make_protocol, admission=Admission(EVERYBODY))
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        ((_, port),) = await nursery.start(listener.run)
        tell(name, port)


async def echo(stream):
    with suppress(trio.BrokenResourceError):
        await stream.send_all(GREETING)
        while data := await stream.receive_some(RECEIVE_BYTES):
            await stream.send_all(data)


async def serve_trio():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
    tell("port", listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(echo, listeners)


@contextmanager
def server(side):
    """The server of one side in a process of its own: (child, port)."""
    command = [sys.executable, Path(__file__), "serve", side]
    with processes.running(command, processes.cores()[0]) as child:
        yield child, child.read()["port"]


def echoes(rounds, seconds):
    """Figures of both sides in turn, the median of several rounds: clients -> side -> figures."""
    figures = {}
    with ExitStack() as stack:
        servers = {side: stack.enter_context(server(side)) for side in SIDES}
        for clients in CROWDS:
            taken = {side: [] for side in SIDES}
            for _ in range(rounds):
                for side, (child, port) in servers.items():
                    taken[side].append(
                        processes.load(
                            "talk",
                            port,
                            clients=clients,
                            seconds=seconds,
                            warmup=0.5,
                            pid=child.pid,
                        )
                    )
            figures[str(clients)] = {
                side: {name: statistics.median(r[name] for r in runs) for name in runs[0]}
                for side, runs in taken.items()
            }
    return figures


def idle_bytes(side, clients):
    """Memory of the process for each connection that does nothing."""
    with server(side) as (child, port):
        base = child.memory()
        with processes.idle(port, clients) as crowd:
            crowd.read()
            return (child.memory() - base) / clients


def run(*, quick=False):
    """Measure: {"echo": {"100": {"hub": {...}, "trio": {...}}, ...}, "idle_bytes": {...}}."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = min(1000 if quick else IDLE, hard - 100)
    return {
        "echo": echoes(1 if quick else 3, 1 if quick else 3),
        "idle_clients": clients,
        "idle_bytes": {side: idle_bytes(side, clients) for side in SIDES},
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", "hub"]:
            trio.run(serve_hub)
        case ["serve", "trio"]:
            trio.run(serve_trio)
        case arguments:
            print(json.dumps(run(quick="--quick" in arguments), indent=1))
