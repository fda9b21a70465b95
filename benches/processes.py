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

    def __init__(self, command, core, **options):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
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
def running(command, core, **options):
    """A child for the length of a block; `options` are those of `Popen`."""
    child = Child(command, core, **options)
    try:
        yield child
    finally:
        child.stop()


@contextlib.contextmanager
def server(script, *arguments):
    """One of the bench's programs: (child, its ports by name)."""
    with running([sys.executable, HERE / script, *arguments], cores()[0]) as child:
        yield child, child.read()


@contextlib.contextmanager
def relay(script, *arguments):
    """A Portal or a peer of it, with a stub Server behind it: (child, its ports by name)."""
    with behind(server(script, *arguments)) as (child, ports):
        yield child, ports


@contextlib.contextmanager
def behind(side):
    """A stub Server behind whatever Portal this context is: (child, its ports by name)."""
    with side as (child, ports), loading("stub", ports["amp_port"]) as stub:
        stub.read()
        yield child, ports


@contextlib.contextmanager
def floor(source, *arguments):
    """An echo server in C, compiled for the length of a block: (child, its ports by name)."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "floor")
        subprocess.run(["cc", "-O2", "-o", program, HERE / source], check=True)
        with running([program, *arguments], cores()[0]) as child:
            yield child, child.read()


def loading(command, port, **options):
    """A run of the load generator, for the length of a block: a context manager."""
    arguments = [LOAD, command, "--port", port]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    return running(arguments, cores()[1])


def load(command, port, **options):
    """One run of the load generator: its figures."""
    with loading(command, port, **options) as child:
        return child.read()


def idle(port, clients, protocol="telnet"):
    """So many idle players, for the length of a block: a context manager."""
    return loading("idle", port, clients=clients, protocol=protocol)
