"""The compiled telnet codec as Python sees it; its cases stand in the crate's own tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal._native import TelnetDecoder, telnet_escape, telnet_text


def make_decoder():
    return TelnetDecoder(16, 8)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"look\r\n", [b"look"]),
        (b"a\nb\rc\r\0d", [b"a", b"b", b"c"]),
        (b"\r\n\n", [b"", b""]),
        (b"lop\x08ok\n", [b"look"]),
        (b"a\xff\xffb\n", [b"a\xffb"]),
        (b"\xff\xfb\x18\xff\xfe\x01", [(251, 24, b""), (254, 1, b"")]),
        (b"\xff\xf6", [(246, 0, b"")]),
        (b"\xff\xfa\x1f\0\xff\xff\xff\xf0", [(250, 31, b"\0\xff")]),
        (b"x" * 17, [(0, 0, b"17")]),
        (b"\xff\xfa\x18" + b"x" * 9, [(0, 1, b"9")]),
    ],
)
def test_tokens(data, expected):
    assert make_decoder().receive_data(data) == expected
    decoder = make_decoder()
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert [token for piece in pieces for token in decoder.receive_data(piece)] == expected


def test_pending():
    decoder = make_decoder()
    decoder.receive_data(b"loo")
    assert decoder.pending == 3
    decoder.receive_data(b"k\n")
    assert decoder.pending == 0


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_state_goes_on_the_same(data, cut):
    first, second = make_decoder(), make_decoder()
    tokens = first.receive_data(data[:cut])
    state = first.get_state()
    assert {type(value) for value in state.values()} <= {int, bool, bytes}
    second.set_state(state)
    assert second.get_state() == state
    assert tokens + second.receive_data(data[cut:]) == make_decoder().receive_data(data)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"phase": 7}, ValueError),
        ({"phase": 256}, TypeError),
        ({"line": "text"}, TypeError),
        ({"phase": None}, TypeError),
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
        telnet_escape(wrong)
    with pytest.raises(TypeError):
        telnet_text(wrong)


@pytest.mark.parametrize(
    ("data", "escaped", "text"),
    [
        (b"", b"", b""),
        (b"look", b"look", b"look"),
        (b"a\nb", b"a\nb", b"a\r\nb"),
        (b"\xff\r", b"\xff\xff\r", b"\xff\xff\r\0"),
        (b"\r\n\r\r\n", b"\r\n\r\r\n", b"\r\n\r\0\r\n"),
    ],
)
def test_the_way_out(data, escaped, text):
    assert telnet_escape(data) == escaped
    assert telnet_text(data) == text


def test_what_is_right_already_is_not_copied():
    data = b"a long line that has nothing in it"
    assert telnet_escape(data) is data
    assert telnet_text(data) is data
