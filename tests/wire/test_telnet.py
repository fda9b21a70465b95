import json
import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from portal.wire import events as event_types
from portal.wire.events import (
    CharsetAgreed,
    Command,
    LineTooLong,
    OptionEnabled,
    SubnegotiationTooLong,
    WindowSize,
)
from portal.wire.telnet import GO_AHEAD, KEEPALIVE, TelnetCodec, decode_text

VECTORS = sorted((Path(__file__).parents[1] / "vectors/telnet").glob("*.json"))
MAX_LINE, MAX_SUBNEGOTIATION = 32, 64


def make_codec():
    return TelnetCodec(MAX_LINE, MAX_SUBNEGOTIATION)


def write_down_and_read_back(codec):
    """What another process would make of it, by way of JSON."""
    other = make_codec()
    other.set_state(msgspec.json.decode(msgspec.json.encode(codec.get_state())))
    assert other.get_state() == codec.get_state()
    return other


def read_event(entry):
    if isinstance(entry, str):
        return entry.encode()
    name, *values = entry
    values = [tuple(value) if isinstance(value, list) else value for value in values]
    return getattr(event_types, name)(*values)


def load(path):
    """The vector as (what the client sends, events, replies) and the names of actions."""
    vector = json.loads(path.read_text())
    for step in vector["steps"]:
        if "do" in step:
            yield step["do"], bytes.fromhex(step["sends"])
        else:
            yield (
                bytes.fromhex(step["client"]),
                [read_event(each) for each in step["events"]],
                bytes.fromhex(step["replies"]),
            )


def whole(data):
    return [data]


def byte_by_byte(data):
    return [data[at : at + 1] for at in range(len(data))]


def cut_at_random(data):
    source = random.Random(len(data))
    places = sorted({0, len(data), *(source.randrange(len(data)) for _ in range(4))})
    return [data[a:b] for a, b in pairwise(places)]


CUTS = [whole, byte_by_byte, cut_at_random]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("moved", [False, True], ids=["one process", "moved at every cut"])
@pytest.mark.parametrize("cut", CUTS)
def test_transcripts(path, cut, moved):
    codec = make_codec()
    for step in load(path):
        if len(step) == 2:
            name, sends = step
            assert getattr(codec, name)() == sends
            continue
        data, expected_events, expected_replies = step
        found, replies = [], b""
        for piece in cut(data):
            if moved:
                codec = write_down_and_read_back(codec)
            found += codec.receive_data(piece)
            replies += codec.data_to_send()
        assert found == expected_events
        assert replies == expected_replies
    assert codec.settled is json.loads(path.read_text())["settled"]


def test_there_are_vectors():
    assert len(VECTORS) >= 4


def test_the_first_words():
    assert TelnetCodec.offers == bytes.fromhex("ff fd 18 ff fd 1f ff fb 2a")
    assert [KEEPALIVE, GO_AHEAD] == [b"\xff\xf1", b"\xff\xf9"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"look\r\nsay hi\r\n", [b"look", b"say hi"]),
        (b"x" * 32 + b"\n", [b"x" * 32]),
        (b"x" * 33 + b"\ny\n", [LineTooLong(32), b"y"]),
        (b"\xff\xfa\x18" + b"x" * 65 + b"\xff\xf0y\n", [SubnegotiationTooLong(64), b"y"]),
        (b"\xff\xf1look\n", [Command(241), b"look"]),
        (b"\xff\xfa\xc8hello\xff\xf0x\n", [b"x"]),
        (b"\xff\xfa\x03hello\xff\xf0x\n", [b"x"]),
        (b"\xc3\x28\xff\xff\n", [b"\xc3\x28\xff"]),
    ],
)
@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_lines_and_events(data, expected, cut):
    codec = make_codec()
    found = [event for piece in cut(data) for event in codec.receive_data(piece)]
    assert found == expected
    assert codec.data_to_send() == b""


def test_answers_wait_to_be_fetched_and_survive():
    codec = make_codec()
    codec.receive_data(b"\xff\xfb\x18\xff\xfd\x06lo")
    codec = write_down_and_read_back(codec)
    assert codec.pending == 2
    assert codec.output == bytes.fromhex("ff fa 18 01 ff f0 ff fb 06")
    assert codec.data_to_send() == bytes.fromhex("ff fa 18 01 ff f0 ff fb 06")
    assert codec.data_to_send() == codec.output == b""
    assert codec.receive_data(b"ok\n") == [b"look"]


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("utf-8", "hé\n", "hé\r\n".encode()),
        ("utf-8", "\udc80x", b"?x"),
        ("iso-8859-1", "ÿ€", b"\xff\xff?"),
        ("cp1251", "я", b"\xff\xff"),
        ("ascii", "é", b"?"),
        ("utf-8", "a\rb\r\n", b"a\r\0b\r\n"),
    ],
)
def test_text_out(encoding, text, expected):
    codec = make_codec()
    codec.encoding = encoding
    assert codec.encode_text(text) == expected


