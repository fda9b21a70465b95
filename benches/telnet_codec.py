"""Telnet without a socket: what a line costs each way, beside Twisted's, and what a session weighs.

python benches/telnet_codec.py [--quick]
"""

import gc
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from twisted.conch.telnet import StatefulTelnetProtocol, TelnetTransport
from twisted.internet.testing import StringTransport

from portal.config import Config
from portal.metrics import Metrics
from portal.protocols.telnet import TelnetProtocol
from portal.wire.telnet import TelnetCodec
from timing import timed

LINE = b"look at the old oak table that stands in the corner of it\r\n"
PASTE = LINE * (16 * 1024 // len(LINE))
PLAIN = LINE.decode().strip()
COLOURED = "|rThe old oak table|n stands in the |gcorner|n of the room here."
NEGOTIATION = bytes.fromhex("ff fa 1f 00 50 00 18 ff f0")
# What a kind of client says after the offers.
CLIENTS = {
    "silent": [],
    "mud client": [
        bytes.fromhex("ff fb 18 ff fb 1f ff fa 1f 00 50 00 18 ff f0"),
        b"\xff\xfa\x18\0TINTIN++\xff\xf0",
        b"\xff\xfa\x18\0xterm-256color\xff\xf0",
        b"\xff\xfa\x18\0MTTS 271\xff\xf0",
    ],
}
SESSIONS = 10_000


class Nowhere:
    """A connection, a hub and a sessionhandler that do nothing."""

    address = "192.0.2.1"
    seconds = 0.0  # of its queues of deadlines: none keeps anybody alive

    def write(self, data):
        pass

    def close(self, reason=""):
        pass

    def now(self):
        return 0.0

    def deadlines(self, seconds, expired):
        return self

    def start(self, item):
        pass

    def cancel(self, item):
        pass

    def connect(self, session):
        pass

    def disconnect(self, session):
        pass

    def sync(self, session):
        pass

    def data_in(self, session, text=None, /, **kwargs):
        pass


class TwistedTelnet:
    """A player on Twisted's telnet classes, as Evennia uses them."""

    def __init__(self):
        self.protocol = TelnetTransport(StatefulTelnetProtocol)
        self.protocol.makeConnection(StringTransport())
        self.inner = self.protocol.protocol
        self.inner.lineReceived = lambda line: None

    def receive(self, data):
        self.protocol.dataReceived(data)

    def send(self, text):
        self.protocol.write(text.encode() + b"\r\n")
        self.protocol.transport.clear()


def make_session():
    nowhere = Nowhere()
    session = TelnetProtocol(Config(), Metrics(), nowhere, nowhere).make_protocol(nowhere)
    session.at_settled()
    return session


def subjects():
    """Each measurement: its name, how many things one call does, and the sides to take turns."""
    codec, session, twisted = TelnetCodec(8192, 65536), make_session(), TwistedTelnet()
    pieces = [LINE[at : at + 1] for at in range(len(LINE))]

    def by_bytes(receive):
        for piece in pieces:
            receive(piece)

    return {
        "a line in": (
            1,
            {
                "codec": lambda: codec.receive_data(LINE),
                "session": lambda: session.receive_data(LINE),
                "twisted": lambda: twisted.receive(LINE),
            },
        ),
        "a line of 16 KB of them": (
            len(PASTE) // len(LINE),
            {
                "codec": lambda: codec.receive_data(PASTE),
                "session": lambda: session.receive_data(PASTE),
                "twisted": lambda: twisted.receive(PASTE),
            },
        ),
        "a line, byte by byte": (
            1,
            {
                "codec": lambda: by_bytes(codec.receive_data),
                "session": lambda: by_bytes(session.receive_data),
                "twisted": lambda: by_bytes(twisted.receive),
            },
        ),
        "a window size": (1, {"codec": lambda: codec.receive_data(NEGOTIATION)}),
        "a text out": (
            1,
            {
                "codec": lambda: codec.encode_text(PLAIN),
                "session": lambda: session.send_text(PLAIN, options={}),
                "twisted": lambda: twisted.send(PLAIN),
            },
        ),
        "a coloured text out": (1, {"session": lambda: session.send_text(COLOURED, options={})}),
    }


def measure(*, quick):
    """Microseconds for each side of each subject: medians of sides that take turns."""
    rounds, seconds = (3, 0.02) if quick else (9, 0.1)
    figures = {}
    for name, (things, sides) in subjects().items():
        samples = {side: [] for side in sides}
        for _ in range(rounds):
            for side, function in sides.items():
                samples[side].append(timed(function, seconds) / things * 1e6)
        figures[name] = {side: statistics.median(taken) for side, taken in samples.items()}
    return figures


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def weigh(kind):
    """Bytes of a whole session: itself, its flags, codec and options. Once in a process."""
    nowhere = Nowhere()
    protocol = TelnetProtocol(Config(), Metrics(), nowhere, nowhere)
    make_session(), gc.collect()
    sessions = [None] * SESSIONS
    before = resident()
    for place in range(SESSIONS):
        session = sessions[place] = protocol.make_protocol(nowhere)
        for data in CLIENTS[kind]:
            session.receive_data(data)
    return (resident() - before) / SESSIONS


def weigh_apart(kind):
    """The same in a process of its own: memory that was freed before would hide some."""
    command = [sys.executable, __file__, "weigh", kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(*, quick=False):
    """Measure: {"us": {subject: {side: us}}, "session_bytes": {kind of client: bytes}}."""
    return {
        "us": measure(quick=quick),
        "session_bytes": {kind: weigh_apart(kind) for kind in CLIENTS},
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["weigh"]:
        print(weigh(sys.argv[2]))
    else:
        print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
