"""The compiled AMP codec as Python sees it, beside Twisted and zlib; its cases stand in the crate."""

import pickle
import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.protocols.amp import AmpBox, BinaryBoxProtocol, TooLong

from portal._native import (
    PLAIN,
    AmpDecoder,
    BoxError,
    compress,
    decode_boxes,
    decompress,
    encode_answer,
    encode_answers,
    encode_box,
    encode_message,
)

KEY = b"packed_data"
NONE = pickle.dumps(None, 5)
LONG = bytes(100_000)  # more than is worked on with the interpreter's lock held

keys = st.binary(min_size=1, max_size=40)
boxes = st.dictionaries(keys, st.binary(max_size=300), max_size=8)


class Boxes:
    """What Twisted hands its boxes to."""

    def __init__(self):
        self.all = []

    def startReceivingBoxes(self, sender):
        pass

    def ampBoxReceived(self, box):
        self.all.append(dict(box))

    def stopReceivingBoxes(self, reason):
        pass


def read_by_twisted(data):
    boxes = Boxes()
    protocol = BinaryBoxProtocol(boxes)
    protocol.makeConnection(StringTransport())
    protocol.dataReceived(data)
    return boxes.all


@given(
    st.lists(boxes.filter(lambda box: box and box.keys() != {b"_answer"}), max_size=5), st.data()
)
def test_boxes_are_read_as_twisted_reads_them(sent, data):
    stream = b"".join(AmpBox(box).serialize() for box in sent)
    decoder = AmpDecoder({})
    cut = data.draw(st.integers(0, len(stream)))
    received = decoder.receive_data(stream[:cut]) + decoder.receive_data(stream[cut:])
    # A box of nothing but `_answer` would come out as its tag.
    assert received == sent == read_by_twisted(stream) == decode_boxes(stream)


# ---- boxes


@given(boxes)
def test_boxes_are_written_as_twisted_writes_them(box):
    assert encode_box(box) == AmpBox(box).serialize()
    assert encode_box(dict(sorted(box.items()))) == AmpBox(box).serialize()


@pytest.mark.parametrize(
    ("box", "name"),
    [
        ({b"": b"v"}, "EmptyKey"),
        ({b"k" * 256: b"v"}, "KeyTooLong"),
        ({b"k": bytes(65536)}, "ValueTooLong"),
    ],
)
def test_what_framing_cannot_say(box, name):
    with pytest.raises(BoxError) as caught:
        encode_box(box)
    assert caught.value.args[0] == name
    assert isinstance(caught.value.args[1], str)
    if name != "EmptyKey":  # stock writes another stream for it
        with pytest.raises(TooLong):
            AmpBox(box).serialize()


@pytest.mark.parametrize("box", [{"k": b"v"}, {b"k": "v"}, {b"k": 1}, {b"k": bytearray(b"v")}, []])
def test_only_bytes_are_written(box):
    with pytest.raises(TypeError):
        encode_box(box)


def test_a_refused_box_leaves_nothing_behind():
    with pytest.raises(TypeError):
        encode_box({b"a": b"1", b"b": "2"})
    assert encode_box({}) == b"\0\0"


def test_answers():
    assert encode_answer(b"1a") == AmpBox({b"_answer": b"1a"}).serialize()
    with pytest.raises(BoxError) as caught:
        encode_answer(bytes(65536))
    assert caught.value.args[0] == "ValueTooLong"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\0\0", [{}]),
        (b"\0\1a\0\1b\0\0\0\1a", [{b"a": b"b"}]),
        (b"\0\1a\0\0\0\1a\0\1b\0\0", [{b"a": b"b"}]),
    ],
)
def test_lists_of_boxes(data, expected):
    assert decode_boxes(data) == expected


def test_a_list_of_boxes_breaks_a_rule():
    with pytest.raises(BoxError) as caught:
        decode_boxes(b"\0\1a\0\0\0\0\1\0")
    assert caught.value.args[0] == "KeyTooLong"


# ---- Compressed


