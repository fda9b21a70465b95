"""Reading what `portal.evennia.collecting` has collected of a game, in whatever process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from portal.config.layers import to_one_line
from portal.errors import ConfigError

COLLECTING_SECONDS = 60.0  # importing Evennia takes one or two, on a slow machine ten
SETTINGS = Path("server", "conf", "settings.py")
NO_EVENNIA = "No module named 'evennia'"

KINDS = {
    "settings": dict,
    "mssp": dict,
    "path": list,
    "directory": str,
    "evennia": str,
    "version": str,
    "settings_module": str,
}


def collect_from(directory: str) -> dict[str, Any]:
    """Collect what is to be known of the game in a directory, in a process of its own.

    Raises ConfigError: for what is no game, without Evennia in this Python, and with what the
    game's settings brought up, in one line with its place.
    """
    place = Path(directory).absolute()
    if not place.is_dir():
        raise ConfigError(directory, "game", "there is no such directory")
    if not (place / SETTINGS).is_file():
        raise ConfigError(directory, "game", f"expected an Evennia game, with its {SETTINGS}")
    # Not from the working directory: a game may have a folder that is called "portal".
    command = [sys.executable, "-P", "-m", "portal.evennia.collecting"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=place, capture_output=True, timeout=COLLECTING_SECONDS, check=False
        )
    except OSError as error:
        raise ConfigError(directory, "game", f"cannot be read: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(directory, "settings", "took too long to load") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        if NO_EVENNIA in lines[-1]:
            expected = f"is not installed in this Python, {sys.executable}"
            raise ConfigError(directory, "evennia", f"{expected}: run the `portal` of the game's")
        raise ConfigError(directory, "settings", f"cannot be loaded: {to_one_line(lines[-1])}")
    return decode(done.stdout)


def read_collected(descriptor: int) -> dict[str, Any]:
    """Read what the launcher's hook has left in a file without a name, and close that.

    Raises ConfigError where there is nothing of that kind.
    """
    try:
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            return decode(file.read())
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise ConfigError("command line", "--settings-fd", reason) from error


def decode(data: bytes) -> dict[str, Any]:
    """Read what was collected. Raises ConfigError where it is nothing of that kind."""
    try:
        collected = json.loads(data)
    except ValueError as error:
        raise ConfigError("evennia", "settings", f"are no JSON: {error}") from error
    whole = isinstance(collected, dict) and all(
        isinstance(collected.get(name), kind) for name, kind in KINDS.items()
    )
    if not whole:
        raise ConfigError("evennia", "settings", "expected what portal.evennia collects")
    found: dict[str, Any] = collected
    return found
