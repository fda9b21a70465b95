"""Building: layers of settings become one configuration, or the list of all that is wrong.

Every value of every layer is looked at, also where a higher layer hides it; then what has come
out is looked at as a whole (`portal.config.rules`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal.config.layers import Layer, flatten
from portal.config.rules import Complaint, find_conflicts, find_obstacles
from portal.config.sections import Config
from portal.config.settings import list_settings, list_tables
from portal.config.values import convert
from portal.errors import ConfigError, ConfigErrors

_AMP_PORT = frozenset({"amp.host", "amp.port"})


def build(settings: Mapping[str, Any], path: str = "settings") -> Config:
    """Make a configuration of tables as a file has them; `path` names them in errors.

    Raises ConfigError, which tells of all problems where there are several.
    """
    return load(flatten(settings, path))


def load(*layers: Layer, here: bool = True) -> Config:
    """Make a configuration of layers, each above the one before it, and all above the defaults.

    With `here` it is for a Portal on this machine, whose directories and programs are looked for.
    Raises ConfigError, which tells of all problems where there are several.
    """
    config, problems = examine(*layers, here=here)
    if problems:
        raise problems[0] if len(problems) == 1 else ConfigErrors(problems)
    return config


def examine(*layers: Layer, here: bool = True) -> tuple[Config, list[ConfigError]]:
    """Make a configuration as `load` does, and return it with everything that is wrong.

    Where there are problems it is good for nothing but to be looked at: a setting that is wrong
    has the value that it would have without it.
    """
    problems: list[ConfigError] = []
    values: dict[str, Any] = {}
    wrong: set[str] = set()
    for layer in layers:
        problems += layer.problems
        if "amp.socket" not in layer.settings and _AMP_PORT & layer.settings.keys():
            values.pop("amp.socket", None)  # who names a port means it, and not a socket below
        for key, value in layer.settings.items():
            try:
                values[key] = convert(list_settings()[key], value)
                wrong.discard(key)
            except ValueError as error:
                wrong.add(key)
                problems.append(layer.blame(key, str(error)))
    config = _make(values)
    obstacles = find_obstacles(config) if here else ()
    for complaint in (*find_conflicts(config), *obstacles):
        if wrong.isdisjoint(complaint):
            problems.append(_blame(layers, complaint))
    # One flag may stand for several settings, and then says the same of each.
    return config, list({str(problem): problem for problem in problems}.values())


def _make(values: Mapping[str, Any]) -> Config:
    tables: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, {})[name] = value
    top = tables.pop("", {})
    top.update({name: list_tables()[name](**each) for name, each in tables.items()})
    return Config(**top)


def _blame(layers: Sequence[Layer], complaint: Complaint) -> ConfigError:
    """Blame the setting that stands in the highest layer; the defaults go together."""
    return next(_find_culprits(layers, complaint))


def _find_culprits(layers: Sequence[Layer], complaint: Complaint) -> Iterator[ConfigError]:
    for layer in reversed(layers):
        yield from (
            layer.blame(key, expected)
            for key, expected in complaint.items()
            if key in layer.settings
        )
