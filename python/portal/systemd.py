"""What systemd is told about this process, over the socket that it names: sd_notify(3).

A unit with `Type=notify` counts as started with READY=1, shows STATUS= in `systemctl status`, and
is killed where WATCHDOG=1 stays away for longer than `WatchdogSec=`. The beat of the watchdog is a
task like any other, so it stops when the hub does.
"""

import os
import socket
import time
from collections.abc import MutableMapping

import structlog
import trio

log = structlog.get_logger(__name__)

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"

# As sd_watchdog_enabled(3) advises: half of the time, so that one beat may be late.
BEATS_A_TIMEOUT = 2


class Notifier:
    """Tells systemd how the process is; with no `address` it tells nobody, and `run` ends at once.

    `address` is that of a datagram socket: a path, or `@` and an abstract name. A beat is sent
    twice in `watchdog_seconds`; 0 sends none. After `stopping` there are only beats. Nothing here
    waits and nothing raises: what the socket does not take is logged and lost. Close it at the end.
    """

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._stopping = False
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """Make the one that the variables of systemd ask for, and take them out.

        They are for this process alone: a game that it starts must not speak for it.
        """
        address = environment.pop(SOCKET_VARIABLE, "")
        microseconds = environment.pop(WATCHDOG_VARIABLE, "")
        pid = environment.pop(WATCHDOG_PID_VARIABLE, "")
        if address and address[0] not in "/@":  # a virtual machine's (vsock:), say
            log.warning("notify_socket_unknown", address=address)
            address = ""
        watched = (
            microseconds.isascii() and microseconds.isdigit() and pid in ("", str(os.getpid()))
        )
        return cls(address, int(microseconds) / 1e6 if watched else 0.0)

    async def run(self) -> None:
        """Send the beats of the watchdog, where one is wanted, until cancelled."""
        if self._socket is None or not self.watchdog_seconds:
            return
        while True:
            self._send("WATCHDOG=1")
            await trio.sleep(self.watchdog_seconds / BEATS_A_TIMEOUT)

    def ready(self, status: str) -> None:
        """Tell that the process serves: after its start, and after `reloading`."""
        self._tell("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Tell in a line how it is, for people."""
        self._tell(f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that the configuration is read again; `ready` must follow."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the process has begun to stop."""
        self._tell("STOPPING=1", "STATUS=Stopping.")
        self._stopping = True

    def close(self) -> None:
        """Tell nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *lines: str) -> None:
        # systemd would take a service that says so for one that serves again.
        if not self._stopping:
            self._send(*lines)

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd_not_told", line=lines[0], reason=error.strerror)
