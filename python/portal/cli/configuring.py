"""The configuration of a command, and the commands about it: `init` and `check`."""

import os
from pathlib import Path
from typing import Any

from portal.cli.parser import FILE, FLAGS, Options
from portal.cli.showing import say
from portal.config import CONFIG_VARIABLE, ENVIRONMENT, Layer, load, read_environment, read_file
from portal.errors import ConfigError

COMMAND_LINE = "command line"
PLAYERS = ("telnet", "websocket", "http")


def init(options: Options) -> int:
    """Write a configuration file with every setting; returns the exit code.

    Raises ConfigError where it cannot be written, and for a file that is there, unless forced.
    """
    from portal.config.template import make_template  # noqa: PLC0415 - needed nowhere else

    path = options.get("file", FILE)
    try:
        with Path(path).open("w" if "force" in options else "x", encoding="utf-8") as file:
            file.write(make_template())
    except FileExistsError:
        reason = "is there already; --force writes over it"
        raise ConfigError(path, "file", reason) from None
    except OSError as error:
        raise ConfigError(path, "file", f"cannot be written: {error.strerror}") from error
    say(f"{path} is written: every setting, with its default and what it is for.")
    say(f"Check it:  portal check --config {path}")
    say(f"Use it:    portal run --config {path}")
    return 0


def check(options: Options) -> int:
    """Say that all is well with file and environment; returns the exit code.

    Raises ConfigError, which tells of everything that is wrong.
    """
    layers = read_layers(options)
    for layer in layers:
        if layer.path == ENVIRONMENT:
            for key, variable in layer.names.items():
                say(f"From the environment: {variable} ({key})")
    load(*layers)
    file = find_file(options)
    say(f"{file}: all is well." if file else NO_FILE)
    return 0


NO_FILE = f"All is well. No file was read: --config or {CONFIG_VARIABLE} names one."


def read_layers(options: Options, *below: Layer) -> list[Layer]:
    """Read the file, the environment and the flags, in this order; `below` are under them all."""
    file = find_file(options)
    layers = [*below, *([read_file(file)] if file else []), read_environment(os.environ)]
    return [*layers, _read_flags(options, layers)]


def find_file(options: Options) -> str | None:
    """Return the file that is to be read, if any: no file is read that nobody has named."""
    return options.get("config") or os.environ.get(CONFIG_VARIABLE) or None


def _read_flags(options: Options, below: list[Layer]) -> Layer:
    settings: dict[str, Any] = {key: value for key, value in options.items() if key in FLAGS}
    if "hosts" in options:
        settings |= {f"{port}.hosts": options["hosts"] for port in PLAYERS}
    if settings.get("telnet.port") == 0:
        # Who wants any free port wants no usual one to be taken either.
        ports = {f"{port}.port" for port in PLAYERS}.difference(*(each.settings for each in below))
        settings = dict.fromkeys(ports, 0) | settings
    return Layer(COMMAND_LINE, settings, FLAGS)
