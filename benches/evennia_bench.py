"""The Portal beside Evennia's own, both in front of the same game.

The game is made for the run; it, both Portals and the Server run in the environment of that Evennia
(`evennia_sides`).
"""

import contextlib
import time

import evennia_look
import evennia_sides
import fanout
import processes
import rounds as turns
from results import Aim, aims_table, table, write

PROTOCOLS = {"telnet": {}, "websocket": {"form": "inputfunc"}}
# Seconds until players are settled. Those on telnet who answer no option are after two, and each of
# them costs a stock Portal a message then: that is no part of a round trip.
SETTLING = {"telnet": 2.0, "websocket": 0.5}
DEFLATED = 9  # as a stock Server sends
IDLE = {
    "telnet": {"protocol": "telnet"},
    "telnet, compressed": {"protocol": "telnet", "compressed": "true"},
    "websocket": {"protocol": "websocket"},
}
# Who can compress telnet (MCCP2).
COMPRESSING = ("Evennia",)
FEW = 2  # rounds of what takes long

METHOD = """\
A stock Evennia Portal, started by the command of its launcher, and this one, started as `portal run --evennia`, in front of the same new game and by the same Python, each with the libraries of Evennia's environment: nothing is set but ports, and throttles that are out of the way. Both have all their ports open, telnet, websocket and web.
The measured process is pinned to one core, the load (players and a stub Server that answers at once, `crates/load`) to another. CPU is the run time of the whole process divided by what it did in the same stretch, p50 and p99 are what the players saw, in microseconds.
The sides take turns in one run; each figure is the median of {rounds} rounds of {seconds:g} s."""

TRIPS = """\
A round trip is a text of 60 bytes from a player through the Portal to the Server over AMP, and its payload back the same way, compressed as that Portal itself has compressed it; each player sends its next one when the echo has come. Players have been there for more than two seconds before anything is counted: Evennia then has done with those who answer no option."""

FANOUT = """\
A text of 200 bytes with colours to {clients} players, no two texts alike; the next one follows when everybody has it. The Server sends a message for each of them, deflated at level 9, as a stock Server does. CPU is that of one delivery; telnet gets ANSI, websockets HTML."""

MEMORY = """\
Resident memory of the process and its growth for each of {clients} idle players that the Server knows. Those who have agreed to compression (MCCP2) have got one line, too, for a compressor takes its memory with the first. This Portal does not compress telnet yet."""

LOOK = """\
One player of the real game, with its real Server behind either Portal, types `look` as soon as the reply to the last one is there: milliseconds until its last words have come. A stock Portal holds back small packets to its Server until the last one is acknowledged (no TCP_NODELAY), which takes 40 ms."""


def run(*, quick=False):
    """Measures everything; about four minutes, or one where it is `quick`."""
    python = evennia_sides.find_python()
    if python is None:
        message = f"no Evennia: `make bench` installs one, {evennia_sides.PYTHON} names another"
        raise SystemExit(message)
    rounds, seconds = (1, 0.5) if quick else (3, 1.0)
    clients = 200 if quick else 1000
    with evennia_sides.made(python) as game:
        makers = {"Portal": game.portal, "Evennia": game.stock}
        return {
            "rounds": rounds,
            "seconds": seconds,
            **_talk(makers, rounds, seconds, quick=quick),
            "clients": clients,
            "fanout": _send(makers, min(rounds, FEW), seconds, clients),
            "memory": {name: _idle(name, make, clients) for name, make in makers.items()},
            "look": {} if quick else evennia_look.run(game, 2 * seconds),
        }


def _talk(makers, rounds, seconds, *, quick):
    """Round trips: protocol -> crowd -> side -> figures, and the same for the calm ones."""
    trips, calm = {}, {}
    with contextlib.ExitStack() as held:
        sides = {
            name: held.enter_context(processes.behind(make())) for name, make in makers.items()
        }
        for protocol, options in PROTOCOLS.items():
            trips[protocol], calm[protocol] = turns.round_trips(
                {
                    name: (child, ports[f"{protocol}_port"])
                    for name, (child, ports) in sides.items()
                },
                rounds,
                seconds,
                crowds=(500,) if quick else turns.CROWDS,
                calm_rounds=FEW,
                warmup=0.5 if quick else SETTLING[protocol],
                protocol=protocol,
                **options,
            )
    return {"round_trips": trips, "calm": calm}


