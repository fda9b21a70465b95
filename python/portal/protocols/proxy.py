"""The pages of the game: requests are passed on to its own web server, and its answers back.

    websockets ........................ stay the Portal's; they do not come here
    /webclientdata .................... the Portal's own (`Pages.keeps`)
    /healthz, /readyz, /metrics ....... the Portal's own, for those in `http.metrics_networks`
    everything else ................... the game's, byte for byte

Both bodies go through in pieces, and wait wherever the next one waits. An answer that ends too
early is broken off toward the client as well; where none has begun, the client is told in words.
"""

import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import NoReturn

import h11
import structlog
import trio

from portal.config import HttpConfig
from portal.errors import RemoteProtocolError, UpstreamFailed
from portal.hub.listener import LOGGED_BURST, LOGGED_PER_SECOND
from portal.metrics import Metrics
from portal.protocols.http import PATH_LENGTH
from portal.protocols.http_request import STREAM, Message, Receive, Send
from portal.protocols.http_stream import HttpStream
from portal.protocols.pages import Pages
from portal.protocols.upstream import SLOW, Upstream, UpstreamConnection
from portal.throttle import TokenBucket
from portal.wire.absence_page import NOTICES, PAGE_HEADERS, Fate, make_absence_page
from portal.wire.passing import check_target, is_for_eyes, pass_answer_back, pass_request_on

log = structlog.get_logger(__name__)

