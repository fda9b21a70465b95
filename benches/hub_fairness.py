"""How long another trio task waits while the hub is saturated by 500 echoing connections.

Two kinds of task are watched, one after the other: one that sleeps for a millisecond again and
again (its delay is what it sleeps beyond that), and one that only lets others run (its delay is
the time until it runs again).

    python hub_fairness.py          measures, prints JSON
    python hub_fairness.py serve    prints {"port": ...}; for each line on its standard input, the
                                    name of a task, it watches that task and prints the figures
"""

import json
import statistics
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import trio

import hub_echo
import processes

CLIENTS = 500
WATCHED = ("sleep", "checkpoint")
SLEEP = 0.001


async def watch(name, seconds):
    """Delays of one task in seconds, sorted."""
    delays = []
    end = perf_counter() + seconds
    while (begun := perf_counter()) < end:
        if name == "sleep":
            await trio.sleep(SLEEP)
            delays.append(perf_counter() - begun - SLEEP)
        else:
            await trio.lowlevel.checkpoint()
            delays.append(perf_counter() - begun)
    return sorted(delays)


def figures(delays):
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return {
        "count": len(delays),
        "p50_us": cuts[49] * 1e6,
        "p99_us": cuts[98] * 1e6,
        "max_us": delays[-1] * 1e6,
    }


async def obey():
    """Watch what standard input names, until it ends."""
    async for line in trio.wrap_file(sys.stdin):
        name, seconds = line.split()
        print(json.dumps(figures(await watch(name, float(seconds)))), flush=True)


async def serve():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub_echo.serve_hub)
        await obey()
        nursery.cancel_scope.cancel()


@contextmanager
def loaded(port, seconds, results):
    """Load in another process, for the length of a block."""

    def press():
        results.append(processes.load("talk", port, clients=CLIENTS, seconds=seconds, warmup=0.5))

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def ask(child, name, seconds):
    child.process.stdin.write(f"{name} {seconds}\n")
    child.process.stdin.flush()
    return child.read()


def run(*, quick=False):
    """Measure: {"idle": {"sleep": {...}, "checkpoint": {...}}, "saturated": {...}}."""
    seconds = 1 if quick else 4
    result = {"clients": CLIENTS, "idle": {}, "saturated": {}}
    command = [sys.executable, Path(__file__), "serve"]
    with processes.running(command, processes.cores()[0]) as child:
        port = child.read()["port"]
        for name in WATCHED:
            result["idle"][name] = ask(child, name, seconds)
        for name in WATCHED:
            load = []
            # The load greets and warms up for a second, and goes on until the watch has ended.
            with loaded(port, seconds + 2, load):
                ask(child, "sleep", 1.5)
                found = ask(child, name, seconds)
            found["messages_per_second"] = load[0]["messages"] / load[0]["seconds"]
            result["saturated"][name] = found
    return result


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        trio.run(serve)
    else:
        print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
