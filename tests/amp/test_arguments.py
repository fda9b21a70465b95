"""Lists, boxes in boxes, compressed values, and schemas applied to boxes."""

import datetime as dt
import zlib

import pytest

from portal.amp.arguments import (
    AmpList,
    Boolean,
    Compressed,
    DateTime,
    Decimal,
    Descriptor,
    Float,
    Integer,
    ListOf,
    Path,
    String,
    Unicode,
    decode_fields,
    encode_fields,
    wire_names,
)
from portal.amp.boxes import decode_boxes, encode_box
from portal.errors import LocalProtocolError, RemoteProtocolError

SCHEMA = {"a": Integer(), "b": Unicode(optional=True)}

LISTS = [
    (Integer(), [3, 7, 9, 15], b"\0\x013\0\x017\0\x019\0\x0215"),
    (Integer(), [], b""),
    (String(), [b"", b"\0\xff"], b"\0\0\0\x02\0\xff"),
    (Unicode(), ["å"], b"\0\2\xc3\xa5"),
    (Float(), [0.5], b"\0\x030.5"),
    (Boolean(), [True, False], b"\0\4True\0\5False"),
    (ListOf(Integer()), [[1, 2], [], [3]], b"\0\x06\0\x011\0\x012\0\0\0\x03\0\x013"),
    (AmpList(SCHEMA), [[{"a": 1, "b": None}]], b"\0\x08\0\1a\0\x011\0\0"),
    (String(), [b"x" * 65535], b"\xff\xff" + b"x" * 65535),
]


@pytest.mark.parametrize(("element", "values", "data"), LISTS)
def test_list_of(element, values, data):
    argument = ListOf(element)
    assert argument.to_bytes(values) == data
    assert argument.from_bytes(data) == values
    assert argument.to_bytes(tuple(values)) == data


@pytest.mark.parametrize(
    "element", [Integer(), String(), Float(), Boolean(), Unicode(), Path(), Decimal(), DateTime()]
)
def test_list_of_nothing(element):
    assert ListOf(element).from_bytes(ListOf(element).to_bytes([])) == []


@pytest.mark.parametrize("cut", range(1, 9))
def test_the_cut_off_end_of_a_list_is_left_out(cut):
    data = b"\0\2ab\0\3cde"
    whole = [b"ab", b"cde"]
    assert ListOf(String()).from_bytes(data) == whole
    assert ListOf(String()).from_bytes(data[:-cut]) == whole[: (1 if cut <= 5 else 0)]


@pytest.mark.parametrize("value", [7, None, ["x"], [b"x" * 65536]])
def test_what_no_list_of_bytes_is(value):
    with pytest.raises(LocalProtocolError):
        ListOf(String()).to_bytes(value)


def test_an_element_that_cannot_be_read():
    with pytest.raises(RemoteProtocolError):
        ListOf(Integer()).from_bytes(b"\0\1x")


def test_amp_list():
    data = b"\0\1a\0\x017\0\1b\0\5hello\0\0\0\1a\0\x019\0\0"
    values = [{"a": 7, "b": "hello"}, {"a": 9, "b": None}]
    assert AmpList(SCHEMA).to_bytes(values) == data
    assert AmpList(SCHEMA).to_bytes([{"a": 7, "b": "hello"}, {"a": 9}]) == data
    assert AmpList(SCHEMA).from_bytes(data) == values
    assert AmpList(SCHEMA).from_bytes(data[:-1]) == values[:1]
    assert AmpList({}).to_bytes([{}, {}]) == b"\0\0\0\0"
    assert AmpList({}).from_bytes(b"\0\0\0\0") == [{}, {}]


@pytest.mark.parametrize("value", [[{}], [{"a": 1, "c": 2}], [7], [{"a": "x"}], 7])
def test_what_no_amp_list_is(value):
    with pytest.raises(LocalProtocolError):
        AmpList(SCHEMA).to_bytes(value)


