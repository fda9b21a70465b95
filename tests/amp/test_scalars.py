"""Each type against the bytes that stock Twisted writes, and against what it reads and refuses."""

import math
import os
import pathlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal as D
from enum import IntEnum

import pytest

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
from portal.errors import LocalProtocolError, RemoteProtocolError


class Number(IntEnum):
    SEVEN = 7


def zone(**offset):
    return timezone(timedelta(**offset))


BOTH_WAYS = [
    (Integer, 0, b"0"),
    (Integer, -1, b"-1"),
    (Integer, 18446744073709551616, b"18446744073709551616"),
    (String, b"", b""),
    (String, b"\xff\0", b"\xff\0"),
    (Float, 0.0, b"0.0"),
    (Float, -0.0, b"-0.0"),
    (Float, 1.0, b"1.0"),
    (Float, 0.1, b"0.1"),
    (Float, 1e16, b"1e+16"),
    (Float, 1e-07, b"1e-07"),
    (Float, 5e-324, b"5e-324"),
    (Float, math.inf, b"inf"),
    (Float, -math.inf, b"-inf"),
    (Boolean, True, b"True"),
    (Boolean, False, b"False"),
    (Unicode, "", b""),
    (Unicode, "\N{SNOWMAN}", b"\xe2\x98\x83"),
    (Unicode, "a\0b", b"a\0b"),
    (Path, pathlib.Path("/srv/å"), b"/srv/\xc3\xa5"),
    (Decimal, D(1), b"1"),
    (Decimal, D("1.0"), b"1.0"),
    (Decimal, D("1E+2"), b"1E+2"),
    (Decimal, D("0.1"), b"0.1"),
    (Decimal, D("1.5E+2"), b"1.5E+2"),
    (Decimal, D("1E-7"), b"1E-7"),
    (Decimal, D("0E+3"), b"0E+3"),
    (Decimal, D("-0"), b"-0"),
    (Decimal, D("Infinity"), b"Infinity"),
    (Decimal, D("-Infinity"), b"-Infinity"),
    (
        DateTime,
        datetime(2012, 1, 23, 12, 34, 56, 54321, zone(hours=1, minutes=30)),
        b"2012-01-23T12:34:56.054321+01:30",
    ),
    (DateTime, datetime(1, 1, 1, tzinfo=UTC), b"0001-01-01T00:00:00.000000-00:00"),
    (
        DateTime,
        datetime(9999, 12, 31, 23, 59, 59, 999999, zone(hours=-9, minutes=-45)),
        b"9999-12-31T23:59:59.999999-09:45",
    ),
]

# Values whose equality does not say it all, or that are written otherwise than they are read.
ONLY_ENCODED = [
    (Integer, True, b"1"),
    (Integer, Number.SEVEN, b"7"),
    (Float, math.nan, b"nan"),
    (Boolean, [0], b"True"),
    (Boolean, None, b"False"),
    (Path, "/srv//x/../y", b"/srv/y"),
    (Decimal, D("NaN"), b"NaN"),
    (Decimal, D("-NaN"), b"-NaN"),
    (Decimal, D("sNaN"), b"sNaN"),
    (Decimal, D("NaN123"), b"NaN123"),
    (
        DateTime,
        datetime(2000, 1, 1, tzinfo=zone(hours=1, seconds=59)),
        b"2000-01-01T00:00:00.000000+01:00",
    ),
    (
        DateTime,
        datetime(2000, 1, 1, tzinfo=zone(seconds=-1)),
        b"2000-01-01T00:00:00.000000-00:01",
    ),
]

ONLY_DECODED = [
    (Integer, b"007", 7),
    (Integer, b"+5", 5),
    (Integer, b" 5 ", 5),
    (Integer, b"1_000", 1000),
    (Float, b"1", 1.0),
    (Float, b"Infinity", math.inf),
    (Float, b" 2.5 ", 2.5),
    (Float, b"1_0.5", 10.5),
    (Path, b"/a/../b", pathlib.Path("/b")),
    (Decimal, b"inf", D("Infinity")),
    (Decimal, b" 1 ", D(1)),
    (Decimal, b"1_0", D(10)),
    (DateTime, b"2012/01/23 12-34-56,054321+01.30", BOTH_WAYS[-3][1]),
    (DateTime, b"2012-01-23T12:34:56.054321+00:00", datetime(2012, 1, 23, 12, 34, 56, 54321, UTC)),
]

