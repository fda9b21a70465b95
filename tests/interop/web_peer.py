"""A web server on stock Twisted, as a game has one: `web_peer.py PORT` prints its port and serves.

Its channel takes addresses from X-Forwarded-For as Evennia's is described to do: the first of the
list, noted for the connection, and only while the connection is still known as 127.0.0.1.
"""

import hashlib
import json
import sys

from twisted.internet import endpoints, reactor
from twisted.web import http, resource, server

PIECE = bytes(range(256)) * 256


class Channel(http.HTTPChannel):
    def allHeadersReceived(self):
        super().allHeadersReceived()
        if self.requests:
            chain = self.requests[-1].getHeader("x-forwarded-for")
            address, port = self.transport.client[:2]
            if chain and address == "127.0.0.1":
                self.transport.client = (chain.split(", ")[0], port)


class Echo(resource.Resource):
    """Tells what it was asked."""

    isLeaf = True

    def render(self, request):
        body = request.content.read()
        headers = [
            (name.decode(), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        told = {
            "method": request.method.decode(),
            "uri": request.uri.decode(),
            "headers": headers,
            "address": request.getClientAddress().host,
            "size": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "form": {name.decode(): value[0].decode() for name, value in request.args.items()},
        }
        request.setHeader("content-type", "application/json")
        request.responseHeaders.setRawHeaders("Set-Cookie", ["a=b; Path=/", "c=d; HttpOnly"])
        return json.dumps(told).encode()


class Big(resource.Resource):
    """So many pieces, as fast as they are taken; with a length where one is asked for."""

    isLeaf = True

    def render_GET(self, request):
        self.left = int(request.args[b"pieces"][0])
        if b"length" in request.args:
            request.setHeader("content-length", str(self.left * len(PIECE)))
        request.notifyFinish().addErrback(self.lost)
        self.request = request
        request.registerProducer(self, False)
        return server.NOT_DONE_YET

    def resumeProducing(self):
        if not self.left:
            self.request.unregisterProducer()
            self.request.finish()
            return
        self.left -= 1
        self.request.write(PIECE)

    def stopProducing(self):
        pass

    def lost(self, _failure):
        Status.lost += 1


class BigPages(resource.Resource):
    def getChild(self, path, request):
        return Big()


class Never(resource.Resource):
    """An answer that does not come."""

    isLeaf = True

    def render_GET(self, request):
        Status.waiting += 1
        request.notifyFinish().addErrback(self.lost)
        return server.NOT_DONE_YET

    def lost(self, _failure):
        Status.lost += 1


class Redirect(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        request.redirect(b"http://elsewhere.example/")
        return b""


class Cached(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        if request.setETag(b'"tag"') is http.CACHED:
            return b""
        return b"a page"


class Status(resource.Resource):
    """How many requests wait, and how many clients have left."""

    isLeaf = True
    waiting = lost = 0

    def render_GET(self, request):
        return json.dumps({"waiting": Status.waiting, "lost": Status.lost}).encode()


def make_site():
    root = resource.Resource()
    for name, page in {
        b"echo": Echo(),
        b"big": BigPages(),
        b"never": Never(),
        b"redirect": Redirect(),
        b"cached": Cached(),
        b"status": Status(),
        b"healthz": Echo(),
    }.items():
        root.putChild(name, page)
    site = server.Site(root)
    site.protocol = Channel
    return site


def tell(port):
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()


endpoint = endpoints.TCP4ServerEndpoint(reactor, int(sys.argv[1]), interface="127.0.0.1")
endpoint.listen(make_site()).addCallback(tell)
reactor.run()
