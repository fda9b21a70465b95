"""An echo server for conformance suites: the Portal's websocket codec on its hub, and no session.

`python websocket_echo.py [PORT]` prints {"port": ...} and serves until it is killed.
"""

import json
import sys

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection

from portal.config import HubConfig, LimitsConfig
from portal.hub.hub import Hub
from portal.hub.listener import Admission, Listener, open_tcp_sockets
from portal.metrics import Metrics
from portal.wire.websocket import WebSocketCodec

MIB = 1 << 20
# The longest message of the suite has 16 MiB, and comes back as long.
MAX_MESSAGE = 16 * MIB
CONFIG = HubConfig(unsent_soft_bytes=32 * MIB, unsent_hard_bytes=64 * MIB)


class Handshake:
    """Answers the opening handshake, then makes way for the echo."""

    def __init__(self, connection):
        self.connection = connection
        self.head = b""

    def receive_data(self, data):
        head, end, rest = (self.head + data).partition(b"\r\n\r\n")
        if not end:
            self.head = head
            return
        peer = WSConnection(ConnectionType.SERVER)
        peer.receive_data(head + end)
        assert list(peer.events())  # it is a request, or `receive_data` has raised
        self.connection.write(peer.send(AcceptConnection()))
        self.connection.protocol = Echo(self.connection)
        if rest:
            self.connection.protocol.receive_data(rest)

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


class Echo:
    """Sends every message back."""

    def __init__(self, connection):
        self.connection = connection
        self.codec = WebSocketCodec(MAX_MESSAGE)

    def receive_data(self, data):
        codec, connection = self.codec, self.connection
        messages = codec.receive_data(data)
        if not codec.closing:
            connection.write(codec.data_to_send())  # pongs do not wait for what messages bring
        for message in messages:
            if isinstance(message, str):
                connection.write(codec.encode_text(message))
            elif isinstance(message, bytes):
                connection.write(codec.encode_binary(message))
        connection.write(codec.data_to_send())
        if codec.closed:
            connection.close()

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


async def serve(port):
    hub = Hub(CONFIG, Metrics())
    sockets = open_tcp_sockets(["127.0.0.1"], port, 100)
    admission = Admission(LimitsConfig())
    listener = Listener(hub, "echo", sockets, Handshake, admission=admission)
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        ((_, port),) = await nursery.start(listener.run)
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
