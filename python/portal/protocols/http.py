"""HTTP on the hub: hypercorn serves what is no websocket, each connection in a task of its own.

Hypercorn's `TCPServer` runs on an `HttpStream`, so that plain connections, and later those behind
TLS and the PROXY header, look alike to it. `TCPServer`, `WorkerContext` and `Updated` are
hypercorn's own parts, and `Requests` stands where its wrapper of an application would: its version
is pinned, and `tests/protocols/test_http.py` is the contract.

A websocket may come on a connection that was kept alive after a page: hypercorn is then ended, and
the connection goes back to `portal.protocols.opening`.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, cast

import hypercorn.config
import hypercorn.events
import structlog
import trio
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext

from portal.config import HttpConfig
from portal.hub.addresses import Tally
from portal.hub.connection import Connection
from portal.metrics import Metrics
from portal.protocols.http_request import Application, Requests
from portal.protocols.http_stream import HttpStream
from portal.protocols.opening import OpeningProtocol
from portal.wire.access_log import AccessLog, make_access_line
from portal.wire.http import SECURITY_HEADERS

log = structlog.get_logger(__name__)

BUSY = "Too many pages are being read at the moment. Please try again."
TOO_MANY = "Too many pages are being read from your address. Please try again."
QUIET = "portal.quiet"
"""Set in the scope of a request of which there are so many that they would fill the log."""

PATH_LENGTH = 200  # of which a log line shows; a path may be as long as a head
LATER = ("Retry-After", "5")


class HttpProtocol:
    """Serves an ASGI application on connections of the hub; a service.

    Connections come by `make_protocol`, the listener's; they are served while `run` runs.
    """

    def __init__(
        self,
        config: HttpConfig,
        metrics: Metrics,
        opening: OpeningProtocol,
        application: Application,
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.opening = opening
        self.tally = Tally(config.connections_per_address, opening.websocket.proxies.trust)
        self._application = application
        self._settings = Settings(config)
        self._context = WorkerContext(None)
        self._turn = trio.Lock()
        self._streams: set[HttpStream] = set()
        self._nursery: trio.Nursery | None = None

    @property
    def connections(self) -> int:
        """How many connections are being served."""
        return len(self._streams)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of all connections; cancelling it closes them."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None
                for stream in self._streams:
                    stream.abandon()  # hypercorn shields its answers against being cancelled

    def reconfigure(self, config: HttpConfig) -> None:
        """Go by other bounds, for connections that come from now on."""
        self.config = config
        self.tally.limit = config.connections_per_address
        self._settings = Settings(config)

    def make_protocol(self, connection: Connection) -> Any:
        """Begin on a new connection, by reading what it asks for."""
        return self.opening.begin(connection, self.serve)

    def serve(self, connection: Connection, received: bytes) -> None:
        """Serve a connection that asks for no websocket; `received` is its request so far."""
        nursery = self._nursery
        network = None
        text = BUSY
        if nursery is not None and self.connections < self.config.connections:
            network = self.tally.enter(connection.address)
            text = TOO_MANY
        if nursery is None or network is None:
            self.metrics.http_connections_refused += 1
            self.opening.refuse(connection, 503, text, LATER)
            return
        stream = HttpStream(
            connection,
            received,
            self.config,
            metrics=self.metrics,
            turn=self._turn,
            refuse=self.opening.refuse,
        )
        self._streams.add(stream)
        nursery.start_soon(self._serve, stream, network)

    async def _serve(self, stream: HttpStream, network: str | bytes) -> None:
        connection = stream.connection
        try:
            with stream.scope:
                await self._make_server(stream).run()
        except* Exception:
            # The barrier between one connection and the others.
            self.metrics.protocol_crashes += 1
            log.exception("http_failed", address=connection.address)
            connection.abort("internal error")
        finally:
            self._streams.discard(stream)
            self.tally.leave(network)
            if stream.upgrade is None:
                connection.close()
        if stream.upgrade is not None and not stream.lost:
            self._hand_back(stream, stream.upgrade)

    def _make_server(self, stream: HttpStream) -> "Server":
        requests = Requests(self._application, stream)
        settings = self._settings.apply_to(stream)
        return Server(cast("Any", requests), settings, self._context, {}, cast("Any", stream))

    def _hand_back(self, stream: HttpStream, upgrade: bytes) -> None:
        """Give a connection to the websockets, with all that was read of it."""
        connection = stream.connection
        try:
            opening = connection.protocol = self.opening.begin(connection, self.serve)
            opening.receive_data(upgrade + stream.take_received())
            if stream.eof:
                connection.protocol.receive_eof()
        except Exception:
            # The hub's own barrier is not around this.
            self.metrics.protocol_crashes += 1
            log.exception("protocol_failed", address=connection.address)
            connection.abort("internal error")


class Server(TCPServer):
    """Hypercorn's connection, which tells its stream when a request is answered."""

    stream: Any  # an HttpStream; hypercorn knows its own kinds only

    async def protocol_send(self, event: Any) -> None:
        """Do what hypercorn asks of the connection."""
        await super().protocol_send(event)
        if isinstance(event, hypercorn.events.Updated) and event.idle:
            self.stream.at_answered()


