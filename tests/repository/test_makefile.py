"""The commands that the documents name exist, and each says what it does."""

import re
import shutil
import subprocess
import sys

import pytest

COMMANDS = {"setup", "demo", "test", "evennia", "check", "bench", "wheel", "fuzz", "clean", "help"}
PARTS = {"lint", "types", "layers", "rust", "web"}  # of `make check`


@pytest.fixture(autouse=True)
def outer_make(monkeypatch):
    """These tests run below `make test` as well; its flags are not for the makes in here."""
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def makefile(root):
    return (root / "Makefile").read_text()


def test_help_lists_every_command(root):
    text = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in text.splitlines()} == COMMANDS


def test_every_goal_is_phony(makefile):
    goals = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert goals == set(phony[1].split()) == COMMANDS | PARTS


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_documents_name_only_what_exists(root, page):
    named = set(re.findall(r"\bmake ([a-z]+)\b", (root / page).read_text()))
    assert named
    assert named <= COMMANDS


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PYTHON", "no-such-python", "error: no no-such-python: install CPython 3.11 or newer"),
        ("PYTHON", "./old", "Python 3.9.2 is too old: 3.11 or newer"),
        ("PYTHON", "./bare", "./bare has no venv module"),
        ("PATH", "{bin}", "error: no cargo: install a Rust toolchain"),
    ],
)
def test_what_is_missing_is_said_in_one_line(root, tmp_path, variable, value, message):
    """Set-up in an empty place, on machines that lack something."""
    (tmp_path / "Makefile").write_bytes((root / "Makefile").read_bytes())
    write_script(tmp_path / "old", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    write_script(tmp_path / "bare", 'case "$2" in *ensurepip*) exit 1;; esac')
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "sh", "make", "find", "flock"):
        (tools / tool).symlink_to(shutil.which(tool))
    (tools / "python3").symlink_to(sys.executable)
    value = value.replace("{bin}", str(tools))
    run = subprocess.run(
        [str(tools / "make"), "setup", f"{variable}={value}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    complaints = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(complaints) == 1
    assert message in complaints[0]


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({}, "error: no node: checking the web client needs Node.js"),
        ({"node": "exit 0"}, "error: no npm: "),
        ({"node": "case $1 in --version) echo v16.1.0;; *) exit 1;; esac", "npm": "exit 0"},
         "error: Node.js v16.1.0 is too old"),
    ],
)  # fmt: skip
def test_what_the_web_client_lacks_is_said_in_one_line(root, tmp_path, scripts, message):
    for name in ("Makefile", "package.json", ".npmrc"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "sh", "make", "find", "flock"):
        (tools / tool).symlink_to(shutil.which(tool))
    for name, body in scripts.items():
        write_script(tools / name, body)
    run = subprocess.run(
        [str(tools / "make"), "web", f"PATH={tools}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    complaints = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(complaints) == 1
    assert message in complaints[0]


def test_a_demo_that_is_set_up_prints_nothing_of_its_own(root, tmp_path):
    """What the Portal prints (`--json`) is all that there is to read on standard output."""
    for name in ("pyproject.toml", "Cargo.toml", "Cargo.lock"):
        (tmp_path / name).touch()
    (tmp_path / "crates").mkdir()
    for crate in ("native", "ampcodec", "telnetcodec", "wscodec", "markup"):
        (tmp_path / "crates" / crate).mkdir()
    (tmp_path / "Makefile").write_bytes((root / "Makefile").read_bytes())
    binaries, stamps = tmp_path / ".venv/bin", tmp_path / ".venv/stamps"
    binaries.mkdir(parents=True)
    stamps.mkdir()
    (stamps / "environment").touch()
    (stamps / "native").touch()
    write_script(binaries / "portal", 'echo "$@"')
    run = subprocess.run(
        ["make", "demo", "ARGS=--json --telnet-port 0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("demo --json --telnet-port 0\n", "")


def write_script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