def test_the_encoding_is_set_by_the_caller():
    codec = make_codec()
    codec.receive_data(b"\xff\xfd\x2a")
    events = codec.receive_data(b"\xc3\xa9\n\xff\xfa\x2a\x02ISO-8859-1\xff\xf0\xe9\n")
    assert events == [b"\xc3\xa9", CharsetAgreed("iso-8859-1"), b"\xe9"]
    assert codec.encoding == "utf-8"


def test_hidden_is_a_wish():
    codec = make_codec()
    assert codec.hide_input() == b"\xff\xfb\x01"
    assert codec.hide_input() == b""
    assert codec.receive_data(b"\xff\xfe\x01") != []  # it cannot hide
    assert codec.hidden is True
    assert codec.show_input() == b""
    assert codec.hidden is False
    assert codec.hide_input() == b"\xff\xfb\x01"


class Admission:
    def __init__(self, count):
        self.left = count
        self.asked = 0

    def __call__(self):
        self.asked += 1
        self.left -= 1
        return self.left >= 0


def test_admission_counts_everything_but_lines():
    codec = make_codec()
    admit = Admission(2)
    data = b"a\n\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xf6\xff\xfb\x18b\n" + b"x" * 40
    events = codec.receive_data(data, admit)
    assert events == [
        b"a",
        OptionEnabled(31, local=False),
        WindowSize(80, 24),
        b"b",
        LineTooLong(32),
    ]
    assert codec.data_to_send() == b""
    assert admit.asked == 4


def test_a_storm_is_bounded_in_what_it_leaves_behind():
    codec = make_codec()
    storm = b"".join(
        bytes([255, verb, option]) for verb in (251, 253) for option in range(255) for _ in range(3)
    )
    codec.receive_data(storm)
    replies = codec.data_to_send()
    # One answer for each option and direction, three for the momentary one, and two questions.
    assert replies.count(b"\xff\xfe") + replies.count(b"\xff\xfc") < 2 * 255
    assert len(replies) < 2 * 255 * 3 + 60
    state = msgspec.json.encode(codec.get_state())
    codec.receive_data(storm)
    assert codec.data_to_send() == b"\xff\xfb\x06" * 3
    assert msgspec.json.encode(codec.get_state()) == state


@pytest.mark.parametrize(
    ("before", "limits", "after", "expected"),
    [
        (b"", (4, 4), b"abcd\nabcde\n", [b"abcd", LineTooLong(4)]),
        (b"", (20, 4), b"abcdefghijkl\n", [b"abcdefghijkl"]),
        (b"abc", (4, 4), b"d\n", [b"abcd"]),
        (b"abcdef", (4, 4), b"g\nab\n", [LineTooLong(4), b"ab"]),
        (b"abcdefghijk", (20, 4), b"lmnop\nab\n", [b"ab"]),  # it was too long before
        (b"\xff\xfa\xc8abcdef", (8, 4), b"g\xff\xf0x\n", [SubnegotiationTooLong(4), b"x"]),
    ],
)
def test_other_limits_also_for_what_has_begun(before, limits, after, expected):
    codec = TelnetCodec(8, 8)
    codec.receive_data(before)
    codec.set_limits(*limits)
    assert codec.receive_data(after) == expected


@pytest.mark.parametrize(
    ("data", "encoding", "others", "text"),
    [
        (b"abc", "utf-8", (), "abc"),
        ("é".encode(), "utf-8", ("latin-1",), "é"),
        (b"\xe9", "utf-8", ("latin-1",), "é"),
        (b"\xe9", "utf-8", ("ascii", "cp1251", "latin-1"), "й"),
        (b"\xe9", "utf-8", (), "\N{REPLACEMENT CHARACTER}"),
        (b"\xe9", "utf-8", ("ascii", "big5"), "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_decoding_a_line(data, encoding, others, text):
    assert decode_text(data, encoding, others) == text


def test_nul_between_lines_is_an_event():
    data = b"\0a\0b\r\0\0"
    for cut in range(len(data) + 1):
        codec = TelnetCodec(10, 10)
        events = codec.receive_data(data[:cut]) + codec.receive_data(data[cut:])
        assert events == [Command(0), b"ab", Command(0)]
    assert TelnetCodec(10, 10).receive_data(b"\0\n", lambda: False) == [b""]
