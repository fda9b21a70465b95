"""Markup: the Portal's beside Evennia's own, on lines that were never seen before."""

import json
import statistics
import subprocess
import time
from pathlib import Path

import evennia_sides
from portal.config import MarkupConfig
from portal.markup import ANSI, TRUECOLOR, XTERM256
from portal.protocols.rendering import Rendering
from results import Aim, table, write

PEER = Path(__file__).parents[1] / "tests/interop/evennia/markup_peer.py"
EVERYTHING = ANSI | XTERM256 | TRUECOLOR

METHOD = """\
Each text is another one, so that nothing comes from a memory: neither the last text of the Portal nor Evennia's cache of ten thousand. The coloured line has 200 bytes with 15 codes, among them `|500` and `|#ff8000`; the plain one 60 and none.
*Portal* is `portal.markup` called from Python, *a line of telnet* with the encoding, the escaping and the line end as well, *a frame* with JSON and the head of the websocket's frame. *Evennia* is its `parse_ansi` (256 colours, truecolour) and `parse_html`, in a process of its own with the same texts, in the same run. The sides take turns; each figure is CPU time, and the median of {rounds} rounds."""

AIMS = {"coloured to ANSI": 1.5, "coloured to HTML": 2.0}


def coloured(number):
    """A line of 200 bytes as games write them."""
    text = (
        f'|yAnna|n says, "|wIt is |r{number:07d}|n past noon, and |Gall|n is |500well|n.|w" Exits: '
        "|cnorth|n, |csouth|n and |[B|ythe cellar|n; a |#ff8000lantern|n hangs |uhere|U, and it "
        "|xrains|n on the slates of the old town"
    )
    return text[:200]


def plain(number):
    """A line of 60 bytes without a code."""
    return f"{number:07d} times the old clock of the town hall has struck, so far"[:60]


def render_all(rendering):
    """What is measured of the Portal, by name: the text's kind and the call."""
    markup = rendering.markup
    return {
        "coloured to ANSI": (coloured, lambda text: markup.to_terminal(text, EVERYTHING)),
        "coloured to 16 colours": (coloured, lambda text: markup.to_terminal(text, ANSI)),
        "coloured to HTML": (coloured, markup.to_html),
        "coloured to plain text": (coloured, markup.to_plain),
        "coloured to a line of telnet": (
            coloured,
            lambda text: rendering.render_line(text, EVERYTHING, "utf-8"),
        ),
        "coloured to a frame": (coloured, markup.to_frame),
        "plain to ANSI": (plain, lambda text: markup.to_terminal(text, EVERYTHING)),
        "plain to HTML": (plain, markup.to_html),
    }


# What Evennia calls the same, where it has it alone.
THEIRS = {
    "coloured to ANSI": "ansi",
    "coloured to HTML": "html",
    "coloured to plain text": "strip",
    "plain to ANSI": "ansi",
    "plain to HTML": "html",
}


class Peer:
    """Evennia's markup in a process of its own."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [str(python), str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._write({})

    def measure(self, name, texts):
        """Seconds for each of the texts."""
        self._write(["measure", name, texts])
        kind, found = json.loads(self.process.stdout.readline())
        if kind != "text":
            raise RuntimeError(f"Evennia: {found}")
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _write(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()


def measure(call, texts):
    """Seconds for each of the texts."""
    begun = time.process_time()
    for text in texts:
        call(text)
    return (time.process_time() - begun) / len(texts)


def run(*, quick=False):
    """Measures all of it: about twenty seconds, or five where it is `quick`."""
    rounds, ours, theirs = (3, 10_000, 300) if quick else (7, 50_000, 1000)
    python = evennia_sides.find_python()
    peer = Peer(python) if python else None
    subjects = render_all(Rendering(MarkupConfig()))
    taken = {name: {"portal": [], "evennia": []} for name in subjects}
    numbers = iter(range(10**9))
    try:
        for _ in range(rounds):
            for name, (kind, call) in subjects.items():
                texts = [kind(next(numbers)) for _ in range(ours)]
                taken[name]["portal"].append(measure(call, texts))
                if peer and name in THEIRS:
                    texts = [kind(next(numbers)) for _ in range(theirs)]
                    taken[name]["evennia"].append(peer.measure(THEIRS[name], texts))
    finally:
        if peer:
            peer.close()
    us = {
        name: {side: statistics.median(each) * 1e6 for side, each in sides.items() if each}
        for name, sides in taken.items()
    }
    return {"us": us, "rounds": rounds}


def aims(figures):
    """What was asked of the markup."""
    return [
        Aim(f"{name}, 200 bytes", figures["us"][name]["portal"], limit, "us")
        for name, limit in AIMS.items()
    ]


def report(figures):
    """Writes results/markup.md; returns the aims."""
    rows = [
        [
            name,
            us["portal"],
            us.get("evennia"),
            us["evennia"] / us["portal"] if "evennia" in us else None,
        ]
        for name, us in figures["us"].items()
    ]
    goals = aims(figures)
    write(
        "markup",
        "Markup",
        figures,
        METHOD.format(rounds=figures["rounds"]),
        "## Aims",
        table(["aim", "limit", "measured", ""], [aim.row() for aim in goals]),
        "## Microseconds for a text",
        table(["", "Portal", "Evennia", "over Evennia"], rows),
    )
    return goals
