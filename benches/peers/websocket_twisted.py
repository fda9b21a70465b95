"""A peer of the edge's bench: an echo on autobahn and Twisted, as in the ancestor.

python websocket_twisted.py    prints {"websocket_port": ...} and serves until killed
"""

import json

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):  # noqa: N803 - autobahn's name
        self.sendMessage(payload, isBinary)


def main():
    factory = WebSocketServerFactory()
    factory.protocol = Echo
    port = reactor.listenTCP(0, factory, backlog=4096, interface="127.0.0.1")
    print(json.dumps({"websocket_port": port.getHost().port}), flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
