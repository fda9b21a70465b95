"""Who is behind a proxy: X-Forwarded-For, or Forwarded (RFC 7239).

Anybody can send these headers, so they count only from proxies that the configuration names, and
from each of them only what it added itself: the list is read from its end, and the first address
that is no trusted proxy is the player's. Only the header that the configuration names is read:
a proxy that writes the one passes the other on, as the player wrote it.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence

from portal.config import HttpConfig

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# One element of Forwarded; a value may be quoted, as IPv6 addresses have to be.
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)

# Any of them tells that a request was passed on.
_SIGNS = ("forwarded", "via", "x-real-ip")


class Proxies:
    """The proxies whose word counts, and the header in which they give it."""

    __slots__ = ("_forwarded", "_header", "_trusted")

    def __init__(self, config: HttpConfig) -> None:
        self.reconfigure(config)

    def reconfigure(self, config: HttpConfig) -> None:
        """Trust others, and read their word in another header, from now on."""
        self._trusted = parse_networks(config.trusted_proxies)
        self._header = config.forwarded_header
        self._forwarded = self._header == "forwarded"

    def trust(self, peer: str) -> bool:
        """Whether a peer is one of them.

        A UNIX socket's peer ("") is if any is: only this machine's own user can connect there.
        """
        return bool(self._trusted) and (not peer or is_in(peer, self._trusted))

    def find_client(self, peer: str, headers: Iterable[tuple[str, str]]) -> str:
        """Return the address of the player behind whoever connected.

        `peer` is the connection's own address, `headers` have names in lower case. From a peer
        that is not trusted the headers are not looked at. Where a trusted one names nothing that
        is an address, its own is returned.
        """
        if not self.trust(peer):
            return peer
        client = peer
        for text in reversed(self._list_hops(headers)):
            address = _read(text)
            if address is None:
                return client
            client = str(address)
            if not any(address in network for network in self._trusted):
                return client
        return client

    def find_hosts(self, peer: str, host: str, headers: Iterable[tuple[str, str]]) -> list[str]:
        """Return the hosts that the player's program may have asked for.

        The Host header's, and behind a trusted proxy what X-Forwarded-Host names.
        """
        hosts = [host]
        if self.trust(peer):
            for name, value in headers:
                if name == "x-forwarded-host":
                    hosts.extend(value.split(","))
        return hosts

    def _list_hops(self, headers: Iterable[tuple[str, str]]) -> list[str]:
        """List the addresses that proxies noted, the farthest first."""
        hops: list[str] = []
        for name, value in headers:
            if name == self._header:
                hops.extend(value.split(","))
        if not self._forwarded:
            return hops
        matches = (_FOR.search(element) for element in hops)
        return ["" if match is None else match[1] or match[2] or "" for match in matches]


def is_passed_on(names: Iterable[str]) -> bool:
    """Whether the names of a request's headers, in lower case, show that a proxy passed it on."""
    return any(name in _SIGNS or name.startswith("x-forwarded-") for name in names)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks as the configuration has them; they were checked there."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of several networks; what is no address is in none."""
    found = _read(address)
    return found is not None and any(found in network for network in networks)


def _read(text: str) -> Address | None:
    """Read an address, with or without a port and brackets; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
