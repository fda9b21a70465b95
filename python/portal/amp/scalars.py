"""The types of AMP's arguments that hold one value: to bytes and back, exactly as Twisted.

What this side cannot encode raises LocalProtocolError; what the peer sent and cannot be decoded
raises RemoteProtocolError named "BadArgument". The messages name types, never values: those may be
a player's or a secret.

Source: the argument types of `twisted.protocols.amp`.
"""

import os
import pathlib
from datetime import datetime, timedelta, timezone
from decimal import Decimal as DecimalValue
from decimal import InvalidOperation
from typing import Generic, NoReturn, TypeVar

from portal.amp.boxes import Box
from portal.errors import LocalProtocolError, RemoteProtocolError

T = TypeVar("T")

# Where the numbers of a date stand; what separates them is not looked at, as in Twisted.
DATE_FIELDS = (
    slice(0, 4),
    slice(5, 7),
    slice(8, 10),
    slice(11, 13),
    slice(14, 16),
    slice(17, 19),
    slice(20, 26),
)
DATE_LENGTH = 32
SIGNS = {"+": 1, "-": -1}


class Argument(Generic[T]):
    """One typed argument of a command or of its response.

    An `optional` argument that is None or missing has no key in the box, and reads as None.
    `wire_name` is its key where that is not its Python name (`-` in it, or a Python keyword).
    """

    def __init__(self, *, optional: bool = False, wire_name: str = "") -> None:
        self.optional = optional
        self.wire_name = wire_name

    def to_bytes(self, value: T) -> bytes:  # noqa: ARG002 - a subclass's
        """Encode one value. Raises LocalProtocolError for one of another type."""
        raise LocalProtocolError(f"{type(self).__name__} is no type of single values")

    def from_bytes(self, data: bytes) -> T:  # noqa: ARG002 - a subclass's
        """Decode one value. Raises RemoteProtocolError when the bytes are not one."""
        raise LocalProtocolError(f"{type(self).__name__} is no type of single values")

    def to_box(self, name: bytes, value: T, box: Box) -> None:
        """Put the value into `box` under `name`. Raises LocalProtocolError as `to_bytes` does."""
        box[name] = self.to_bytes(value)

    def from_box(self, name: bytes, box: Box) -> T:
        """Take the value from `box`; KeyError when it is not there, errors as `from_bytes`."""
        return self.from_bytes(box[name])

    def _refuse_value(self, value: object, reason: str = "") -> NoReturn:
        text = f"{type(self).__name__} cannot hold a {type(value).__name__}"
        raise LocalProtocolError(f"{text}: {reason}" if reason else text)

    def _refuse_bytes(self, data: bytes) -> NoReturn:
        text = f"{len(data)} bytes that are no {type(self).__name__}"
        raise RemoteProtocolError("BadArgument", text)


class Integer(Argument[int]):
    """A whole number in decimal digits, of any size that Python converts (4300 digits)."""

    def to_bytes(self, value: int) -> bytes:
        """Encode as `-1`; a bool is written as the number it is."""
        if not isinstance(value, int):
            self._refuse_value(value)
        try:
            return b"%d" % value
        except ValueError as error:
            self._refuse_value(value, str(error))

    def from_bytes(self, data: bytes) -> int:
        """Decode what Python's `int` reads: `007`, `+5`, ` 5 ` and `1_000` too."""
        try:
            return int(data)
        except ValueError:
            self._refuse_bytes(data)


class String(Argument[bytes]):
    """Bytes as they are, up to 65535 of them."""

    def to_bytes(self, value: bytes) -> bytes:
        """Pass bytes on; text is refused, since only its sender knows the encoding."""
        if not isinstance(value, bytes):
            self._refuse_value(value)
        return value

    def from_bytes(self, data: bytes) -> bytes:
        """Pass bytes on."""
        return data


class Float(Argument[float]):
    """A floating point number as Python's `repr` writes it: `0.1`, `1e+16`, `-inf`, `nan`."""

    def to_bytes(self, value: float) -> bytes:
        """Encode a float; an int is refused, as in Twisted."""
        if not isinstance(value, float):
            self._refuse_value(value)
        return float.__repr__(value).encode("ascii")

    def from_bytes(self, data: bytes) -> float:
        """Decode what Python's `float` reads: `1`, `Infinity`, ` 2.5 ` too."""
        try:
            return float(data)
        except ValueError:
            self._refuse_bytes(data)


