"""Everything that browsers come in by: websockets, pages, and who a browser is logged in as.

A part of `portal.app`, which gives it what all parts share. What the HTTP port needs is imported
where there is such a port only, and what an Evennia game needs where there is one.
"""

from typing import TYPE_CHECKING

import trio

from portal.config import Config
from portal.exposition import Exposition
from portal.hub.hub import Hub
from portal.hub.listener import Admission
from portal.metrics import Metrics
from portal.protocols.browser import Browsers, Logins
from portal.protocols.opening import OpeningProtocol
from portal.protocols.rendering import Rendering
from portal.protocols.websocket import WebSocketProtocol
from portal.sessionhandler import PortalSessionHandler
from portal.wire.access_log import AccessLog
from portal.wire.forwarded import Proxies

if TYPE_CHECKING:
    from portal.evennia.game import Game
    from portal.evennia.worker_process import WorkerProcess
    from portal.protocols.ajax import AjaxProtocol
    from portal.protocols.http import HttpProtocol
    from portal.protocols.pages import Pages
    from portal.protocols.proxy import Proxy


class WebSide:
    """The ways in for browsers, of one Portal; a service.

    `admission` is for all ports of players: who comes through a proxy counts as well.
    `http` and `pages` are there on the HTTP port only, `proxy` in front of a game's own web
    server only, `ajax` with `http.ajax` only. `browsers` and `worker` know who browsers are logged
    in as: that is asked of `browsers`, else of the game of Evennia's in front of which the Portal
    stands, if it does.
    """

    http: "HttpProtocol | None" = None
    pages: "Pages | None" = None
    proxy: "Proxy | None" = None
    ajax: "AjaxProtocol | None" = None
    worker: "WorkerProcess | None" = None

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        hub: Hub,
        sessionhandler: PortalSessionHandler,
        rendering: Rendering,
        *,
        exposition: Exposition,
        evennia: "Game | None" = None,
        browsers: Logins | None = None,
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.sessionhandler = sessionhandler
        self.access_log = AccessLog()
        proxies = Proxies(config.http)
        self.admission = Admission(config.limits, proxies.trust)
        if browsers is None and evennia is not None:
            browsers = self._ask_worker(evennia)
        self.browsers = None if browsers is None else Browsers(browsers, metrics, hub)
        self.websocket = WebSocketProtocol(
            config,
            metrics,
            hub,
            sessionhandler,
            rendering,
            proxies=proxies,
            admission=self.admission,
        )
        self.websocket.browsers = self.browsers
        if config.http.enabled and config.http.ajax:
            from portal.protocols.ajax import AjaxProtocol  # noqa: PLC0415 - spared

            self.ajax = AjaxProtocol(self.websocket, hub)
        self.opening = OpeningProtocol(config, metrics, hub, self.websocket)
        if config.http.enabled:
            self._make_http(exposition)

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on."""
        self.config = config
        self.websocket.reconfigure(config)
        self.opening.reconfigure(config)
        if self.ajax is not None:
            self.ajax.reconfigure(config)
        if self.http is not None and self.pages is not None:
            self.http.reconfigure(config.http)
            self.pages.reconfigure(config.http)
        if self.proxy is not None:
            self.proxy.reconfigure(config.http)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run what needs tasks; cancelling it ends requests, and the worker."""
        async with trio.open_nursery() as nursery:
            for service in (self.http, self.proxy, self.worker):
                if service is not None:
                    await nursery.start(service.run)
            task_status.started()
            await trio.sleep_forever()

    # ---- parts of the above

    def _ask_worker(self, game: "Game") -> Logins:
        from portal.evennia.browser_sessions import BrowserSessions  # noqa: PLC0415 - spared
        from portal.evennia.worker_process import make_worker  # noqa: PLC0415

        self.worker = make_worker(game.directory, game.environment, self.metrics)
        return BrowserSessions(self.worker)

    def _make_http(self, exposition: Exposition) -> None:
        from portal.protocols.http import HttpProtocol, measure_requests  # noqa: PLC0415
        from portal.protocols.pages import Pages  # noqa: PLC0415

        http = self.config.http
        self.pages = pages = Pages(
            http,
            is_ready=lambda: self.sessionhandler.absence.state == "connected",
            render_metrics=exposition.render,
            ajax=self.ajax,
        )
        application = pages.make_application() if http.upstream is None else self._make_proxy(pages)
        measured = measure_requests(application, self.metrics, pages.find_address, self.access_log)
        self.http = HttpProtocol(http, self.metrics, self.opening, measured)

    def _make_proxy(self, pages: "Pages") -> "Proxy":
        from portal.protocols.proxy import Proxy  # noqa: PLC0415 - as above

        self.proxy = Proxy(
            self.config.http,
            self.metrics,
            pages,
            name=lambda: self.config.name,
            state=lambda: self.sessionhandler.absence.state,
        )
        return self.proxy
