"""The Portal under load by telnet, beside a relay on Twisted that does the same transport work.

Telnet players and the stub Server are `crates/load`.
"""

import processes
import profiling
import rounds as turns
from results import Aim, aims_table, write

PORTAL = "portal_process.py"
PEER = "peers/twisted_relay.py"
FLOOR = "peers/epoll_echo.c"
PORT = "telnet_port"

METHOD = """\
The measured process is pinned to one core, the load (telnet players and a stub Server that answers at once, `crates/load`) to another.
A round trip is a line of 60 bytes from a player through the Portal to the Server over AMP, and its payload back the same way; each player sends its next line when the echo has come.
CPU is the run time of the whole measured process divided by the round trips in the same stretch, p50 and p99 are what the players saw, in microseconds.
The sides take turns in one run; each figure is the median of {rounds} rounds of {seconds:g} s, or of three at the most for connections and at the fixed rate.

- *Portal*: all of it: hub, telnet, session, throttle, markup, AMP and back; websocket and HTTP are switched off.
- *Twisted*: what a Portal on Twisted does for each message at the least (its Telnet, AMP with a pickled payload compressed at level 9), without markup, hooks or throttles. As in the ancestor, its sockets wait for the kernel to fill packets (no TCP_NODELAY).
- *C echo*: one epoll, one `recv` and one `send` for each line, no Server: what the kernel takes on this machine."""


def run(*, quick=False):
    """Measures everything; about three minutes, or one where it is `quick`."""
    rounds, seconds = (1, 1.0) if quick else (5, 2.0)
    with (
        processes.relay(PORTAL) as portal,
        processes.relay(PEER) as peer,
        processes.floor(FLOOR) as echo,
    ):
        sides = {"Portal": portal, "Twisted": peer, "C echo": echo}
        sides = {name: (child, ports[PORT]) for name, (child, ports) in sides.items()}
        crowds, calm = turns.round_trips(sides, rounds, seconds, protocol="telnet")
        coming = turns.connects(sides, min(rounds, 3), seconds, "telnet")
        profile = [] if quick else profiling.sample(*sides["Portal"])
    return {
        "rounds": rounds,
        "seconds": seconds,
        "round_trips": crowds,
        "calm": calm,
        "connects": coming,
        "memory": {
            "Portal": turns.memory(processes.relay(PORTAL), "telnet", (1000, 10_000)),
            "Twisted": turns.memory(processes.relay(PEER), "telnet", (1000,)),
        },
        "profile": profile,
    }


def aims(figures):
    """What issue and design ask of the Portal."""
    own = figures["memory"]["Portal"]
    crowd = figures["round_trips"]["500"]["Portal"]
    calm = figures["calm"]["Portal"]
    return [
        Aim("CPU of a round trip at 500 players", crowd["cpu_us_each"], 13, "us"),
        Aim("memory of an idle connection at 1000", own["bytes_each_at_1000"] / 1024, 3, "KB"),
        Aim("memory of an idle connection at 10 000", own["bytes_each_at_10000"] / 1024, 3, "KB"),
        Aim(f"p50 at 50 players and {turns.RATE} lines a second", calm["p50_us"] / 1000, 1, "ms"),
        Aim("memory without players", own["base_mib"], 40, "MiB"),
    ]


def report(figures):
    """Writes results/portal.md; returns the aims."""
    goals = aims(figures)
    write(
        "portal",
        "The Portal under load",
        figures,
        METHOD.format(**figures),
        "## Aims",
        aims_table(goals),
        "## Round trips",
        turns.trips_table(figures["round_trips"], figures["calm"]),
        "At a fixed rate the process sleeps between lines: each pays for a wake-up of its own, which a busy hub shares among many.",
        "## Connections that come and go",
        "Twenty at a time; each ends with the first bytes from the Portal. The cost holds the whole life of a session: accept, the Server told, its end, the Server told again.",
        turns.connects_table(figures["connects"]),
        "## Memory",
        "Resident memory of the process, with the libraries that it shares with others (the tools of development, which a Portal does not need, are kept out), and its growth for each idle telnet session that the Server knows.",
        turns.memory_table(figures["memory"]),
        "## Where the time goes",
        profiling.explain(figures["profile"]),
    )
    return goals
