"""Both ends of connections in one trio run: real sockets on loopback, nothing faked below."""

import socket
import struct
import time
from dataclasses import dataclass, field

import pytest
import trio

from portal.config import HubConfig
from portal.hub.hub import Hub
from portal.metrics import Metrics

PATIENCE = 10  # seconds of real time until a test that waits in vain gives up


@dataclass(eq=False)
class Recorder:
    """A protocol that notes all it hears; `at_data` may do more about data."""

    connection: object
    at_data: object = None
    half_open: bool = False
    data: bytes = b""
    events: list = field(default_factory=list)
    sessid: int | None = None

    def receive_data(self, data):
        assert data
        self.data += data
        if self.at_data is not None:
            self.at_data(data)

    def receive_eof(self):
        self.events.append("eof")
        if not self.half_open:
            self.connection.close()

    def connection_lost(self, error):
        self.events.append(("lost", error))

    @property
    def lost(self):
        return [event[1] for event in self.events if event[0] == "lost"]


class Peer:
    """The far end: a plain socket that does not block, and a few verbs."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.socket = sock
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock.dup()))

    async def read(self, length):
        data = b""
        while len(data) < length:
            more = await self.stream.receive_some(length - len(data))
            assert more, data
            data += more
        return data

    async def read_to_end(self):
        data = b""
        async for more in self.stream:
            data += more
        return data

    def send(self, data):
        assert self.socket.send(data) == len(data)

    def shut(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.stream.socket.close()
        self.socket.close()

    def reset(self):
        """Close with a reset in place of an end (TCP only)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


def tcp_pair(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        far = socket.create_connection(server.getsockname()[:2])
        near, _ = server.accept()
    return near, far


PAIRS = {"tcp": tcp_pair, "unix": socket.socketpair}


async def _until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await trio.lowlevel.checkpoint()


@pytest.fixture
def until():
    """Let the others run until something is so."""
    return _until


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def make_hub(metrics):
    return lambda **options: Hub(HubConfig(**options), metrics)


@pytest.fixture
async def hub(make_hub, nursery):
    """A hub that runs."""
    hub = make_hub()
    await nursery.start(hub.run)
    return hub


@pytest.fixture
def make_pair():
    """Make (near, far) of a kind of socket, plain; what is left is closed at the end."""
    made = []

    def make(kind="tcp", **options):
        pair = PAIRS[kind](**options)
        made.extend(pair)
        return pair

    yield make
    for sock in made:
        sock.close()


@pytest.fixture
async def connect(make_pair):
    """Give a hub one end of a pair: (recorder, peer)."""
    peers = []

    def connect(hub, kind="tcp", *, wrap=None, **options):
        near, far = make_pair(kind)
        if wrap is not None:
            near = wrap(fileno=near.detach())
        peer = Peer(far)
        peers.append(peer)
        connection = hub.add_socket(near, lambda made: Recorder(made, **options))
        return connection.protocol, peer

    yield connect
    for peer in peers:
        peer.close()


@pytest.fixture
def ready(until):
    """Wait until the kernel has input for a connection, before its hub looks."""

    async def wait(*recorders):
        for recorder in recorders:
            await trio.lowlevel.wait_readable(recorder.connection.fileno())

    return wait
