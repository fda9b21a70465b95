"""The Portal's end of AMP: whoever dials in at the AMP port is answered here.

Three kinds of peer dial in. A **Server** introduces itself by PSYNC; from then on its link leads to
the game (`portal.server_link`). The **launcher** and the **command line** ask and leave.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog
import trio

from portal import __version__
from portal.amp import payload
from portal.amp.authentication import Authenticator, Trust, may_speak
from portal.amp.commands import (
    AdminServer2Portal,
    FunctionCall,
    MsgLauncher2Portal,
    MsgServer2Portal,
    MsgStatus,
    Operation,
    PackedCommand,
    PortalQuery,
)
from portal.amp.link import Link
from portal.config import Config, amp_address_to_text
from portal.errors import RemoteProtocolError
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.server_link import LinkedServer
from portal.sessionhandler import PortalSessionHandler
from portal.supervisor import Supervisor

log = structlog.get_logger(__name__)

Query = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
ORDERS = frozenset({Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD})


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
        self.server = LinkedServer(config.amp, sessionhandler, supervisor, self._tell_launcher)
        self.queries = dict(queries or {})
        self.functions = dict(functions or {})
        self.addresses = addresses
        self.links: dict[Link, None] = {}
        self.launcher_link: Link | None = None
        self._nursery: trio.Nursery | None = None
        self._boxes = hub.deadlines(config.amp.box_seconds, Link.expire)
        self._proofs = hub.deadlines(config.amp.authentication_seconds, Authenticator.expire)

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration: for the links of peers that come from now on."""
        self.config = config
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
            responders={MsgStatus: self._status},
            packed={MsgServer2Portal: self.server.data, AdminServer2Portal: self.server.admin},
            nursery=self._nursery,
            closing=self._closing,
            deadlines=self._boxes,
        )
        link.respond(MsgLauncher2Portal, partial(self._launcher_order, link))
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
        if link is self.launcher_link:
            self.launcher_link = None
        self.server.lost(link)

    # ---- from the launcher and the command line

    def _status(self, status: bytes) -> dict[str, bytes]:  # noqa: ARG002 - the wire's argument
        return {"status": payload.dump_value(self._status_tuple())}

    def _status_tuple(self) -> tuple[Any, ...]:
        """Say what Evennia's launcher formats; each of its keys must be there."""
        info = {"servername": self.config.name, "version": __version__}
        info |= dict.fromkeys(("errors", "info", "lockdown_mode"), "")
        lists = ("telnet_ssl", "ssh", "webclient", "webserver_proxy", "webserver_internal")
        addresses = self.addresses()
        portal_info = {
            **info,
            **{name: [] for name in lists},
            "amp": f"amp: {amp_address_to_text(addresses['amp'])}",
            "telnet": [f"telnet: {port}" for _, port in addresses.get("telnet", ())],
        }
        connected = self.server.link is not None
        server_pid = self.supervisor.server_pid
        return (True, connected, os.getpid(), server_pid, portal_info, self.server.info)

    def _launcher_order(self, link: Link, operation: bytes, arguments: bytes) -> None:  # noqa: ARG002
        """Do what the launcher orders; where it waits for a status, that follows as a call."""
        order = operation.decode("latin-1")
        connected = self.server.link is not None
        log.info("launcher_order", operation=ord(order[:1] or "\0"), connected=connected)
        if order == Operation.PSHUTD:
            self.supervisor.order(order)
        elif order == Operation.SSTART:
            if not connected:
                self.launcher_link = link
                self.supervisor.start()
        elif order in ORDERS and connected:
            self.launcher_link = link
            self.supervisor.order(order)

    def _tell_launcher(self) -> None:
        link, self.launcher_link = self.launcher_link, None
        if link is not None and not link.closed:
            status = payload.dump_value(self._status_tuple())
            link.notify(MsgStatus, status=status)

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
