"""The peer of the Portal's bench: telnet to AMP and back, as a Portal on Twisted does it.

A line comes in through Twisted's Telnet and line classes, goes out as a `MsgPortal2Server` call
with a pickled and zlib-compressed payload, and what the Server sends back is unpickled and written
to its player. That is the transport work of Evennia's Portal for each message, written from the
facts of the wire; markup, throttles and hooks, which the real one runs as well, are left out.

    python twisted_relay.py              prints {"telnet_port": ..., "amp_port": ...} and serves
    python twisted_relay.py websocket    {"websocket_port": ...} in place of telnet, on autobahn
"""

import itertools
import json
import pickle
import sys
import zlib

from twisted.conch.telnet import StatefulTelnetProtocol, TelnetTransport
from twisted.internet import reactor
from twisted.internet.protocol import Factory, ServerFactory
from twisted.protocols import amp

CHUNK = 65535
PSYNC = "\x03"
PCONN = "\x01"
PDISCONN = "\x02"


class Compressed(amp.String):
    """A value in numbered pieces, each a zlib stream of its own."""

    def toBox(self, name, strings, objects, proto):
        value = objects.pop(name.decode())
        for number in range(max(1, -(-len(value) // CHUNK))):
            key = name if number == 0 else b"%s.%d" % (name, number + 1)
            strings[key] = zlib.compress(value[number * CHUNK : (number + 1) * CHUNK], 9)

    def fromBox(self, name, strings, objects, proto):
        pieces = [zlib.decompress(strings.pop(name))]
        for number in itertools.count(2):
            piece = strings.pop(b"%s.%d" % (name, number), None)
            if piece is None:
                break
            pieces.append(zlib.decompress(piece))
        objects[name.decode()] = b"".join(pieces)


class Packed(amp.Command):
    arguments = ((b"packed_data", Compressed()),)
    errors = {Exception: b"EXCEPTION"}  # noqa: RUF012 (Twisted reads the class attribute)
    response = ()


class MsgPortal2Server(Packed):
    pass


class MsgServer2Portal(Packed):
    pass


class AdminPortal2Server(Packed):
    pass


class AdminServer2Portal(Packed):
    pass


class AmpServer(amp.AMP):
    """The Portal's end of the link."""

    def send(self, command, sessid, kwargs):
        data = pickle.dumps((sessid, kwargs), pickle.HIGHEST_PROTOCOL)
        self.callRemote(command, packed_data=data).addErrback(self.failed)

    def failed(self, failure):
        """A call that the Server did not answer; the link's end is how the bench ends."""

    @AdminServer2Portal.responder
    def receive_admin(self, packed_data):
        _sessid, kwargs = pickle.loads(packed_data)
        if kwargs["operation"] == PSYNC:
            self.factory.portal.server = self
            self.send(AdminPortal2Server, 0, {"operation": PSYNC, "sessiondata": {}})
        return {}

    @MsgServer2Portal.responder
    def receive_message(self, packed_data):
        sessid, kwargs = pickle.loads(packed_data)
        for each in sessid if isinstance(sessid, list) else (sessid,):
            session = self.factory.portal.sessions.get(each)
            if session is not None:
                session.data_out(**kwargs)
        return {}


class TelnetSession(StatefulTelnetProtocol):
    """A player on telnet."""

    sessid = 0

    def connectionMade(self):
        self.transport.write(b"Welcome.\n")
        self.factory.portal.connect(self, "telnet")

    def connectionLost(self, reason):
        self.factory.portal.disconnect(self)

    def lineReceived(self, line):
        text = line.decode("utf-8", "replace")
        message = {"text": [[text], {"options": {}}]}
        self.factory.portal.send(MsgPortal2Server, self.sessid, message)

    def data_out(self, **kwargs):
        for name, (args, _kwargs) in kwargs.items():
            if name == "text":
                self.transport.write(args[0].encode("utf-8", "replace") + b"\n")


def make_websockets(relay):
    """Autobahn's factory of players; the library is here only where it is asked for."""
    from autobahn.twisted.websocket import (  # noqa: PLC0415
        WebSocketServerFactory,
        WebSocketServerProtocol,
    )

    class WebSocketSession(WebSocketServerProtocol):
        """A player on websocket."""

        sessid = 0

        def onOpen(self):
            relay.connect(self, "websocket")

        def onClose(self, wasClean, code, reason):  # noqa: N803 - autobahn's names
            relay.disconnect(self)

        def onMessage(self, payload, isBinary):  # noqa: N803
            name, args, kwargs = json.loads(payload.decode())
            message = {name: [args, {"options": {}, **kwargs}]}
            relay.send(MsgPortal2Server, self.sessid, message)

        def data_out(self, **kwargs):
            for name, (args, options) in kwargs.items():
                options.pop("options", None)
                self.sendMessage(json.dumps([name, args, options]).encode())

    factory = WebSocketServerFactory()
    factory.protocol = WebSocketSession
    return factory


def make_telnets(relay):
    """The factory of players on telnet."""
    factory = ServerFactory()
    factory.portal = relay
    factory.noisy = False

    def make_session():
        session = TelnetSession()
        session.factory = factory
        return session

    factory.protocol = lambda: TelnetTransport(make_session)
    return factory


class Relay:
    """What both ends share."""

    def __init__(self):
        self.server = None
        self.sessions = {}
        self.numbers = itertools.count(1)

    def connect(self, session, protocol_key):
        session.sessid = next(self.numbers)
        self.sessions[session.sessid] = session
        data = {"protocol_key": protocol_key}
        self.send(AdminPortal2Server, session.sessid, {"operation": PCONN, "sessiondata": data})

    def disconnect(self, session):
        self.sessions.pop(session.sessid, None)
        self.send(AdminPortal2Server, session.sessid, {"operation": PDISCONN})

    def send(self, command, sessid, kwargs):
        if self.server is not None:
            self.server.send(command, sessid, kwargs)


def main():
    relay = Relay()
    protocol = "websocket" if "websocket" in sys.argv[1:] else "telnet"
    factory = make_websockets(relay) if protocol == "websocket" else make_telnets(relay)
    link = Factory.forProtocol(AmpServer)
    link.portal = relay
    link.noisy = False
    players = reactor.listenTCP(0, factory, backlog=4096, interface="127.0.0.1")
    servers = reactor.listenTCP(0, link, interface="127.0.0.1")
    ports = {f"{protocol}_port": players.getHost().port, "amp_port": servers.getHost().port}
    print(json.dumps(ports), flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
