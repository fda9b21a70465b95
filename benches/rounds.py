"""Measurements that take turns between several sides, the same for every way in.

A side is a pinned process and the port at which it is loaded: `name -> (child, port)`. CPU time is
what the scheduler counts for that process between the first and the last message of the measured
stretch.
"""

import contextlib
import statistics
import time

import processes
from results import table

CROWDS = (1, 50, 500)
RATE = 500
CALM_WARMUP = 1.0
CALM_ROUNDS = 3  # these take twice the time of the others
# Players who answer no option are heard of after two seconds; then a session is settled.
SETTLE_SECONDS = 3.0
MIB = 1024 * 1024


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


def round_trips(
    sides, rounds, seconds, *, crowds=CROWDS, calm_rounds=CALM_ROUNDS, warmup=0.5, **options
):
    """Figures for each crowd, and for a calm one at a fixed rate.

    `options` are those of the load: its protocol and the form of a message.
    """

    def closed(clients):
        return lambda child, port: processes.load(
            "talk",
            port,
            clients=clients,
            seconds=seconds,
            warmup=warmup,
            pid=child.pid,
            **options,
        )

    def calm(child, port):
        return processes.load(
            "talk",
            port,
            clients=50,
            seconds=2 * seconds,
            warmup=max(warmup, CALM_WARMUP),
            mode="rate",
            rate=RATE,
            pid=child.pid,
            **options,
        )

    figures = {str(clients): alternate(sides, rounds, closed(clients)) for clients in crowds}
    return figures, alternate(sides, min(rounds, calm_rounds), calm)


def connects(sides, rounds, seconds, protocol):
    """Players that come and go, twenty at a time."""
    return alternate(
        sides,
        rounds,
        lambda child, port: processes.load(
            "connect", port, clients=20, seconds=seconds, pid=child.pid, protocol=protocol
        ),
    )


def memory(relay, protocol, crowds):
    """Bytes at the start, and for each idle connection at each size of crowd.

    `relay` is the context of the process, with a Server behind it.
    """
    with relay as (child, ports), contextlib.ExitStack() as held:
        base = child.memory()
        figures = {"base_mib": base / MIB}
        there = 0
        for clients in crowds:
            held.enter_context(
                processes.idle(ports[f"{protocol}_port"], clients - there, protocol)
            ).read()
            there = clients
            time.sleep(SETTLE_SECONDS)
            figures[f"bytes_each_at_{clients}"] = (child.memory() - base) / clients
    return figures


def trips_table(crowds, calm):
    """Round trips as Markdown."""
    stretches = [*crowds.items(), (f"50, {RATE}/s", calm)]
    rows = [
        [
            players,
            name,
            side["cpu_us_each"],
            side["p50_us"],
            side["p99_us"],
            side["messages"] / side["seconds"],
        ]
        for players, sides in stretches
        for name, side in sides.items()
    ]
    return table(["players", "", "CPU us", "p50 us", "p99 us", "round trips a second"], rows)


def connects_table(coming):
    """Connections that come and go as Markdown."""
    rows = [
        [name, side["connects"] / side["seconds"], side["cpu_us_each"], side["p50_us"]]
        for name, side in coming.items()
    ]
    return table(["", "a second", "CPU us", "p50 us"], rows)


def memory_table(kept):
    """Memory as Markdown."""
    rows = [
        [
            name,
            side["base_mib"],
            side["bytes_each_at_1000"] / 1024,
            side.get("bytes_each_at_10000", 0) / 1024 or None,
        ]
        for name, side in kept.items()
    ]
    return table(["", "MiB without players", "KB each at 1000", "KB each at 10 000"], rows)