# What may be asked twice (RFC 9110, section 9.2.2), of what comes without a body.
REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Proxy:
    """An ASGI application: the Portal's own pages where `pages` keeps them, else the game's.

    `name()` is the game's, `state()` how it is (`Absence.state`).
    """

    def __init__(
        self,
        config: HttpConfig,
        metrics: Metrics,
        pages: Pages,
        *,
        name: Callable[[], str],
        state: Callable[[], str],
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.upstream = Upstream(config.upstream or "")
        self._pages = pages
        self._own = pages.make_application(client=False)
        self._name = name
        self._state = state
        self._logged = TokenBucket(LOGGED_PER_SECOND, LOGGED_BURST)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after the idle connections to the game's web server; a service."""
        await self.upstream.run(task_status=task_status)

    def reconfigure(self, config: HttpConfig) -> None:
        """Go by other bounds from now on."""
        self.config = config

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        stream: HttpStream = scope[STREAM]
        if self._pages.keeps(scope):
            stream.limit_body(self.config.body_bytes)
            await self._own(scope, receive, send)
            return
        try:
            request = self._make_request(scope, stream.target)
        except RemoteProtocolError as error:
            await _say(send, int(error.name), error.text)
            return
        stream.end_with_input()
        exchange = Exchange(self, request, scope, receive, send)
        try:
            await exchange.run()
        except UpstreamFailed as error:
            self._note_failure(scope, error)
            if exchange.begun:
                await _break_off(stream, error.text)
            sent = scope["method"] == "POST"
            fate = Fate.UNKNOWN if exchange.asked else Fate.NOT_RECEIVED
            await self._apologise(scope, send, error, fate if sent else Fate.NOTHING_SENT)

    def _make_request(self, scope: Message, target: bytes) -> h11.Request:
        method = scope["method"].encode("ascii")
        check_target(method, target)
        client = scope["client"][0]
        fields = pass_request_on(
            scope["headers"],
            client=client.encode("ascii"),
            trusted=self._pages.trusts(scope),
            scheme=scope["scheme"].encode("ascii"),
            host=self.upstream.authority,
        )
        return h11.Request(method=method, target=target, headers=fields)

    def _note_failure(self, scope: Message, error: UpstreamFailed) -> None:
        self.metrics.upstream_failures += 1
        if self._logged.take(trio.current_time()):
            log.warning(
                "http_upstream_failed",
                address=scope["client"][0],
                path=scope["raw_path"][:PATH_LENGTH].decode("ascii"),
                status=error.status,
                reason=error.text,
                game=self._state(),
                failures=self.metrics.upstream_failures,
            )

    async def _apologise(
        self, scope: Message, send: Send, error: UpstreamFailed, fate: Fate
    ) -> None:
        scope[STREAM].bare = False
        if error.status != 503:
            await _say(send, error.status, error.text)
            return
        notice = NOTICES[self._state()]
        later = ("retry-after", str(notice.seconds))
        if not is_for_eyes(scope["method"].encode("ascii"), scope["headers"]):
            await _say(send, 503, notice.text, later)
            return
        body = make_absence_page(self._name(), notice, fate)
        scope[STREAM].bare = True
        headers = [
            *((name.lower(), value) for name, value in PAGE_HEADERS.items()),
            ("date", formatdate(usegmt=True)),
            ("content-type", "text/html; charset=utf-8"),
            later,
        ]
        await _answer(send, 503, body, headers)


class Exchange:
    """One request, passed on, and its answer, passed back.

    `asked` once there is somebody who may have got the request, `begun` once the answer is on its
    way.
    """

    def __init__(
        self, proxy: Proxy, request: h11.Request, scope: Message, receive: Receive, send: Send
    ) -> None:
        self.asked = self.begun = False
        self._proxy = proxy
        self._request = request
        self._stream: HttpStream = scope[STREAM]
        self._client: str = scope["client"][0]
        self._receive = receive
        self._send = send
        self._patience = trio.CancelScope()  # with the server, until its answer begins
        names = dict(request.headers)
        self._has_body = b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"

    async def run(self) -> None:
        """Do it. Raises UpstreamFailed."""
        metrics, upstream = self._proxy.metrics, self._proxy.upstream
        metrics.upstream_requests += 1
        # A connection may be closed while the request is on its way. Nobody knows then whether
        # it was carried out, so only what may be asked twice goes over one that was used before.
        again = self._request.method in REPEATABLE and not self._has_body
        connection = await upstream.connect(self._client, again=again)
        self.asked = True
        try:
            try:
                last = await self._pass(connection)
            except UpstreamFailed:
                if not connection.used or connection.answering:
                    raise
                connection.close()
                connection = await upstream.connect(self._client, again=False)
                last = await self._pass(connection)
        except BaseException:
            connection.close()
            raise
        # Before the client has its answer, and comes with the next request.
        upstream.give_back(connection)
        await self._send({"type": "http.response.body", "body": last})

    async def _pass(self, connection: UpstreamConnection) -> bytes:
        """Pass the request on, and the answer back but for its last piece, which is returned."""
        self._patience = trio.CancelScope()
        if self._has_body:
            return await self._pass_both(connection)
        await _send_quietly(connection, self._request, h11.EndOfMessage())
        return await self._pass_back(connection)

    async def _pass_both(self, connection: UpstreamConnection) -> bytes:
        """Pass the body on while the answer may come already; that ends the body too."""
        failure: UpstreamFailed | None = None
        last = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on, connection)
            try:
                last = await self._pass_back(connection)
            except UpstreamFailed as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return last

    async def _pass_on(self, connection: UpstreamConnection) -> None:
        if not await _send_quietly(connection, self._request):
            return
        more = True
        while more:
            self._patience.deadline = math.inf  # the client's time is bounded by its stream
            message = await self._receive()
            if message["type"] != "http.request":
                return
            more = message.get("more_body", False)
            self._wait_from_now()
            piece = h11.Data(data=message.get("body", b""))
            events = (piece,) if more else (piece, h11.EndOfMessage())
            if not await _send_quietly(connection, *events):
                return

    def _wait_from_now(self) -> None:
        self._patience.deadline = trio.current_time() + self._proxy.config.upstream_seconds

    async def _pass_back(self, connection: UpstreamConnection) -> bytes:
        await self._pass_head_back(connection)
        piece = b""
        while True:
            event = connection.take_event()
            if event is None:
                # Whatever there is goes out before more is waited for.
                await self._send_piece(piece)
                piece = b""
                await self._receive_more(connection)
            elif isinstance(event, h11.Data):
                if piece:
                    await self._send_piece(piece)
                piece = bytes(event.data)
            else:
                return piece

    async def _pass_head_back(self, connection: UpstreamConnection) -> None:
        began = time.perf_counter()
        self._wait_from_now()
        answer: h11.Response | None = None
        with self._patience:
            while answer is None:
                event = connection.take_event()
                if event is None:
                    await connection.receive()
                elif isinstance(event, h11.Response):  # else that the answer is still to come
                    answer = event
        if answer is None:
            raise UpstreamFailed(504, SLOW)
        self._proxy.metrics.upstream_milliseconds += round((time.perf_counter() - began) * 1000)
        self._stream.bare = True
        await self._send(
            {
                "type": "http.response.start",
                "status": answer.status_code,
                "headers": pass_answer_back(list(answer.headers)),
            }
        )

    async def _send_piece(self, piece: bytes) -> None:
        if piece or not self.begun:
            self.begun = True
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _receive_more(self, connection: UpstreamConnection) -> None:
        with trio.move_on_after(self._proxy.config.upstream_seconds) as patience:
            await connection.receive()
        if patience.cancelled_caught:
            raise UpstreamFailed(504, SLOW)


async def _send_quietly(connection: UpstreamConnection, *events: h11.Event) -> bool:
    """Send; False where the server takes no more: what it has said, or its end, is read then."""
    try:
        await connection.send(*events)
    except (OSError, trio.BrokenResourceError):
        return False
    return True


async def _break_off(stream: HttpStream, reason: str) -> NoReturn:
    stream.break_off(reason)
    await trio.sleep_forever()  # until that has cancelled it


async def _say(send: Send, status: int, text: str, *headers: tuple[str, str]) -> None:
    line = ("content-type", "text/plain; charset=utf-8")
    await _answer(send, status, f"{text}\n".encode(), [line, *headers])


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    every = [*headers, ("content-length", str(len(body))), ("cache-control", "no-store")]
    fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in every]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
