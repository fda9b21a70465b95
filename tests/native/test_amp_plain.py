"""Plain messages that are read and written without pickle, beside pickle: the same values."""

import pickle
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portal._native import (
    PLAIN,
    READ,
    AmpDecoder,
    dump_packed,
    encode_answer,
    encode_message,
    scan_pickle,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.builds(lambda text, times: text * times, st.text("a\xe9\u2603", max_size=3), st.just(150))
    | st.binary(max_size=30)
)
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 300)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    lambda inner: st.tuples(inner, inner),
    max_leaves=4,
)
# One object in several places: a matter for the memo.
shared = (st.lists(scalars, max_size=2) | st.dictionaries(hashable, scalars, max_size=2)).map(
    lambda value: [value, value, {"a": value, "b": (value,)}]
)
values = st.recursive(
    scalars | shared,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=6).map(tuple)
        | st.dictionaries(hashable, inner, max_size=5)
    ),
    max_leaves=8,
)
sessids = st.integers(-(2**63), 2**63 - 1) | st.lists(st.integers(0, 70_000), max_size=5)
messages = st.tuples(sessids, st.dictionaries(hashable, values, max_size=3))


def assert_same(one, other):
    """The same types, values and order, and objects that are one in the one are so in the other."""
    partners = {}

    def compare(one, other):
        assert type(one) is type(other)
        if isinstance(one, list | dict):
            assert partners.setdefault(id(one), id(other)) == id(other)
            assert partners.setdefault(("other", id(other)), id(one)) == id(one)
        if isinstance(one, dict):
            one, other = list(one.items()), list(other.items())
        if isinstance(one, list | tuple):
            assert len(one) == len(other)
            for inner, other_inner in zip(one, other, strict=True):
                compare(inner, other_inner)
        elif isinstance(one, float):
            assert struct.pack("d", one) == struct.pack("d", other)
        else:
            assert one == other

    compare(one, other)


def read(data):
    """What the decoder makes of a payload: the value and the verdict."""
    decoder = AmpDecoder({b"Msg": b"k"})
    wire = encode_message(b"Msg", b"k", data, 1, 0)
    (first,) = decoder.receive_data(wire)
    (again,) = decoder.receive_data(wire)
    assert first[3:] == again[3:]
    if first[3] == READ:
        assert_same(first[2], again[2])
    return first[2], first[3]


@given(messages, st.sampled_from([2, 3, 4, 5]))
@settings(max_examples=150)
def test_what_pickle_writes_is_read(message, protocol):
    data = pickle.dumps(message, protocol)
    if scan_pickle(data)[0] != PLAIN:
        assert protocol == 2  # it names codecs.encode for bytes
        return
    value, verdict = read(data)
    assert verdict == READ
    assert_same(value, pickle.loads(data))


@given(messages)
@settings(max_examples=150)
def test_what_is_written_is_read_by_pickle_and_by_us(message):
    data = dump_packed(*message)
    assert scan_pickle(data) == (PLAIN, "")
    assert_same(pickle.loads(data), unshared(message))
    value, verdict = read(data)
    assert verdict == READ
    assert_same(value, unshared(message))


