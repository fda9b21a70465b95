"""Layers of settings: what a file, the environment or a command line says, as it stands there.

A layer names its settings by their dotted keys, with values as TOML has them. What could not be
understood at all (bytes that are no TOML, names that are none) is among its problems; whether the
values are right is found out where layers are laid upon each other (`portal.config.building`).
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.config.addresses import AMP_SECRET_VARIABLE
from portal.config.settings import find_nearest, list_settings, list_tables
from portal.config.values import SECRETS
from portal.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one origin; `path` names it in errors ("portal.toml", "environment").

    `names` says what a setting is called there, where that is not its dotted key.
    """

    path: str
    settings: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ConfigError, ...] = ()

    def blame(self, key: str, expected: str) -> ConfigError:
        """Make the error that says what is wrong with one of the settings here."""
        return ConfigError(self.path, self.names.get(key, key), expected)


def read_file(path: str) -> Layer:
    """Read a configuration file (TOML); whatever is wrong with it is among the layer's problems.

    The secret is refused in it: files are copied and committed.
    """
    try:
        with Path(path).open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        problem = ConfigError(path, "file", f"cannot be read: {error.strerror}")
        return Layer(path, {}, problems=(problem,))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Layer(path, {}, problems=(ConfigError(path, "TOML", f"line {line} is not UTF-8"),))
    except ValueError as error:
        problem = ConfigError(path, "TOML", to_one_line(str(error)))
        return Layer(path, {}, problems=(problem,))
    layer = flatten(tables, path)
    secrets = [
        ConfigError(path, key, f"belongs into the environment, as {AMP_SECRET_VARIABLE}")
        for key in SECRETS
        if key in layer.settings
    ]
    open_settings = {key: value for key, value in layer.settings.items() if key not in SECRETS}
    return Layer(path, open_settings, problems=(*layer.problems, *secrets))


def flatten(tables: Mapping[str, Any], path: str) -> Layer:
    """Make a layer of tables as a file has them; names that are none are its problems."""
    settings: dict[str, Any] = {}
    problems: list[ConfigError] = []
    for key, value in _walk(tables):
        if key in list_settings():
            settings[key] = value
        elif key in list_tables():
            problems.append(ConfigError(path, key, f"expected a table, [{key}]"))
        else:
            nearest = find_nearest(key, [*list_tables(), *list_settings()])
            problems.append(ConfigError(path, to_one_line(key), say_unknown(nearest)))
    return Layer(path, settings, problems=tuple(problems))


def say_unknown(nearest: str | None) -> str:
    """Say that a name is none, and which one may be meant."""
    hint = "" if nearest is None else f"; the nearest is {nearest}"
    return f"there is no such setting{hint}"


def to_one_line(text: str) -> str:
    """Show a text of anybody's in one line that steers no terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _walk(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in tables.items():
        if key in list_tables() and isinstance(value, Mapping):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        else:
            # In quotes a dot is a part of the name.
            yield json.dumps(key) if "." in key else key, value