class Settings(hypercorn.config.Config):
    """Hypercorn's settings, and the headers of every answer, its own ones too.

    They are those of one connection (`apply_to`): an answer that the application only passes on
    has its headers already.
    """

    stream: HttpStream | None = None

    def __init__(self, config: HttpConfig) -> None:
        super().__init__()
        self.keep_alive_timeout = config.keep_alive_seconds
        self.h11_max_incomplete_size = config.head_bytes
        # No more of a body comes than is asked for, so nothing has to wait for room.
        self.max_app_queue_size = cast("int", math.inf)
        self.include_server_header = False
        self.errorlog = None
        self.logger_class = Logger  # type: ignore[assignment]

    def apply_to(self, stream: HttpStream) -> "Settings":
        """Return the settings for a connection."""
        settings = copy.copy(self)
        settings.stream = stream
        return settings

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Return the date, and what keeps strangers out of the pages."""
        if self.stream is not None and self.stream.bare:
            return []
        return [*super().response_headers(protocol), *_SECURITY]


_SECURITY = [
    (name.lower().encode("ascii"), value.encode("ascii"))
    for name, value in SECURITY_HEADERS.items()
]


class Logger:
    """What hypercorn logs, in the Portal's log; requests are logged by the application."""

    def __init__(self, _config: hypercorn.config.Config) -> None:
        pass

    async def access(self, *_arguments: Any) -> None:
        """Leave it to the application, which knows the real address."""

    async def exception(self, message: str, *_arguments: Any, **_more: Any) -> None:
        """Log an error of the application with its traceback."""
        log.error("http_application_failed", reason=message, exc_info=sys.exception())

    async def warning(self, message: str, *_arguments: Any, **_more: Any) -> None:
        """Log what hypercorn finds strange."""
        log.warning("http_warning", reason=message)

    critical = error = info = debug = warning


def measure_requests(
    application: Application,
    metrics: Metrics,
    find_address: Callable[[MutableMapping[str, Any]], str],
    access_log: AccessLog,
) -> Application:
    """Wrap an application: each request is counted and logged with the player's real address.

    `find_address(scope)` gives that address. The access log has the same in another form. What the
    application marks as QUIET is logged at DEBUG only.
    """

    async def measured(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        address = find_address(scope)
        scope["portal.peer"] = scope["client"][0] if scope["client"] else ""
        scope["client"] = (address, 0)
        status = 0  # where the client left before it had any
        size = 0

        async def note(message: MutableMapping[str, Any]) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await application(scope, receive, note)
        finally:
            metrics.http_requests += 1
            facts = {
                "address": address,
                "method": scope["method"],
                "path": scope["raw_path"][:PATH_LENGTH].decode("ascii"),
                "status": status,
                "milliseconds": round((time.perf_counter() - began) * 1000, 1),
            }
            if QUIET in scope:
                log.debug("http_request", **facts)
            else:
                log.info("http_request", **facts)
            if access_log.write is not None:
                path, version = scope["raw_path"][:PATH_LENGTH], scope["http_version"]
                request = b"%b %b HTTP/%b" % (scope["method"].encode(), path, version.encode())
                now = datetime.now(tz=UTC).astimezone()
                line = make_access_line(
                    address, request, scope["headers"], status=status, size=size, when=now
                )
                access_log.write(line)

    return measured
