"""One value of one setting: from what a file or a variable says to what the Portal works with.

What is wrong with a value is said to people who run a game: what was expected, what was found.
"""

import ipaddress
import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from portal.config.sections import LOG_LEVELS
from portal.config.settings import Setting

# How a file and a variable write what Python calls None.
NO_TEXT = ""
NO_CHOICE = "auto"

# Values that are shown to nobody, not even where they are wrong.
SECRETS = frozenset({"amp.secret"})
# Lists that a variable holds as a command line, with the quotes of a shell.
COMMAND_LINES = frozenset({"server.command"})
# Lists that a variable holds as JSON: commas stand within their parts.
JSON_LISTS = frozenset(
    f"markup.{name}"
    for name in [
        "codes",
        "bright_backgrounds",
        "foregrounds",
        "backgrounds",
        "grey_foregrounds",
        "grey_backgrounds",
    ]
)

# A path of a UNIX socket must fit into the kernel's structure (sun_path, with its end).
LONGEST_SOCKET_PATH = 107
# Above it a bound is that of the system or of the clock, and is no news to anybody.
BOUND_WORTH_NAMING = 1_000_000
LONGEST_SHOWN = 60

_INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# Browsers write an origin in lower case and leave the usual port out.
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
# Its port is named: the game's web server and the Portal are often on one machine.
_UPSTREAM = re.compile(r"http://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_USUAL_PORTS = {"https": ":443", "http": ":80"}

_KINDS: Mapping[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.BoolType: "true or false",
}
# And what of lists, by what is in them.
_LISTS: Mapping[type, str] = {
    inspect.StrType: 'a list of texts, as ["one", "two"]',
    inspect.IntType: "a list of whole numbers, as [1, 2]",
    inspect.TupleType: 'a list of pairs of texts, as [["one", "two"]]',
}


def convert(setting: Setting, value: Any) -> Any:
    """Make what the Portal works with of a value as TOML has it.

    Raises ValueError, whose text says what was expected and what there is.
    """
    kind, optional = _look_at(setting.kind)
    if optional and value == _write_none(kind):
        return None
    try:
        converted = msgspec.convert(value, setting.kind)
    except msgspec.ValidationError:
        raise ValueError(f"{_expect(kind, value)}, got {_show(setting, value)}") from None
    if converted is not None:
        _require(setting, converted)
    return converted


def parse(setting: Setting, text: str) -> Any:
    """Read a value from the text of a variable, for `convert`; what is none stays a text.

    A list has commas between its parts, but for those in JSON; a command line is written as for a
    shell. Raises
    ValueError for a command line with an open quote.
    """
    if setting.key in COMMAND_LINES:
        return _split(text)
    if setting.key in JSON_LISTS:
        return _read_json(text)
    kind, _ = _look_at(setting.kind)
    read = _READERS.get(type(kind))
    if read is None:
        return text
    found = read(text.strip())
    if isinstance(kind, inspect.VarTupleType):
        read = _READERS.get(type(kind.item_type), str)
        return [read(part) for part in found]
    return found


def write(setting: Setting, value: Any) -> str:
    """Write a value as TOML has it."""
    if value is None:
        return json.dumps(_write_none(_look_at(setting.kind)[0]))
    if isinstance(value, tuple):
        return json.dumps(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}" if value >= 10_000 and not setting.key.endswith("port") else str(value)
    return json.dumps(value)


def _look_at(kind: Any) -> tuple[inspect.Type, bool]:
    """Return the type of a setting, and whether it may be None."""
    found = inspect.type_info(kind)
    if isinstance(found, inspect.UnionType):
        return next(each for each in found.types if not isinstance(each, inspect.NoneType)), True
    return found, False


def _write_none(kind: inspect.Type) -> str:
    return NO_CHOICE if isinstance(kind, inspect.BoolType) else NO_TEXT


def _expect(kind: inspect.Type, value: Any) -> str:
    """Say what was expected; of a number that is out of its range, the range."""
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        numbers = (int, float) if isinstance(kind, inspect.FloatType) else (int,)
        if type(value) in numbers:
            return f"expected {_describe_range(kind, value)}"
    if isinstance(kind, inspect.LiteralType):
        return "expected one of " + ", ".join(sorted(map(str, kind.values)))
    if isinstance(kind, inspect.VarTupleType):
        item = kind.item_type
        if value == []:
            return "expected at least one"
        if isinstance(item, inspect.IntType) and isinstance(value, list):
            wrong = [each for each in value if type(each) is int]
            if len(wrong) == len(value):
                return f"expected {_describe_range(item, max(wrong, key=abs))} each"
        return f"expected {_LISTS[type(item)]}"
    return f"expected {_KINDS[type(kind)]}"


def _describe_range(kind: inspect.IntType | inspect.FloatType, value: float) -> str:
    least = f"more than {kind.gt:g}" if kind.gt is not None else f"at least {kind.ge:g}"
    most = kind.le
    if most is not None and most < BOUND_WORTH_NAMING:
        return f"{kind.ge:g} to {most:g}"
    return f"at most {most:.0f}" if most is not None and value > most else least


def _show(setting: Setting, value: Any) -> str:
    if setting.key in SECRETS:
        return "something else"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        shown = f"[{', '.join(_quote(part) for part in value)}]"
    else:
        shown = _quote(value)
    return shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "..."


def _quote(value: Any) -> str:
    """Write any value of TOML in one harmless line."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _read_integer(text: str) -> int | str:
    return int(text) if _INTEGER.fullmatch(text) else text


def _read_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _read_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_READERS: Mapping[type, Callable[[str], Any]] = {
    inspect.BoolType: lambda text: _BOOLEANS.get(text.lower(), text),
    inspect.IntType: _read_integer,
    inspect.FloatType: _read_number,
    inspect.VarTupleType: _read_list,
}


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"expected a command line as a shell takes it: {error}") from None


# ---- what a type cannot say


def _require(setting: Setting, value: Any) -> None:
    rule = _RULES.get(setting.key)
    if rule is None:
        return
    for each in value if isinstance(value, tuple) else (value,):
        expected = rule(each)
        if expected:
            raise ValueError(f"expected {expected}, got {_show(setting, each)}")


def _check_network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "networks such as 10.0.0.0/8, or addresses"
    return ""


def _check_host(text: str) -> str:
    if ":" in text:
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            return "an address or a name alone, without port and brackets"
    elif not text or not text.isprintable() or set(text) & set(" /,"):
        return "an address such as 127.0.0.1 or ::1, or a name"
    return ""


def _check_origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return "https://host or https://host:port, in lower case and with nothing behind it"
    scheme, _, port = found.groups()
    if port == _USUAL_PORTS[scheme]:
        return f"it without {port}, which browsers leave out"
    return ""


def _check_upstream(text: str) -> str:
    found = _UPSTREAM.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        return "http://host:port and nothing behind it"
    return _check_host(found[1].strip("[]"))


def _check_encoding(name: str) -> str:
    try:
        # What moves the ends of lines, such as UTF-16, cannot be spoken over telnet.
        fits = "\r\n".encode(name) == b"\r\n"
    except (LookupError, ValueError):
        fits = False
    return "" if fits else "an encoding that keeps ASCII, such as utf-8 or latin-1"


def _check_line(text: str) -> str:
    return "" if not text or text.isprintable() else "a text that can be typed in one line"


def _check_level(name: str) -> str:
    return "" if name in LOG_LEVELS else "one of " + ", ".join(LOG_LEVELS)


def _check_socket(path: str) -> str:
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        return f"a path of at most {LONGEST_SOCKET_PATH} bytes"
    return _check_path(path)


def _check_path(path: str) -> str:
    return "a path without the character of code 0" if "\0" in path else ""


def _check_name(text: str) -> str:
    return "" if text.strip() and text.isprintable() else "a name that can be shown in a line"


# Each returns what was expected in place of a value, or "" where it is right.
_RULES: Mapping[str, Callable[[str], str]] = {
    "name": _check_name,
    "directory": _check_path,
    "telnet.hosts": _check_host,
    "telnet.encoding": _check_encoding,
    "telnet.more_encodings": _check_encoding,
    "telnet.idle_command": _check_line,
    "websocket.hosts": _check_host,
    "websocket.origins": _check_origin,
    "http.hosts": _check_host,
    "http.upstream": _check_upstream,
    "http.trusted_proxies": _check_network,
    "http.metrics_networks": _check_network,
    "server.command": _check_path,
    "server.directory": _check_path,
    "amp.host": _check_host,
    "amp.socket": _check_socket,
    "amp.trusted_networks": _check_network,
    "log.level": _check_level,
    "log.path": _check_path,
    "log.http_path": _check_path,
}
