"""The configuration of a Portal: frozen, typed, and the only place that reads settings.

Every limit of the program is a field here, with its unit in the name or in the comment and its
reason beside it. Objects receive the part that concerns them as an argument; nothing reads a
configuration from a global.
"""

import os

import msgspec

from portal.errors import ConfigError

KIB = 1024
MIB = 1024 * 1024

# How a Server that the Portal starts learns where to dial in.
AMP_ADDRESS_VARIABLE = "PORTAL_AMP"
# Where both ends find the shared secret of an AMP port that is not loopback.
AMP_SECRET_VARIABLE = "PORTAL_AMP_SECRET"  # noqa: S105 - the name of a variable
# What a running Portal notes in its directory, and the command line reads there.
NOTE_NAME = "portal.json"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file."""


class HubConfig(Section, frozen=True, kw_only=True):
    """The hub's bounds. The figures come from measurements of its design."""

    tick_events: int = 64  # more makes other tasks wait: 512 events a tick gave HTTP 50 ms
    phase_seconds: float = 0.0005  # a storm of costly events (TLS) must not stretch a tick
    yields: int = 8  # how often a tick lets other runnable tasks go first
    receive_bytes: int = 16 * KIB  # 2 to 64 KiB measure the same, 256 KiB is five times slower
    accept_batch: int = 32
    backlog: int = 4096
    accept_pause_seconds: float = 0.1  # after running out of descriptors
    unsent_soft_bytes: int = MIB  # above it a peer that reads nothing is given the grace
    unsent_grace_seconds: float = 10.0  # a phone in a tunnel needs some
    unsent_hard_bytes: int = 8 * MIB
    unsent_total_bytes: int = 256 * MIB  # limits per connection allow N times as much
    close_seconds: float = 3.0  # since the last progress of a connection that is closing
    close_cap_seconds: float = 30.0  # and however slowly it makes progress
    close_discard_bytes: int = 4 * MIB  # input of it that is read in vain; a flood costs CPU
    sweep_seconds: float = 0.25
    drain_seconds: float = 1.0  # at shutdown, for everybody together


class LimitsConfig(Section, frozen=True, kw_only=True):
    """What one player, one address and all of them together may take."""

    connections: int = 20_000
    connections_per_address: int = 200  # a school or a proxy stands behind one address
    connections_per_second: float = 10.0  # per address
    connection_burst: int = 50
    commands_per_second: float = 80.0
    command_burst: int = 160  # a client that replays a speedwalk is no attacker
    oob_per_second: float = 80.0  # out-of-band messages, counted apart from commands
    oob_burst: int = 400
    pause_seconds: float = 0.25  # so long nothing is read of a client that goes on all the same
    line_bytes: int = 8 * KIB  # applied while the line still grows
    subnegotiation_bytes: int = 64 * KIB  # ZMP needs 16 KiB, GMCP's longest tables more
    negotiations_per_second: float = 200.0  # an honest client needs about 40 in all
    negotiation_burst: int = 400
    held_lines: int = 100  # per session, while the Server is away
    held_bytes: int = 32 * KIB
    unanswered_messages: int = 64  # per session; above it the session is read no further


class TelnetConfig(Section, frozen=True, kw_only=True):
    """The telnet port."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 4000  # 0 is any free port
    encoding: str = "utf-8"
    handshake_seconds: float = 2.0  # the game hears of the client's abilities by then
    keepalive_seconds: float = 30.0  # NOP; 0 sends none


class AmpConfig(Section, frozen=True, kw_only=True):
    """The port at which the Server and the command line dial in."""

    host: str = "127.0.0.1"
    port: int = 4006  # 0 is any free port
    socket: str | None = None  # path of a UNIX socket (mode 0600) in place of host and port
    secret: str | None = None  # shared secret; needed where host is not loopback
    trusted_networks: tuple[str, ...] = ()  # stock Servers on other hosts, without a secret
    compression: int = 0  # 0 is stored blocks, 1 to 9 are zlib's levels
    window_bytes: int = 60 * KIB  # unanswered, toward a stock Server: its parser trips at 64 KiB
    own_window_bytes: int = 4 * MIB  # toward a Server on portal.game
    window_messages: int = 10_000
    box_bytes: int = 24 * MIB
    box_keys: int = 512
    box_seconds: float = 30.0  # a box that was begun must end
    payload_bytes: int = 16 * MIB
    payload_bytes_per_session: int = 16 * KIB  # more of it on the Server's link, for syncs
    unknown_answers: int = 100  # then the connection is closed
    authentication_seconds: float = 5.0


class ServerConfig(Section, frozen=True, kw_only=True):
    """The Server process that the Portal supervises."""

    command: tuple[str, ...] = ()  # empty: none is started, one dials in
    directory: str | None = None
    restart_seconds: float = 1.0  # before the first restart after a crash
    restart_factor: float = 2.0
    restart_max_seconds: float = 30.0
    failed_starts: int = 5  # successive starts that never connected; then it gives up
    connect_seconds: float = 60.0  # a Server that has not dialled in by then has failed
    stop_seconds: float = 10.0  # between the order to leave and SIGTERM, and again SIGKILL
    resend_uncertain: bool = False  # send again what a dead Server left unanswered, flagged


class LogConfig(Section, frozen=True, kw_only=True):
    """Where the log goes and how it looks."""

    level: str = "info"
    path: str | None = None  # standard error without one
    json: bool | None = None  # None: human on a terminal, JSON elsewhere


class Config(Section, frozen=True, kw_only=True):
    """Everything a Portal needs to know; build it once and hand its parts on."""

    name: str = "Portal"
    directory: str | None = None  # where the running Portal notes its addresses
    hub: HubConfig = HubConfig()
    limits: LimitsConfig = LimitsConfig()
    telnet: TelnetConfig = TelnetConfig()
    amp: AmpConfig = AmpConfig()
    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()


def parse_amp_address(text: str) -> tuple[str, int] | str:
    """Read `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH`.

    Returns the host and port, or the path of the UNIX socket.
    Raises ConfigError when it is none of these.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text[len("unix:") :]
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError("environment", AMP_ADDRESS_VARIABLE, "expected HOST:PORT or unix:PATH")
    return host.strip("[]"), int(port)


def amp_address_to_text(address: tuple[str, int] | str) -> str:
    """Write what `parse_amp_address` reads."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def amp_address_from_environment() -> tuple[str, int] | str:
    """Where a Server finds its Portal: the variable PORTAL_AMP, or the default port."""
    text = os.environ.get(AMP_ADDRESS_VARIABLE)
    return parse_amp_address(text) if text else (AmpConfig().host, AmpConfig().port)


def amp_secret_from_environment() -> str | None:
    """Read the shared secret of an AMP port that is not loopback, if there is one."""
    return os.environ.get(AMP_SECRET_VARIABLE) or None
