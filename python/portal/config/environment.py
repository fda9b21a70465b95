"""Settings from the environment: `PORTAL_TELNET_PORT` is `telnet.port`, `PORTAL_NAME` is `name`.

Only variables that begin with the name of a table are ours to complain about. Others may begin
with PORTAL_ as well: a platform for containers makes PORTAL_PORT of a service called "portal".
A variable that is empty counts as one that is not there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from portal.config.layers import Layer, say_unknown
from portal.config.settings import find_nearest, list_settings, list_tables
from portal.config.values import parse
from portal.errors import ConfigError

ENVIRONMENT = "environment"
PREFIX = "PORTAL_"
# The file that is read where the command line names none.
CONFIG_VARIABLE = "PORTAL_CONFIG"


def name_variable(key: str) -> str:
    """Return the variable of a setting."""
    return PREFIX + key.replace(".", "_").upper()


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Read the settings in an environment; a variable of a table that names none is a problem."""
    keys = {name_variable(key): key for key in list_settings()}
    settings: dict[str, Any] = {}
    problems: list[ConfigError] = []
    for variable, text in environ.items():
        key = keys.get(variable)
        if not text:
            continue
        if key is None:
            problems += _complain(variable)
            continue
        try:
            settings[key] = parse(list_settings()[key], text)
        except ValueError as error:
            problems.append(ConfigError(ENVIRONMENT, variable, str(error)))
    names = {key: name_variable(key) for key in settings}
    return Layer(ENVIRONMENT, settings, names, tuple(problems))


def _complain(variable: str) -> Iterator[ConfigError]:
    for table in list_tables():
        prefix = f"{name_variable(table)}_"
        if variable.startswith(prefix):
            name = variable[len(prefix) :].lower()
            nearest = find_nearest(f"{table}.{name}", list_settings())
            hint = None if nearest is None else name_variable(nearest)
            yield ConfigError(ENVIRONMENT, variable, say_unknown(hint))
