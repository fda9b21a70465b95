"""One question to a Portal: over a real link, and what it says where there is no Portal."""

import json
import socket
import threading
from contextlib import contextmanager, suppress

import pytest
import trio

from portal.amp.authentication import Authenticator
from portal.amp.commands import PortalQuery
from portal.amp.link import Link
from portal.amp.query import ask
from portal.config import AmpConfig, HubConfig
from portal.errors import ConnectionLost, PortalError, ServerUnavailable
from portal.hub.hub import Hub
from portal.metrics import Metrics


class Peer:
    """What a Portal is to the question: a listening socket with a link behind each connection."""

    def __init__(self, sock):
        self.sock = sock
        self.answer = self.echo
        self.responders = {PortalQuery: self.respond}
        self.secret = None
        self.links = []
        self._stop = trio.Event()
        self._ready = threading.Event()

    def respond(self, query, arguments):
        return self.answer(query, arguments)

    def echo(self, query, arguments):
        return {"result": json.dumps({"query": query, "arguments": json.loads(arguments)}).encode()}

    def make_link(self, connection):
        link = Link(connection, AmpConfig(), Metrics(), responders=self.responders, packed={})
        if self.secret is not None:
            guard = Authenticator(self.secret)
            for command, responder in guard.responders.items():
                link.respond(command, responder)
            link.allow = guard.allow
        self.links.append(link)
        return link

    async def serve(self):
        self._token = trio.lowlevel.current_trio_token()
        hub = Hub(HubConfig(), Metrics())
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            nursery.start_soon(self._accept, hub)
            self._ready.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    async def _accept(self, hub):
        listener = trio.socket.from_stdlib_socket(self.sock)
        while True:
            accepted, _ = await listener.accept()
            hub.add_socket(socket.socket(fileno=accepted.detach()), self.make_link)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("PORTAL_AMP_SECRET", raising=False)
    return monkeypatch


@contextmanager
def serving(peer):
    """Run a peer in a thread: `ask` needs a trio of its own, as the command line has it."""
    thread = threading.Thread(target=trio.run, args=(peer.serve,))
    thread.start()
    assert peer._ready.wait(10)
    try:
        yield peer
    finally:
        with suppress(trio.RunFinishedError):  # where the test has stopped it
            peer._token.run_sync_soon(peer._stop.set)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def sock():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


@pytest.fixture
def peer(sock):
    with serving(Peer(sock)) as made:
        yield made


def test_a_question_over_tcp(peer, sock):
    answer = ask("status", sock.getsockname(), 10)
    assert answer == {"query": "status", "arguments": {}}


def test_a_question_over_a_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        with serving(Peer(sock)):
            assert ask("sessions", path, 10)["query"] == "sessions"


def test_it_waits_until_the_portal_is_gone(peer, sock):
    def answer(query, arguments):
        peer.links[0].connection.close("going")
        return peer.echo(query, arguments)

    peer.answer = answer
    with pytest.raises(ConnectionLost):  # closed before the answer was written
        ask("stop", sock.getsockname(), 10, until_gone=True)


def test_gone_after_the_answer(peer, sock):
    def answer(query, arguments):
        peer._token.run_sync_soon(peer._stop.set)
        return peer.echo(query, arguments)

    peer.answer = answer
    assert ask("stop", sock.getsockname(), 10, until_gone=True)["query"] == "stop"


def test_what_it_refuses(peer, sock):
    def answer(query, arguments):
        raise ServerUnavailable("there is no Server")

    peer.answer = answer
    with pytest.raises(PortalError, match=r"^reload: there is no Server$"):
        ask("reload", sock.getsockname(), 10)


def test_a_peer_that_knows_no_questions(peer, sock):
    peer.responders = {}
    host, port = sock.getsockname()
    with pytest.raises(ConnectionLost, match=f"no Portal answers at {host}:{port} to this address"):
        ask("status", (host, port), 10)


@pytest.mark.parametrize("theirs", [None, "xyzzy"])
def test_the_secret_comes_from_the_environment(peer, sock, environment, theirs):
    peer.secret = theirs
    environment.setenv("PORTAL_AMP_SECRET", "xyzzy")
    assert ask("status", sock.getsockname(), 10)["query"] == "status"


def test_without_the_secret(peer, sock):
    peer.secret = "xyzzy"
    with pytest.raises(ConnectionLost, match="PORTAL_AMP_SECRET is not set"):
        ask("status", sock.getsockname(), 10)


def test_with_another_secret(peer, sock, environment):
    peer.secret = "xyzzy"
    environment.setenv("PORTAL_AMP_SECRET", "plugh")
    with pytest.raises(PortalError, match="another secret than PORTAL_AMP_SECRET") as raised:
        ask("status", sock.getsockname(), 10)
    assert "plugh" not in str(raised.value)


def test_an_impostor(peer, sock, environment):
    """It accepts every proof and does not know the secret itself."""
    peer.secret = "xyzzy"
    environment.setenv("PORTAL_AMP_SECRET", "xyzzy")
    environment.setattr(
        "portal.amp.authentication.Authenticator.finish", lambda *_, **__: {"proof": b""}
    )
    with pytest.raises(PortalError, match="another secret than PORTAL_AMP_SECRET"):
        ask("status", sock.getsockname(), 10)


def test_nobody_is_there(sock):
    address = sock.getsockname()
    sock.close()
    with pytest.raises(ConnectionLost, match=r"^no Portal answers at 127\.0\.0\.1:\d+$"):
        ask("status", address, 10)


def test_no_such_unix_socket(tmp_path):
    with pytest.raises(ConnectionLost, match=r"^no Portal answers at unix:/"):
        ask("status", str(tmp_path / "missing"), 10)


def test_somebody_who_never_answers(sock):
    with pytest.raises(ConnectionLost, match=r"within 0\.05 s$"):
        ask("status", sock.getsockname(), 0.05)


def test_somebody_who_hangs_up(sock):
    def hang_up():
        accepted, _ = sock.accept()
        accepted.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with pytest.raises(ConnectionLost, match="no Portal answers"):
        ask("status", sock.getsockname(), 10)
    thread.join(10)
