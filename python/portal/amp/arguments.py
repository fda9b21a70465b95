"""The types of AMP's arguments, and schemas made of them.

A type is an `Argument`. Most turn one value into the bytes of one key (`to_bytes`, `from_bytes`);
`Compressed` spreads over several keys and so works on the box (`to_box`, `from_box`). A schema is
a mapping of Python names to arguments; `encode_fields` and `decode_fields` apply it to a box.
Errors are those of `scalars`, where the types for single values stand.

Sources: the argument types of `twisted.protocols.amp`, and `Compressed` of Evennia's `amp.py`.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from portal.amp.boxes import Box, compress, decode_boxes, decompress, encode_box
from portal.amp.scalars import (
    Argument,
    Boolean,
    DateTime,
    Decimal,
    Float,
    Integer,
    Path,
    String,
    Unicode,
)
from portal.config import MIB
from portal.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "AmpList",
    "Argument",
    "Boolean",
    "Compressed",
    "DateTime",
    "Decimal",
    "Descriptor",
    "Float",
    "Integer",
    "ListOf",
    "Path",
    "Schema",
    "String",
    "Unicode",
    "decode_fields",
    "encode_fields",
    "wire_names",
]

Schema = Mapping[str, Argument[Any]]

MAX_VALUE = 65535
# The framing's own keys; an argument of such a name would turn a command into something else.
RESERVED_NAMES = frozenset(
    (b"_ask", b"_answer", b"_command", b"_error", b"_error_code", b"_error_description")
)


class ListOf(Argument[list[Any]]):
    """A list of values of one type, each behind its length in two bytes; 65535 bytes in all.

    As in Twisted an element that is cut off at the end is left out without a word.
    """

    def __init__(
        self, element: Argument[Any], *, optional: bool = False, wire_name: str = ""
    ) -> None:
        super().__init__(optional=optional, wire_name=wire_name)
        if isinstance(element, Compressed):
            raise LocalProtocolError("ListOf cannot hold Compressed: it needs keys of its own")
        self.element = element

    def to_bytes(self, value: Iterable[Any]) -> bytes:
        """Encode any iterable of the element's values."""
        if not isinstance(value, Iterable):
            self._refuse_value(value)
        encoded = [self.element.to_bytes(entry) for entry in value]
        try:
            return b"".join(struct.pack("!H", len(data)) + data for data in encoded)
        except struct.error:
            self._refuse_value(value, f"an element is longer than {MAX_VALUE} bytes")

    def from_bytes(self, data: bytes) -> list[Any]:
        """Decode to a list."""
        values = []
        start = 2
        while start <= len(data):
            end = start + int.from_bytes(data[start - 2 : start], "big")
            if end > len(data):
                break
            values.append(self.element.from_bytes(data[start:end]))
            start = end + 2
        return values


class AmpList(Argument[list[dict[str, Any]]]):
    """A list of dicts of one schema, as boxes one behind the other; 65535 bytes in all.

    As in Twisted a box that is cut off at the end is left out without a word.
    """

    def __init__(self, schema: Schema, *, optional: bool = False, wire_name: str = "") -> None:
        super().__init__(optional=optional, wire_name=wire_name)
        self.schema = schema

    def to_bytes(self, value: Iterable[Mapping[str, Any]]) -> bytes:
        """Encode any iterable of mappings."""
        if not isinstance(value, Iterable):
            self._refuse_value(value)
        return b"".join(encode_box(encode_fields(self.schema, entry)) for entry in value)

    def from_bytes(self, data: bytes) -> list[dict[str, Any]]:
        """Decode to a list of dicts; keys that the schema does not name are ignored."""
        return [decode_fields(self.schema, box) for box in decode_boxes(data)]


class Compressed(Argument[bytes]):
    """Bytes of any length, cut and deflated into the keys `name`, `name.2`, `name.3` ...

    `level` is zlib's, 0 for stored blocks; `limit` bounds what is inflated, in bytes.
    """

    def __init__(
        self,
        *,
        level: int = 0,
        limit: int = 16 * MIB,
        optional: bool = False,
        wire_name: str = "",
    ) -> None:
        super().__init__(optional=optional, wire_name=wire_name)
        self.level = level
        self.limit = limit

    def to_box(self, name: bytes, value: bytes, box: Box) -> None:
        """Put the pieces into `box`."""
        if not isinstance(value, bytes):
            self._refuse_value(value)
        box.update(compress(name, value, self.level))

    def from_box(self, name: bytes, box: Box) -> bytes:
        """Join the pieces, by number."""
        return decompress(name, box, self.limit)


class Descriptor(Argument[int]):
    """An open file, sent beside the bytes of a UNIX socket: not supported.

    Raises LocalProtocolError when it is made, so that no command can be declared with it.
    """

    def __init__(self, *, optional: bool = False, wire_name: str = "") -> None:
        super().__init__(optional=optional, wire_name=wire_name)
        raise LocalProtocolError("Descriptor is not supported: links carry bytes, not open files")


def wire_names(schema: Schema) -> list[bytes]:
    """Name the keys of a schema in a box, in its order.

    Raises LocalProtocolError for a name that is not 1 to 255 bytes of ASCII, is AMP's own, or
    occurs twice. Call it once where a schema is declared.
    """
    names = []
    for python_name, argument in schema.items():
        name = _wire_name(python_name, argument)
        if not 0 < len(name) <= 255 or name in RESERVED_NAMES or name in names:
            raise LocalProtocolError(f"{python_name!r} cannot be the name of an argument")
        names.append(name)
    return names


def encode_fields(schema: Schema, values: Mapping[str, Any]) -> Box:
    """Write values into a new box by their schema.

    Raises LocalProtocolError for a name that the schema does not have, a required one that is
    missing, a value of another type, and what is no mapping.
    """
    if not isinstance(values, Mapping):
        raise LocalProtocolError(f"a {type(values).__name__} cannot be written by a schema")
    unknown = [name for name in values if name not in schema]
    missing = [
        name for name, argument in schema.items() if name not in values and not argument.optional
    ]
    if unknown or missing:
        raise LocalProtocolError(f"unknown arguments: {unknown}, missing ones: {missing}")
    box: Box = {}
    for name, argument in schema.items():
        value = values.get(name)
        if value is not None or not argument.optional:
            argument.to_box(_wire_name(name, argument), value, box)
    return box


def decode_fields(schema: Schema, box: Box) -> dict[str, Any]:
    """Read a schema's values from a box; its other keys are ignored.

    Raises RemoteProtocolError when a required key is missing or a value cannot be decoded.
    """
    values = {}
    for name, argument in schema.items():
        key = _wire_name(name, argument)
        if key in box:
            values[name] = argument.from_box(key, box)
        elif argument.optional:
            values[name] = None
        else:
            raise RemoteProtocolError("MissingArgument", name)
    return values


def _wire_name(name: str, argument: Argument[Any]) -> bytes:
    try:
        return (argument.wire_name or name).encode("ascii")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{name!r} cannot be the name of an argument") from error
