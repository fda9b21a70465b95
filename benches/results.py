"""How figures are written down: Markdown tables, with the machine, the method and the aims."""

import os
import platform
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Aim:
    """What a figure should be: at most `limit`, or at least that where `least` is set."""

    name: str
    value: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self):
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def verdict(self):
        if self.met:
            return "met"
        off = abs(self.value - self.limit) / self.limit
        return f"**missed** by {off:.1%}" if off < 0.1 else f"**missed** by {off:.0%}"

    def row(self):
        sign = ">=" if self.least else "<="
        limit = f"{sign} {self.limit:g} {self.unit}".rstrip()
        return [self.name, limit, f"{number(self.value)} {self.unit}".rstrip(), self.verdict]


def number(value):
    """A figure with the digits that mean something."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def table(heads, rows):
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *([number(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def aims_table(aims):
    return table(["aim", "limit", "measured", ""], [aim.row() for aim in aims])


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit():
    run = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "no checkout"


def _interpreter():
    # A build without profile-guided optimisation is slower by a fifth or so: it has to be known.
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"CPython {platform.python_version()} {'with' if optimised else 'without'} PGO"


def machine(watch):
    """The machine, the moment, and what else ran since the watch began, as one line."""
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, "
        f"{_interpreter()}, {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}; "
        f"other processes took {watch.others_share():.0%} of its cores meanwhile"
    )


class Watch:
    """How much of the machine others take meanwhile: figures of a busy machine are not to trust."""

    def __init__(self):
        self.begun = time.monotonic()
        self.busy, self.own = _busy_seconds(), _own_seconds()

    def others_share(self):
        """The share of all cores that went to other processes since then."""
        whole = (time.monotonic() - self.begun) * os.cpu_count()
        others = (_busy_seconds() - self.busy) - (_own_seconds() - self.own)
        return max(others, 0.0) / whole


def _busy_seconds():
    """User, nice and system time of all processes since the machine's start."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:4]
    return sum(map(int, fields)) / os.sysconf("SC_CLK_TCK")


def _own_seconds():
    """The same of this process and of those that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def write(name, title, figures, method, *parts):
    """One page of results; the figures say where and when they were taken."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join([f"# {title}", f"Machine: {figures['machine']}.", method, *parts])
    (RESULTS / f"{name}.md").write_text(text + "\n")