def _send(makers, rounds, seconds, clients):
    """One text to everybody: protocol -> side -> figures. The load is the Server, too."""
    with contextlib.ExitStack() as held:
        sides = {name: held.enter_context(make()) for name, make in makers.items()}
        return {
            protocol: turns.alternate(
                sides,
                rounds,
                fanout.measure(protocol, "each", seconds, clients=clients, level=DEFLATED),
            )
            for protocol in PROTOCOLS
        }


def _idle(name, make, clients):
    """Memory at the start, and bytes for each idle player of each kind."""
    with processes.behind(make()) as (child, ports), contextlib.ExitStack() as held:
        before = child.memory()
        figures = {"base_mib": before / turns.MIB}
        for kind, options in IDLE.items():
            if "compressed" in options and name not in COMPRESSING:
                continue
            port = ports[f"{options['protocol']}_port"]
            crowd = processes.loading("idle", port, clients=clients, **options)
            held.enter_context(crowd).read()
            time.sleep(SETTLING[options["protocol"]])
            after = child.memory()
            figures[kind] = (after - before) / clients
            before = after
    return figures


def _times(sides, figure):
    """How many times as much Evennia's takes."""
    return sides["Evennia"][figure] / sides["Portal"][figure]


def aims(figures):
    """What issue and design ask of the Portal."""
    goals = [
        *(
            Aim(
                f"CPU of a {protocol} round trip at 500 players",
                _times(figures["round_trips"][protocol]["500"], "cpu_us_each"),
                8,
                "times less",
                least=True,
            )
            for protocol in PROTOCOLS
        ),
        *(
            Aim(
                f"p50 at 50 {protocol} players and {turns.RATE} messages a second",
                _times(figures["calm"][protocol], "p50_us"),
                20,
                "times less",
                least=True,
            )
            for protocol in PROTOCOLS
        ),
        Aim(
            "memory of an idle telnet connection",
            _times(figures["memory"], "telnet"),
            5,
            "times less",
            least=True,
        ),
        Aim(
            f"CPU of a delivery to one of {figures['clients']} websockets",
            _times(figures["fanout"]["websocket"], "cpu_us_each"),
            10,
            "times less",
            least=True,
        ),
    ]
    if figures["look"]:
        goals.append(Aim("p50 of `look`", figures["look"]["Portal"]["p50_ms"], 5, "ms"))
    return goals


def report(figures):
    """Writes results/evennia.md; returns the aims."""
    goals = aims(figures)
    trips = [
        part
        for protocol in PROTOCOLS
        for part in (
            f"### {protocol}",
            turns.trips_table(figures["round_trips"][protocol], figures["calm"][protocol]),
        )
    ]
    deliveries = [
        [protocol, name, *(side[figure] for figure in ("cpu_us_each", "p50_us", "p99_us"))]
        for protocol, sides in figures["fanout"].items()
        for name, side in sides.items()
    ]
    kept = [
        [name, side["base_mib"], *(side[kind] / 1024 if kind in side else None for kind in IDLE)]
        for name, side in figures["memory"].items()
    ]
    looks = [[name, *side.values()] for name, side in figures["look"].items()]
    write(
        "evennia",
        "The Portal beside Evennia's",
        figures,
        METHOD.format(**figures),
        "## Aims",
        "How many times less than a stock Portal.",
        aims_table(goals),
        "## Round trips",
        TRIPS,
        *trips,
        "## One text to everybody",
        FANOUT.format(**figures),
        table(["protocol", "", "CPU us", "p50 us", "p99 us"], deliveries),
        "## Memory",
        MEMORY.format(**figures),
        table(["", "MiB without players", *(f"KB each, {kind}" for kind in IDLE)], kept),
        "## A real game",
        LOOK,
        table(["", "looks", "p50 ms", "p99 ms"], looks) if looks else "Left out of a quick run.",
    )
    return goals
