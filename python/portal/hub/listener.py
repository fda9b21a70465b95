"""Listeners: sockets that accept connections, and who is let in.

Somebody who is turned away is told why, in one line, before the connection is closed. That line
takes the same way as every goodbye, so it arrives; and only so many of these connections are kept
for it at a time (`hub.refusals`).
"""

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
import trio

from portal.config import LimitsConfig
from portal.errors import ConnectionLost
from portal.hub.addresses import find_network
from portal.hub.connection import Connection
from portal.hub.hub import Hub, MakeProtocol
from portal.hub.protocol import NOBODY, ConnectionProtocol, Nobody
from portal.throttle import TokenBucket

log = structlog.get_logger(__name__)

FULL = "The game is full at the moment. Please try again later."
TOO_MANY = "There are too many connections from your address."
TOO_FAST = "You are connecting too often. Please wait a little, then try again."

# Refusals that are logged, for each listener; those of a flood would fill the disk.
LOGGED_PER_SECOND, LOGGED_BURST = 1.0, 20
# After which a socket never accepts again. All else passes: a shortage of descriptors or memory, an
# error of the network under a connection that waits (accept(2) names a dozen, and more may come).
FINAL = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
# Other ports to try where the free one of the first address is taken on another.
PORT_ATTEMPTS = 16
# Addresses that are remembered before those that mean nothing any more are looked for.
FORGET_FROM = 1024


class _Caller:
    """What is known of one address: its connections now, and how often it comes."""

    __slots__ = ("bucket", "connections")

    def __init__(self, limits: LimitsConfig) -> None:
        self.connections = 0
        self.bucket = TokenBucket(limits.connections_per_second, limits.connection_burst)


