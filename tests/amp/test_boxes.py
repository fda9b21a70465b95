"""The door to the codec: what it refuses has a side."""

import pytest

from portal.amp.boxes import (
    compress,
    decode_boxes,
    decompress,
    encode_answer,
    encode_box,
    encode_message,
)
from portal.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("box", "data"),
    [
        ({}, b"\0\0"),
        ({b"a": b"b"}, b"\0\x01a\0\x01b\0\0"),
        ({b"a": b""}, b"\0\x01a\0\0\0\0"),
        ({b"a": b"1", b"_x": b"2", b"B": b"3"}, b"\0\1B\0\x013\0\2_x\0\x012\0\1a\0\x011\0\0"),
        ({b"k" * 255: b"v" * 65535}, b"\0\xff" + b"k" * 255 + b"\xff\xff" + b"v" * 65535 + b"\0\0"),
    ],
)
def test_boxes(box, data):
    assert encode_box(box) == data
    assert decode_boxes(data) == [box]
    assert decode_boxes(data * 2 + data[:-1]) == [box, box]


@pytest.mark.parametrize(
    "box",
    [{b"": b"v"}, {b"k" * 256: b""}, {b"k": b"v" * 65536}, {"k": b"v"}, {b"k": "v"}],
)
def test_what_cannot_be_sent_is_our_fault(box):
    with pytest.raises(LocalProtocolError):
        encode_box(box)


def test_what_cannot_be_read_is_the_peers_fault():
    with pytest.raises(RemoteProtocolError) as caught:
        decode_boxes(b"\1\0")
    assert caught.value.name == "KeyTooLong"


def test_values_in_pieces():
    box = compress(b"d", b"x" * 100, 0)
    assert list(box) == [b"d"]
    assert decompress(b"d", box, 100) == b"x" * 100
    with pytest.raises(RemoteProtocolError, match="PayloadTooLarge"):
        decompress(b"d", box, 99)


@pytest.mark.parametrize(("name", "level"), [("d", 0), (b"d", 10)])
def test_values_that_cannot_be_cut(name, level):
    with pytest.raises(LocalProtocolError):
        compress(name, b"x", level)


def test_whole_messages(wire):
    assert encode_answer(b"1a") == b"\0\7_answer\0\x021a\0\0"
    (box,) = wire.parse(encode_message(b"Cmd", b"d", b"payload", 26, 0))
    assert (box["_command"], box["_ask"]) == (b"Cmd", b"1a")
    (box,) = wire.parse(encode_message(b"Cmd", b"d", b"payload", None, 6))
    assert set(box) == {"_command", "d"}
