"""What the limits per address count."""

import socket
from collections.abc import Callable


def find_network(address: str) -> str | bytes:
    """Return what the limits of an address count: for IPv6 its /64 network; "" where none do.

    One customer has as many IPv6 addresses as that. On loopback a proxy may stand for everybody,
    and a UNIX socket (address "") is this machine's own.
    """
    if not address or address.startswith("127.") or address == "::1":
        return ""
    if ":" not in address:
        return address
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]


class Tally:
    """Counts something for each address, up to `limit`; `exempt(address)` are not counted."""

    __slots__ = ("_counts", "exempt", "limit")

    def __init__(self, limit: int, exempt: Callable[[str], bool]) -> None:
        self.limit = limit
        self.exempt = exempt
        self._counts: dict[str | bytes, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def enter(self, address: str) -> str | bytes | None:
        """Count one more; returns what `leave` has to be given, None where there is no room."""
        network = find_network(address)
        if not network or self.exempt(address):
            return ""
        count = self._counts.get(network, 0)
        if count >= self.limit:
            return None
        self._counts[network] = count + 1
        return network

    def leave(self, network: str | bytes) -> None:
        """Count one less; call it once for each `enter` that gave something."""
        if network:
            count = self._counts[network] - 1
            if count:
                self._counts[network] = count
            else:
                del self._counts[network]