def unshared(value):
    """The same value with an object of its own in each place: what is written without a memo."""
    if isinstance(value, dict):
        return {unshared(key): unshared(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unshared(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(unshared(inner) for inner in value)
    return value


PARTS = [
    b"N", b"K\1", b"\x8a\1\5", b"\x8a\0", b"G\0\0\0\0\0\0\0\0", b"\x8c\1a", b"\x8c\1\xff", b"C\1b",
    b"X\1\0\0\0a", b"]", b"}", b"}", b"\x8f", b")", b"(", b"(", b"\x85", b"\x86", b"\x87", b"t",
    b"\x91", b"a", b"e", b"s", b"u", b"u", b"\x90", b"\x94", b"\x94", b"q\0", b"h\0", b"h\1", b"h\2",
]  # fmt: skip
# A message whose dict holds all that a soup of opcodes leaves.
soup = st.lists(st.sampled_from(PARTS), max_size=25).map(
    lambda parts: b"\x80\x04K\x07}(\x8c\x01k(" + b"".join(parts) + b"tu\x86."
)


@st.composite
def mutated(draw):
    """The pickle of a message with some bytes in it replaced."""
    data = bytearray(draw(st.builds(pickle.dumps, messages, st.sampled_from([2, 4]))))
    for _ in range(draw(st.integers(1, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(
            st.sampled_from(b"".join(PARTS)) | st.integers(0, 255)
        )
    return bytes(data)


@given(soup | mutated() | st.binary(max_size=60))
@example(b"\x80\x04K\x07}(\x8c\1aK\1\x8c\1aK\2u\x86.")
@settings(max_examples=1000)
def test_whatever_is_read_is_what_pickle_reads(data):
    value, verdict = read(data)
    if verdict == READ:
        assert_same(value, pickle.loads(data))


SHARED = [1]


@pytest.mark.parametrize(
    "message",
    [
        (0, {}),
        ([], {}),
        ([1, 2], {"text": [["x"], {}]}),
        (1, {"a": SHARED, "b": SHARED}),
        (1, dict.fromkeys(map(str, range(5000)), "value")),
        (1, {"long": "x" * 100_000, "wide": "\N{SNOWMAN}" * 70_000}),
        (-(2**63), {"n": [2**63 - 1, 0, 255, 256, 65535, 65536, -1, 2**31]}),
    ],
    ids=lambda message: repr(message)[:20],
)
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_messages(message, protocol):
    value, verdict = read(pickle.dumps(message, protocol))
    assert verdict == READ
    assert_same(value, message)


@pytest.mark.parametrize(
    "value",
    [
        None,
        (1, []),
        (1, {}, 2),
        [1, {}],
        (True, {}),
        ("1", {}),
        ((1,), {}),
        ([True], {}),
        (["1"], {}),
        (2**64, {}),
        (1, {"a": {1}}),
        (1, {"a": frozenset([1])}),
        (1, {"a": bytearray(b"x")}),
        (1, {"a": 2**64}),
        (1, {"a": "\ud800"}),
        (1, {"\ud800": 1}),
    ],
    ids=repr,
)
def test_what_is_left_to_pickle(value):
    data = pickle.dumps(value, 5)
    assert read(data) == (data, PLAIN)


def read_texts(data, size=None):
    """What a decoder makes of a payload that hands out texts alone, and of an answer behind it."""
    decoder = AmpDecoder({b"Admin": b"k", b"Msg": b"k"}, texts=[b"Msg"])
    wire = encode_message(b"Msg", b"k", data, 1, 1) + encode_answer(b"1")
    pieces = [wire[at : at + (size or len(wire))] for at in range(0, len(wire), size or len(wire))]
    first, answer = [item for piece in pieces for item in decoder.receive_data(piece)]
    assert answer == b"1"
    assert first[:2] == (b"Msg", b"1")
    return first[2:]


@pytest.mark.parametrize("text", ["hi", "", "\N{SNOWMAN}" * 300, "options", "text", "a" * 70_000])
@pytest.mark.parametrize("sessid", [0, 1, 255, 256, 70_000, 2**40, -1])
def test_a_text_alone(sessid, text):
    message = (sessid, {"text": [[text], {"options": {}}]})
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(message, protocol)
        assert read_texts(data) in (((sessid, text), READ, ""), (message, READ, ""))
        # A text that is a key, too, comes out of the memo.
        assert text in ("options", "text") or type(read_texts(data)[0][1]) is str
    data = pickle.dumps(message) if len(text) > 60_000 else dump_packed(*message)
    assert read_texts(data) == ((sessid, text), READ, "")
    assert read(data) == (message, READ)  # by one that was not asked for texts


@pytest.mark.parametrize("text", ["hi", "", "\N{SNOWMAN}" * 300, "options", "a" * 2**16])
@pytest.mark.parametrize("sessid", [0, 70_000, 2**63, [1, 2]])
def test_a_text_alone_is_written_like_its_message(sessid, text):
    message = {"text": [[text], {"options": {}}]}
    written = dump_packed(sessid, text)
    assert (written is None) == (sessid == 2**63)
    if written is not None:
        assert pickle.loads(written) == (sessid, message)
        assert len(text) == 2**16 or written == dump_packed(sessid, message)


def test_a_text_alone_at_every_cut():
    data = pickle.dumps((7, {"text": [["hi"], {"options": {}}]}))
    for size in range(1, 120):
        assert read_texts(data, size) == ((7, "hi"), READ, "")
    for cut in range(len(data)):
        assert read_texts(data[:cut])[0] == data[:cut]  # rejected as ever


@pytest.mark.parametrize(
    "message",
    [
        (True, {"text": [["hi"], {"options": {}}]}),
        ([7], {"text": [["hi"], {"options": {}}]}),
        (7, {"text": [["hi"], {}]}),
        (7, {"text": [["hi"], {"options": {"raw": True}}]}),
        (7, {"text": [["hi"], {"options": None}]}),
        (7, {"text": [["hi"], {"options": {}, "type": "look"}]}),
        (7, {"text": [["hi", "ho"], {"options": {}}]}),
        (7, {"text": [[], {"options": {}}]}),
        (7, {"text": [[1], {"options": {}}]}),
        (7, {"text": [["\ud800"], {"options": {}}]}),
        (7, {"text": [[b"hi"], {"options": {}}]}),
        (7, {"text": ["hi", {"options": {}}]}),
        (7, {"text": [["hi"], {"options": {}}], "prompt": [["> "], {"options": {}}]}),
        (7, {"prompt": [["hi"], {"options": {}}]}),
        (7, {}),
        {"text": [["hi"], {"options": {}}]},
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_is_no_text_alone_comes_as_ever(message, protocol):
    data = pickle.dumps(message, protocol)
    decoder = AmpDecoder({b"Msg": b"k"})
    ((_, _, *expected),) = decoder.receive_data(encode_message(b"Msg", b"k", data, 1, 1))
    assert list(read_texts(data)) == expected
    assert type(expected[0]) is bytes or type(expected[0][1]) is dict


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04K\x07}]K\x01s\x86.",
        b"\x80\x04K\x07}(]K\x01u\x86.",
        b"\x80\x04K\x07}\x8c\x01\xffK\x01s\x86.",
    ],
)
def test_errors_are_left_to_pickle(data):
    assert read(data) == (data, PLAIN)
    with pytest.raises((TypeError, UnicodeDecodeError)):
        pickle.loads(data)


def test_a_message_that_is_left_to_pickle_leaves_nothing_behind():
    decoder = AmpDecoder({b"Msg": b"k"})
    half = b"\x80\x04K\x07}(\x8c\1a](K\1K\2\x8f\x90eu\x86."
    for data in (b"\x80\x04(K\1](K\2}\x8c\1k](K\3\x8fees\x87t.", half, pickle.dumps((7, {"a": 1}))):
        ((_, _, value, verdict, _),) = decoder.receive_data(
            encode_message(b"Msg", b"k", data, 1, 0)
        )
    assert (value, verdict) == ((7, {"a": 1}), READ)


def test_keys_that_came_before():
    # More names than there are places for, some too long for one, each several times.
    decoder = AmpDecoder({b"Msg": b"k"})
    names = [f"key{number}" for number in range(200)] + ["k" * 32, "k" * 33, "", "\N{SNOWMAN}"]
    for name in [*names, *reversed(names), "text", "text"]:
        wire = encode_message(b"Msg", b"k", pickle.dumps((1, {name: [name]})), 1, 0)
        ((_, _, value, verdict, _),) = decoder.receive_data(wire)
        assert (value, verdict) == ((1, {name: [name]}), READ)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("text", ["\ud800", "a" * (2**16 + 1), Text("hi")])
def test_texts_that_are_not_written(text):
    assert dump_packed(7, text) is None


class Kwargs(dict):
    pass


class Numbers(list):
    pass


def test_what_is_not_written():
    cyclic = []
    cyclic.append(cyclic)
    laughs = []
    for _ in range(20):
        laughs = [laughs] * 10
    nested = {}
    for _ in range(32):
        nested = {"a": nested}
    kept = Kwargs(a=1)
    for value in (
        {"a": cyclic},
        {"a": laughs},
        {"a": nested},
        {"a": range(3)},
        {"a": {1}},
        {"a": bytearray()},
        {"a": 2**63},
        {"a": -(2**63) - 1},
        {"a": "\ud800"},
        {"\ud800": "a"},
        {"a": Text("a")},
        {Text("a"): "a"},
        {"a": Numbers()},
        {"a": (1, Text("a"))},
        {"a": "x" * 65_536},
        {"a": b"x" * 65_536},
        {"a": ["x" * 1000] * 66},
        {"a": [None] * 4096},
        kept,
        {"a": object()},
    ):
        assert dump_packed(1, value) is None
    assert dump_packed(Text("1"), {}) is None
    assert dump_packed(1, {"a": 1}) is not None


def test_what_is_just_written():
    nested = {}
    for _ in range(31):
        nested = {"a": nested}
    for value in (nested, {"a": [None] * 4000}, {"a": "x" * 65_500}):
        assert pickle.loads(dump_packed([1, 2], value)) == ([1, 2], value)
