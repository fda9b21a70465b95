import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.errors import RemoteProtocolError
from portal.wire.http import MAX_FIELDS, SECURITY_HEADERS, read_head, refuse


def head(*fields, line="GET / HTTP/1.1"):
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("data", "size", "wants_websocket"),
    [
        (head(), 0, False),
        (head("Host: x", line="GET /a?b=%20#c HTTP/1.0"), 0, False),
        (head("Host: x", line="OPTIONS * HTTP/1.1"), 0, False),
        (head("Host: x", line="CONNECT x:443 HTTP/1.1"), 0, False),
        (head("Host:x", "X-Y_z: \t né ÿ \t"), 0, False),
        (head("Content-Length: 0"), 0, False),
        (head("content-length:17 "), 17, False),
        (head("CONTENT-LENGTH: 123456789012345"), 123456789012345, False),
        (head("Upgrade: websocket"), 0, True),
        (head("uPGRADE:\tfoo, WebSocket/13 "), 0, True),
        (head("Upgrade: h2c", "Upgrade: websocket"), 0, True),
        (head("Upgrade: websocket", "Content-Length: 0"), 0, True),
        (head("X-Upgrade: websocket"), 0, False),
        (head("Upgrade-Insecure-Requests: 1"), 0, False),
        (head("Accept: upgrade: websocket"), 0, False),
        (head(*["A: b"] * MAX_FIELDS), 0, False),
    ],
)
def test_heads(data, size, wants_websocket):
    found = read_head(data)
    assert (found.body_bytes, found.wants_websocket) == (size, wants_websocket)
    if b"\r\nupgrade:" not in data.lower():
        assert found.data == data


@pytest.mark.parametrize("value", ["chunked", "Chunked", "\tCHUNKED "])
def test_a_body_in_chunks(value):
    found = read_head(head(f"Transfer-Encoding: {value}", line="POST /a HTTP/1.1"))
    assert (found.chunked, found.body_bytes) == (True, 0)
    assert not read_head(head("Content-Length: 5")).chunked


@pytest.mark.parametrize("target", ["/", "/a?", "/a%2f/..//?b=%20#c", "*", "http://x/a?b"])
def test_the_target_is_what_it_was(target):
    assert read_head(head(line=f"GET {target} HTTP/1.1")).target == target.encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["Upgrade: h2c"], []),
        (["Host: x", "Upgrade: h2c", "A: b"], ["Host: x", "A: b"]),
        (["Host: x", "upgrade:h2c", "A: b", "UPGRADE: "], ["Host: x", "A: b"]),
        (
            ["Connection: Upgrade", "HTTP2-Settings: AAM"],
            ["Connection: Upgrade", "HTTP2-Settings: AAM"],
        ),
    ],
)
def test_nobody_else_sees_an_upgrade(before, after):
    assert read_head(head(*before)).data == head(*after)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        # No proper heads: readers differ in what they see in them.
        (b"\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\n", "400"),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", "400"),
        (head(line="GET / HTTP/1.1 "), "400"),
        (head(line="GET  / HTTP/1.1"), "400"),
        (head(line="GET / HTTP/11"), "400"),
        (head(line="GET /"), "400"),
        (head(line="GET / a HTTP/1.1"), "400"),
        (head(line="GET /\x7f HTTP/1.1"), "400"),
        (head(line="GET /é HTTP/1.1"), "400"),
        (head(line="GET / http/1.1"), "400"),
        (head(line="G(T / HTTP/1.1"), "400"),
        (b"GET / HTTP/1.1\nHost: x\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\nUpgrade: websocket\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\n\nGET / HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\rUpgrade: websocket\r\n\r\n", "400"),
        (head("Upgrade:", " websocket"), "400"),
        (head("A: b", "\tfolded"), "400"),
        (head("Upgrade : websocket"), "400"),
        (head("no colon"), "400"),
        (head(": no name"), "400"),
        (head("Na\0me: x"), "400"),
        (head("A: b\0c"), "400"),
        (head("A: \x1b[2J"), "400"),
        (head("A: \x7f"), "400"),
        # Bodies whose end is in doubt.
        (head("Content-Length: "), "400"),
        (head("Content-Length: -1"), "400"),
        (head("Content-Length: +1"), "400"),
        (head("Content-Length: 1_0"), "400"),
        (head("Content-Length: ²"), "400"),
        (head("Content-Length: 0x10"), "400"),
        (head("Content-Length: 5, 5"), "400"),
        (head("Content-Length: 5", "Content-Length: 5"), "400"),
        (head("Content-Length: " + "9" * 16), "400"),
        (head("Transfer-Encoding: chunked", line="POST / HTTP/1.0"), "400"),
        (head("transfer-encoding: chunked", "Content-Length: 5"), "400"),
        (head("Content-Length: 0", "transfer-encoding: identity"), "400"),
        (head("Transfer-Encoding: identity"), "501"),
        (head("Transfer-Encoding: gzip, chunked"), "501"),
        (head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "501"),
        (head("Transfer-Encoding: xchunked"), "501"),
        (head("Transfer-Encoding: "), "501"),
        # What no websocket begins with.
        (head("Upgrade: websocket", line="GET / HTTP/1.0"), "400"),
        (head("Upgrade: websocket", "Content-Length: 1"), "400"),
        (head("Upgrade: websocket", "Transfer-Encoding: chunked"), "400"),
        # Other versions; the first is how HTTP/2 begins.
        (b"PRI * HTTP/2.0\r\n\r\n", "505"),
        (head(line="GET / HTTP/2.0"), "505"),
        (head(line="GET / HTTP/1.2"), "505"),
        (head(line="GET / HTTP/0.9"), "505"),
        # More than anybody sends.
        (head(*["A: b"] * (MAX_FIELDS + 1)), "431"),
        (b"\n" * 16_000, "431"),
    ],
)
def test_what_is_refused(data, status):
    with pytest.raises(RemoteProtocolError) as caught:
        read_head(data)
    assert caught.value.name == status
    assert caught.value.text.isascii()


PIECES = st.sampled_from(
    [
        *(b"GET ", b"/", b" HTTP/1.1", b" HTTP/2.0", b"\r\n", b"\n", b"\r", b": ", b":", b" "),
        *(b"Upgrade", b"websocket", b"h2c", b"Content-Length", b"Transfer-Encoding", b"chunked"),
        *(b"Host", b"x", b"7", b"\t", b"\0", b"\xff"),
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=100))
@example(b"")
def test_whatever_comes_it_is_read_or_refused(data):
    try:
        found = read_head(data)
    except RemoteProtocolError as error:
        assert error.name in {"400", "431", "501", "505"}
    else:
        again = read_head(found.data)
        assert (again.data, again.body_bytes) == (found.data, found.body_bytes)
        assert not again.wants_websocket
        assert data.endswith(b"\r\n\r\n")
        assert data.index(b"\r\n\r\n") + 4 == len(data)


@pytest.mark.parametrize("status", [400, 403, 408, 413, 426, 431, 501, 503, 505])
def test_refusals(status):
    data = refuse(status, "No, né.", ("Retry-After", "5"))
    top, body = data.split(b"\r\n\r\n")
    first, *fields = top.decode("ascii").split("\r\n")
    assert first.startswith(f"HTTP/1.1 {status} ")
    values = dict(field.split(": ", 1) for field in fields)
    assert len(values) == len(fields)
    assert body.decode() == "No, né.\n"
    assert values["Content-Length"] == str(len(body))
    assert values["Connection"] == "close"
    assert values["Retry-After"] == "5"
    assert SECURITY_HEADERS.items() <= values.items()