REFUSED_VALUES = [
    (Integer, "1"),
    (Integer, 1.5),
    (Integer, None),
    (String, "text"),
    (String, bytearray(b"x")),
    (Float, 1),
    (Float, "1.0"),
    (Unicode, b"bytes"),
    (Unicode, "\ud800"),
    (Path, 7),
    (Path, b"/bytes"),
    (Path, "/\udcff"),
    (Decimal, 1),
    (Decimal, 1.0),
    (DateTime, "2012-01-23"),
    (DateTime, datetime(2012, 1, 23)),  # noqa: DTZ001 - a naive one is what is refused
]

REFUSED_BYTES = [
    (Integer, b""),
    (Integer, b"0x10"),
    (Integer, b"1.0"),
    (Integer, "\N{ARABIC-INDIC DIGIT ONE}".encode()),
    (Integer, b"9" * 5000),
    (Float, b""),
    (Float, b"0x1p3"),
    (Boolean, b""),
    (Boolean, b"true"),
    (Boolean, b"TRUE"),
    (Boolean, b"1"),
    (Unicode, b"\xff"),
    (Unicode, b"\xed\xa0\x80"),
    (Path, b"/\xff"),
    (Decimal, b""),
    (Decimal, b"abc"),
    (Decimal, "\N{ARABIC-INDIC DIGIT ONE}".encode()),
    (DateTime, b""),
    (DateTime, b"2012-01-23T12:34:56.054321+01:3"),
    (DateTime, b"2012-01-23T12:34:56.054321*01:30"),
    (DateTime, b"2012-01-23T12:34:56.054321 00:00"),
    (DateTime, b"2012-13-23T12:34:56.054321+01:30"),
    (DateTime, b"2012-01-23T12:34:56.054321+99:00"),
    (DateTime, b"x012-01-23T12:34:56.054321+01:30"),
    (DateTime, b"\xff012-01-23T12:34:56.054321+01:3"),
]


@pytest.mark.parametrize(("kind", "value", "data"), BOTH_WAYS)
def test_both_ways(kind, value, data):
    argument = kind()
    assert argument.to_bytes(value) == data
    decoded = argument.from_bytes(data)
    assert decoded == value
    assert type(decoded) is type(value)
    assert argument.to_bytes(decoded) == data


@pytest.mark.parametrize(("kind", "value", "data"), ONLY_ENCODED)
def test_encode(kind, value, data):
    assert kind().to_bytes(value) == data


@pytest.mark.parametrize(("kind", "data", "value"), ONLY_DECODED)
def test_decode(kind, data, value):
    assert kind().from_bytes(data) == value


@pytest.mark.parametrize("text", [b"NaN", b"-NaN", b"sNaN", b"NaN123"])
def test_a_decimal_that_is_no_number_keeps_its_digits(text):
    assert str(Decimal().from_bytes(text)).encode() == text


def test_a_float_that_is_no_number():
    assert math.isnan(Float().from_bytes(b"nan"))


@pytest.mark.parametrize(("kind", "value"), REFUSED_VALUES)
def test_a_value_of_another_type_is_our_fault(kind, value):
    with pytest.raises(LocalProtocolError, match=f"{kind.__name__} cannot hold a"):
        kind().to_bytes(value)


@pytest.mark.parametrize(("kind", "data"), REFUSED_BYTES)
def test_bytes_that_cannot_be_read_are_the_peers_fault(kind, data):
    with pytest.raises(RemoteProtocolError) as caught:
        kind().from_bytes(data)
    assert caught.value.name == "BadArgument"
    assert kind.__name__ in caught.value.text


def test_a_number_with_too_many_digits():
    with pytest.raises(LocalProtocolError):
        Integer().to_bytes(10**5000)


def test_no_value_appears_in_an_error():
    with pytest.raises(RemoteProtocolError) as caught:
        Integer().from_bytes(b"my password")
    assert "password" not in str(caught.value)
    with pytest.raises(LocalProtocolError) as caught:
        Unicode().to_bytes("my password \ud800")
    assert "password" not in str(caught.value)


def test_a_relative_path_counts_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path().to_bytes("x") == os.fsencode(tmp_path / "x")
    assert Path().from_bytes(b"x/../y") == tmp_path / "y"


def test_in_a_box():
    box = {}
    Integer().to_box(b"a", 7, box)
    assert box == {b"a": b"7"}
    assert Integer().from_box(b"a", box) == 7
    with pytest.raises(KeyError):
        Integer().from_box(b"b", box)


def test_the_base_class_is_no_type():
    for use in (lambda: Argument().to_bytes(1), lambda: Argument().from_bytes(b"1")):
        with pytest.raises(LocalProtocolError, match="no type of single values"):
            use()
