"""An Evennia game, as the Portal sees it: what its settings come to."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.config import Config
from portal.errors import ConfigError

PROFILING = ("--savestats", "--profiler=cprofile")
LOCKDOWN = "  LOCKDOWN_MODE active: Only local connections."

COLLECTING_SECONDS = 60.0  # importing Evennia takes one or two, on a slow machine ten


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be logged at the start: an event with its values, and how bad it is."""

    level: str
    event: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Game:
    """An Evennia game: its configuration of the Portal, and what goes beside that.

    `environment` is for its Server, beside the Portal's own. `status` holds what the launcher
    prints and the Portal has no setting for (`errors`, `info`, `lockdown_mode`, `version`, ...).
    `profiled` is the Server's command when the launcher is to profile it.
    """

    directory: str
    config: Config
    environment: Mapping[str, str]
    status: Mapping[str, Any]
    profiled: tuple[str, ...] = ()
    notes: tuple[Note, ...] = field(default=())

    def choose_command(self, arguments: object) -> tuple[str, ...]:
        """Return the command that starts its Server, as Evennia's launcher wants it (SSTART).

        Of what the launcher sends, no word is run: it is looked at for whether to profile.
        """
        wanted = isinstance(arguments, list) and "--profiler=cprofile" in arguments
        return self.profiled if wanted else self.config.server.command


def make_game(collected: Mapping[str, Any], config: Config) -> Game:
    """Put a game together of what was collected, and the configuration made of it."""
    directory = collected["directory"]
    profile = Path(directory, "server", "logs", "server.prof")
    lockdown = collected["settings"]["LOCKDOWN_MODE"]
    return Game(
        directory=directory,
        config=config,
        environment={
            "PYTHONPATH": ":".join(collected["path"]),
            "DJANGO_SETTINGS_MODULE": collected["settings_module"],
        },
        status={
            "version": f"{collected['version']}",
            "errors": "",
            "info": "",
            "lockdown_mode": LOCKDOWN if lockdown else "",
        },
        profiled=(*config.server.command, *PROFILING, f"--profile={profile}"),
    )


def collect_from(directory: str) -> dict[str, Any]:
    """Collect what is to be known of the game in a directory, in a process of its own.

    Raises ConfigError with the last line that the game's settings brought up.
    """
    command = [sys.executable, "-m", "portal.evennia.collecting"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=directory, capture_output=True, timeout=COLLECTING_SECONDS, check=False
        )
    except OSError as error:
        raise ConfigError(directory, "game", f"cannot be read: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(directory, "settings", "took too long to load") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise ConfigError(directory, "settings", f"cannot be loaded: {lines[-1]}")
    return decode(done.stdout)


def read_collected(descriptor: int) -> dict[str, Any]:
    """Read what the launcher's hook has left in a file without a name, and close that."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return decode(file.read())


def decode(data: bytes) -> dict[str, Any]:
    """Read what was collected. Raises ConfigError where it is nothing of that kind."""
    try:
        collected = json.loads(data)
    except ValueError as error:
        raise ConfigError("evennia", "settings", f"are no JSON: {error}") from error
    if not isinstance(collected, dict) or not isinstance(collected.get("settings"), dict):
        raise ConfigError("evennia", "settings", "expected what portal.evennia collects")
    return collected
