"""The Portal's end of AMP: whoever dials in at the AMP port is answered here.

Three kinds of peer dial in. A **Server** introduces itself by PSYNC; from then on its link leads to
the game (`portal.server_link`). The **launcher** and the **command line** ask and leave.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog
import trio

from portal.amp import payload
from portal.amp.authentication import Authenticator, Trust, may_speak
from portal.amp.commands import (
    AdminServer2Portal,
    FunctionCall,
    MsgLauncher2Portal,
    MsgServer2Portal,
    MsgStatus,
    PackedCommand,
    PortalQuery,
)
from portal.amp.link import Link
from portal.amp.responders import TextResponder
from portal.config import Config
from portal.errors import RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.launcher import Launcher
from portal.metrics import Metrics
from portal.server_link import LinkedServer
from portal.sessionhandler import PortalSessionHandler
from portal.supervisor import Supervisor

log = structlog.get_logger(__name__)

Query = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class AmpServer:
    """Every AMP link of a Portal, and the one among them that leads to the game.

    `queries` are the answers to PortalQuery by name, given on local links only, and `functions`
    what FunctionCall may call by "module.function"; with none registered it is unhandled.
    `addresses` tells where the Portal listens. It is a service: links work once `run` has started.
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        *,
        hub: Hub,
        sessionhandler: PortalSessionHandler,
        supervisor: Supervisor,
        queries: Mapping[str, Query] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        addresses: Callable[[], dict[str, Any]],
    ) -> None:
        self.config = config
        self.metrics = metrics
        self.supervisor = supervisor
        self.server = LinkedServer(config.amp, sessionhandler, supervisor, self._at_change)
        self.launcher = Launcher(config, supervisor, self.server, addresses)
        self.queries = dict(queries or {})
        self.functions = dict(functions or {})
        self.links: dict[Link, None] = {}
        self._nursery: trio.Nursery | None = None
        self._boxes = hub.deadlines(config.amp.box_seconds, Link.expire)
        self._proofs = hub.deadlines(config.amp.authentication_seconds, Authenticator.expire)

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration: for the links of peers that come from now on."""
        self.config = self.launcher.config = config
        self.server.config = config.amp

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of asynchronous responders; cancelling it cancels them."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    def make_protocol(self, connection: Connection) -> Link:
        """Answer a connection at the AMP port; the listener calls this.

        A peer that may not speak is let go at once; one that must know the secret is UNHANDLED
        until it has proved that.
        """
        link = Link(
            connection,
            self.config.amp,
            self.metrics,
            responders={MsgStatus: self.launcher.answer_status},
            packed={
                MsgServer2Portal: TextResponder(self.server.data),
                AdminServer2Portal: self.server.admin,
            },
            nursery=self._nursery,
            closing=self._closing,
            deadlines=self._boxes,
        )
        link.respond(MsgLauncher2Portal, partial(self.launcher.obey, link))
        if connection.is_local:
            link.respond(PortalQuery, self._query)
        if self.functions:
            link.respond(FunctionCall, self._call_function)
        self.links[link] = None
        self._admit(link)
        return link

    def _admit(self, link: Link) -> None:
        address = link.connection.address
        trust = may_speak(self.config.amp, address, local=link.connection.is_local)
        if trust is Trust.REFUSED:
            self.metrics.amp_connections_refused += 1
            log.warning("amp_address_refused", address=address)
            link.abort("the address is not trusted")
            return
        if self.config.amp.secret is not None:
            # Whoever asks is answered; at an open port it is what each has to ask first.
            guard = Authenticator(self.config.amp.secret)
            for command, responder in guard.responders.items():
                link.respond(command, responder)
            if trust is Trust.SECRET:
                link.allow = guard.allow
                guard.watch(link, self._proofs)

    def _closing(self, link: Link) -> None:
        self.links.pop(link, None)
        self.launcher.forget(link)
        self.server.lost(link)

    def _at_change(self) -> None:
        self.launcher.tell()

    # ---- from the command line

    async def _query(self, query: str, arguments: bytes) -> dict[str, bytes]:
        answer = self.queries.get(query)
        if answer is None:
            known = ", ".join(sorted(self.queries))
            raise RemoteProtocolError("UnknownQuery", f"{query[:40]!r} is none of {known}")
        try:
            asked = msgspec.json.decode(arguments or b"{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise RemoteProtocolError("BadArguments", str(error)) from error
        return {"result": msgspec.json.encode(await answer(asked))}

    def _call_function(
        self, module: bytes, function: bytes, args: bytes, kwargs: bytes
    ) -> dict[str, bytes]:
        """Call what the registry names; `module` and `function` are no more than its key."""
        name = f"{module.decode('ascii', 'replace')}.{function.decode('ascii', 'replace')}"
        target = self.functions.get(name)
        if target is None:
            log.warning("function_not_registered", function=name[:100])
            raise RemoteProtocolError("UnknownFunction", f"{name[:100]} is not registered")
        positional, named = payload.load_value(args), payload.load_value(kwargs)
        return {"result": payload.dump_value(target(*positional, **named))}

    def broadcast(self, command: type[PackedCommand], sessid: int, kwargs: dict[str, Any]) -> None:
        """Send one packed message to every link; those who do not know it say so, harmlessly."""
        data = Link.encode_packed(sessid, kwargs)
        for link in tuple(self.links):
            link.send_payload(command, data, answered=_ignore)


def _ignore(_context: object, _error: Exception | None) -> None:
    """Leave it at that: what became of a broadcast at one link matters to nobody."""
