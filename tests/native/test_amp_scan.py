"""The compiled scan of pickles beside pickle itself: what is PLAIN imports nothing and stays small."""

import collections
import datetime as dt
import decimal
import enum
import io
import pickle
import pickletools
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal._native import OBJECTS, PLAIN, REJECT, AmpDecoder, encode_message, scan_pickle

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.builds(bytearray, st.binary(max_size=20))
)
hashable = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(hashable, inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.sets(hashable, max_size=5)
        | st.frozensets(hashable, max_size=5)
    ),
    max_leaves=25,
)


class Colour(enum.Enum):
    RED = 1


def own_pickler(value, protocol):
    """What the pickler written in Python makes of it: other opcodes in places than C's."""
    out = io.BytesIO()
    pickle._Pickler(out, protocol).dump(value)
    return out.getvalue()


@given(plain, st.sampled_from([2, 3, 4, 5]))
@settings(max_examples=300)
def test_what_picklers_write_for_plain_values_is_plain(value, protocol):
    # Protocol 2 names codecs.encode for bytes, and 2 to 4 a class for sets or bytearrays.
    for data in (pickle.dumps(value, protocol), own_pickler(value, protocol)):
        verdict, reason = scan_pickle(data)
        named = {opcode.name for opcode, _, _ in pickletools.genops(data)}
        expected = OBJECTS if named & {"GLOBAL", "STACK_GLOBAL"} else PLAIN
        assert verdict == expected, reason
        assert bool(reason) == (verdict == OBJECTS)


@pytest.mark.parametrize(
    "value",
    [list(range(5000)), dict.fromkeys(map(str, range(5000))), "x" * 70_000, ["x" * 70_000] * 3],
    ids=["list", "dict", "text", "references"],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_batches_and_long_texts_are_plain(value, protocol):
    assert scan_pickle(pickle.dumps(value, protocol)) == (PLAIN, "")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (dt.timedelta(1), "datetime.timedelta"),
        (decimal.Decimal(1), "decimal.Decimal"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (collections.defaultdict(list), "collections.defaultdict, builtins.list"),
        (collections.deque([1]), "collections.deque"),
        (Colour.RED, f"{__name__}.Colour"),
        ([len, ValueError("x")], "builtins.len, builtins.ValueError"),
    ],
)
def test_classes_are_named(value, name):
    for data in (pickle.dumps(value, 4), pickle.dumps(value, 5)):
        assert scan_pickle(data) == (OBJECTS, name)


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols_are_refused(protocol):
    assert scan_pickle(pickle.dumps(["text", 10**30], protocol))[0] == REJECT


def test_persistent_values_are_refused():
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return "somewhere" if obj is Colour else None

    out = io.BytesIO()
    Pickler(out, 5).dump([Colour])
    assert scan_pickle(out.getvalue()) == (REJECT, "opcode BINPERSID")


def test_buffers_out_of_band_are_refused():
    data = pickle.dumps(pickle.PickleBuffer(b"x"), 5, buffer_callback=[].append)
    assert scan_pickle(data)[0] == REJECT


class ImportsNothing(pickle.Unpickler):
    """Fails when a pickle names a class or something persistent."""

    def find_class(self, module, name):
        raise AssertionError(f"{module}.{name} was asked for")

    def persistent_load(self, pid):
        raise AssertionError("a persistent value was asked for")


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
PARTS = [
    b"N", b"K\1", b"\x8a\1\5", b"G\0\0\0\0\0\0\0\0", b"\x8c\1a", b"X\1\0\0\0a", b"C\1b",
    b"]", b"}", b"\x8f", b")", b"(", b"(", b"\x85", b"\x86", b"\x87", b"t", b"\x91", b"a", b"e", b"s",
    b"u", b"\x90", b"\x94", b"\x94", b"q\0", b"h\0", b"h\1", b"h\2", b"cos\nsystem\n", b"\x93", b"R",
    b"\x81", b"b",
]  # fmt: skip
opcode_soup = st.lists(st.sampled_from(PARTS), max_size=25).map(
    lambda parts: b"\x80\x04" + b"".join(parts) + b"."
)


