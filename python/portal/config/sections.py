"""The settings of a Portal: what there is, with types, limits, defaults and reasons.

Every limit of the program is a field here, with its unit in the name or in the comment and its
reason beside it. Objects receive the part that concerns them as an argument; nothing reads a
configuration from a global.

The comments are read by more than those who read this: `portal init` writes the file of an
operator from these classes (`portal.config.template`). So each field has one, above it or beside
it, and it is written for people who run a game.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

KIB = 1024
MIB = 1024 * 1024

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

# The system's calls take no larger numbers.
LARGEST = 2**31 - 1

# What a setting may be; a limit of nothing would be a Portal that does nothing.
Count = Annotated[int, Meta(ge=1, le=LARGEST)]
CountOrNone = Annotated[int, Meta(ge=0, le=LARGEST)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Ports = tuple[Port, ...]
Amount = Annotated[float, Meta(gt=0, le=1e9)]  # seconds, or how often in one of them
AmountOrNone = Annotated[float, Meta(ge=0, le=1e9)]
Factor = Annotated[float, Meta(ge=1, le=1e9)]
Level = Annotated[int, Meta(ge=0, le=9)]
Pairs = tuple[tuple[str, str], ...]
Hosts = Annotated[tuple[str, ...], Meta(min_length=1)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file."""


class TelnetConfig(Section, frozen=True, kw_only=True):
    """The telnet port."""

    enabled: bool = True  # whether there is such a port
    # Addresses to listen at, all on the same port. 127.0.0.1 is this machine only; everybody, by
    # IPv4 and IPv6, is ["0.0.0.0", "::"].
    hosts: Hosts = ("127.0.0.1",)
    port: Port = 4000  # 0 is any free port
    more_ports: Ports = ()  # others, on the same hosts
    encoding: str = "utf-8"  # until the client and the Portal agree on another
    more_encodings: tuple[str, ...] = ()  # tried in turn for a line that is not in that one
    handshake_seconds: Amount = 2.0  # the game hears of the client's abilities by then
    keepalive_seconds: AmountOrNone = 30.0  # between NOPs, which keep routers awake; 0 sends none
    # What is taken as typed when a client sends the character of code 0 between two lines, as old
    # ones do lest they be cut off for being idle; "": nothing.
    idle_command: str = ""
    answer_seconds: Amount = 5.0  # so long a client that sends no more may wait for its answers


class WebSocketConfig(Section, frozen=True, kw_only=True):
    """Websockets: a port of their own, and what holds for those on the HTTP port as well.

    A text has the limits of a line on telnet (`limits.line_bytes`), any other message those of a
    subnegotiation (`limits.subnegotiation_bytes`).
    """

    enabled: bool = True  # the port of their own; the HTTP port takes websockets all the same
    hosts: Hosts = ("127.0.0.1",)  # addresses to listen at
    port: Port = 4002  # 0 is any free port
    # Pages that may connect, as "https://host" or "https://host:port"; none named: any. No cookie
    # decides who a player is, so a strange page gains nothing that its server could not have.
    origins: tuple[str, ...] = ()
    ping_seconds: Amount = 25.0  # below the usual 30 to 60 s after which a proxy drops the idle
    pong_seconds: Amount = 20.0  # to answer a ping; so a dead tab is gone after 45 s
    errors_per_second: Amount = 0.5  # malformed messages; who sends more than these is closed
    error_burst: Count = 10  # and so many of them at once


class HttpConfig(Section, frozen=True, kw_only=True):
    """The HTTP port: the client page, health, metrics, and websockets too."""

    enabled: bool = True  # whether there is such a port
    hosts: Hosts = ("127.0.0.1",)  # addresses to listen at
    port: Port = 4001  # 0 is any free port
    more_ports: Ports = ()  # others, on the same hosts, where the same is served
    # The game's own web server, as "http://127.0.0.1:4005"; "": it has none. All that is asked for
    # is passed on to it, in place of the Portal's own pages; websockets stay the Portal's.
    upstream: str | None = None
    upstream_seconds: Amount = 60.0  # so long it may say nothing before its answer or within it
    # Whether the page of an Evennia game may play without websockets, at /webclientdata.
    ajax: bool = False
    upload_bytes: CountOrNone = 100 * MIB  # of a request that is passed on; files come in these
    head_bytes: Count = 16 * KIB  # of a request, as most servers allow
    head_seconds: Amount = 5.0  # from the connection to the end of its first head
    half_open: Count = 1000  # connections without a whole request yet; the oldest gives way
    # Of them; the newest is refused. IPv6: per /64 network.
    half_open_per_address: Count = 100
    keep_alive_seconds: Amount = 15.0  # a connection stays so long without a request
    send_seconds: Amount = 30.0  # so long a peer may take nothing of an answer
    connections: Count = 1000  # that are no websockets, with a task each
    connections_per_address: Count = 200  # of them: thirty browsers, with six each
    body_bytes: CountOrNone = 64 * KIB  # of a request to the Portal itself; nothing takes more
    body_seconds: Amount = 15.0  # so long a body is waited for, and a longer one for each 64 KiB
    # Proxies whose word about the player's address is believed, as addresses or networks. No limit
    # per address holds for them.
    trusted_proxies: tuple[str, ...] = ()
    # The header in which they give it, "x-forwarded-for" or "forwarded". A proxy that writes the
    # one passes the other on as the player wrote it.
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    metrics_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")  # who may see /metrics


