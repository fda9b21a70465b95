"""Reading: from layers of settings (defaults, a file, flags) to one configuration, or to errors."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from portal.config.addresses import AMP_SECRET_VARIABLE
from portal.config.sections import LOG_LEVELS, Config, Section
from portal.errors import ConfigError


def read_file(path: str) -> dict[str, Any]:
    """Read a configuration file (TOML): its tables as they stand, every setting of them checked.

    The secret is refused in it: files are copied and committed. Raises ConfigError, which names
    the file, the setting and what was expected there, in one line.
    """
    try:
        with Path(path).open("rb") as file:
            settings = tomllib.load(file)
    except OSError as error:
        raise ConfigError(path, "file", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(path, "TOML", _one_line(str(error))) from error
    build(settings, path)
    amp = settings.get("amp", {})
    if "secret" in amp:
        expected = f"belongs into the environment, as {AMP_SECRET_VARIABLE}"
        raise ConfigError(path, "amp.secret", expected)
    return settings


def layer(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings above settings, table by table; the last one that names a setting has it."""
    result: dict[str, Any] = {}
    for each in layers:
        for key, value in each.items():
            table = isinstance(value, Mapping)
            result[key] = {**result.get(key, {}), **value} if table else value
    return result


def build(settings: Mapping[str, Any], path: str = "settings") -> Config:
    """Make the configuration from tables as a file has them; `path` is named in errors.

    Raises ConfigError for the first setting that is unknown, of a wrong type or out of range.
    """
    for key in _unknown(settings):
        raise ConfigError(path, _one_line(key), f"there is no such setting{_nearest(key)}")
    try:
        config = msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        text, _, key = str(error).partition(" - at `$.")
        raise ConfigError(path, key.rstrip("`"), _in_words(text)) from error
    for key, value, (fits, expected) in (
        ("telnet.encoding", config.telnet.encoding, _ENCODING),
        ("log.level", config.log.level, _LEVEL),
        *(
            (key, network, _NETWORK)
            for key, networks in (
                ("amp.trusted_networks", config.amp.trusted_networks),
                ("http.trusted_proxies", config.http.trusted_proxies),
                ("http.metrics_networks", config.http.metrics_networks),
            )
            for network in networks
        ),
    ):
        if not fits(value):
            raise ConfigError(path, key, f"expected {expected}")
    return config


def _unknown(settings: Mapping[str, Any]) -> Iterator[str]:
    known = _settings()
    for key, value in settings.items():
        if key not in known:
            yield key
        elif isinstance(value, Mapping):
            yield from (f"{key}.{name}" for name in value if name not in known[key])


def _settings() -> dict[str, tuple[str, ...]]:
    """Return the names at the top, each with the names in it where it is a table."""
    return {
        field.name: field.type.__struct_fields__ if _is_table(field.type) else ()
        for field in msgspec.structs.fields(Config)
    }


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _nearest(key: str) -> str:
    names = [
        name for top, below in _settings().items() for name in (top, *(f"{top}.{n}" for n in below))
    ]
    # First of all the right name in a wrong table.
    elsewhere = [name for name in names if name.rpartition(".")[2] == key.rpartition(".")[2]]
    near = elsewhere or difflib.get_close_matches(key, names, 1)
    return f"; the nearest is {near[0]}" if near else ""


_WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "an array",
    "object": "a table",
}


def _in_words(text: str) -> str:
    """Say in TOML's words what msgspec says in Python's: "Expected `str | null`, got `int`"."""

    def name(match: re.Match[str]) -> str:
        kinds = [kind for kind in match[1].split(" | ") if kind != "null"]
        return " or ".join(_WORDS.get(kind, kind) for kind in kinds)

    return re.sub("`([^`]+)`", name, text[:1].lower() + text[1:])


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _is_encoding(name: str) -> bool:
    try:
        # What moves the ends of lines, such as UTF-16, cannot be spoken over telnet.
        return "\r\n".encode(name) == b"\r\n"
    except (LookupError, ValueError):
        return False


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


_Rule = tuple[Callable[[str], bool], str]
_ENCODING: _Rule = (_is_encoding, "an encoding that keeps ASCII, such as utf-8 or latin-1")
_LEVEL: _Rule = (LOG_LEVELS.__contains__, "one of " + ", ".join(LOG_LEVELS))
_NETWORK: _Rule = (_is_network, "networks such as 10.0.0.0/8")
