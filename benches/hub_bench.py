"""The hub alone: what an echo costs on it, and how fair it is to other tasks."""

import hub_echo
import hub_fairness
from results import table, write

METHOD = """\
An echo of 60-byte lines on the hub, and beside it, in the same run and taking turns, the same echo as one trio task with a `SocketStream` for each connection.
The server is pinned to one core, the load (`crates/load`) to another; CPU is the run time of the server's process for each line.
Fairness: while 500 players saturate the hub, another task of the same trio run sleeps for a millisecond again and again, or only lets others run; the delay is what it waits beyond that."""


def run(*, quick=False):
    """Measures both; about a minute and a half, or twenty seconds where it is `quick`."""
    return {"echo": hub_echo.run(quick=quick), "fairness": hub_fairness.run(quick=quick)}


def report(figures):
    """Writes results/hub.md; it has no aims of its own: those of the Portal hold the hub too."""
    echo, fairness = figures["echo"], figures["fairness"]
    echoes = [
        [clients, side, taken["cpu_us_each"], taken["p50_us"], taken["p99_us"]]
        for clients, sides in echo["echo"].items()
        for side, taken in sides.items()
    ]
    idle = [[side, size / 1024] for side, size in echo["idle_bytes"].items()]
    delays = [
        [state, task, taken["p50_us"], taken["p99_us"], taken["max_us"]]
        for state in ("idle", "saturated")
        for task, taken in fairness[state].items()
    ]
    write(
        "hub",
        "The hub",
        figures,
        METHOD,
        "## An echo",
        table(["connections", "", "CPU us", "p50 us", "p99 us"], echoes),
        f"## Memory of an idle connection, at {echo['idle_clients']}",
        table(["", "KB"], idle),
        "## Delay of another task",
        table(["hub", "the task", "p50 us", "p99 us", "longest us"], delays),
    )
    return []
