"""The compiled websocket codec as Python sees it; its cases stand in the crate's own tests."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal._native import WebSocketDecoder, websocket_frame, websocket_text

MASK = bytes.fromhex("37fa213d")


def make_decoder():
    return WebSocketDecoder(300)


def frame(first, payload=b"", mask=MASK):
    """A client's frame with `first` as its first byte."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first]) + length + mask + masked


def text(payload):
    return frame(0x81, payload)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (bytes.fromhex("818537fa213d7f9f4d5158"), ["Hello"]),  # RFC 6455, section 5.7
        (text(b"") + text("né".encode()), ["", "né"]),
        (frame(0x82, b"\0\xff"), [b"\0\xff"]),
        (frame(0x01, b"Hel") + frame(0x89, b"!") + frame(0x80, b"lo"), [(9, b"!"), "Hello"]),
        (frame(0x02, b"a") + frame(0x00) + frame(0x80), [b"a"]),
        (frame(0x8A), [(10, b"")]),
        (frame(0x88, b"\x03\xe8bye") + text(b"x"), [(8, b"\x03\xe8bye")]),
        (frame(0x88) + text(b"x"), [(8, b"")]),
        (text(b"x" * 300), ["x" * 300]),
        (text(b"x" * 301)[:8] + text(b"y"), [(1009, b"message is too long")]),
        (text(b"\xff") + text(b"x"), [(1007, b"text is not UTF-8")]),
        (frame(0x01) * 2, [(1002, b"new message inside a message")]),
        (frame(0x01) + frame(0) * 64, [(1008, b"too many empty fragments")]),
    ],
)
def test_messages(data, expected):
    assert make_decoder().receive_data(data) == expected
    decoder = make_decoder()
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert [item for piece in pieces for item in decoder.receive_data(piece)] == expected


def test_pending():
    decoder = make_decoder()
    decoder.receive_data(frame(0x01, b"loo") + frame(0x80, b"k")[:6])
    assert decoder.pending == 3
    assert decoder.receive_data(frame(0x80, b"k")[6:]) == ["look"]
    assert decoder.pending == 0


def test_an_idle_decoder_is_small():
    # It exists once per connection, and owns nothing else (a test of the crate).
    assert sys.getsizeof(make_decoder()) <= 160


FRAMES = st.builds(
    frame,
    st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88]),
    st.binary(max_size=6),
)


@given(st.lists(FRAMES, max_size=8).map(b"".join), st.integers(0, 100))
def test_a_state_goes_on_the_same(data, cut):
    first, second = make_decoder(), make_decoder()
    items = first.receive_data(data[:cut])
    state = first.get_state()
    assert {type(value) for value in state.values()} <= {int, bool, bytes}
    second.set_state(state)
    assert second.get_state() == state
    assert items + second.receive_data(data[cut:]) == make_decoder().receive_data(data)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"kind": 3}, ValueError),
        ({"kind": 256}, (TypeError, OverflowError)),
        ({"header": b"\x81\x80abcd"}, ValueError),
        ({"header": "text"}, TypeError),
        ({"mask": b"123"}, (TypeError, ValueError)),
        ({"left": -1}, (TypeError, OverflowError)),
        ({"left": None}, TypeError),
    ],
)
def test_a_wrong_state_is_refused(change, error):
    decoder = make_decoder()
    state = decoder.get_state()
    with pytest.raises(error):
        decoder.set_state({**state, **change})
    with pytest.raises(KeyError):
        decoder.set_state({})
    assert decoder.get_state() == state


@pytest.mark.parametrize("wrong", ["text", None, 3, [1]])
def test_only_bytes_are_read(wrong):
    with pytest.raises(TypeError):
        make_decoder().receive_data(wrong)
    with pytest.raises(TypeError):
        websocket_frame(2, wrong)


@pytest.mark.parametrize(
    ("opcode", "payload", "expected"),
    [
        (1, b"Hello", bytes.fromhex("810548656c6c6f")),
        (2, b"", b"\x82\0"),
        (9, b"Hello", bytes.fromhex("890548656c6c6f")),
        (8, b"\x03\xe8", b"\x88\2\x03\xe8"),
        (10, b"x" * 125, b"\x8a\x7d" + b"x" * 125),
        (2, b"x" * 126, b"\x82\x7e\0\x7e" + b"x" * 126),
        (2, b"x" * 65535, b"\x82\x7e\xff\xff" + b"x" * 65535),
        (2, b"x" * 65536, b"\x82\x7f\0\0\0\0\0\1\0\0" + b"x" * 65536),
    ],
)
def test_the_way_out(opcode, payload, expected):
    assert websocket_frame(opcode, payload) == expected


@pytest.mark.parametrize("opcode", [0, 3, 7, 11, 15, 16, 255])
def test_only_whole_messages_go_out(opcode):
    with pytest.raises(ValueError, match=f"opcode {opcode}"):
        websocket_frame(opcode, b"")


def test_a_control_frame_is_short():
    with pytest.raises(ValueError, match="control frame of 126 bytes"):
        websocket_frame(9, b"x" * 126)


@given(st.text(max_size=200))
def test_texts_out(text):
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            websocket_text(text)
    else:
        assert websocket_text(text) == websocket_frame(1, payload)
