"""Being a Portal: the commands `demo` and `run`."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.cli.parser import DEMO_DIRECTORY
from portal.cli.showing import say
from portal.config import amp_secret_from_environment, build, layer, read_file

DEMO = {"name": "Portal demo", "directory": DEMO_DIRECTORY}

# What was given on the command line: settings by their dotted names, other flags by plain ones.
Options = dict[str, Any]


def demo(options: Options) -> int:
    """Be the Portal of the demo game, with the game behind it; returns the exit code."""
    settings = _settings(options, DEMO)
    game = (sys.executable, "-m", "portal.demo", "--data", settings["directory"])
    return _serve(layer(settings, {"server": {"command": game}}), options)


def run(options: Options) -> int:
    """Be the Portal of somebody's game; returns the exit code."""
    settings = _settings(options, {})
    if "command" not in settings.get("server", {}):
        reason = "give --server 'COMMAND' or --no-server, or server.command in the file"
        raise WrongCommandLine(reason)
    return _serve(settings, options)


class WrongCommandLine(Exception):
    """What the parser could not see by itself."""


def _settings(options: Options, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what was given above the file, and that above the defaults of the command."""
    file = read_file(options["config"]) if "config" in options else {}
    flags: dict[str, Any] = {}
    for name, value in options.items():
        table, dot, setting = name.rpartition(".")
        if dot:
            flags.setdefault(table, {})[setting] = value
    if "directory" in options:
        flags["directory"] = options["directory"]
    if "amp" in flags:
        flags["amp"].setdefault("socket", None)  # else the file's would stand above these flags
    settings = layer(defaults, file, flags)
    if settings.get("directory") is not None:
        settings["directory"] = str(Path(settings["directory"]).absolute())
    return settings


def _serve(settings: Mapping[str, Any], options: Options) -> int:
    from portal.process import run_process  # noqa: PLC0415 - brings everything

    config = build(layer(settings, {"amp": {"secret": amp_secret_from_environment()}}))
    return run_process(config, _print_json if "json" in options else _print_welcome)


def _print_json(info: Mapping[str, Any]) -> None:
    say(json.dumps(info))


def _print_welcome(info: Mapping[str, Any]) -> None:
    say(f"{info['name']} is running (pid {info['portal_pid']}). Ctrl-C stops it.")
    for host, port in info["telnet"]:
        say(f"Play:   telnet {host} {port}")
    amp = info["amp"]
    where = f"--amp-socket {shlex.quote(amp)}" if isinstance(amp, str) else f"--amp-port {amp[1]}"
    say(f"Manage: portal status {where}   (also sessions, reload, stop)")
