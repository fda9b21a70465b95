"""Every setting by its dotted name (`telnet.port`), as files, variables and errors call it."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from portal.config.sections import Config, Section


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, its type as the section has it, and its default."""

    key: str
    kind: Any
    default: Any


@cache
def list_tables() -> Mapping[str, type[Section]]:
    """Return the class of each table by the table's name, in the order of the file."""
    fields = msgspec.structs.fields(Config)
    return {field.name: field.type for field in fields if _is_table(field.type)}


@cache
def list_settings() -> Mapping[str, Setting]:
    """Return every setting by its dotted name, in the order of the file."""
    tables: dict[str, type[Section]] = {"": Config, **list_tables()}
    return {
        setting.key: setting
        for table, section in tables.items()
        for setting in _list_fields(f"{table}." if table else "", section)
    }


def find_value(config: Config, key: str) -> Any:
    """Return the value of a setting."""
    table, _, name = key.rpartition(".")
    return getattr(getattr(config, table) if table else config, name)


def find_nearest(key: str, keys: Iterable[str]) -> str | None:
    """Find the name that may be meant by one that is none; None where nothing is like it."""
    known = list(keys)
    name = _below(key)
    # The right name in a wrong table comes before all that is merely like it.
    elsewhere = [each for each in known if _below(each) == name]
    near = elsewhere or difflib.get_close_matches(key, known, 1)
    if not near:
        like = difflib.get_close_matches(name, map(_below, known), 1)
        near = [each for each in known if _below(each) in like]
    return near[0] if near else None


def _below(key: str) -> str:
    return key.rpartition(".")[2]


def _list_fields(prefix: str, section: type[Section]) -> list[Setting]:
    return [
        Setting(prefix + field.name, field.type, field.default)
        for field in msgspec.structs.fields(section)
        if not _is_table(field.type)
    ]


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
