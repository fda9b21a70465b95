"""The settings of a game as they stand there, read one by one: each mistake is named by its name.

Django checks no types, and a game may have deleted a setting that Evennia's own Portal would have
failed without. Whatever is asked for here comes back in its type; where it is not there, or is
something else, a harmless value comes back and a problem is added that names Evennia's setting.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from portal.config.layers import to_one_line
from portal.errors import ConfigError

LONGEST_SHOWN = 60
MISSING = "is missing; its default stands in evennia.settings_default"
# What Twisted takes as every address of the machine.
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a game has set
EVERYWHERE_IPV6 = "::"


class Given:
    """The settings of a game; `path` is the file that they are in, for people.

    `problems` are what was found to be wrong so far.
    """

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self.path = path
        self.values = values
        self.problems: list[ConfigError] = []

    def flag(self, name: str) -> bool:
        """Read what is on or off; for Python, 0 and 1 are these too."""
        return bool(self._read(name, "True or False", lambda value: value in (True, False)))

    def text(self, name: str) -> str:
        """Read a text; None is an empty one."""
        return self._read(name, "a text", _is(str)) or ""

    def number(self, name: str) -> float:
        """Read a number."""
        return float(self._read(name, "a number", _is_number) or 0)

    def whole(self, name: str) -> int:
        """Read a whole number."""
        return self._read(name, "a whole number", _is(int)) or 0

    def texts(self, name: str, *, one: bool = False) -> list[str]:
        """Read a list or tuple of texts; with `one` a text alone will do."""
        if one and isinstance(self.values.get(name), str):
            return [self.values[name]] if self.values[name] else []
        return self._read(name, 'a list of texts, as ["one", "two"]', _is_list(_is(str))) or []

    def ports(self, name: str) -> list[int]:
        """Read a list or tuple of port numbers."""
        return self._read(name, "a list of whole numbers, as [4000]", _is_list(_is(int))) or []

    def pairs(self, name: str) -> list[tuple[int, int]]:
        """Read a list of pairs of port numbers."""
        expected = "a list of pairs of whole numbers, as [(4001, 4005)]"
        found = self._read(name, expected, _is_list(_is_pair(int))) or []
        return [(first, second) for first, second in found]

    def text_pairs(self, name: str) -> list[list[str]]:
        """Read a list of pairs of texts."""
        expected = 'a list of pairs of texts, as [("{r", "red")]'
        return self._read(name, expected, _is_list(_is_pair(str))) or []

    def hosts(self, name: str) -> list[str]:
        """Read the addresses to listen at, which Twisted writes in its own way.

        An empty one is every IPv4 address there, and `::` every address of either kind.
        """
        return _write_hosts(self.texts(name))

    def host(self, name: str) -> list[str]:
        """Read one address to listen at, in the same way; an empty setting is none."""
        text = self.text(name)
        return _write_hosts([text]) if text else []

    def complain(self, name: str, expected: str) -> None:
        """Note that a setting is wrong; what was found first about it is enough."""
        if not self.is_wrong(name):
            self.problems.append(ConfigError(self.path, name, expected))

    def is_wrong(self, name: str) -> bool:
        """Whether something was found to be wrong with a setting."""
        return any(problem.key == name for problem in self.problems)

    def _read(self, name: str, expected: str, fits: Callable[[Any], bool]) -> Any:
        """Return a value that fits, or None."""
        if name not in self.values:
            self.complain(name, MISSING)
            return None
        value = self.values[name]
        if value is None or fits(value):
            return value
        shown = to_one_line(repr(value))
        if len(shown) > LONGEST_SHOWN:
            shown = shown[:LONGEST_SHOWN] + "..."
        self.complain(name, f"expected {expected}, got {shown}")
        return None


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and math.isfinite(value)


def _is_list(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_pair(kind: type) -> Callable[[Any], bool]:
    return lambda value: _is_list(_is(kind))(value) and len(value) == 2


def _write_hosts(hosts: list[str]) -> list[str]:
    found = [host or EVERYWHERE for host in hosts]
    if EVERYWHERE_IPV6 in found:
        found.append(EVERYWHERE)
    return list(dict.fromkeys(found))
