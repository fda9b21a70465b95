"""Being a Portal: the commands `demo` and `run`."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from portal.cli.configuring import read_layers
from portal.cli.parser import DEMO_DIRECTORY, Options
from portal.cli.showing import describe_start, say
from portal.config import Config, Layer, load
from portal.errors import PortalError

if TYPE_CHECKING:
    from portal.evennia.game import Game

DEMO = Layer("demo", {"name": "Portal demo", "directory": DEMO_DIRECTORY})


class WrongCommandLine(Exception):
    """What the parser could not see by itself."""


def demo(options: Options) -> int:
    """Be the Portal of the demo game, with the game behind it; returns the exit code."""
    configure = partial(_configure_demo, options)
    return _serve(options, configure(), configure)


def run(options: Options) -> int:
    """Be the Portal of somebody's game; returns the exit code."""
    if "evennia" in options:
        return _run_evennia(options)
    configure = partial(_configure, options)
    config = configure()
    if not any("server.command" in layer.settings for layer in read_layers(options)):
        reason = "give --server 'COMMAND' or --no-server, or server.command in the file"
        raise WrongCommandLine(reason)
    return _serve(options, config, configure)


def _run_evennia(options: Options) -> int:
    """Be the Portal of an Evennia game; the launcher's hook gives its settings by a descriptor."""
    from portal.evennia.failure import report_failure  # noqa: PLC0415
    from portal.evennia.game import make_game  # noqa: PLC0415
    from portal.evennia.reading import collect_from, read_collected  # noqa: PLC0415
    from portal.evennia.settings import read_layer  # noqa: PLC0415

    descriptor = options.get("settings_fd")
    collected = (
        collect_from(options["evennia"]) if descriptor is None else read_collected(descriptor)
    )
    try:
        config = _settle(load(*read_layers(options, read_layer(collected))))
        return _serve(options, config, None, make_game(collected, config))
    except PortalError as error:
        report_failure(collected, error)
        raise


def _configure_demo(options: Options) -> Config:
    # Whatever game the file has is not the demo's.
    game = Layer("demo", {"server.command": [sys.executable], "server.directory": ""})
    config = _settle(load(*read_layers(options, DEMO), game), DEMO_DIRECTORY)
    command = (sys.executable, "-m", "portal.demo", "--data", str(config.directory))
    return msgspec.structs.replace(
        config, server=msgspec.structs.replace(config.server, command=command)
    )


def _configure(options: Options) -> Config:
    return _settle(load(*read_layers(options)))


def _settle(config: Config, directory: str | None = None) -> Config:
    """Make the directory hold wherever the process goes; without one it is that which is given."""
    named = config.directory or directory
    absolute = None if named is None else str(Path(named).absolute())
    return msgspec.structs.replace(config, directory=absolute)


def _serve(
    options: Options,
    config: Config,
    reread: Callable[[], Config] | None,
    evennia: "Game | None" = None,
) -> int:
    from portal.process import run_process  # noqa: PLC0415 - brings everything

    ready = _print_json if "json" in options else _print_welcome
    return run_process(config, ready, reread, evennia=evennia)


def _print_json(info: dict[str, Any]) -> None:
    say(json.dumps(info))


def _print_welcome(info: dict[str, Any]) -> None:
    say(describe_start(info))
