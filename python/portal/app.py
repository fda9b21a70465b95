"""The one place where a Portal is put together, started in order and stopped in order.

`Portal` is one Portal: build it from a `Config`, and `run` it in a nursery of your own program, or
have `portal.embedding` do so. It touches nothing of the process around it; a whole process that is
a Portal is `portal.process`.

Start:  sockets are opened (a port in use fails here), hub, AMP, supervisor, listeners.
Stop:   players are told, their listeners are closed, the Server is told to leave and waited
        for, sessions end, the AMP port is closed, and the hub drains what is left.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import structlog
import trio

from portal import __version__
from portal.amp.authentication import check_address
from portal.amp_server import AmpServer
from portal.config import (
    AMP_ADDRESS_VARIABLE,
    AMP_SECRET_VARIABLE,
    PORTAL_PID_VARIABLE,
    Changes,
    Config,
    amp_address_to_text,
    take_over,
)
from portal.errors import ConfigError
from portal.exposition import Exposition
from portal.gauges import (
    describe_browsers,
    describe_connections,
    describe_pages,
    describe_portal,
    describe_process,
    describe_server,
    describe_sessions,
)
from portal.holding import Reason
from portal.hub.hub import Hub, MakeProtocol
from portal.hub.listener import Admission, Listener
from portal.metrics import Gauge, Metrics
from portal.ports import PlayerPort, find_dialled, limit_amp, open_amp_port, open_player_port
from portal.protocols.rendering import Rendering
from portal.protocols.telnet import TelnetProtocol
from portal.queries import Queries
from portal.sessionhandler import PortalSessionHandler
from portal.supervisor import Supervisor
from portal.web_side import WebSide
from portal.wire.http import refuse

if TYPE_CHECKING:
    from portal.evennia.game import Game
    from portal.game import GameServer
    from portal.protocols.browser import Logins

log = structlog.get_logger(__name__)

# The Server's part of the 15 seconds that a stop may take; the rest is the hub's and a margin.
STOP_SECONDS = 12.0
GOODBYE = "The game is shutting down."
# To browsers, in the form that they understand; telnet players are told which limit it is.
NO_ROOM = "The game takes no more connections at the moment. Please try again a little later."
NO_PORT = "the game that it starts dials in at the AMP port, and this Portal has none"

Info = dict[str, Any]


class Portal:
    """One Portal with all of its parts; a service: `await nursery.start(portal.run)`.

    `open` opens the sockets and may be called before, to see errors without a nursery around
    them. `stop` ends `run` in order, at any time and from any callback. `gauges` are what can be
    looked up about it; whoever runs it may add some before. `on_stopped` is called at the end of an
    orderly stop, while the AMP port is still open. With `amp` off there is no port for
    games and the command line: the game is one that `play` is given. `evennia` is the game of
    Evennia's that it stands in front of. `browsers` knows who browsers are logged in as; without
    it, the game of Evennia's does.

    Raises ConfigError for an AMP port that would be open to everybody, and for a command to start
    a game that could not dial in.
    """

    def __init__(
        self,
        config: Config,
        *,
        amp: bool = True,
        evennia: "Game | None" = None,
        browsers: "Logins | None" = None,
    ) -> None:
        if amp:
            check_address(config.amp)
        else:
            _require_no_command(config)
        self.config = config
        self.amp = amp
        self.metrics = Metrics()
        self.hub = Hub(config.hub, self.metrics)
        self.sessionhandler = PortalSessionHandler(
            config, self.metrics, now=self.hub.now, wall=time.time
        )
        self.environment = dict(os.environ) | dict(evennia.environment if evennia else {})
        self.supervisor = Supervisor(config.server, self.metrics, environment=self.environment)
        self.gauges: list[Gauge] = []
        self.queries = Queries(
            config.name,
            self.metrics,
            self.sessionhandler,
            self.supervisor,
            gauges=self.gauges,
            wall=time.time,
            addresses=self.addresses,
            server_info=lambda: self.amp_server.server.info,
            stop=self.stop,
        )
        self.amp_server = AmpServer(
            config,
            self.metrics,
            hub=self.hub,
            sessionhandler=self.sessionhandler,
            supervisor=self.supervisor,
            queries=self.queries.by_name(),
            addresses=self.addresses,
        )
        self._connect_supervisor()
        if evennia is not None:
            self._connect_game(evennia)
        parts = (config, self.metrics, self.hub, self.sessionhandler, Rendering(config.markup))
        self.telnet = TelnetProtocol(*parts)
        exposition = Exposition(self.metrics, self.gauges)
        self.web = WebSide(*parts, exposition=exposition, evennia=evennia, browsers=browsers)
        self.websocket, self.admission = self.web.websocket, self.web.admission
        self.gauges += self._make_gauges()
        self.player_listeners: list[Listener] = []
        self.amp_listener: Listener | None = None
        self.on_stopped: Callable[[], None] = lambda: None
        self._stopping, self._stopped = trio.Event(), trio.Event()

    def _connect_supervisor(self) -> None:
        self.supervisor.on_order = self.amp_server.server.forward_order
        self.supervisor.on_close = self.amp_server.server.close
        self.supervisor.on_absence = self.sessionhandler.explain_absence
        self.supervisor.on_stop = self.stop

    def _connect_game(self, evennia: "Game") -> None:
        self.amp_server.launcher.game = evennia
        self.sessionhandler.connect_bot = evennia.connect_bot

    def _make_gauges(self) -> list[Gauge]:
        def config() -> Config:
            return self.config

        return [
            *describe_portal(lambda: time.time() - self.sessionhandler.portal_start_time),
            *describe_process(),
            *describe_connections(config, self.hub, self.admission, self._listeners),
            *describe_browsers(config, self.web.opening, self.web.http),
            *describe_pages(config, self.web.ajax, self.web.worker),
            *describe_sessions(self.sessionhandler),
            *describe_server(self.amp_server, self.supervisor, self.hub.now),
        ]

    # ---- where it is

    def addresses(self) -> Info:
        """Where it listens: `telnet`, `websocket` and `http` as [[host, port]], and `amp`.

        `amp` is [host, port] or a path, and None where there is no such port.
        """
        amp = [] if self.amp_listener is None else self.amp_listener.addresses
        found: Info = {"telnet": [], "websocket": [], "http": [], "amp": amp[0] if amp else None}
        for listener in self.player_listeners:
            found[listener.name] = listener.addresses
        return found

    def info(self) -> Info:
        """Tell who it is and where: its name, version, addresses, its pid and its child's."""
        return {
            "name": self.config.name,
            "version": __version__,
            "portal_pid": os.getpid(),
            "server_pid": self.supervisor.child_pid,
            **self.addresses(),
        }

    # ---- what it goes by

    def reconfigure(self, config: Config) -> Changes:
        """Go by another configuration from now on, as far as that is possible while it runs.

        What `portal.config.changes` names LIVE is taken over, also for the sessions that live; what
        is changed beside that is named in the result and waits for another Portal. `log` is the
        process's: nothing here goes by it. Raises ConfigError for a command to start a game that
        could not dial in, and then changes nothing.
        """
        if not self.amp:
            _require_no_command(config)
        self.config, changes = take_over(self.config, config)
        config = self.config
        self.hub.reconfigure(config.hub)
        self.admission.reconfigure(config.limits)
        self.supervisor.reconfigure(config.server)
        self.amp_server.reconfigure(config)
        self.queries.name = config.name
        self.telnet.reconfigure(config)
        self.web.reconfigure(config)
        # Last, since it tells the sessions, who ask their protocols.
        self.sessionhandler.reconfigure(config)
        return changes

    # ---- its life

    def open(self) -> None:
        """Open every socket; connections wait in their backlog until `run` takes them.

        Raises ServiceError for an address that cannot be had (in use, not ours, not allowed);
        then none stays open.
        """
        with contextlib.ExitStack() as undo:
            backlog = self.config.hub.backlog
            opened = []
            for name, port, make in self._ways_in():
                sockets = open_player_port(name, port, backlog)
                opened.append((name, sockets, make))
                for sock in sockets:
                    undo.enter_context(sock)
            amp = open_amp_port(self.config.amp, backlog) if self.amp else []
            undo.pop_all()
        self.player_listeners = [
            Listener(
                self.hub,
                name,
                sockets,
                make,
                admission=self.admission,
                refusal=b"" if name == "telnet" else refuse(503, NO_ROOM),
            )
            for name, sockets, make in opened
        ]
        if amp:
            admission = Admission(limit_amp(self.config.amp.connections))
            self.amp_listener = Listener(
                self.hub, "amp", amp, self.amp_server.make_protocol, admission=admission
            )
            self._tell_environment()

    def _ways_in(self) -> Iterator[tuple[str, PlayerPort, MakeProtocol]]:
        """Name the ports for players: each with its settings and what makes its protocols."""
        config = self.config
        if config.telnet.enabled:
            yield "telnet", config.telnet, self.telnet.make_protocol
        if config.websocket.enabled:
            yield "websocket", config.websocket, self.web.opening.make_websocket
        if self.web.http is not None:
            yield "http", config.http, self.web.http.make_protocol

    async def run(self, *, task_status: trio.TaskStatus[Info] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop` is called or the task is cancelled.

        Reports started with `info()` when it listens; its Server may still be on its way.
        Cancelled, it drops everything within about two seconds; `stop` is the orderly way.
        Raises what `open` does, unless that was called before.
        """
        if not self._listeners():
            self.open()
        try:
            async with trio.open_nursery() as below:
                await below.start(self.hub.run)
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.amp_server.run)
                    await nursery.start(self.web.run)
                    await nursery.start(self.supervisor.run)
                    for listener in self._listeners():
                        await nursery.start(listener.run)
                    log.info("portal_started", **self.info())
                    task_status.started(self.info())
                    await self._stopping.wait()
                    await self._stop_in_order()
                    nursery.cancel_scope.cancel()
                below.cancel_scope.cancel()
        finally:
            for listener in self._listeners():
                listener.close()
            self.amp_server.server.close("the Portal has ended")
            self._stopping.set()
            self._stopped.set()
            log.info("portal_stopped")

    async def play(
        self, game: "GameServer", *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> str:
        """Let a game of this process serve the players, until it leaves; input is kept between two.

        Started when the game has the sessions. It leaves by `game.stop()`, by an order (`reload`,
        `shutdown`), for another game, and with the Portal. Returns what it was ordered to leave
        for ("reload", "reset", "shutdown"), "" if it was not. Nothing is begun at a Portal that
        stops or has stopped: that is "shutdown". Cancelling and raising are those of
        `GameServer.serve`.
        """
        if self.stopping:
            task_status.started()
            await trio.lowlevel.checkpoint()
            return "shutdown"
        # What has its game elsewhere is spared the game's side.
        from portal.local_link import LocalLink  # noqa: PLC0415

        link = LocalLink(self.amp_server.server, game)
        await game.serve_by(link.connect, task_status=task_status)
        return link.departure

    def stop(self) -> None:
        """Begin to stop: players are told at once. `run` returns when it is done, within 15 s."""
        if not self.stopping:
            self._stopping.set()
            self.sessionhandler.announce_all(GOODBYE)
            self.sessionhandler.begin_holding(Reason.CLOSING)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    async def stopped(self) -> None:
        """Wait until it has stopped, by whatever."""
        await self._stopped.wait()

    async def _stop_in_order(self) -> None:
        # Told to stop and cancelled in one moment: the supervisor has ended already.
        await trio.lowlevel.checkpoint_if_cancelled()
        log.info("portal_stopping", sessions=len(self.sessionhandler.sessions))
        for listener in self.player_listeners:
            listener.close()
        with trio.move_on_after(STOP_SECONDS):
            await self.supervisor.stop_server()
        self.sessionhandler.disconnect_all()
        self.on_stopped()

    def _listeners(self) -> list[Listener]:
        amp = [] if self.amp_listener is None else [self.amp_listener]
        return [*self.player_listeners, *amp]

    def _tell_environment(self) -> None:
        """Tell the Server, by its environment, where to dial in and when to end by itself."""
        self.environment[PORTAL_PID_VARIABLE] = str(os.getpid())
        address = self.addresses()["amp"]
        self.environment[AMP_ADDRESS_VARIABLE] = amp_address_to_text(find_dialled(address))
        if self.config.amp.secret is not None:
            self.environment[AMP_SECRET_VARIABLE] = self.config.amp.secret


def _require_no_command(config: Config) -> None:
    if config.server.command:
        raise ConfigError("settings", "server.command", NO_PORT)
