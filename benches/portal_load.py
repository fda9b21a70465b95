"""The Portal under load, beside a relay on Twisted that does the same transport work.

Telnet players and the stub Server are `crates/load`. CPU time is what the scheduler counts for the
measured process between the first and the last line of the measured stretch.
"""

import contextlib
import statistics
import time

import processes
import profiling
from results import Aim, aims_table, table, write

PORTAL = "portal_process.py"
PEER = "peers/twisted_relay.py"
FLOOR = "peers/epoll_echo.c"
CROWDS = (1, 50, 500)
RATE = 500
# Players who answer no option are heard of after two seconds; then a session is settled.
SETTLE_SECONDS = 3.0
MIB = 1024 * 1024

METHOD = """\
The measured process is pinned to one core, the load (telnet players and a stub Server that answers at once, `crates/load`) to another.
A round trip is a line of 60 bytes from a player through the Portal to the Server over AMP, and its payload back the same way; each player sends its next line when the echo has come.
CPU is the run time of the whole measured process divided by the round trips in the same stretch, p50 and p99 are what the players saw, in microseconds.
The sides take turns in one run; each figure is the median of {rounds} rounds of {seconds:g} s.

- *Portal*: all of it: hub, telnet, session, throttle, markup, AMP and back.
- *Twisted*: what a Portal on Twisted does for each message at the least (its Telnet, AMP with a pickled payload compressed at level 9), without markup, hooks or throttles. As in the ancestor, its sockets wait for the kernel to fill packets (no TCP_NODELAY).
- *C echo*: one epoll, one `recv` and one `send` for each line, no Server: what the kernel takes on this machine."""


def median_of(rounds):
    """The median of each figure over several rounds."""
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def alternate(sides, rounds, measure):
    """`measure` for each side in turn, several times over: side -> medians."""
    figures = {name: [] for name in sides}
    for _ in range(rounds):
        for name, (child, port) in sides.items():
            figures[name].append(measure(child, port))
    return {name: median_of(results) for name, results in figures.items()}


def round_trips(sides, rounds, seconds):
    """Figures for each crowd, and for a calm one at a fixed rate."""

    def closed(clients):
        return lambda child, port: processes.load(
            "talk", port, clients=clients, seconds=seconds, warmup=0.5, pid=child.pid
        )

    def calm(child, port):
        return processes.load(
            "talk", port, clients=50, seconds=2 * seconds, mode="rate", rate=RATE, pid=child.pid
        )

    figures = {str(clients): alternate(sides, rounds, closed(clients)) for clients in CROWDS}
    return figures, alternate(sides, rounds, calm)


def connects(sides, rounds, seconds):
    """Players that come and go, twenty at a time."""
    return alternate(
        sides,
        rounds,
        lambda child, port: processes.load(
            "connect", port, clients=20, seconds=seconds, pid=child.pid
        ),
    )


def memory(script, crowds):
    """Bytes at the start, and for each idle connection at each size of crowd."""
    with processes.relay(script) as (child, port), contextlib.ExitStack() as held:
        base = child.memory()
        figures = {"base_mib": base / MIB}
        there = 0
        for clients in crowds:
            held.enter_context(processes.idle(port, clients - there)).read()
            there = clients
            time.sleep(SETTLE_SECONDS)
            figures[f"bytes_each_at_{clients}"] = (child.memory() - base) / clients
    return figures


def run(*, quick=False):
    """Measures everything; about three minutes, or one where it is `quick`."""
    rounds, seconds = (1, 1.0) if quick else (5, 2.0)
    with (
        processes.relay(PORTAL) as portal,
        processes.relay(PEER) as peer,
        processes.floor(FLOOR) as echo,
    ):
        sides = {"Portal": portal, "Twisted": peer, "C echo": echo}
        crowds, calm = round_trips(sides, rounds, seconds)
        coming = connects(sides, min(rounds, 3), seconds)
        profile = [] if quick else profiling.sample(*portal)
    return {
        "rounds": rounds,
        "seconds": seconds,
        "round_trips": crowds,
        "calm": calm,
        "connects": coming,
        "memory": {
            "Portal": memory(PORTAL, (1000, 10_000)),
            "Twisted": memory(PEER, (1000,)),
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
        Aim(f"p50 at 50 players and {RATE} lines a second", calm["p50_us"] / 1000, 1, "ms"),
        Aim("memory without players", own["base_mib"], 40, "MiB"),
    ]


def report(figures):
    """Writes results/portal.md; returns the aims."""
    rows = [
        [
            clients,
            name,
            side["cpu_us_each"],
            side["p50_us"],
            side["p99_us"],
            side["messages"] / side["seconds"],
        ]
        for clients, sides in figures["round_trips"].items()
        for name, side in sides.items()
    ]
    rows += [
        [
            f"50, {RATE}/s",
            name,
            side["cpu_us_each"],
            side["p50_us"],
            side["p99_us"],
            side["messages"] / side["seconds"],
        ]
        for name, side in figures["calm"].items()
    ]
    coming = [
        [name, side["connects"] / side["seconds"], side["cpu_us_each"], side["p50_us"]]
        for name, side in figures["connects"].items()
    ]
    kept = [
        [
            name,
            side["base_mib"],
            side["bytes_each_at_1000"] / 1024,
            side.get("bytes_each_at_10000", 0) / 1024 or None,
        ]
        for name, side in figures["memory"].items()
    ]
    goals = aims(figures)
    write(
        "portal",
        "The Portal under load",
        figures,
        METHOD.format(**figures),
        "## Aims",
        aims_table(goals),
        "## Round trips",
        table(["players", "", "CPU us", "p50 us", "p99 us", "round trips a second"], rows),
        "At a fixed rate the process sleeps between lines: each pays for a wake-up of its own, which a busy hub shares among many.",
        "## Connections that come and go",
        "Twenty at a time; each ends with the first bytes from the Portal. The cost holds the whole life of a session: accept, the Server told, its end, the Server told again.",
        table(["", "a second", "CPU us", "p50 us"], coming),
        "## Memory",
        "Resident memory of the process, with the libraries that it shares with others, and its growth for each idle telnet session that the Server knows.",
        table(["", "MiB without players", "KB each at 1000", "KB each at 10 000"], kept),
        "## Where the time goes",
        profiling.explain(figures["profile"]),
    )
    return goals