@st.composite
def mutated(draw):
    """A pickle with one byte in it replaced."""
    data = draw(st.builds(pickle.dumps, plain, st.sampled_from([2, 4])))
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + draw(st.sampled_from(OPCODES)) + data[at + 1 :]


def depth_of(value):
    """How deep containers nest in a value."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if not isinstance(value, list | tuple | set | frozenset):
        return 0
    return 1 + max(map(depth_of, value), default=0)


@given(opcode_soup | mutated() | st.binary(max_size=60))
@settings(max_examples=1500)
def test_a_plain_pickle_imports_nothing_and_nests_no_deeper_than_said(data):
    verdict, reason = scan_pickle(data)
    assert bool(reason) == (verdict != PLAIN)
    if verdict != PLAIN:
        return
    try:
        value = ImportsNothing(io.BytesIO(data)).load()
    except (TypeError, UnicodeDecodeError):
        return  # an unhashable key, or text that is none: a clean error
    assert depth_of(value) <= 100


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + b"]" * 200 + b"a" * 199 + b".",
        b"\x80\x04N" + b"\x85" * 10**6 + b".",
        b"\x80\x04" + b"(" * 10**6 + b"t" * 10**6 + b".",
        b"\x80\x04" + b"](" * 200 + b"e" * 200 + b".",
        b"\x80\x04(]\x94" + b"".join(b"]\x94h%ca" % number for number in range(150)) + b"t.",
    ],
    ids=["lists", "tuples", "marks", "batches", "references"],
)
def test_deep_nesting_is_refused(data):
    assert scan_pickle(data)[0] == REJECT


BOMBS = {
    "a far memo index": b"\x80\x02Nr\0\0\0\x04.",
    "a far memo index behind a class": b"\x80\x02cos\nsystem\nr\0\0\0\x04.",
    "a long length": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a long bytearray": b"\x80\x05\x96\0\0\0\0\x04\0\0\0.",
    "a long frame": b"\x80\x04\x95\0\0\0\0\x04\0\0\0N.",
    "a memo bomb behind a frame that is cut short": (
        b"\x80\x04\x95\x03\0\0\0\0\0\0\0C\x05r\0\0\0\x04."
    ),
    "a large integer": b"\x80\x02\x8b\0\0\x10\0" + b"\x01" * 0x100000 + b".",
    "empty sets": b"\x80\x04(" + b"\x8f" * (15 << 20) + b"t.",
    "empty dicts": b"\x80\x04(" + b"}" * (15 << 20) + b"t.",
    "classes": b"\x80\x04(" + b"ca\nb\n" * (3 << 20) + b"t.",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(data):
    received = AmpDecoder({b"Msg": b"k"}).receive_data(encode_message(b"Msg", b"k", data, 1, 1))
    assert received[0][3] == REJECT


MEMORY_OF_READING = """
import pickle, resource, sys
from portal._native import AmpDecoder, encode_message, scan_pickle
data = eval(sys.argv[1])
wire = encode_message(b"Msg", b"k", data, 1, 9)
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = most()
command, ask, payload, verdict, reason = AmpDecoder({b"Msg": b"k"}).receive_data(wire)[0]
if verdict == 0:
    pickle.loads(payload)
print(verdict, (most() - before) // 1024)
"""


@pytest.mark.parametrize(
    ("data", "megabytes"),
    [
        ("bytes(30_000_000)", 64),  # a zlib bomb: stopped at the cap of 16 MiB
        (r"b'\x80\x04(' + b'\x8f' * (14 << 20) + b't.'", 64),
        (r"b'\x80\x04(' + b'\x8f' * 200_000 + b't.'", 128),  # PLAIN, and so must be small
        (r"b'\x80\x04(' + b'\x8c\0' * 900_000 + b't.'", 256),
        (r"b'\x80\x04](' + b'})' * 400_000 + b'e.'", 256),
        (r"b'\x80\x04](' + b'(Nt' * 900_000 + b'e.'", 256),
        (r"b'\x80\x04(' + b'N\x94' * 1_000_000 + b't.'", 256),
    ],
)
def test_reading_takes_bounded_memory(data, megabytes):
    command = [sys.executable, "-c", MEMORY_OF_READING, data]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    verdict, taken = map(int, run.stdout.split())
    assert verdict in (PLAIN, REJECT)
    assert taken <= megabytes
