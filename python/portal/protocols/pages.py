"""The pages of the HTTP port, as a Starlette application.

    /            the web client, and its files beside it
    /healthz     200: the process is alive
    /readyz      200 when a game is connected, 503 when not
    /metrics     for Prometheus, from `http.metrics_networks` only
    /webclientdata   with `http.ajax`: the page of an Evennia game, where it has no websockets

The client's files are read once, at the start: they are few and small, and a file system that is
slow, or a thread that has to wait for the interpreter, would hold up whoever reads them.
"""

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from portal.config import HttpConfig
from portal.wire.forwarded import Proxies, is_in, is_passed_on, parse_networks

if TYPE_CHECKING:
    from portal.protocols.ajax import AjaxProtocol

INDEX = "index.html"
# A page that was upgraded shows at once; what did not change costs a question (ETag) only.
CACHE = "no-cache"
UNKNOWN = "unknown"  # as a proxy writes it that hides its clients (RFC 7239)

# What remains the Portal's own beside a game's pages: to whom it matters, and to everybody.
OF_OPERATORS = frozenset({"/healthz", "/readyz", "/metrics"})
AJAX = "/webclientdata"
OF_PLAYERS = frozenset({AJAX})

Render = Callable[[str], tuple[bytes, str]]


class Pages:
    """What the pages need to know: who asks, whether the game is there, and the figures.

    `is_ready()` tells whether a game is connected; `render_metrics(accept)` gives the body and
    the content type of /metrics. `ajax` answers at AJAX, if there is any.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        is_ready: Callable[[], bool],
        render_metrics: Render,
        ajax: "AjaxProtocol | None" = None,
    ) -> None:
        self._ajax = ajax
        self._proxies = Proxies(config)
        self._metrics_networks = parse_networks(config.metrics_networks)
        self._is_ready = is_ready
        self._render_metrics = render_metrics

    def reconfigure(self, config: HttpConfig) -> None:
        """Trust other proxies, and show the figures to other networks, from now on."""
        self._proxies.reconfigure(config)
        self._metrics_networks = parse_networks(config.metrics_networks)

    def make_application(self, *, client: bool = True) -> Starlette:
        """Make the application; it holds every file of the client, if that is served."""
        web = resources.files("portal").joinpath("web")
        files = dict(_read_files(web)) if client else {}
        routes = [
            Route("/healthz", self.health),
            Route("/readyz", self.readiness),
            Route("/metrics", self.metrics),
        ]
        if self._ajax is not None:
            routes.append(Route(AJAX, self._ajax, methods=["POST"]))
        for name, file in files.items():
            routes.append(Route(f"/{name}", file.answer))
            if name == INDEX:
                routes.append(Route("/", file.answer))
        application = Starlette(routes=routes)
        application.router.redirect_slashes = False  # to wherever the Host of the request says
        return application

    def find_address(self, scope: MutableMapping[str, Any]) -> str:
        """Return the address of whoever asks, behind the proxies that are trusted."""
        client = scope.get("client")
        headers = (
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        return self._proxies.find_client(client[0] if client else "", headers)

    def keeps(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether a request is the Portal's own where everything else is the game's.

        A game may have pages of the same names. So the operators' are for those who may see the
        figures, and to whoever comes through a proxy they are the game's.
        """
        if scope["path"] not in OF_OPERATORS:
            return scope["path"] in OF_PLAYERS
        address = scope["client"][0]
        if is_passed_on(name.decode("latin-1") for name, _ in scope["headers"]):
            return False
        return not address or is_in(address, self._metrics_networks)

    def trusts(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether a request comes from a proxy whose word counts."""
        return self._proxies.trust(scope["portal.peer"])

    async def health(self, _request: Request) -> Response:
        """Say that the process is alive."""
        return PlainTextResponse("alive\n", headers={"Cache-Control": "no-store"})

    async def readiness(self, _request: Request) -> Response:
        """Say whether a game is connected."""
        ready = self._is_ready()
        return PlainTextResponse(
            "the game is connected\n" if ready else "no game is connected\n",
            status_code=200 if ready else 503,
            headers={"Cache-Control": "no-store"},
        )

    async def metrics(self, request: Request) -> Response:
        """Show the figures to those who may see them.

        A request that a proxy passed on is whoever's the proxy says, if it is trusted and says
        so, and nobody's else: behind a proxy on this machine the whole world would be on loopback.
        """
        address = request.client.host if request.client else ""
        if is_passed_on(request.headers) and address == request.scope["portal.peer"]:
            address = UNKNOWN
        if address and not is_in(address, self._metrics_networks):
            return PlainTextResponse("not for you\n", status_code=403)
        body, content_type = self._render_metrics(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


@dataclass(frozen=True, slots=True)
class File:
    """A file of the client, ready to be sent."""

    body: bytes
    content_type: str
    etag: str

    async def answer(self, request: Request) -> Response:
        """Send the file, or say that the browser's copy is still right."""
        headers = {"Cache-Control": CACHE, "ETag": self.etag}
        known = request.headers.get("if-none-match", "")
        # A proxy that compresses marks the tag as weak (RFC 9110, section 13.1.2).
        if any(tag.strip().removeprefix("W/") == self.etag for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers={**headers, "Content-Type": self.content_type})


def _read_files(folder: Traversable, below: str = "") -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _read_files(entry, f"{name}/")
            continue
        body = entry.read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind.endswith(("javascript", "json")):
            kind += "; charset=utf-8"
        yield name, File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
