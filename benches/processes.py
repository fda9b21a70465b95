"""The processes of a bench: what is measured on one core, what loads it on another."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LOAD = HERE.parent / "target/release/load"


def cores():
    """The core of the measured process and that of the load: the same one where there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class Child:
    """A process that writes JSON, one object a line, to its standard output."""

    def __init__(self, command, core):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # At once, before it has made any thread; those inherit it.
        os.sched_setaffinity(self.process.pid, {core})

    @property
    def pid(self):
        return self.process.pid

    def read(self):
        """The next object it writes; RuntimeError when it ends without one."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        """Closes its standard input, and ends it if that does not."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(0.5)
        except subprocess.TimeoutExpired:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def memory(self):
        """Its resident memory in bytes, with the pages that it shares with others.

        Proportional shares would grow and shrink with what other processes come and go.
        """
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        kilobytes = next(line for line in text.splitlines() if line.startswith("Rss:"))
        return int(kilobytes.split()[1]) * 1024


@contextlib.contextmanager
def running(command, core):
    """A child for the length of a block."""
    child = Child(command, core)
    try:
        yield child
    finally:
        child.stop()


@contextlib.contextmanager
def relay(script):
    """A Portal or a peer of it, with a stub Server behind it: (child, its telnet port)."""
    measured, loading = cores()
    with running([sys.executable, HERE / script], measured) as child:
        ports = child.read()
        with running([LOAD, "stub", "--port", ports["amp_port"]], loading) as stub:
            stub.read()
            yield child, ports["telnet_port"]


@contextlib.contextmanager
def floor(source):
    """An echo server in C, compiled for the length of a block: (child, its telnet port)."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "floor")
        subprocess.run(["cc", "-O2", "-o", program, HERE / source], check=True)
        with running([program], cores()[0]) as child:
            yield child, child.read()["telnet_port"]


def load(command, port, **options):
    """One run of the load generator: its figures."""
    arguments = [LOAD, command, "--port", port]
    for name, value in options.items():
        arguments += [f"--{name}", value]
    with running(arguments, cores()[1]) as child:
        return child.read()


def idle(port, clients):
    """So many idle players, for the length of a block: a context manager."""
    command = [LOAD, "idle", "--port", port, "--clients", clients]
    return running(command, cores()[1])