@pytest.mark.parametrize("data", [b"\1\0", b"\0\1b\0\1x\0\0", b"\0\1a\0\1x\0\0"])
def test_boxes_that_cannot_be_read(data):
    with pytest.raises(RemoteProtocolError):
        AmpList(SCHEMA).from_bytes(data)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("size", [0, 1, 65534, 65535, 65536, 131071, 1 << 20])
def test_compressed(level, size):
    value = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    box = {}
    argument = Compressed(level=level)
    argument.to_box(b"data", value, box)
    names = [b"data", *(b"data.%d" % number for number in range(2, len(box) + 1))]
    assert sorted(box) == sorted(names)
    assert b"".join(zlib.decompress(box[name]) for name in names) == value
    assert argument.from_box(b"data", decode_boxes(encode_box(box))[0]) == value


@pytest.mark.parametrize(
    ("box", "limit", "name"),
    [
        ({b"x": b"not zlib"}, 100, "BadDeflate"),
        ({b"x": zlib.compress(bytes(101))}, 100, "PayloadTooLarge"),
        ({b"x.2": zlib.compress(b"a")}, 100, "MissingChunk"),
    ],
)
def test_a_value_that_cannot_be_inflated(box, limit, name):
    with pytest.raises(RemoteProtocolError) as caught:
        Compressed(limit=limit).from_box(b"x", box)
    assert caught.value.name == name


def test_compressed_takes_bytes_only():
    with pytest.raises(LocalProtocolError):
        Compressed().to_box(b"x", "text", {})


def test_compressed_is_no_element():
    with pytest.raises(LocalProtocolError):
        ListOf(Compressed())


def test_a_descriptor_is_refused_where_it_is_declared():
    with pytest.raises(LocalProtocolError, match="Descriptor is not supported"):
        Descriptor()


@pytest.mark.parametrize(
    ("values", "box"),
    [
        ({"a": 1}, {b"a": b"1"}),
        ({"a": 1, "b": None}, {b"a": b"1"}),
        ({"a": 1, "b": ""}, {b"a": b"1", b"b": b""}),
    ],
)
def test_fields(values, box):
    assert encode_fields(SCHEMA, values) == box
    assert decode_fields(SCHEMA, box | {b"unknown": b"x"}) == {"b": None} | values


def test_names_that_differ_on_the_wire():
    schema = {"from_place": Integer(wire_name="from-place"), "class_": Unicode(wire_name="class")}
    assert wire_names(schema) == [b"from-place", b"class"]
    box = encode_fields(schema, {"from_place": 1, "class_": "x"})
    assert box == {b"from-place": b"1", b"class": b"x"}
    assert decode_fields(schema, box) == {"from_place": 1, "class_": "x"}


@pytest.mark.parametrize("values", [{}, {"b": "x"}, {"a": None}, {"a": 1, "c": 1}, [("a", 1)]])
def test_fields_that_do_not_fit(values):
    with pytest.raises(LocalProtocolError):
        encode_fields(SCHEMA, values)


def test_a_field_that_is_missing():
    with pytest.raises(RemoteProtocolError, match="MissingArgument: a"):
        decode_fields(SCHEMA, {b"b": b"x"})


@pytest.mark.parametrize(
    "schema",
    [
        {"": Integer()},
        {"x" * 256: Integer()},
        {"å": Integer()},
        {"_command": Integer()},
        {"ask": Integer(wire_name="_ask")},
        {"a": Integer(), "b": Integer(wire_name="a")},
    ],
)
def test_names_that_cannot_be(schema):
    with pytest.raises(LocalProtocolError):
        wire_names(schema)


def test_a_list_of_moments():
    moments = [dt.datetime(2020, 1, day, tzinfo=dt.UTC) for day in (1, 2)]
    assert ListOf(DateTime()).from_bytes(ListOf(DateTime()).to_bytes(moments)) == moments