class ServerConfig(Section, frozen=True, kw_only=True):
    """The Server: the process of the game, which the Portal starts and keeps running."""

    # Program and arguments, as ["python", "game.py"]; empty: none is started, one dials in.
    command: tuple[str, ...] = ()
    directory: str | None = None  # in which it is started; "" is the Portal's own
    # Whether it is started with the Portal. false: with the first order to, by `portal reload` or
    # by the launcher of Evennia.
    autostart: bool = True
    # For a game that goes into the background by itself: the file that it writes its pid into. It
    # is followed there, and a file that a dead game left behind is removed before a start.
    pid_file: str | None = None
    # File to which its output is added; "" is the Portal's standard error.
    output: str | None = None
    restart_seconds: AmountOrNone = 1.0  # before the first restart after a crash
    restart_factor: Factor = 2.0  # so many times longer before each further one
    restart_max_seconds: Amount = 30.0  # and never longer than this
    failed_starts: Count = 5  # successive starts that never connected; then it gives up
    connect_seconds: Amount = 60.0  # a Server that has not dialled in by then has failed
    stop_seconds: Amount = 10.0  # between the order to leave and SIGTERM, and again SIGKILL
    portal_stop_seconds: Amount = 5.0  # the first of these while the Portal itself stops
    portal_kill_seconds: Amount = 2.0  # and the second: nobody waits 20 s for a program to end
    stranger_stop_seconds: Amount = 2.5  # the first for a Server that the Portal did not start
    # Send again what a dead Server left unanswered, flagged. false: players are told which of
    # their lines was not confirmed, since it may be what killed the Server.
    resend_uncertain: bool = False


class AmpConfig(Section, frozen=True, kw_only=True):
    """The AMP port, at which the Server and the command line dial in."""

    # Beyond loopback it needs PORTAL_AMP_SECRET in the environment, or trusted_networks.
    host: str = "127.0.0.1"
    port: Port = 4006  # 0 is any free port
    socket: str | None = None  # path of a UNIX socket (mode 0600) in place of host and port
    secret: str | None = None  # shared secret; needed where host is not loopback
    trusted_networks: tuple[str, ...] = ()  # stock Servers on other hosts, without a secret
    connections: Count = 1000  # few come, but often: every question is a connection
    compression: Level = 0  # 0 is stored blocks, 1 to 9 are zlib's levels
    window_bytes: Count = 60 * KIB  # unanswered, toward a stock Server: its parser trips at 64 KiB
    own_window_bytes: Count = 4 * MIB  # toward a Server on portal.game
    window_messages: Count = 10_000  # unanswered, toward either
    box_bytes: Count = 24 * MIB  # of one box: all of its keys and values
    box_keys: Count = 512  # in one box
    box_seconds: Amount = 30.0  # a box that was begun must end
    payload_bytes: Count = 16 * MIB  # of one message
    payload_bytes_per_session: Count = 16 * KIB  # more of it on the Server's link, for syncs
    unknown_answers: Count = 100  # answers to nothing that was asked; then it is closed
    authentication_seconds: Amount = 5.0  # to prove the secret


class LimitsConfig(Section, frozen=True, kw_only=True):
    """What one player, one address and all of them together may take."""

    connections: Count = 20_000  # of players, all together
    # Per address that is not loopback: a lab, a school or a proxy stands behind one, and after a
    # failure of their network all of them come back at once. IPv6: per /64 network.
    connections_per_address: Count = 1000
    connections_per_second: Amount = 50.0  # per address, in the long run
    connection_burst: Count = 500  # per address, at once
    commands_per_second: Amount = 80.0  # per player
    command_burst: Count = 160  # a client that replays a speedwalk is no attacker
    oob_per_second: Amount = 80.0  # out-of-band messages, counted apart from commands
    oob_burst: Count = 400  # clients send many of these when they connect
    pause_seconds: Amount = 0.25  # so long nothing is read of a client that goes on all the same
    line_bytes: Count = 8 * KIB  # applied while the line still grows
    line_characters: CountOrNone = 0  # of a whole line; 0: none, line_bytes is all there is
    subnegotiation_bytes: Count = 64 * KIB  # ZMP needs 16 KiB, GMCP's longest tables more
    negotiations_per_second: Amount = 200.0  # an honest client needs about 40 in all
    negotiation_burst: Count = 400  # and so many of them at once
    held_lines: CountOrNone = 100  # per session, while the Server is away
    held_bytes: CountOrNone = 32 * KIB  # the same in bytes
    unanswered_messages: Count = 64  # per session; above it the session is read no further
    # What players are told whose commands come too fast; "": nothing.
    too_fast_text: str = "You are sending commands too fast; some were thrown away."
    # And those whose line is too long; {limit} is what it may have, as "8192 bytes".
    too_long_text: str = "That line was too long and was thrown away: a line may have {limit}."

    def say_too_long(self, limit: str = "") -> str:
        """Return what a player is told; without a `limit` in words it is that of characters."""
        limit = limit or f"{self.line_characters} characters"
        return self.too_long_text.replace("{limit}", limit)


