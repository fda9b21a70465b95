"""Where the time of a loaded Portal goes: py-spy's samples, added up by function.

`make bench` installs py-spy; without it the page says that there is none.
"""

import collections
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import processes
from results import table

SECONDS = 4
ROWS = 24
SAMPLING = ("--format", "raw", "--rate", "500", "--duration", str(SECONDS))
# One frame of py-spy's raw form: "receive_data (portal/hub/connection.py:120)".
FRAME = re.compile(r"^(?P<function>.*) \((?P<file>[^:]+)(?::\d+)?\)$")


def _tool():
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def sample(child, port, protocol="telnet"):
    """Shares of the time by function under 500 players, [] without py-spy."""
    tool = _tool()
    if tool is None:
        return []
    options = {"clients": 500, "seconds": SECONDS + 2, "protocol": protocol, "form": "inputfunc"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stacks"
        with processes.loading("talk", port, **options) as load:
            subprocess.run(
                [tool, "record", "--pid", str(child.pid), "--output", str(path), *SAMPLING],
                check=True,
                capture_output=True,
            )
            load.read()
        return add_up(path.read_text().splitlines())


def add_up(lines):
    """Samples by function: (function, own share, share with what it calls), dearest first."""
    own, total = collections.Counter(), collections.Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_name(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
    whole = sum(own.values()) or 1
    return [(name, count / whole, total[name] / whole) for name, count in own.most_common(ROWS)]


def _name(frame):
    match = FRAME.match(frame)
    if match is None:
        return frame
    place = match["file"].rpartition("python/")[2].rpartition("site-packages/")[2]
    return f"{place} {match['function']}"


def explain(profile):
    """The profile as Markdown."""
    if not profile:
        return "No profile was taken: py-spy is not installed, or the run was a quick one."
    rows = [[f"`{name}`", f"{own:.1%}", f"{total:.1%}"] for name, own, total in profile]
    intro = "Samples of py-spy at 500 players, by function; a call into the kernel or into compiled code counts for the function that makes it."
    return f"{intro}\n\n{table(['function', 'own', 'with what it calls'], rows)}"