class Admission:
    """Who may come in: limits on connections in total, per address, and per address and second.

    A flood from one address does not touch another: what it is refused counts toward no total. An
    IPv6 address stands for its /64 network, since one customer has as many as that. Peers on
    loopback, where a proxy may stand for everybody, and on a UNIX socket (address "") count toward
    the total only, and listeners let in those that `is_proxy` knows as such a one; who is behind
    them is let in by `admit_client`. Share one among the listeners of players.
    """

    __slots__ = ("_callers", "_forget_at", "_limits", "is_proxy", "total")

    def __init__(
        self, limits: LimitsConfig, is_proxy: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.total = 0
        self.is_proxy = is_proxy
        self._limits = limits
        self._callers: dict[str | bytes, _Caller] = {}
        self._forget_at = FORGET_FROM

    def admit(self, address: str, now: float) -> str:
        """Let a connection in, or say why not in one line; "" is yes, and wants a `release`."""
        if self.total >= self._limits.connections:
            return FULL
        reason = self.admit_client(address, now)
        if not reason:
            self.total += 1
        return reason

    def release(self, address: str) -> None:
        """Note the end of a connection that was admitted; call it once for each."""
        self.total -= 1
        self.release_client(address)

    def admit_client(self, address: str, now: float) -> str:
        """Let somebody in whose connection is admitted, being a proxy's; else as `admit`."""
        network = find_network(address)
        if network:
            caller = self._find(network, now)
            if caller.connections >= self._limits.connections_per_address:
                return TOO_MANY
            if not caller.bucket.take(now):
                return TOO_FAST
            caller.connections += 1
        return ""

    def release_client(self, address: str) -> None:
        """Note the end of somebody whom `admit_client` let in; call it once for each."""
        network = find_network(address)
        if network:
            self._callers[network].connections -= 1

    def reconfigure(self, limits: LimitsConfig) -> None:
        """Go by other limits from now on; whoever is in stays in."""
        self._limits = limits
        for caller in self._callers.values():
            caller.bucket.set_rate(limits.connections_per_second, limits.connection_burst)

    def _find(self, network: str | bytes, now: float) -> _Caller:
        caller = self._callers.get(network)
        if caller is None:
            if len(self._callers) >= self._forget_at:
                self._forget(now)
            caller = self._callers[network] = _Caller(self._limits)
        return caller

    def _forget(self, now: float) -> None:
        """Drop addresses without connections, once they have their whole burst again."""
        limits = self._limits
        recovery = limits.connection_burst / limits.connections_per_second
        self._callers = {
            network: caller
            for network, caller in self._callers.items()
            if caller.connections or now - caller.bucket.stamp < recovery
        }
        # Twice as many as are of use, so that looking costs little for each that comes.
        self._forget_at = max(FORGET_FROM, 2 * len(self._callers))


class Listener:
    """A service that accepts connections on several sockets: `await listener.run()`.

    `make_protocol(connection)` makes the protocol of each; if it raises, that connection ends.
    A peer that `admission` turns away is sent `refusal`, or the reason as a line where that is
    empty; `lingering` counts those who are being told. `addresses` are those of the sockets, in
    their order, with real port numbers.
    The sockets must be bound and listening; the listener owns them.
    """

    def __init__(
        self,
        hub: Hub,
        name: str,
        sockets: Sequence[socket.socket],
        make_protocol: MakeProtocol,
        *,
        admission: Admission,
        refusal: bytes = b"",
    ) -> None:
        self.name = name
        self.addresses = [_local_address(sock) for sock in sockets]
        self._hub = hub
        self._sockets = list(sockets)
        self._make = make_protocol
        self._admission = admission
        self._refusal = refusal
        self.lingering = 0
        self._logged = TokenBucket(LOGGED_PER_SECOND, LOGGED_BURST)
        self._scope = trio.CancelScope()
        for sock in sockets:
            sock.setblocking(False)

    async def run(
        self,
        *,
        task_status: trio.TaskStatus[list[tuple[str, int] | str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until `close` is called or the task is cancelled; then the sockets are closed.

        Reports started with `addresses`. What was accepted lives on. Call it once.
        Raises OSError, in exception groups of its nursery, when a socket is none that can ever
        accept; whatever else the kernel refuses for is waited out.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for sock in self._sockets:
                        nursery.start_soon(self._accept_forever, sock)
                    task_status.started(self.addresses)
        finally:
            self.close()

    def close(self) -> None:
        """Stop accepting; `run` returns, and connecting is refused from now on."""
        self._scope.cancel()
        for sock, address in zip(self._sockets, self.addresses, strict=True):
            if sock.fileno() >= 0:
                trio.lowlevel.notify_closing(sock)
                sock.close()
                if isinstance(address, str):
                    with suppress(FileNotFoundError):
                        Path(address).unlink()

    async def _accept_forever(self, sock: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(sock)
            try:
                self._accept_batch(sock)
            except OSError as error:
                if error.errno in FINAL:
                    raise
                # Those who wait in the backlog are served afterwards.
                self._hub.metrics.accept_pauses += 1
                log.warning("accept_paused", listener=self.name, reason=error.strerror)
                await trio.sleep(self._hub.config.accept_pause_seconds)

    def _accept_batch(self, sock: socket.socket) -> None:
        """Accept as many as a tick of the hub may take in number and time."""
        end = perf_counter() + self._hub.config.phase_seconds
        for _ in range(self._hub.config.accept_batch):
            try:
                accepted, peer = sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self._take(accepted, peer)
            if perf_counter() > end:
                return

    def _take(self, sock: socket.socket, peer: tuple[Any, ...] | str) -> None:
        self._hub.metrics.connections_accepted += 1
        address = "" if isinstance(peer, str) else peer[0]
        ended: Callable[[Connection], None] = self._release
        if self._admission.is_proxy(address):
            address, ended = "", self._release_proxy  # who is one then may be none at the end
        reason = self._admission.admit(address, self._hub.now())
        if reason:
            self._refuse(sock, peer, reason)
            return
        try:
            self._hub.add_socket(sock, self._make_protocol, peer=peer, ended=ended)
        except (OSError, ConnectionLost) as error:
            # It has gone already, or the hub is about to.
            log.debug("accepted_socket_lost", listener=self.name, reason=str(error))
            self._admission.release(address)

    def _make_protocol(self, connection: Connection) -> ConnectionProtocol:
        try:
            return self._make(connection)
        except Exception:
            # The barrier between one connection's protocol and the listener.
            self._hub.metrics.protocol_crashes += 1
            log.exception("protocol_not_made", listener=self.name, address=connection.address)
            connection.abort("internal error")
            return NOBODY

    def _release(self, connection: Connection) -> None:
        self._admission.release(connection.address)

    def _release_proxy(self, _connection: Connection) -> None:
        self._admission.release("")

    def _refuse(self, sock: socket.socket, peer: tuple[Any, ...] | str, reason: str) -> None:
        self._hub.metrics.connections_refused += 1
        if self.lingering >= self._hub.config.refusals:
            sock.close()
            return
        if self._logged.take(self._hub.now()):
            refused = self._hub.metrics.connections_refused
            log.warning(
                "connection_refused", listener=self.name, peer=peer, reason=reason, refused=refused
            )
        with suppress(OSError, ConnectionLost):
            connection = self._hub.add_socket(sock, _ignore, peer=peer, ended=self._end_refusal)
            self.lingering += 1
            connection.write(self._refusal or f"{reason}\r\n".encode())
            connection.close(reason)

    def _end_refusal(self, _connection: Connection) -> None:
        self.lingering -= 1


def open_tcp_sockets(hosts: Iterable[str], port: int, backlog: int) -> list[socket.socket]:
    """Listen on one port of several hosts, by IPv4 and IPv6.

    Port 0 is the same free port for every host. An IPv6 socket takes no IPv4 connections, so that
    `["0.0.0.0", "::"]` means what it says. Raises OSError when an address cannot be had, and
    then leaves none open. Looking up a name may block; meant for the start.
    """
    addresses = list(dict.fromkeys(entry for host in hosts for entry in _resolve(host, port)))
    attempts = 1 if port else PORT_ATTEMPTS
    while True:
        try:
            return _bind_all(addresses, port, backlog)
        except OSError as error:
            attempts -= 1
            if error.errno != errno.EADDRINUSE or not attempts:
                raise


def open_unix_socket(path: str, backlog: int) -> socket.socket:
    """Listen on a UNIX socket that only this user may connect to (mode 0600).

    A socket file that nobody listens on any more is replaced. Raises OSError: EADDRINUSE when
    somebody does, EEXIST when something else has that name.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before it is bound: Linux gives the file the mode of the socket, so it is never wider.
        os.fchmod(sock.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        sock.bind(path)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _bind_all(
    addresses: list[tuple[socket.AddressFamily, str]], port: int, backlog: int
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, host in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            port = sock.getsockname()[1]
            sock.listen(backlog)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _remove_stale(path: str) -> None:
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is something else than a socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full, so somebody listens
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _local_address(sock: socket.socket) -> tuple[str, int] | str:
    name = sock.getsockname()
    return name if isinstance(name, str) else (name[0], name[1])


def _ignore(_connection: Connection) -> Nobody:
    return NOBODY