class Boolean(Argument[bool]):
    """`True` or `False`, spelled exactly so."""

    def to_bytes(self, value: object) -> bytes:
        """Encode by truthiness: any value has one."""
        return b"True" if value else b"False"

    def from_bytes(self, data: bytes) -> bool:
        """Decode the two spellings and no other."""
        if data not in (b"True", b"False"):
            self._refuse_bytes(data)
        return data == b"True"


class Unicode(Argument[str]):
    """Text in UTF-8; NUL is allowed, lone surrogates are not."""

    def to_bytes(self, value: str) -> bytes:
        """Encode strictly."""
        if not isinstance(value, str):
            self._refuse_value(value)
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as error:
            self._refuse_value(value, error.reason)

    def from_bytes(self, data: bytes) -> str:
        """Decode strictly."""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self._refuse_bytes(data)


class Path(Argument[pathlib.Path]):
    """A file's path: absolute and without `..` on the wire, in UTF-8."""

    def to_bytes(self, value: str | os.PathLike[str]) -> bytes:
        """Encode a path, made absolute from the working directory."""
        if not isinstance(value, str | os.PathLike):
            self._refuse_value(value)
        try:
            return str(_absolute(os.fsdecode(value))).encode("utf-8")
        except UnicodeEncodeError as error:
            self._refuse_value(value, error.reason)

    def from_bytes(self, data: bytes) -> pathlib.Path:
        """Decode a path; a relative one counts from the working directory."""
        try:
            return _absolute(data.decode("utf-8"))
        except UnicodeDecodeError:
            self._refuse_bytes(data)


class Decimal(Argument[DecimalValue]):
    """A `decimal.Decimal` with all of its digits: `1.0`, `1E+2`, `-0`, `NaN123`, `-Infinity`."""

    def to_bytes(self, value: DecimalValue) -> bytes:
        """Encode a Decimal; other numbers are refused, as in Twisted."""
        if not isinstance(value, DecimalValue):
            self._refuse_value(value)
        return str(value).encode("ascii")

    def from_bytes(self, data: bytes) -> DecimalValue:
        """Decode what Python's `Decimal` reads, in ASCII."""
        try:
            return DecimalValue(data.decode("ascii"))
        except (UnicodeDecodeError, InvalidOperation):
            self._refuse_bytes(data)


class DateTime(Argument[datetime]):
    """A moment with its offset from UTC, 32 bytes: `2012-01-23T12:34:56.054321+01:30`.

    Offsets are cut down to whole minutes, and an offset of zero is written `-00:00`, as Twisted
    does; both ends only look at the numbers and the sign.
    """

    def to_bytes(self, value: datetime) -> bytes:
        """Encode an aware datetime; one without an offset is refused."""
        if not isinstance(value, datetime):
            self._refuse_value(value)
        offset = value.utcoffset()
        if offset is None:
            self._refuse_value(value, "it has no time zone")
        minutes = offset // timedelta(minutes=1)
        sign = "+" if minutes > 0 else "-"
        hours, minutes = divmod(abs(minutes), 60)
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text}{sign}{hours:02}:{minutes:02}".encode("ascii")

    def from_bytes(self, data: bytes) -> datetime:
        """Decode 32 bytes to a datetime with a fixed offset."""
        if len(data) != DATE_LENGTH:
            self._refuse_bytes(data)
        try:
            text = data.decode("ascii")
            year, month, day, hour, minute, second, micro = (int(text[at]) for at in DATE_FIELDS)
            offset = timedelta(hours=int(text[27:29]), minutes=int(text[30:32]))
            zone = timezone(offset * SIGNS[text[26]])
            return datetime(year, month, day, hour, minute, second, micro, zone)
        except (ValueError, KeyError):
            self._refuse_bytes(data)


def _absolute(path: str) -> pathlib.Path:
    return pathlib.Path(os.path.normpath(pathlib.Path(path).absolute()))
