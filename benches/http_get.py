"""How long a GET takes while players saturate the hub.

The client is a process of its own, on the core of the load, and opens a connection for each
request, as a probe does. It asks a hundred times a second at most.

    python http_get.py PORT PATH SECONDS    prints {"p50_us": ..., "p99_us": ..., ...}
"""

import json
import socket
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import processes

CLIENTS = 500
PATHS = ("/", "/healthz")
PAUSE = 0.01
TIMEOUT = 10.0
# The load greets and warms up, and goes on until the last GET has been answered.
AHEAD = 1.5
REQUEST = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 "


def get(port, path):
    """Seconds from the first packet to the end of the answer; RuntimeError for any but a 200."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(REQUEST.format(path).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if not answer.startswith(OK):
        raise RuntimeError(f"GET {path} was answered {answer[:100]!r}")
    return time.perf_counter() - begun


def ask(port, path, seconds):
    """Figures of many requests, one after the other."""
    delays = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        delays.append(get(port, path))
        time.sleep(PAUSE)
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return {
        "count": len(delays),
        "p50_us": cuts[49] * 1e6,
        "p99_us": cuts[98] * 1e6,
        "max_us": max(delays) * 1e6,
    }


def asking(port, path, seconds):
    """The client in a process of its own, for the length of a block."""
    command = [sys.executable, Path(__file__), port, path, seconds]
    return processes.running(command, processes.cores()[1])


def run(portal, seconds):
    """Measures a Portal (child, ports): players' protocol, or "nobody" -> path -> figures."""
    _child, ports = portal
    figures = {}
    for players in ("nobody", "telnet", "websocket"):
        figures[players] = {}
        for path in PATHS:
            with ExitStack() as stack:
                if players != "nobody":
                    load = stack.enter_context(
                        processes.loading(
                            "talk",
                            ports[f"{players}_port"],
                            clients=CLIENTS,
                            seconds=seconds + AHEAD + 1,
                            warmup=0.1,
                            protocol=players,
                            form="inputfunc",
                        )
                    )
                    time.sleep(AHEAD)
                client = stack.enter_context(asking(ports["http_port"], path, seconds))
                found = client.read()
                if players != "nobody":
                    talk = load.read()
                    found["messages_per_second"] = talk["messages"] / talk["seconds"]
                figures[players][path] = found
    return figures


if __name__ == "__main__":
    port, path, seconds = sys.argv[1:]
    print(json.dumps(ask(int(port), path, float(seconds))), flush=True)
