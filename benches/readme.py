"""The figures of the README, written from those of the last whole run."""

from results import number, table

BEGIN = "<!-- figures: written by make bench -->"
END = "<!-- end of figures -->"
SIDES = ("Portal", "Twisted", "C echo")
EVENNIA_SIDES = ("Portal", "Evennia")

TEXT = """\
{machine}.

{table}

A round trip is a message of 60 bytes from a player through the Portal over AMP to a stub Server that answers at once, and back; each player sends the next one when the echo has come. CPU is the run time of the whole Portal process for each of them, in microseconds, with the process on one core and the load on the other. *Twisted* is a relay that does what a Portal on Twisted has to do for each message at the least, *C echo* one `recv` and one `send` for each message and no Server at all: what the kernel takes. They took turns in one run; medians. Whole messages of 60 bytes are written {written:.0f} and read {read:.0f} times as fast as by Twisted.

Beside Evennia's own Portal in front of the same game, medians of one run ({evennia_machine}):

{evennia}

The edge alone, an echo on websocket for 500 clients, CPU of each in microseconds: {edge}.

Method, aims and all figures: [the Portal](benches/results/portal.md), [beside Evennia's](benches/results/evennia.md), [with browsers](benches/results/websocket.md), [the edge](benches/results/edge.md), [the hub](benches/results/hub.md), [the codecs](benches/results/codec.md), [the markup](benches/results/markup.md)."""


def _row(name, unit, sides, figure):
    cells = [figure(sides[side]) if side in sides else None for side in SIDES]
    return [f"{name}, {unit}" if unit else name, *cells]


def _cpu(side):
    return side["cpu_us_each"]


def _each_at_1000(side):
    return side["bytes_each_at_1000"] / 1024


def _ways_in(latest):
    """The rows that telnet and websocket have in common."""
    for protocol, name in (("telnet", "portal"), ("websocket", "websocket")):
        figures = latest[name]
        memory, coming = figures["memory"], figures["connects"]
        for players, sides in figures["round_trips"].items():
            yield _row(f"{protocol}: CPU of a round trip, players: {players}", "us", sides, _cpu)
        calm = figures["calm"]
        words = f"{protocol}: p50, 50 players, 500 messages a second"
        yield _row(words, "us", calm, lambda side: side["p50_us"])
        yield _row("p99 of the same", "us", calm, lambda side: side["p99_us"])
        words = f"{protocol}: CPU of a text to one of 1000"
        yield _row(words, "us", latest["websocket"]["fanout"][protocol]["one"], _cpu)
        words = f"{protocol}: connections a second"
        yield _row(words, "", coming, lambda side: side["connects"] / side["seconds"])
        yield _row(f"{protocol}: an idle connection, at 1000", "KB", memory, _each_at_1000)


def _beside_evennia(figures):
    """The rows of both Portals in front of one Evennia game, with how many times less ours takes."""
    memory = {
        side: {kind: kept.get(kind, 0) / 1024 for kind in ("telnet", "websocket")}
        for side, kept in figures["memory"].items()
    }
    rows = []
    for protocol, crowds in figures["round_trips"].items():
        rows += [
            (f"{protocol}: CPU of a round trip, players: {players}, us", sides, "cpu_us_each")
            for players, sides in crowds.items()
        ]
        calm, sent = figures["calm"][protocol], figures["fanout"][protocol]
        rows += [
            (f"{protocol}: p50, 50 players, 500 messages a second, us", calm, "p50_us"),
            (f"{protocol}: CPU of a coloured text to one of 1000, us", sent, "cpu_us_each"),
            (f"{protocol}: an idle connection, at 1000, KB", memory, protocol),
        ]
    rows.append(("`look` in a real game, typed back to back: p50, ms", figures["look"], "p50_ms"))
    return [
        [name, *(number(sides[side][key]) for side in EVENNIA_SIDES), _over(sides, key)]
        for name, sides, key in rows
    ]


def _over(sides, key):
    own, stock = (sides[side][key] for side in EVENNIA_SIDES)
    return number(stock / own)


def section(latest):
    """The text between the two marks."""
    amp = latest["codec"]["amp"]
    rows = [
        *_ways_in(latest),
        _row("without players", "MiB", latest["portal"]["memory"], lambda side: side["base_mib"]),
        _row(
            "with HTTP and websocket",
            "MiB",
            latest["websocket"]["memory"],
            lambda side: side["base_mib"],
        ),
    ]
    echoes = latest["edge"]["echo"]["500"]
    return TEXT.format(
        machine=latest["websocket"]["machine"],
        table=table(["", *SIDES], [[number(cell) for cell in row] for row in rows]),
        written=amp["message written, 60 B"]["over_twisted"],
        read=amp["message read, 60 B"]["over_twisted"],
        evennia_machine=latest["evennia"]["machine"],
        evennia=table(["", "Portal", "Evennia", "times"], _beside_evennia(latest["evennia"])),
        edge=", ".join(f"{side} {number(_cpu(figures))}" for side, figures in echoes.items()),
    )


def update(path, latest):
    """Put the figures between the marks of a page."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{section(latest)}\n{END}{after}")
