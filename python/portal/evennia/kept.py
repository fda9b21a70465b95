"""What a game sets about ways in that the Portal has not yet: read now, and kept for them.

They are read with the others, so that a mistake in them is found before it matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.evennia.given import Given


@dataclass(frozen=True, slots=True)
class Kept:
    """Settings of a game without a place in the Portal's own.

    `tls` and `ssh` are ports with the addresses to listen at; without ports they are off. `mssp`
    holds what the game tells crawlers, several values to a name.
    """

    tls_ports: tuple[int, ...] = ()
    tls_hosts: tuple[str, ...] = ()
    ssh_ports: tuple[int, ...] = ()
    ssh_hosts: tuple[str, ...] = ()
    certificate_issuer: Mapping[str, str] | None = None
    oob_enabled: bool = False
    mxp_enabled: bool = True
    mxp_outgoing_only: bool = True
    mssp: Mapping[str, tuple[str, ...]] | None = None


def read_kept(given: Given, mssp: Mapping[str, Any], *, locked: Any = ()) -> Kept:
    """Read them; `locked` are the addresses that stand for all others, if any."""

    def find(kind: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        ports, hosts = given.ports(f"{kind}_PORTS"), given.hosts(f"{kind}_INTERFACES")
        enabled = given.flag(f"{kind}_ENABLED") and ports and hosts
        return (tuple(ports), tuple(locked or hosts)) if enabled else ((), ())

    tls_ports, tls_hosts = find("SSL")
    ssh_ports, ssh_hosts = find("SSH")
    issuer = given.values.get("SSL_CERTIFICATE_ISSUER")
    return Kept(
        tls_ports=tls_ports,
        tls_hosts=tls_hosts,
        ssh_ports=ssh_ports,
        ssh_hosts=ssh_hosts,
        certificate_issuer=dict(issuer) if isinstance(issuer, Mapping) else None,
        oob_enabled=given.flag("TELNET_OOB_ENABLED"),
        mxp_enabled=given.flag("MXP_ENABLED"),
        mxp_outgoing_only=given.flag("MXP_OUTGOING_ONLY"),
        mssp={name: tuple(map(str, values)) for name, values in mssp.items()},
    )