class MarkupConfig(Section, frozen=True, kw_only=True):
    """Codes for colours that the game has beside the usual ones (`|r`, `|500`, `|#ff0000`).

    Tags stand for themselves, expressions are regular expressions; what comes first is tried
    first. A tag or expression that stands for more than 64 bytes is refused, as is one that is
    wrong: the log names it, and the others are followed.
    """

    only_own: bool = False  # the usual codes are not known; ||, links and |#ff0000 still are
    # Tags, each with the ANSI sequence or the text for it, as [["%cr", "\\u001b[31m"]].
    codes: Pairs = ()
    # Tags of bright backgrounds, each with one of a background of the palette, as
    # [["{[r", "{[500"]].
    bright_backgrounds: Pairs = ()
    # Expressions with three groups for red, green and blue, each 0 to 5, as
    # ['%c([0-5])([0-5])([0-5])'].
    foregrounds: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()  # the same for what is behind the text
    # Expressions with one group for a grey from a (black) to z (white), as ['%c=([a-z])'].
    grey_foregrounds: tuple[str, ...] = ()
    grey_backgrounds: tuple[str, ...] = ()  # the same for what is behind the text
    # What is left out for players with a screen reader, as one expression: lines drawn of signs.
    # "" leaves out nothing.
    screenreader_strip: str = r"\+-+|\+$|\+~|--+|~~+|==+"


class LogConfig(Section, frozen=True, kw_only=True):
    """Where the log goes and how it looks."""

    level: str = "info"  # debug, info, warning, error or critical
    path: str | None = None  # of a file, which SIGHUP opens anew; "" is standard error
    # Of a file for requests only, a line each as web servers write them; "": there is none.
    http_path: str | None = None
    # With so many bytes in it a file is renamed by its day, as portal.log.2024_05_31, and a new one
    # begun. 0: never. Nothing is ever deleted.
    max_bytes: CountOrNone = 0
    days: CountOrNone = 0  # and after so many days
    json: bool | None = None  # true, false, or "auto": for people on a terminal, JSON elsewhere


class HubConfig(Section, frozen=True, kw_only=True):
    """The hub, which serves every socket. The figures come from measurements of its design."""

    tick_events: Count = 64  # more makes other tasks wait: 512 events a tick gave HTTP 50 ms
    tick_events_crowded: Count = 16  # while others want to run: a page has to wait for some ticks
    tick_guests: Count = 16  # who want a page or have yet to begin; players have the larger share
    # Of each part of a tick, and of other tasks before it: a storm of costly events (TLS) must not
    # stretch it.
    phase_seconds: Amount = 0.0005
    receive_bytes: Count = 16 * KIB  # 2 to 64 KiB measure the same, 256 KiB is five times slower
    accept_batch: Count = 32  # connections accepted in one go
    backlog: Count = 4096  # connections that the system keeps until they are accepted
    accept_pause_seconds: Amount = 0.1  # after running out of descriptors
    refusals: CountOrNone = 256  # kept for the line that says why; more are closed without one
    unsent_soft_bytes: Count = MIB  # above it a peer that reads nothing is given the grace
    unsent_grace_seconds: Amount = 10.0  # a phone in a tunnel needs some
    unsent_hard_bytes: Count = 8 * MIB  # above it a peer is cut at once
    unsent_total_bytes: Count = 256 * MIB  # limits per connection allow N times as much
    close_seconds: Amount = 3.0  # since the last progress of a connection that is closing
    close_cap_seconds: Amount = 30.0  # and however slowly it makes progress
    close_discard_bytes: Count = 4 * MIB  # input of it that is read in vain; a flood costs CPU
    sweep_seconds: Amount = 0.25  # between two looks at the deadlines
    drain_seconds: Amount = 1.0  # at shutdown, for everybody together


class Config(Section, frozen=True, kw_only=True):
    """Everything a Portal needs to know; build it once and hand its parts on."""

    name: str = "Portal"  # as `portal status` shows it
    # Where the Portal notes its addresses for the command line (`portal status --data DIRECTORY`);
    # it is made where there is none. "": it notes nothing.
    directory: str | None = None
    # File for the pid of the Portal itself, for those who look for it there. "": none is written.
    pid_file: str | None = None
    telnet: TelnetConfig = TelnetConfig()
    websocket: WebSocketConfig = WebSocketConfig()
    http: HttpConfig = HttpConfig()
    server: ServerConfig = ServerConfig()
    amp: AmpConfig = AmpConfig()
    limits: LimitsConfig = LimitsConfig()
    markup: MarkupConfig = MarkupConfig()
    log: LogConfig = LogConfig()
    hub: HubConfig = HubConfig()
