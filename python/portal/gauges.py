"""The gauges of one Portal: how much there is at this moment of everything that is bounded.

A bound stands beside what it bounds, as `..._limit`. Both are read from those who go by them, so
that a figure cannot differ from what is done.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from portal import __version__, vitals
from portal.lifecycle import State
from portal.metrics import Figure, Gauge

if TYPE_CHECKING:
    from portal.amp_server import AmpServer
    from portal.config import Config
    from portal.evennia.worker_process import WorkerProcess
    from portal.hub.hub import Hub
    from portal.hub.listener import Admission, Listener
    from portal.protocols.ajax import AjaxProtocol
    from portal.protocols.http import HttpProtocol
    from portal.protocols.opening import OpeningProtocol
    from portal.sessionhandler import PortalSessionHandler
    from portal.supervisor import Supervisor


def describe_process() -> list[Gauge]:
    """Make the gauges of the process that a Portal runs in."""
    return [
        Gauge(
            "process_resident_memory_bytes",
            "Memory in use, with what is shared with other processes.",
            vitals.resident_bytes,
        ),
        Gauge(
            "memory_limit_bytes",
            "Memory that the control group may have, the game in it too; none without a limit.",
            vitals.memory_limit,
        ),
        Gauge(
            "process_open_fds",
            "Descriptors in use: sockets, files, the poller's own.",
            vitals.open_descriptors,
        ),
        Gauge(
            "process_max_fds",
            "Descriptors that the process may have.",
            vitals.descriptor_limit,
        ),
        Gauge(
            "process_cpu_seconds",
            "CPU time taken, in user and system mode.",
            vitals.cpu_seconds,
            total=True,
        ),
    ]


def describe_log(lost: Callable[[], int]) -> list[Gauge]:
    """Make the gauge of a log, which counts by itself what it has lost."""
    text = "Lines that the log did not take: a full disk, or a reader that went away."
    return [Gauge("log_lines_lost", text, lost, total=True)]


def describe_connections(
    config: "Callable[[], Config]",
    hub: "Hub",
    admission: "Admission",
    listeners: "Callable[[], Sequence[Listener]]",
) -> list[Gauge]:
    """Make the gauges of the sockets: who is connected, and how much is waiting for them."""
    return [
        Gauge(
            "connections",
            "Sockets being served, those of the game and the command line too.",
            lambda: hub.connections,
        ),
        Gauge(
            "player_connections",
            "Connections at the ports for players that were let in.",
            lambda: admission.total,
        ),
        Gauge(
            "player_connections_limit",
            "How many of these may be let in (limits.connections).",
            lambda: config().limits.connections,
        ),
        Gauge(
            "refusals_lingering",
            "Refused connections that are still being told why.",
            lambda: sum(each.lingering for each in listeners()),
        ),
        Gauge(
            "refusals_lingering_limit",
            "How many of these may be at each port; more are closed without a word (hub.refusals).",
            lambda: config().hub.refusals,
        ),
        Gauge(
            "unsent_bytes",
            "Bytes written to all sockets together that the kernel has not taken yet.",
            lambda: hub.unsent,
        ),
        Gauge(
            "unsent_limit_bytes",
            "How many these may be; then the largest are cut (hub.unsent_total_bytes).",
            lambda: config().hub.unsent_total_bytes,
        ),
        Gauge(
            "loop_lag_seconds",
            "How late a task came to run at most, in the last 15 seconds or so.",
            lambda: hub.lag,
        ),
    ]


def describe_browsers(
    config: "Callable[[], Config]", opening: "OpeningProtocol", http: "HttpProtocol | None"
) -> list[Gauge]:
    """Make the gauges of connections that speak HTTP, before they become anything else."""
    return [
        Gauge(
            "half_open_connections",
            "Connections of browsers that have not finished their request.",
            lambda: len(opening.waiting),
        ),
        Gauge(
            "half_open_connections_limit",
            "How many of these may be; then the oldest gives way (http.half_open).",
            lambda: config().http.half_open,
        ),
        Gauge(
            "http_connections",
            "Connections that HTTP requests are being served on.",
            lambda: 0 if http is None else http.connections,
        ),
        Gauge(
            "http_connections_limit",
            "How many of these may be (http.connections).",
            lambda: config().http.connections,
        ),
    ]


def describe_pages(
    config: "Callable[[], Config]", ajax: "AjaxProtocol | None", worker: "WorkerProcess | None"
) -> list[Gauge]:
    """Make the gauges of what waits for pages, and of what they wait for."""
    return [
        Gauge(
            "ajax_unsent_bytes",
            "Bytes that wait for pages without websockets to fetch them.",
            lambda: 0 if ajax is None else ajax.unsent,
        ),
        Gauge(
            "ajax_unsent_limit_bytes",
            "How many these may be; then the largest are cut (hub.unsent_total_bytes).",
            lambda: config().hub.unsent_total_bytes,
        ),
        Gauge(
            "worker_questions_waiting",
            "Questions that the game's database has not answered yet.",
            lambda: 0 if worker is None else worker.waiting,
        ),
        Gauge(
            "worker_questions_waiting_limit",
            "How many these may be; more have no answer. 0: there is no such database.",
            lambda: 0 if worker is None else worker.most_waiting,
        ),
    ]


def describe_sessions(sessionhandler: "PortalSessionHandler") -> list[Gauge]:
    """Make the gauges of the sessions, and of what is kept for them."""
    sessions, holding = sessionhandler.sessions, sessionhandler.delivery.holding

    def by_protocol() -> Mapping[str, float]:
        return dict(Counter(each.protocol_key for each in sessions.values()))

    return [
        Gauge("sessions", "Sessions by the way they came in.", by_protocol, label="protocol"),
        Gauge(
            "sessions_logged_in",
            "Sessions that the game has logged in.",
            lambda: sum(each.logged_in for each in sessions.values()),
        ),
        Gauge(
            "sessions_paused",
            "Sessions that are read no further, the game being behind with their messages.",
            lambda: sum(each.input_paused for each in sessions.values()),
        ),
        Gauge(
            "held_messages",
            "Messages of players kept while there is no Server.",
            lambda: holding.total,
        ),
        Gauge("held_bytes", "Bytes of these, estimated.", lambda: holding.total_bytes),
    ]


def describe_server(
    amp_server: "AmpServer", supervisor: "Supervisor", now: Callable[[], float]
) -> list[Gauge]:
    """Make the gauges of the Server and of the way to it; `now` is trio's clock."""
    server = amp_server.server

    def by_state() -> Mapping[str, float]:
        return {state.value: float(state is supervisor.state) for state in State}

    def connected() -> float | None:
        return None if supervisor.connected_at is None else now() - supervisor.connected_at

    return [
        Gauge(
            "server_state", "How the Server is: 1 for the state it is in.", by_state, label="state"
        ),
        Gauge(
            "server_connected_seconds",
            "How long the Server has been connected; none without one.",
            connected,
        ),
        Gauge("amp_links", "Links at the AMP port.", lambda: len(amp_server.links)),
        Gauge(
            "amp_links_limit",
            "How many of these may be (amp.connections).",
            lambda: server.config.connections,
        ),
        Gauge(
            "server_unanswered_messages",
            "Messages that the Server has not answered yet.",
            lambda: 0 if server.link is None else server.link.unanswered,
        ),
        Gauge(
            "server_unanswered_messages_limit",
            "How many these may be; then the next ones wait (amp.window_messages).",
            lambda: server.config.window_messages,
        ),
        Gauge(
            "server_unanswered_bytes",
            "Bytes of these.",
            lambda: 0 if server.link is None else server.link.unanswered_bytes,
        ),
        Gauge(
            "server_unanswered_limit_bytes",
            "How many these may be; then the next ones wait (amp.window_bytes and its kin).",
            lambda: server.window_bytes,
        ),
        Gauge(
            "server_waiting_messages",
            "Messages to the Server that wait until earlier ones are answered.",
            lambda: len(server.waiting),
        ),
    ]


def describe_portal(uptime: Callable[[], float]) -> list[Gauge]:
    """Make the gauges of the Portal itself."""

    def version() -> Figure:
        return {__version__: 1.0}

    return [
        Gauge("info", "The version that runs.", version, label="version"),
        Gauge("uptime_seconds", "How long the Portal has been running.", uptime),
    ]
