import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.errors import RemoteProtocolError
from portal.wire.body import FIELDS, MAX_LINE_BYTES, MAX_LINES, WRONG, Body
from portal.wire.http import read_head

PLAIN = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next"


def cuts(data):
    """Every way to cut it in two, and every byte alone."""
    yield from ([data[:cut], data[cut:]] for cut in range(len(data) + 1))
    yield [data[at : at + 1] for at in range(len(data))]


def measure(body, pieces):
    return sum(body.measure(piece) for piece in pieces)


def test_none_has_ended():
    for head in (PLAIN % 0, b"GET / HTTP/1.1\r\n\r\n"):
        body = Body(read_head(head))
        assert body.ended
        assert body.measure(NEXT) == 0


@pytest.mark.parametrize("size", [1, 2, 17])
def test_plain(size):
    data = b"x" * size
    for pieces in cuts(data + NEXT):
        body = Body(read_head(PLAIN % size))
        assert not body.ended
        assert measure(body, pieces) == size
        assert (body.ended, body.size) == (True, size)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"0\r\n\r\n", 0),
        (b"5\r\nhello\r\n0\r\n\r\n", 5),
        (b"5\r\nhello\r\n1\r\n!\r\n00000000\r\n\r\n", 6),
        (b"00000005;a=b;c\r\nhello\r\n0 \r\n\r\n", 5),
        (b"0a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n", 10),
        (b"A\r\n0123456789\r\n0\r\n\r\n", 10),
    ],
)
def test_chunks(data, size):
    for pieces in cuts(data + NEXT):
        body = Body(read_head(CHUNKED))
        assert measure(body, pieces) == len(data)
        assert (body.ended, body.size) == (True, size)
    body = Body(read_head(CHUNKED))
    assert body.measure(data[:-1]) == len(data) - 1
    assert not body.ended


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\r\n", WRONG),
        (b"g\r\n", WRONG),
        (b"-1\r\n", WRONG),
        (b"+1\r\n", WRONG),
        (b"0x1\r\n", WRONG),
        (b"1_0\r\n", WRONG),
        (b" 1\r\n", WRONG),
        (b"1 ;a\r\n", WRONG),
        (b"000000001\r\n", WRONG),
        (b"5\nhello\r\n0\r\n\r\n", WRONG),
        (b"5\rhello\r\n", WRONG),
        (b"5\r\nhello!\r\n0\r\n\r\n", WRONG),
        (b"5\r\nhello\n0\r\n\r\n", WRONG),
        (b"5;\0\r\nhello\r\n", WRONG),
        (b"5;\r\r\nhello\r\n", WRONG),
        (b"5;" + b"x" * MAX_LINE_BYTES + b"\r\n", WRONG),
        (b"5" * (MAX_LINE_BYTES + 1), WRONG),
        (b"0\r\nTrailer: x\r\n\r\n", FIELDS),
    ],
)
def test_what_is_refused(data, text):
    for pieces in cuts(data):
        body = Body(read_head(CHUNKED))
        with pytest.raises(RemoteProtocolError) as caught:
            measure(body, pieces)
        assert (caught.value.name, caught.value.text) == ("400", text)


def test_not_too_many_chunks_are_looked_at_in_one_go():
    data = b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n" + NEXT
    body = Body(read_head(CHUNKED))
    at = rounds = 0
    while not body.ended:
        size = body.measure(data[at:])
        assert 0 < size <= 6 * MAX_LINES
        at += size
        rounds += 1
    assert data[at:] == NEXT
    assert body.size == 1000
    assert rounds == 5  # of 2002 lines


PIECES = st.sampled_from(
    [b"0", b"1", b"5", b"\r\n", b"\n", b"\r", b";", b"x", b"hello", b" ", b"\0", b"0\r\n\r\n"]
)


@given(st.lists(PIECES, max_size=20).map(b"".join), st.integers(0, 40))
@example(b"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n", 0)
@example(b"1\r\n00", 0)
def test_h11_sees_the_same_end(data, cut):
    """Whoever reads the request after us finds its end at the same byte, or no request at all."""
    body = Body(read_head(CHUNKED))
    try:
        size = measure(body, [data[:cut], data[cut:]])
    except RemoteProtocolError:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(CHUNKED + data)
    seen = bytearray()
    try:
        while isinstance(event := reader.next_event(), h11.Request | h11.Data):
            if isinstance(event, h11.Data):
                seen += event.data
    except h11.RemoteProtocolError:  # it does not wait for the end of a wrong line
        assert not body.ended
        return
    assert (type(event) is h11.EndOfMessage) == body.ended
    if body.ended:
        assert reader.trailing_data[0] == data[size:]
        assert len(seen) == body.size
