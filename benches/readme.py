"""The figures of the README, written from those of the last whole run."""

from results import number, table

BEGIN = "<!-- figures: written by make bench -->"
END = "<!-- end of figures -->"
SIDES = ("Portal", "Twisted", "C echo")

TEXT = """\
{machine}.

{table}

A round trip is a line of 60 bytes from a telnet player through the Portal over AMP to a stub Server that answers at once, and back; each player sends the next line when the echo has come. CPU is the run time of the whole Portal process for each of them, in microseconds, with the process on one core and the load on the other. *Twisted* is a relay that does what a Portal on Twisted has to do for each message at the least, *C echo* one `recv` and one `send` for each line and no Server at all: what the kernel takes. They took turns in one run; medians. Whole messages of 60 bytes are written {written:.0f} and read {read:.0f} times as fast as by Twisted.

Method, aims and all figures: [the Portal](benches/results/portal.md), [the hub](benches/results/hub.md), [the codecs](benches/results/codec.md)."""


def _row(name, unit, sides, figure):
    cells = [figure(sides[side]) if side in sides else None for side in SIDES]
    return [f"{name}, {unit}" if unit else name, *cells]


def section(latest):
    """The text between the two marks."""
    portal, amp = latest["portal"], latest["codec"]["amp"]
    trips, calm = portal["round_trips"], portal["calm"]
    memory, coming = portal["memory"], portal["connects"]
    rows = [
        _row(f"CPU of a round trip, players: {n}", "us", sides, lambda side: side["cpu_us_each"])
        for n, sides in trips.items()
    ]
    rows += [
        _row("p50, 50 players, 500 lines a second", "us", calm, lambda side: side["p50_us"]),
        _row("p99 of the same", "us", calm, lambda side: side["p99_us"]),
        _row("connections a second", "", coming, lambda side: side["connects"] / side["seconds"]),
        _row(
            "an idle connection, at 1000",
            "KB",
            memory,
            lambda side: side["bytes_each_at_1000"] / 1024,
        ),
        _row("without players", "MiB", memory, lambda side: side["base_mib"]),
    ]
    return TEXT.format(
        machine=portal["machine"],
        table=table(["", *SIDES], [[number(cell) for cell in row] for row in rows]),
        written=amp["message written, 60 B"]["over_twisted"],
        read=amp["message read, 60 B"]["over_twisted"],
    )


def update(path, latest):
    """Put the figures between the marks of a page."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{section(latest)}\n{END}{after}")
