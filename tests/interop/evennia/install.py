"""Install Evennia beside the Portal of this checkout: `install.py VERSION...`.

Each version gets an environment of its own, `.evennia/VERSION` in the checkout, with what that
Evennia and this Portal need. The Portal itself is the one of the checkout, as an editable
installation would have it. An environment that is complete and was made by these rules is kept.
"""

import hashlib
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[3]
VERSIONS = ("5.0.1", "6.1.0")
# The last that runs on Python 3.11; Evennia 6.1.0 asks for a newer one, and runs on this as well.
DJANGO = "django>=5.2,<5.3"
READ_REQUIREMENTS = "import importlib.metadata as m; print(*m.requires('evennia'), sep='\\n')"


def place(version):
    return ROOT / ".evennia" / version


def read_own_requirements():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def describe():
    """Say what an environment depends on, in a word that changes with it."""
    rules = [Path(__file__).read_text(), sys.version, *read_own_requirements()]
    return hashlib.sha256("\n".join(rules).encode()).hexdigest()


def install(version):
    folder = place(version)
    stamp = folder / "complete"
    if stamp.is_file() and stamp.read_text() == describe():
        return
    sys.stderr.write(f"== set-up: Evennia {version} in {folder.relative_to(ROOT)}\n")
    venv.create(folder, symlinks=True, with_pip=True, clear=True)
    python = folder / "bin" / "python"

    def pip(*words):
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:  # only then: it complains of the other Django as if it had failed
            sys.exit(f"error: Evennia {version} cannot be installed\n{done.stdout}{done.stderr}")

    # By itself first: what it asks for is read from what is installed, and not all of it holds.
    pip("--no-deps", "--ignore-requires-python", f"evennia=={version}")
    wanted = subprocess.run(
        [python, "-c", READ_REQUIREMENTS], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    wanted = [line for line in wanted if "extra ==" not in line and not line.startswith("django<")]
    pip(DJANGO, *wanted, *read_own_requirements())
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "mudportal.pth").write_text(f"{ROOT / 'python'}\n")
    stamp.write_text(describe())


if __name__ == "__main__":
    for wanted in sys.argv[1:] or VERSIONS:
        install(wanted)
