"""What settings must be to each other, and to the machine they are for.

A complaint names every setting that it concerns, each with what was expected of it: the one to
blame is the one that somebody has set, and that is not known here.
"""

import ipaddress
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from portal.config.addresses import AMP_SECRET_VARIABLE
from portal.config.sections import AmpConfig, Config, WebSocketConfig
from portal.config.settings import find_value

# What was expected of each of the settings that do not go together; the likeliest first.
Complaint = Mapping[str, str]

# Each may be at most the next one.
ORDERS = (
    ("hub.unsent_soft_bytes", "hub.unsent_hard_bytes"),
    ("hub.unsent_hard_bytes", "hub.unsent_total_bytes"),
    ("hub.close_seconds", "hub.close_cap_seconds"),
    ("server.restart_seconds", "server.restart_max_seconds"),
    ("amp.payload_bytes", "amp.box_bytes"),
)
LOCALHOST = "localhost"
# All that a wildcard stands for.
WILDCARDS: Mapping[str, type] = {"0.0.0.0": ipaddress.IPv4Address, "::": ipaddress.IPv6Address}  # noqa: S104 - compared


def find_conflicts(config: Config) -> Iterator[Complaint]:
    """Find settings that are right by themselves and cannot be together."""
    for small, large in ORDERS:
        low, high = find_value(config, small), find_value(config, large)
        if low > high:
            yield {
                small: f"expected at most {high}, as {large} is, got {low}",
                large: f"expected at least {low}, as {small} is, got {high}",
            }
    yield from _find_shared_ports(config)
    yield from _find_circles(config)
    if is_open(config.amp) and not config.amp.secret and not config.amp.trusted_networks:
        expected = (
            f"{config.amp.host} is not loopback: expected the variable {AMP_SECRET_VARIABLE} too, "
            "or amp.trusted_networks"
        )
        yield {"amp.host": expected, "amp.trusted_networks": expected}


def find_obstacles(config: Config) -> Iterator[Complaint]:
    """Find what is wrong on this machine: directories that are not there, programs, logs."""
    server = config.server
    if server.directory is not None and not _is_directory(Path(server.directory)):
        yield {"server.directory": f"there is no directory {server.directory}"}
    elif server.command and not _is_program(server.command[0], server.directory):
        yield {"server.command": f"there is no program {server.command[0]!r} that can be started"}
    for key, path in (("log.path", config.log.path), ("log.http_path", config.log.http_path)):
        if path is not None and (reason := _why_no_file(Path(path))):
            yield {key: reason}
    if config.directory is not None and (reason := _why_no_directory(Path(config.directory))):
        yield {"directory": reason}
    if config.amp.socket is not None and (reason := _why_no_entry(Path(config.amp.socket).parent)):
        yield {"amp.socket": reason}


def is_open(config: AmpConfig) -> bool:
    """Whether the AMP port can be reached from beyond this machine."""
    return config.socket is None and not _is_loopback(config.host)


def _find_shared_ports(config: Config) -> Iterator[Complaint]:
    ports: list[tuple[str, str, int, Sequence[str]]] = []
    for name, section, enabled in (
        ("telnet", config.telnet, config.telnet.enabled),
        ("websocket", config.websocket, config.websocket.enabled),
        ("http", config.http, config.http.enabled),
    ):
        if enabled:
            ports.append((f"{name}.port", f"{name}.hosts", section.port, section.hosts))
            more = () if isinstance(section, WebSocketConfig) else section.more_ports
            ports += [(f"{name}.more_ports", f"{name}.hosts", port, section.hosts) for port in more]
    if config.amp.socket is None:
        ports.append(("amp.port", "amp.host", config.amp.port, (config.amp.host,)))
    for (one, its, port, hosts), (other, others, second, their_hosts) in combinations(ports, 2):
        shared = [host for host in hosts if any(_overlap(host, each) for each in their_hosts)]
        if port and port == second and shared:
            text = f"expected another port than {{}}, which is {port} at {shared[0]} too"
            place = f"expected others, since port {port} at {shared[0]} is {{}} too"
            complaint = {other: text.format(one), one: text.format(other)}
            if others != its:
                complaint |= {others: place.format(one), its: place.format(other)}
            yield complaint


def _find_circles(config: Config) -> Iterator[Complaint]:
    """Find requests that would be passed on to where they came from."""
    http = config.http
    if not http.enabled or http.upstream is None:
        return
    upstream = urlsplit(http.upstream)
    host = upstream.hostname or ""
    if upstream.port in {http.port, *http.more_ports} and any(
        _overlap(host, each) for each in http.hosts
    ):
        expected = f"expected another port, since the Portal's own HTTP port is {upstream.port} too"
        yield {"http.upstream": expected, "http.port": expected, "http.more_ports": expected}


def _overlap(host: str, other: str) -> bool:
    """Whether two listeners on one port of these would meet; of other names it is not known."""
    for wildcard, specific in ((host, other), (other, host)):
        version = WILDCARDS.get(wildcard)
        if version is not None and isinstance(_parse(specific), version):
            return True
        if specific == LOCALHOST and (version is not None or _is_loopback(wildcard)):
            return True
    return host == other


def _is_loopback(host: str) -> bool:
    address = _parse(host)
    return host == LOCALHOST if address is None else address.is_loopback


def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_program(name: str, directory: str | None) -> bool:
    """Whether the system would find a program: by a path from its directory, or on PATH."""
    if os.sep not in name:
        return shutil.which(name) is not None
    path = Path(directory or ".", name)
    return os.access(path, os.X_OK) and not _is_directory(path)


def _why_no_file(path: Path) -> str:
    """Say why a file cannot be written; "" where it can."""
    if _is_directory(path):
        return f"{path} is a directory, expected a file"
    if os.access(path, os.F_OK):
        return "" if os.access(path, os.W_OK) else f"{path} cannot be written"
    return _why_no_entry(path.parent)


def _why_no_directory(path: Path) -> str:
    """Say why there is no such directory and none can be made; "" where all is well."""
    if os.access(path, os.F_OK) or path == path.parent:
        return _why_no_entry(path)
    return _why_no_directory(path.parent)


def _why_no_entry(directory: Path) -> str:
    if not _is_directory(directory):
        return f"there is no directory {directory}"
    return "" if os.access(directory, os.W_OK | os.X_OK) else f"nothing can be made in {directory}"


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # nobody may look there
        return False
