"""A link over a connection that is not there: what was written can be read, nothing is sent."""

import struct
from dataclasses import dataclass, field

import pytest

from portal.amp.link import Link
from portal.config import AmpConfig, HubConfig
from portal.hub.hub import Hub
from portal.metrics import Metrics


@dataclass
class RecordingConnection:
    """Stands in for a connection of the hub: notes what its protocol asks of it."""

    peer: object = ("127.0.0.1", 50000)
    address: str = "127.0.0.1"
    is_local: bool = True
    written: bytes = b""
    close_reason: str | None = None
    abort_reason: str | None = None

    def write(self, data):
        assert isinstance(data, bytes)
        if self.close_reason is None and self.abort_reason is None:
            self.written += data

    def close(self, reason=""):
        self.close_reason = reason

    def abort(self, reason=""):
        self.abort_reason = reason

    def take(self):
        data, self.written = self.written, b""
        return data

    def take_boxes(self):
        return parse(self.take())


@dataclass
class RecordingDeadlines:
    """Stands in for a deadline queue: the items that run, and what was done."""

    running: list = field(default_factory=list)
    calls: list = field(default_factory=list)

    def start(self, item):
        assert item not in self.running
        self.running.append(item)
        self.calls.append("start")

    def restart(self, item):
        assert item in self.running
        self.calls.append("restart")

    def cancel(self, item):
        assert item in self.running
        self.running.remove(item)
        self.calls.append("cancel")


def serialise(**box):
    """Write one box by the rules of AMP and nothing else; names as text, values as bytes."""
    out = b""
    for key in sorted(name.encode() for name in box):
        value = box[key.decode()]
        out += struct.pack("!H", len(key)) + key + struct.pack("!H", len(value)) + value
    return out + b"\0\0"


def parse(data):
    """Read complete boxes, with text for keys."""
    boxes, box = [], {}
    while data:
        (length,) = struct.unpack("!H", data[:2])
        if not length:
            boxes.append(box)
            data, box = data[2:], {}
            continue
        key, data = data[2 : 2 + length], data[2 + length :]
        (length,) = struct.unpack("!H", data[:2])
        box[key.decode()], data = data[2 : 2 + length], data[2 + length :]
    assert not box
    return boxes


@pytest.fixture
def wire():
    """The two functions that speak AMP without the code under test."""

    class Wire:
        box = staticmethod(serialise)
        parse = staticmethod(parse)

    return Wire


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def make_connection():
    return RecordingConnection


@pytest.fixture
def deadlines():
    return RecordingDeadlines()


@pytest.fixture
async def hub(metrics, nursery):
    """A real hub, which runs as long as the test."""
    hub = Hub(HubConfig(), metrics)
    await nursery.start(hub.run)
    return hub


@pytest.fixture
def plug(hub, metrics):
    """Put a link on one end of a connected socket, on the real hub."""

    def make(sock, *, responders=None, packed=None, **options):
        def make_protocol(connection):
            return Link(
                connection,
                AmpConfig(),
                metrics,
                responders=responders or {},
                packed=packed or {},
                **options,
            )

        return hub.add_socket(sock, make_protocol).protocol

    return make


@pytest.fixture
def make_link(metrics):
    """Make a link over a recording connection; its `connection` is the recorder."""

    def make(*, responders=None, packed=None, config=None, **options):
        return Link(
            RecordingConnection(),
            config or AmpConfig(),
            metrics,
            responders=responders or {},
            packed=packed or {},
            **options,
        )

    return make
