"""What one Portal counts, and what can be looked up about it.

A counter is a field of `Metrics`, a plain integer with its help text, so that counting costs next
to nothing. Objects that count receive the `Metrics` of their Portal as an argument and add to its
fields; whoever shows them reads `as_dict` or the help texts. A `Gauge` costs nothing until somebody
asks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields

Figure = float | Mapping[str, float]


def counter(text: str) -> int:
    """Declare a counter that begins at zero; `text` is its help text."""
    value: int = field(default=0, metadata={"help": text})
    return value


@dataclass(slots=True)
class Metrics:
    """Every counter of one Portal, each from zero at its start."""

    # hub
    connections_accepted: int = counter("Sockets accepted on every listener.")
    connections_lost: int = counter("Connections that ended, for whatever reason.")
    connections_refused: int = counter("Sockets refused for a limit on connections.")
    accept_pauses: int = counter("Pauses in accepting, for want of descriptors and the like.")
    slow_readers_cut: int = counter("Peers cut because they read too slowly.")
    protocol_crashes: int = counter("Exceptions of protocol code that ended their connection.")
    ticks: int = counter("Rounds of the hub, each serving all that was ready.")
    ticks_cut: int = counter("Rounds of the hub that took too long and were cut short.")
    bytes_received: int = counter("Bytes read from every socket.")
    bytes_sent: int = counter("Bytes written to every socket.")
    # amp
    amp_messages_received: int = counter("Boxes with a command received over AMP.")
    amp_messages_sent: int = counter("Boxes with a command sent over AMP.")
    amp_unknown_answers: int = counter("Answer boxes that nobody had asked for.")
    amp_rejected_payloads: int = counter("Payloads that were not unpickled.")
    amp_stand_in_payloads: int = counter("Payloads whose classes were replaced by stand-ins.")
    amp_errors: int = counter("Responders that failed and were answered with an error.")
    amp_http_requests: int = counter("HTTP requests turned away at the AMP port.")
    amp_connections_refused: int = counter("AMP connections closed for a broken rule or secret.")
    # sessions
    sessions_opened: int = counter("Sessions that began.")
    sessions_closed: int = counter("Sessions that ended.")
    messages_in: int = counter("Messages from players taken in.")
    messages_out: int = counter("Messages to players sent out.")
    messages_undeliverable: int = counter("Messages of the game to sessions that had ended.")
    messages_unsupported: int = counter("Messages to players whose protocol cannot carry them.")
    hook_failures: int = counter("Exceptions of session hooks; each cost one message.")
    commands_throttled: int = counter("Commands dropped because a session sent too many.")
    oob_throttled: int = counter("Out-of-band messages dropped because a session sent too many.")
    lines_too_long: int = counter("Lines thrown away because they grew too long.")
    negotiations_throttled: int = counter("Telnet negotiations ignored in a storm of them.")
    subnegotiations_too_long: int = counter("Telnet subnegotiations thrown away for their size.")
    inputs_held: int = counter("Messages kept while the Server was away.")
    inputs_released: int = counter("Kept messages delivered to the next Server.")
    inputs_returned: int = counter(
        "Lines given back to players whom a crash left out of character."
    )
    inputs_refused: int = counter("Messages refused because a session had kept too many.")
    inputs_uncertain: int = counter("Messages that a dying Server left unanswered.")
    inputs_redelivered: int = counter("Uncertain messages sent again, flagged as such.")
    http_on_telnet: int = counter("HTTP requests turned away at the telnet port.")
    # websocket and http
    websocket_handshakes_refused: int = counter("Requests for HTTP or websocket turned away.")
    websocket_messages_malformed: int = counter("Websocket messages that could not be read.")
    websocket_protocol_errors: int = counter("Websockets closed for breaking the protocol.")
    websocket_pings_unanswered: int = counter("Websockets cut because a ping was not answered.")
    controls_throttled: int = counter("Websocket control frames ignored in a storm of them.")
    handshakes_timed_out: int = counter("Connections that did not finish their request in time.")
    half_open_dropped: int = counter("Connections without a request that gave way to others.")
    http_requests: int = counter("HTTP requests answered.")
    http_connections_refused: int = counter("HTTP connections refused, too many being served.")
    upstream_requests: int = counter("HTTP requests passed on to the game's own web server.")
    upstream_failures: int = counter("Of these, those that it did not answer, or not to the end.")
    upstream_milliseconds: int = counter(
        "Milliseconds until its answers began, of all of these together."
    )
    # browsers that have a login on the game's website
    browser_pages_replaced: int = counter("Connections of a page that had connected anew.")
    browser_logins_unknown: int = counter("Pages let in as strangers, for want of an answer.")
    ajax_pages_lost: int = counter("Pages that fetched their messages and are heard of no more.")
    worker_starts: int = counter("Processes started for what needs the game's database.")
    worker_questions: int = counter("Questions asked of the game's database.")
    worker_questions_failed: int = counter("Questions to which there was no answer.")
    # lifecycle
    server_starts: int = counter("Server processes started.")
    server_connections: int = counter("Servers that completed their synchronisation.")
    server_losses: int = counter("Server links lost without an order.")
    server_reloads: int = counter("Reloads and resets ordered.")

    def as_dict(self) -> dict[str, int]:
        """Every counter by its name."""
        return asdict(self)


def help_texts() -> dict[str, str]:
    """Give the help text of every counter by its name."""
    return {entry.name: entry.metadata["help"] for entry in fields(Metrics)}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure that is looked up when somebody asks: how much there is of what is bounded.

    `read()` gives it, or with a `label` one figure for each of the label's values; None where it
    cannot be known. It runs in the hub's thread, so it must be quick: a millisecond at most where
    there are ten thousand sessions. `total` says that it only ever grows, as a counter does.
    A name that begins with `process_` is one that Prometheus knows of every process.
    """

    name: str
    help: str
    read: Callable[[], Figure | None]
    label: str = ""
    total: bool = False


def look_up(gauges: Iterable[Gauge]) -> dict[str, Figure]:
    """Read every gauge; those that cannot be known are left out."""
    found = ((gauge.name, gauge.read()) for gauge in gauges)
    return {name: figure for name, figure in found if figure is not None}
