"""HTTP on the hub: hypercorn serves what is no websocket, each connection in a task of its own.

Hypercorn's `TCPServer` runs on a `ConnectionStream`, so that plain connections, and later those
behind TLS and the PROXY header, look alike to it. `TCPServer`, `WorkerContext` and `ASGIWrapper`
are hypercorn's own parts: its version is pinned, and `tests/protocols/test_http.py` is the
contract.

A websocket may come on a connection that was kept alive after a page: hypercorn is then told that
the input has ended, and the connection goes to `portal.protocols.opening` instead.
"""

import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import hypercorn.config
import hypercorn.events
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext

from portal.config import HttpConfig
from portal.hub.connection import Connection
from portal.hub.stream import ConnectionStream
from portal.metrics import Metrics
from portal.protocols.opening import OpeningProtocol
from portal.wire.upgrade import HEAD_END, is_upgrade, refuse

log = structlog.get_logger(__name__)

Application = Callable[[Any, Any, Any], Awaitable[None]]

BUSY = "Too many pages are being read at the moment. Please try again."


class HttpProtocol:
    """Serves an ASGI application on connections of the hub; a service.

    Connections come by `make_protocol`, the listener's; they are served once `run` has started.
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
        self.connections = 0
        self._application = ASGIWrapper(application)
        self._settings = _settings(config)
        self._context = WorkerContext(None)
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of all connections; cancelling it drops them."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    def make_protocol(self, connection: Connection) -> Any:
        """Begin on a new connection, by reading what it asks for."""
        return self.opening.begin(connection, self.serve)

    def serve(self, connection: Connection, received: bytes) -> None:
        """Serve a connection that asks for no websocket; `received` is its request so far."""
        if self._nursery is None or self.connections >= self.config.connections:
            self.metrics.http_connections_refused += 1
            connection.write(refuse(503, BUSY, ("Retry-After", "5")))
            connection.close("too many pages are being read")
            return
        self.connections += 1
        stream = HttpStream(connection, received, self.config)
        self._nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: "HttpStream") -> None:
        try:
            with stream.scope:
                server = Server(
                    self._application, self._settings, self._context, {}, cast("Any", stream)
                )
                await server.run()
        except Exception:
            # The barrier between one connection and the others.
            self.metrics.protocol_crashes += 1
            log.exception("http_failed", address=stream.connection.address)
            stream.connection.abort("internal error")
        finally:
            self.connections -= 1
            if stream.upgrade is None:
                stream.connection.close()
        if stream.upgrade is not None:
            opening = self.opening.begin(stream.connection, self.serve)
            stream.connection.protocol = opening
            opening.receive_data(stream.upgrade + stream.take_received())


class Server(TCPServer):
    """Hypercorn's connection, which tells its stream whether a request is being answered."""

    async def protocol_send(self, event: Any) -> None:
        """Do what hypercorn asks of the connection."""
        if isinstance(event, hypercorn.events.Updated):
            self.stream.idle = event.idle
        await super().protocol_send(event)


class HttpStream(ConnectionStream):
    """A connection as hypercorn wants it.

    `scope` is cancelled when the connection is lost: nobody is there to be answered. `idle` tells
    whether the next bytes begin a request. `upgrade` is the head of a request for a websocket,
    None as long as there was none.
    """

    def __init__(self, connection: Connection, received: bytes, config: HttpConfig) -> None:
        super().__init__(connection, received, send_seconds=config.send_seconds)
        self.scope = trio.CancelScope()
        self.idle = False
        self.upgrade: bytes | None = None
        self.socket = _Socket(connection)
        self._config = config
        self._taken = 0

    def connection_lost(self, error: Exception | None) -> None:
        """End what still answers."""
        super().connection_lost(error)
        self.scope.cancel()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come; a request that begins is returned with its whole head.

        A request larger than its bounds ends the connection.
        """
        if self.upgrade is not None:
            return b""
        if not self.idle:
            data = await super().receive_some(max_bytes)
            self._taken += len(data)
            if self._taken > self._config.head_bytes + self._config.body_bytes + len(HEAD_END):
                self.connection.abort("its request was too large")
            return data
        head = b""
        while True:
            data = await super().receive_some(max_bytes)
            head += data
            if not data or HEAD_END in head or len(head) > self._config.head_bytes:
                break
        self._taken = len(head)
        if is_upgrade(head):
            self.upgrade = head
            return b""
        return head

    async def aclose(self) -> None:
        """Close, unless the connection is to become a websocket."""
        if self.upgrade is None:
            await super().aclose()


class _Socket:
    """What hypercorn asks a socket: who is there. Where it is itself matters to no page."""

    def __init__(self, connection: Connection) -> None:
        self._peer = connection.peer
        self.family = socket.AF_UNIX if isinstance(self._peer, str) else socket.AF_INET

    def getpeername(self) -> Any:
        """Return the address of the other end."""
        return self._peer

    def getsockname(self) -> None:
        """Return nothing, which ASGI allows."""


def _settings(config: HttpConfig) -> hypercorn.config.Config:
    settings = hypercorn.config.Config()
    settings.keep_alive_timeout = config.keep_alive_seconds
    settings.h11_max_incomplete_size = config.head_bytes
    settings.include_server_header = False
    settings.errorlog = None
    settings.logger_class = Logger  # type: ignore[assignment]
    return settings


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
) -> Application:
    """Wrap an application: each request is counted and logged with the player's real address.

    `find_address(scope)` gives that address. The body of a request is read to its end, within the
    connection's bounds, whether the application wants it or not: hypercorn would wait for that.
    """

    async def measured(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        began = time.perf_counter()
        address = find_address(scope)
        scope["portal.peer"] = scope["client"][0] if scope["client"] else ""
        scope["client"] = (address, 0)
        status = 0

        async def note(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        while (await receive()).get("more_body"):
            pass
        await application(scope, receive, note)
        metrics.http_requests += 1
        log.info(
            "http_request",
            address=address,
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            milliseconds=round((time.perf_counter() - began) * 1000, 1),
        )

    return measured
