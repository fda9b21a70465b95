"""The Portal with browsers: websocket under load, one text to everybody, GET meanwhile.

Players and Servers are `crates/load`.
"""

import fanout
import http_get
import processes
import profiling
import rounds as turns
from results import Aim, aims_table, table, write

PORTAL = ("portal_process.py", "browsers")
PEER = ("peers/twisted_relay.py", "websocket")
FLOOR = ("peers/epoll_echo.c", "websocket")
PORT = "websocket_port"
BOXES = {"one": "one for all", "each": "one each"}

METHOD = """\
The measured process is pinned to one core, the load (`crates/load`) to another; websocket and HTTP are switched on. CPU is the run time of the whole process divided by what it did in the same stretch, in microseconds; p50 and p99 are what the players saw.
The sides take turns in one run; each figure is the median of {rounds} rounds of {seconds:g} s.

- *Portal*: all of it: hub, frames, JSON, session, throttle, HTML, AMP and back.
- *Twisted*: what a Portal on Twisted does for each message at the least (autobahn, JSON, AMP with a pickled payload compressed at level 9), without markup, hooks or throttles.
- *C echo*: one epoll, one `recv` and one `send` for each frame and the mask taken off, no Server: what the kernel takes on this machine."""

TRIPS = """\
A round trip is `["text", ["<60 bytes>"], {}]` from a player through the Portal to a stub Server that answers at once, and its payload back the same way; each player sends its next message when the echo has come."""

FANOUT = """\
A text of 200 bytes with colours to 1000 sessions, no two texts alike; the next one follows when everybody has it. The Server names all sessions in one message, as `portal.game` does, or sends a message for each, as a stock Server does. CPU is that of one delivery."""

GET = """\
While 500 players saturate the hub, a process of its own asks for a page, on a connection of its own each time: milliseconds from the first packet to the end of the answer. `/` is the client page."""


def run(*, quick=False):
    """Measures everything; about four minutes, or one where it is `quick`."""
    rounds, seconds = (1, 1.0) if quick else (3, 2.0)
    with (
        processes.relay(*PORTAL) as portal,
        processes.relay(*PEER) as peer,
        processes.floor(*FLOOR) as echo,
    ):
        sides = {"Portal": portal, "Twisted": peer, "C echo": echo}
        sides = {name: (child, ports[PORT]) for name, (child, ports) in sides.items()}
        crowds, calm = turns.round_trips(
            sides, rounds, seconds, protocol="websocket", form="inputfunc"
        )
        coming = turns.connects(sides, rounds, seconds, "websocket")
        get = http_get.run(portal, 1.0 if quick else 5.0)
        profile = [] if quick else profiling.sample(*sides["Portal"], protocol="websocket")
    return {
        "rounds": rounds,
        "seconds": seconds,
        "round_trips": crowds,
        "calm": calm,
        "connects": coming,
        "get": get,
        "fanout": fanout.run(rounds, seconds),
        "memory": {
            "Portal": turns.memory(processes.relay(*PORTAL), "websocket", (1000, 10_000)),
            "Twisted": turns.memory(processes.relay(*PEER), "websocket", (1000,)),
        },
        "profile": profile,
    }


def aims(figures):
    """What issue and design ask of the Portal."""
    own = figures["memory"]["Portal"]
    crowd = figures["round_trips"]["500"]["Portal"]
    return [
        Aim("CPU of a websocket round trip at 500 players", crowd["cpu_us_each"], 15, "us"),
        *(
            Aim(
                f"CPU of a delivery to 1000, {protocol}, {words}",
                figures["fanout"][protocol][boxes]["Portal"]["cpu_us_each"],
                7,
                "us",
            )
            for protocol in fanout.PROTOCOLS
            for boxes, words in BOXES.items()
        ),
        Aim("memory of an idle websocket at 1000", own["bytes_each_at_1000"] / 1024, 3, "KB"),
        Aim("memory of an idle websocket at 10 000", own["bytes_each_at_10000"] / 1024, 3, "KB"),
        Aim(
            "CPU of a websocket that comes and goes",
            figures["connects"]["Portal"]["cpu_us_each"],
            250,
            "us",
        ),
        Aim("memory without players, with HTTP", own["base_mib"] * turns.MIB / 1e6, 60, "MB"),
        *(
            Aim(
                f"p99 of GET {path} while 500 play by {players}",
                figures["get"][players][path]["p99_us"] / 1000,
                10,
                "ms",
            )
            for players in fanout.PROTOCOLS
            for path in http_get.PATHS
        ),
    ]


def report(figures):
    """Writes results/websocket.md; returns the aims."""
    deliveries = [
        [protocol, BOXES[boxes], name, side["cpu_us_each"], side["p50_us"], side["p99_us"]]
        for protocol, ways in figures["fanout"].items()
        for boxes, sides in ways.items()
        for name, side in sides.items()
    ]
    answers = [
        [players, path, *(taken[name] / 1000 for name in ("p50_us", "p99_us", "max_us"))]
        for players, paths in figures["get"].items()
        for path, taken in paths.items()
    ]
    goals = aims(figures)
    write(
        "websocket",
        "The Portal with browsers",
        figures,
        METHOD.format(**figures),
        "## Aims",
        aims_table(goals),
        "## Round trips",
        TRIPS,
        turns.trips_table(figures["round_trips"], figures["calm"]),
        "## One text to everybody",
        FANOUT,
        table(["protocol", "messages", "", "CPU us", "p50 us", "p99 us"], deliveries),
        "## Connections that come and go",
        "Twenty at a time; each ends with the answer to its handshake. The cost holds the whole life of a session: accept, handshake, the Server told, its end, the Server told again.",
        turns.connects_table(figures["connects"]),
        "## Memory",
        "Resident memory of the process, with the libraries that it shares with others (the tools of development, which a Portal does not need, are kept out), and its growth for each idle websocket that the Server knows.",
        turns.memory_table(figures["memory"]),
        "## A page meanwhile",
        GET,
        table(["players", "page", "p50 ms", "p99 ms", "longest ms"], answers),
        "## Where the time goes",
        profiling.explain(figures["profile"]),
    )
    return goals
