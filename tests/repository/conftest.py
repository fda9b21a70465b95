"""The tree of the repository, as the tests of the house look at it."""

import ast
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python module of the package, parsed."""

    path: Path
    name: str  # dotted, "portal.hub.timers"
    source: str
    tree: ast.Module

    @property
    def row(self):
        """The part below `portal` that the layers know it by: "hub", "session"."""
        return self.name.split(".")[1] if "." in self.name else "__init__"


def _module(path):
    parts = path.relative_to(ROOT / "python").with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    source = path.read_text()
    return Module(path, name, source, ast.parse(source))


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def modules():
    """Every module of `python/portal`."""
    found = [_module(path) for path in sorted((ROOT / "python/portal").rglob("*.py"))]
    assert len(found) > 5
    return found


@pytest.fixture(scope="session")
def tracked():
    """Every file that git tracks or would, as paths from the root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]
