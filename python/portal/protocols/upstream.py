"""The game's own web server, as the Portal reaches it: connections, and HTTP/1.1 on them.

h11 says what goes over a connection, trio's sockets carry it; what is asked, and what becomes of
the answer, is `portal.protocols.proxy`'s.

A connection is used again only for the same player. Evennia notes the address of a connection's
first request (X-Forwarded-For) as that of the connection, and would take every later one on it
for the same player's.
"""

import math
import select
import socket
from collections import OrderedDict
from ipaddress import ip_address
from urllib.parse import urlsplit

import h11
import trio

from portal.config import KIB
from portal.errors import UpstreamFailed

CONNECT_SECONDS = 5.0  # on one machine it takes a millisecond; a server that hangs takes none
# Twisted closes what was idle for 60 s; a connection that is closed under a request costs another.
KEEP_SECONDS = 10.0
KEPT_CONNECTIONS = 32  # idle ones, of all players together; the oldest gives way
ANSWER_HEAD_BYTES = 64 * KIB  # a hundred cookies of a long session
RECEIVE_BYTES = 64 * KIB

AWAY = "The game's web server is not there."
WRONG = "The game's web server gave an answer that is none."
SLOW = "The game's web server takes too long."
SHORT = "The game's web server broke its answer off."


class Upstream:
    """The server at a URL, and the idle connections to it; a service, which closes these in time.

    `url` is "http://host:port".
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or 80
        self.authority = parts.netloc.encode("ascii")
        self._kept: OrderedDict[UpstreamConnection, float] = OrderedDict()

    @property
    def kept(self) -> int:
        """How many connections are idle."""
        return len(self._kept)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Close connections that were idle for long, until cancelled; then all that are idle."""
        task_status.started()
        try:
            while True:
                await trio.sleep(KEEP_SECONDS)
                self._close_until(trio.current_time() - KEEP_SECONDS)
        finally:
            self._close_until(math.inf)

    async def connect(self, client: str, *, again: bool) -> "UpstreamConnection":
        """Return a connection for a player's address; with `again` it may have been used before.

        Raises UpstreamFailed.
        """
        if again and (kept := self._take(client)) is not None:
            return kept
        try:
            with trio.fail_after(CONNECT_SECONDS):
                stream = await _dial(self.host, self.port)
        except (OSError, trio.TooSlowError) as error:
            raise UpstreamFailed(503, AWAY) from error
        return UpstreamConnection(stream, client)

    def give_back(self, connection: "UpstreamConnection") -> None:
        """Keep a connection for the next request, or close it where it cannot have another."""
        if not connection.begin_again():
            connection.close()
            return
        self._kept[connection] = trio.current_time()
        if len(self._kept) > KEPT_CONNECTIONS:
            self._kept.popitem(last=False)[0].close()

    def _take(self, client: str) -> "UpstreamConnection | None":
        # The newest is the likeliest to be open still.
        for connection in reversed([each for each in self._kept if each.client == client]):
            del self._kept[connection]
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def _close_until(self, time: float) -> None:
        while self._kept and next(iter(self._kept.values())) <= time:
            self._kept.popitem(last=False)[0].close()


class UpstreamConnection:
    """One connection, for one request after another of the same client.

    `used` tells whether it had one before, `answering` whether something of an answer has come.
    """

    def __init__(self, stream: trio.SocketStream, client: str) -> None:
        self.client = client
        self.used = False
        self.answering = False
        self._stream = stream
        self._engine = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_HEAD_BYTES)
        self._begun = False  # the head of the answer was taken

    async def send(self, *events: h11.Event) -> None:
        """Send parts of a request. Raises OSError or trio's errors where the server has gone."""
        data = b"".join(self._engine.send(event) or b"" for event in events)
        await self._stream.send_all(data)

    def take_event(self) -> h11.Event | None:
        """Return the next part of the answer; None where more has to be received for it.

        Raises UpstreamFailed.
        """
        try:
            event = self._engine.next_event()
        except h11.RemoteProtocolError as error:
            raise UpstreamFailed(502, SHORT if self._begun else WRONG) from error
        if isinstance(event, h11.Response):
            self._begun = True
        return event if isinstance(event, h11.Event) else None

    async def receive(self) -> None:
        """Wait for more of the answer. Raises UpstreamFailed."""
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except trio.BrokenResourceError as error:
            raise UpstreamFailed(503, SHORT if self._begun else AWAY) from error
        if not data and self._engine.their_state is h11.SEND_RESPONSE:
            raise UpstreamFailed(503, AWAY)
        self.answering = True
        self._engine.receive_data(data)

    def begin_again(self) -> bool:
        """Make ready for another request; False where it cannot have one."""
        if self._engine.our_state is not h11.DONE or self._engine.their_state is not h11.DONE:
            return False
        if self._engine.trailing_data[0]:
            return False  # more than was asked for
        self._engine.start_next_cycle()
        self.used = True
        self.answering = self._begun = False
        return True

    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, its end above all."""
        poll = select.poll()
        poll.register(self._stream.socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close it at once, whatever is under way."""
        self._stream.socket.close()


async def _dial(host: str, port: int) -> trio.SocketStream:
    """Connect. Looking an address up, and trying several of it, would cost four times as much."""
    if not _is_address(host):
        return await trio.open_tcp_stream(host, port)
    sock = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        await sock.connect((host, port))
        return trio.SocketStream(sock)
    except BaseException:
        sock.close()
        raise


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
