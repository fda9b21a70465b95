"""The codecs alone: AMP beside Twisted and a C extension, telnet beside Twisted, Rust by itself."""

import json
import subprocess
from pathlib import Path

import amp_codec
import telnet_codec
from results import Aim, table, write

ROOT = Path(__file__).parents[1]
CRITERION = ROOT / "target/criterion"
CRATE = "ampcodec"

METHOD = """\
One process, the sides taking turns, each figure the median of several rounds.
AMP: *Twisted* is `AmpBox.serialize` and `BinaryBoxProtocol`, for whole messages with the `Compressed` argument as the ancestor cuts and deflates it; *C* is a plain C extension that writes and reads the same Python objects (`benches/peers/ampbox.c`). Pickling is left out on all sides; the reading of a message has the scan of its pickle in it.
Telnet: *Twisted* is its Telnet transport and line classes; the *codec* is `portal.wire.telnet`, the *session* everything of it up to the sessionhandler."""

# What the boxes and messages of everyday sizes should be, as multiples of Twisted's speed.
TWISTED_AIMS = {"box written": 12, "box read": 30, "message written": 20}
C_AIM = 1.5
SIZES = ("60 B", "2 KB")


def run(*, quick=False):
    """Measures all three; about two minutes, or half a minute where it is `quick`."""
    return {
        "amp": amp_codec.run(quick=quick),
        "telnet": telnet_codec.run(quick=quick),
        "rust": run_criterion(quick=quick),
    }


def run_criterion(*, quick):
    """Nanoseconds by the name of each bench of the crate, without Python around them."""
    options = ["--quick"] if quick else ["--warm-up-time", "0.5", "--measurement-time", "1"]
    command = ["cargo", "bench", "--quiet", "-p", CRATE, "--bench", "codec", "--", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"cargo bench failed:\n{run.stderr}")
    found = {}
    for path in sorted(CRITERION.glob("**/new/estimates.json")):
        name = str(path.parents[1].relative_to(CRITERION))
        found[name] = json.loads(path.read_text())["median"]["point_estimate"]
    return found


def aims(figures):
    """What was asked of the AMP codec."""
    wanted = []
    for size in SIZES:
        for name, limit in TWISTED_AIMS.items():
            taken = figures["amp"][f"{name}, {size}"]
            aim = f"{name}, {size}, over Twisted"
            wanted.append(Aim(aim, taken["over_twisted"], limit, "times", least=True))
        for name in ("box written", "box read"):
            taken = figures["amp"][f"{name}, {size}"]
            if "of_c" in taken:
                wanted.append(Aim(f"{name}, {size}, time of C", taken["of_c"], C_AIM, "times"))
    return wanted


def report(figures):
    """Writes results/codec.md; returns the aims."""
    sides = ("portal", "portal, level 9", "twisted", "c", "pickle.loads")
    amp = [
        [
            name,
            *(taken["ns"].get(side) for side in sides),
            taken.get("over_twisted"),
            taken.get("of_c"),
        ]
        for name, taken in figures["amp"].items()
    ]
    telnet = [
        [name, *(taken.get(side) for side in ("codec", "session", "twisted"))]
        for name, taken in figures["telnet"]["us"].items()
    ]
    weights = [[kind, size / 1024] for kind, size in figures["telnet"]["session_bytes"].items()]
    heads = ["", "Portal", "at level 9", "Twisted", "C", "pickle.loads", "over Twisted", "of C"]
    goals = aims(figures)
    write(
        "codec",
        "The codecs",
        figures,
        METHOD,
        "## Aims",
        table(["aim", "limit", "measured", ""], [aim.row() for aim in goals]),
        "## AMP, nanoseconds",
        table(heads, amp),
        "## Telnet, microseconds",
        table(["", "codec", "session", "Twisted"], telnet),
        "## A telnet session at rest",
        table(["client", "KB"], weights),
        "## The crate `ampcodec` without Python, nanoseconds",
        table(["", "ns"], sorted(figures["rust"].items())),
    )
    return goals
