"""What is published: the wheel, in a clean environment, and the source distribution."""

import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")
NOT_INSTALLABLE = 77
MATURIN = Path(sys.executable).with_name("maturin")


def run_maturin(*words, folder=ROOT):
    return subprocess.run([MATURIN, *map(str, words)], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, from what `make setup` has compiled already."""
    out = tmp_path_factory.mktemp("wheel")
    run_maturin("build", "--release", "--out", out)
    (wheel,) = out.iterdir()
    return wheel


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    run_maturin("sdist", "--out", out)
    (sdist,) = out.iterdir()
    return sdist


def test_the_installed_wheel(wheel):
    run = subprocess.run(
        [sys.executable, "-I", SMOKE, wheel],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if run.returncode == NOT_INSTALLABLE:
        pytest.skip(f"its dependencies cannot be had: {run.stdout[-500:]}")
    assert run.returncode == 0, run.stdout


def test_the_name_of_the_wheel(wheel):
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("mudportal", "cp311", "abi3")
    assert (
        version
        == tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    )
    assert "linux" in platform


def read_sources(sdist):
    """Return what is in the source distribution, without the folder that all of it is in."""
    with tarfile.open(sdist) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive.getmembers()
            if member.isfile()
        }


def test_what_the_source_distribution_holds(sdist):
    names = read_sources(sdist).keys()
    needed = {"Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    needed |= {"python/portal/py.typed", "python/portal/web/index.html"}
    for crate in ("native", "ampcodec", "telnetcodec", "wscodec", "markup"):
        needed |= {f"crates/{crate}/Cargo.toml", f"crates/{crate}/src/lib.rs"}
    assert sorted(needed - names) == []
    tops = {"Cargo.lock", "Cargo.toml", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert {name.split("/")[0] for name in names} == tops | {"crates", "python"}
    assert [name for name in names if name.endswith((".so", ".pyc"))] == []


def test_the_source_distribution_can_be_built(sdist, tmp_path):
    """In a folder that stays below `target`: the second time only what has changed is compiled."""
    folder, target = ROOT / "target/sdist/source", ROOT / "target/sdist/target"
    sources = read_sources(sdist)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in sources:
            path.unlink()
    for name, content in sources.items():
        path = folder / name
        # Written only where it differs, for cargo goes by the time.
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    run_maturin("build", "--release", "--target-dir", target, "--out", tmp_path, folder=folder)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name.startswith("mudportal-")
