"""The edge alone on websocket: an echo on the hub, with Portal's handshake and codec.

python websocket_echo.py    prints {"websocket_port": ...} and serves
"""

import trio

import hub_echo
from portal.wire.http import HEAD_END
from portal.wire.upgrade import read_upgrade
from portal.wire.websocket import WebSocketCodec

MAX_MESSAGE = 64 * 1024


class Opening:
    """Answers the request for a websocket, and puts the echo in its own place."""

    __slots__ = ("connection", "head")

    def __init__(self, connection):
        self.connection = connection
        self.head = b""

    def receive_data(self, data):
        self.head += data
        head, end, rest = self.head.partition(HEAD_END)
        if not end:
            return
        self.connection.write(read_upgrade(head + end).accept())
        self.connection.protocol = Echo(self.connection)
        if rest:
            self.connection.protocol.receive_data(rest)

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


class Echo:
    """Sends back each text that comes."""

    __slots__ = ("codec", "connection")

    def __init__(self, connection):
        self.connection = connection
        self.codec = WebSocketCodec(MAX_MESSAGE)

    def receive_data(self, data):
        codec = self.codec
        for message in codec.receive_data(data):
            if type(message) is str:
                self.connection.write(codec.encode_text(message))
        if codec.output:
            self.connection.write(codec.data_to_send())
        if codec.closed:
            self.connection.close()

    def receive_eof(self):
        self.connection.close()

    def connection_lost(self, error):
        pass


if __name__ == "__main__":
    trio.run(hub_echo.serve_hub, Opening, "websocket_port")