def stock_compressed(name, value):
    """Evennia's way to write a long value."""
    pieces = [value[at : at + 65535] for at in range(0, max(len(value), 1), 65535)]
    numbers = [b"", *(b".%d" % number for number in range(2, len(pieces) + 1))]
    deflated = (zlib.compress(piece, 9) for piece in pieces)
    return {name + number: piece for number, piece in zip(numbers, deflated, strict=True)}


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 131070, 131071, 1 << 20])
def test_long_values_have_the_keys_and_the_content_of_stock(size):
    value = (b"a line of text that is like others " * (size // 35 + 1))[:size]
    stock = stock_compressed(KEY, value)
    for level in (1, 6, 9):
        ours = compress(KEY, value, level)
        assert list(ours) == list(stock)
        assert [zlib.decompress(part) for part in ours.values()] == [
            zlib.decompress(part) for part in stock.values()
        ]
    assert decompress(KEY, stock, size) == decompress(KEY, compress(KEY, value, 0), size) == value


@given(st.binary(max_size=100), st.integers(1, 3000), st.integers(0, 9))
def test_long_values_are_read_by_zlib(value, repeats, level):
    value *= repeats
    box = compress(b"k", value, level)
    names = [b"k", *(b"k.%d" % number for number in range(2, len(box) + 1))]
    assert list(box) == names
    assert b"".join(zlib.decompress(box[name]) for name in names) == value
    assert all(len(part) <= 65535 for part in box.values())
    assert decompress(b"k", dict(reversed(box.items())), len(value)) == value


@pytest.mark.parametrize(
    ("box", "limit", "name"),
    [
        ({}, 9, "MissingChunk"),
        ({b"k.2": zlib.compress(b"")}, 9, "MissingChunk"),
        ({b"k": zlib.compress(b""), b"k.3": zlib.compress(b"")}, 9, "MissingChunk"),
        ({b"k": b"not zlib"}, 9, "BadDeflate"),
        ({b"k": zlib.compress(LONG)[:-1]}, 1 << 20, "BadDeflate"),
        ({b"k": zlib.compress(bytes(10))}, 9, "PayloadTooLarge"),
        (compress(b"k", bytes(10), 0), 9, "PayloadTooLarge"),
    ],
)
def test_values_that_are_not_read(box, limit, name):
    with pytest.raises(BoxError) as caught:
        decompress(b"k", box, limit)
    assert caught.value.args[0] == name


def test_names_and_levels_of_long_values():
    for name, error in ((b"", "EmptyKey"), (b"n" * 256, "KeyTooLong")):
        with pytest.raises(BoxError) as caught:
            compress(name, b"", 0)
        assert caught.value.args[0] == error
    with pytest.raises(ValueError, match="level"):
        compress(b"k", b"", 10)
    with pytest.raises(TypeError):
        decompress(b"k", {b"k": "text"}, 9)


# ---- whole messages


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("ask", [None, 1, 0x1A2B])
@pytest.mark.parametrize("size", [0, 60, 70_000, 700_000])
def test_messages_are_read_by_stock_and_by_us(size, ask, level):
    payload = pickle.dumps(bytes(size), 5)
    wire = encode_message(b"Msg", KEY, payload, ask, level)
    box = read_by_twisted(wire)[0]
    assert AmpBox(box).serialize() == wire, "the keys are sorted"
    assert box[b"_command"] == b"Msg"
    tag = None if ask is None else b"%x" % ask
    assert box.get(b"_ask") == tag
    assert decompress(KEY, box, len(payload)) == payload
    assert AmpDecoder({b"Msg": KEY}).receive_data(wire) == [(b"Msg", tag, payload, PLAIN, "")]


def test_messages_that_cannot_be_written():
    cases = [
        ((b"Msg", b"", NONE, 1, 0), "EmptyKey"),
        ((b"Msg", b"n" * 256, NONE, 1, 0), "KeyTooLong"),
        ((bytes(65536), KEY, NONE, 1, 0), "ValueTooLong"),
        ((b"Msg", b"_ask", NONE, 1, 0), "ReservedKey"),
    ]
    for arguments, name in cases:
        with pytest.raises(BoxError) as caught:
            encode_message(*arguments)
        assert caught.value.args[0] == name
    with pytest.raises(ValueError, match="level"):
        encode_message(b"Msg", KEY, NONE, 1, 10)
    with pytest.raises(OverflowError):
        encode_message(b"Msg", KEY, NONE, -1, 0)


def test_threads_have_each_their_own_state():
    # Long messages are worked on without the interpreter's lock, so that two meet in the codec.
    payload = pickle.dumps(LONG, 5)
    expected = encode_message(b"Msg", KEY, payload, None, 6)
    results = []

    def work():
        results.extend(encode_message(b"Msg", KEY, payload, None, 6) == expected for _ in range(20))
        results.extend(
            AmpDecoder({b"Msg": KEY}).receive_data(expected)[0][2] == payload for _ in range(20)
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 160


@pytest.mark.parametrize("tags", [[], [b"1"], [b"1", b"ff", b"\xff" * 255]])
def test_answers_stand_one_behind_the_other(tags):
    assert encode_answers(tags) == b"".join(map(encode_answer, tags))


@pytest.mark.parametrize("tags", [["1"], [b"1", None], (b"1",)])
def test_answers_have_tags_of_bytes(tags):
    with pytest.raises(TypeError):
        encode_answers(tags)
