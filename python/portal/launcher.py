"""What Evennia's launcher asks of the Portal: `evennia start`, `reload`, `stop` and the like.

It dials in once for each call of its command line, asks for the status (MsgStatus) and gives an
order (MsgLauncher2Portal). Where it has to wait for something, that is the status as a call:

    order             while a Server is linked           while there is none
    SSTART            told at once                       start one; told when it is linked
    SRELOAD, SRESET   pass it on; told when it is gone   start one; told when it is linked
    SSHUTD            pass it on; told when it is gone   -
    PSHUTD            stop the Portal                    stop the Portal

After SRELOAD and SRESET the launcher itself sends SSTART, or runs a Server in its own terminal
(`evennia istart`). So none is started before its word, or before it has had some time for that.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from portal import __version__
from portal.amp import payload
from portal.amp.commands import MsgStatus, Operation
from portal.amp.link import Link
from portal.config import Config, amp_address_to_text
from portal.errors import RemoteProtocolError
from portal.server_link import LinkedServer
from portal.supervisor import Supervisor

log = structlog.get_logger(__name__)

RELOADS = frozenset({Operation.SRELOAD, Operation.SRESET})


class LaunchedGame(Protocol):
    """What the launcher and the Portal have to know of a game between them."""

    @property
    def status(self) -> Mapping[str, Any]:
        """What the launcher prints of it, by its own names; above what the Portal knows."""
        ...

    def choose_command(self, arguments: object) -> tuple[str, ...]:
        """Return the command that starts its Server, after what the launcher sent."""
        ...


class Launcher:
    """The launcher as the Portal sees it; at most one waits for something, the last that asked.

    `game` is the one that it launches, where the Portal knows of it.
    """

    def __init__(
        self,
        config: Config,
        supervisor: Supervisor,
        server: LinkedServer,
        addresses: Callable[[], dict[str, Any]],
    ) -> None:
        self.config = config
        self.supervisor = supervisor
        self.server = server
        self.addresses = addresses
        self.game: LaunchedGame | None = None
        self._link: Link | None = None
        self._wants_server = False  # whether it waits for a Server, or for its end

    def answer_status(self, status: bytes) -> dict[str, bytes]:  # noqa: ARG002 - the wire's
        """Answer the question how all is."""
        return {"status": payload.dump_value(self.describe())}

    def describe(self) -> tuple[Any, ...]:
        """Say what the launcher formats; it needs each of these keys."""
        connected = self.server.link is not None
        pid = self.supervisor.server_pid
        return (True, connected, os.getpid(), pid, self._describe_portal(), self.server.info)

    def _describe_portal(self) -> dict[str, Any]:
        config, addresses = self.config, self.addresses()

        def ports(key: str, name: str) -> list[str]:
            return [f"{name}: {port}" for _, port in addresses.get(key, ())]

        return {
            "servername": config.name,
            "version": __version__,
            "errors": "",
            "info": "",
            "lockdown_mode": "",
            "amp": f"amp: {_port(addresses['amp'])}",
            "telnet": ports("telnet", "telnet"),
            "telnet_ssl": [],
            "ssh": [],
            "webclient": ports("websocket", "webclient-websocket"),
            "webserver_proxy": ports("http", "webserver-proxy"),
            "webserver_internal": [],
            **({} if self.game is None else self.game.status),
        }

    def obey(self, link: Link, operation: bytes, arguments: bytes) -> None:
        """Do what the launcher orders.

        Raises RemoteProtocolError for an operation that is none of its.
        """
        order = operation.decode("latin-1")
        connected = self.server.link is not None
        log.info("launcher_order", operation=ord(order[:1] or "\0"), connected=connected)
        if order == Operation.PSHUTD:
            self.supervisor.order(order)
        elif order == Operation.SSTART or (order in RELOADS and not connected):
            self._wait(link, wants_server=True)
            if connected:  # one of an earlier Portal, that came back since the launcher asked
                self.tell()
            else:
                self.supervisor.start(self._choose_command(arguments))
        elif order in RELOADS or order == Operation.SSHUTD:
            if connected:
                self._wait(link, wants_server=False)
                self.supervisor.order(order, by_launcher=True)
        else:
            raise RemoteProtocolError("UnknownOperation", repr(order)[:40])

    def _choose_command(self, arguments: bytes) -> tuple[str, ...]:
        if self.game is None:
            return ()
        try:
            return self.game.choose_command(payload.load_value(arguments))
        except RemoteProtocolError as error:
            log.warning("launcher_arguments_ignored", reason=error.text)
            return self.game.choose_command([])

    def _wait(self, link: Link, *, wants_server: bool) -> None:
        self._link, self._wants_server = link, wants_server

    def tell(self) -> None:
        """Tell the launcher that waits, if what it waits for has happened."""
        link = self._link
        if link is not None and self._wants_server == (self.server.link is not None):
            self._link = None
            if not link.closed:
                link.notify(MsgStatus, status=payload.dump_value(self.describe()))

    def forget(self, link: Link) -> None:
        """Wait no more for one whose link has ended."""
        if link is self._link:
            self._link = None


def _port(address: Any) -> str:
    """Say where the AMP port is: Evennia's launcher shows the number only."""
    if isinstance(address, list | tuple):
        return str(address[1])
    return amp_address_to_text(address)
