"""Who is behind a proxy: X-Forwarded-For, and Forwarded (RFC 7239).

Anybody can send these headers, so they count only from proxies that the configuration names, and
from each of them only what it added itself: the list is read from its end, and the first address
that is no trusted proxy is the player's.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# One element of Forwarded; a value may be quoted, as IPv6 addresses have to be.
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)

HEADERS = ("forwarded", "x-forwarded-for")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks as the configuration has them; they were checked there."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of several networks; what is no address is in none."""
    found = _read(address)
    return found is not None and any(found in network for network in networks)


def find_client(peer: str, headers: Iterable[tuple[str, str]], trusted: Sequence[Network]) -> str:
    """Return the address of the player behind whoever connected.

    `peer` is the connection's own address, `headers` have names in lower case. From a peer that
    is not trusted the headers are not looked at. Where a trusted one names nothing that is an
    address, its own is returned. A UNIX socket's peer ("") is trusted if any is: only this
    machine's own user can connect there.
    """
    if not trusted or (peer and not is_in(peer, trusted)):
        return peer
    client = peer
    for text in reversed(_list_hops(headers)):
        address = _read(text)
        if address is None:
            return client
        client = str(address)
        if not any(address in network for network in trusted):
            return client
    return client


def _list_hops(headers: Iterable[tuple[str, str]]) -> list[str]:
    """List the addresses that proxies noted, the farthest first; Forwarded is the standard one."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in HEADERS:
            found.setdefault(name, []).extend(value.split(","))
    if "forwarded" in found:
        matches = (_FOR.search(element) for element in found["forwarded"])
        return ["" if match is None else match[1] or match[2] or "" for match in matches]
    return found.get("x-forwarded-for", [])


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
