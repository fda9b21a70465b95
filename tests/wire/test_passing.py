import pytest

from portal.errors import RemoteProtocolError
from portal.wire.passing import (
    check_target,
    is_for_eyes,
    pass_answer_back,
    pass_request_on,
)

HOST = ("host", "game.example")
PLAYER = "203.0.113.9"


def fields(*pairs):
    return [(name.encode(), value.encode()) for name, value in pairs]


def texts(found):
    return [(name.decode(), value.decode()) for name, value in found]


def pass_on(*pairs, client=PLAYER, trusted=False):
    found = pass_request_on(
        fields(*pairs),
        client=client.encode(),
        trusted=trusted,
        scheme=b"http",
        host=b"127.0.0.1:4005",
    )
    return texts(found)


ADDED = [
    ("via", "1.1 portal"),
    ("x-forwarded-for", PLAYER),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "game.example"),
]


# ---- requests


def test_what_is_added():
    assert pass_on(HOST) == [HOST, *ADDED]


def test_everything_else_stays_as_it_was():
    kept = [
        ("accept", "text/html"),
        ("cookie", "a=b"),
        ("cookie", "c=d; e=\xff"),
        ("content-length", "17"),
        ("range", "bytes=0-"),
        ("origin", "https://game.example"),
        ("if-none-match", '"x"'),
        ("accept-encoding", "gzip"),
    ]
    assert pass_on(HOST, *kept) == [HOST, *kept, *ADDED]


@pytest.mark.parametrize(
    "dropped",
    [
        [("connection", "keep-alive"), ("keep-alive", "5")],
        [("proxy-connection", "x")],
        [("te", "trailers"), ("trailer", "x")],
        [("upgrade", "h2c")],
        [("proxy-authorization", "Basic x")],
        [("connection", "X-Secret, close"), ("x-secret", "a"), ("x-secret", "b")],
        [("connection", "x-one"), ("connection", " , X-Two ,"), ("x-one", "a"), ("x-two", "b")],
        [("expect", "100-continue")],
        # What tells who the client is, in the words of the client.
        [("x-forwarded-for", "127.0.0.1")],
        [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "127.0.0.2, 127.0.0.3")],
        [("x-real-ip", "127.0.0.1"), ("forwarded", "for=127.0.0.1")],
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")],
        [("x-forwarded-port", "1"), ("x-forwarded-ssl", "on"), ("x-forwarded-prefix", "/x")],
        [("connection", "x-forwarded-for"), ("x-forwarded-for", "127.0.0.1")],
        # CGI makes the same name of these.
        [("x_forwarded_for", "127.0.0.1"), ("x_real-ip", "127.0.0.1"), ("content_length", "5")],
    ],
)
def test_what_is_dropped(dropped):
    assert pass_on(*dropped, HOST, ("a", "b")) == [HOST, ("a", "b"), *ADDED]


@pytest.mark.parametrize("named", ["host", "content-length"])
def test_connection_cannot_change_the_request_itself(named):
    pairs = [HOST, ("content-length", "5")]
    assert pass_on(*pairs, ("connection", named)) == [*pairs, *ADDED]


def test_a_chunked_body_stays_one():
    found = pass_on(HOST, ("transfer-encoding", "Chunked"))
    assert found == [HOST, ("transfer-encoding", "chunked"), *ADDED]


def test_a_request_without_a_host_gets_that_of_the_server():
    found = pass_on(("a", "b"))
    assert found == [("host", "127.0.0.1:4005"), ("a", "b"), *ADDED[:3]]


def test_a_player_without_an_address():
    assert "x-forwarded-for" not in dict(pass_on(HOST, client=""))


def test_the_hops_before_are_kept():
    found = dict(pass_on(HOST, ("via", "1.0 fred"), ("via", "1.1 nginx")))
    assert found["via"] == "1.0 fred, 1.1 nginx, 1.1 portal"


def test_what_a_trusted_proxy_says():
    said = [("x-forwarded-proto", "https"), ("x-forwarded-host", "a"), ("x-forwarded-port", "443")]
    found = pass_on(HOST, ("x-forwarded-for", "1.2.3.4, 203.0.113.9"), *said, trusted=True)
    assert found == [HOST, *said, ("via", "1.1 portal"), ("x-forwarded-for", PLAYER)]


@pytest.mark.parametrize(
    ("method", "target", "right"),
    [
        ("GET", "/", True),
        ("GET", "//evil.example/..%2f?a=http://x#c", True),
        ("OPTIONS", "*", True),
        ("GET", "*", False),
        ("GET", "http://evil.example/", False),
        ("CONNECT", "evil.example:443", False),
        ("GET", "?a", False),
    ],
)
def test_targets(method, target, right):
    if right:
        check_target(method.encode(), target.encode())
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            check_target(method.encode(), target.encode())
        assert caught.value.name == "400"


# ---- answers


def test_an_answer_keeps_what_is_its_own():
    kept = [
        ("server", "TwistedWeb/24"),
        ("date", "x"),
        ("set-cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("location", "/x"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("x_custom", "kept"),
    ]
    hop = [("connection", "close, X-Hop"), ("x-hop", "a"), ("keep-alive", "1"), ("upgrade", "h2c")]
    assert texts(pass_answer_back(fields(*kept, *hop))) == kept


def test_an_answer_in_chunks_has_no_length():
    pairs = [("transfer-encoding", "chunked"), ("content-length", "5"), ("a", "b")]
    assert texts(pass_answer_back(fields(*pairs))) == [("a", "b")]


@pytest.mark.parametrize(
    ("method", "pairs", "expected"),
    [
        ("GET", [("accept", "text/html,*/*")], True),
        ("POST", [("accept", "text/html")], True),
        ("GET", [("accept", "text/html"), ("sec-fetch-mode", "navigate")], True),
        ("GET", [("accept", "text/html"), ("sec-fetch-mode", "cors")], False),
        ("GET", [("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], False),
        ("GET", [("accept", "*/*")], False),
        ("GET", [], False),
        ("PUT", [("accept", "text/html")], False),
    ],
)
def test_who_looks_at_it(method, pairs, expected):
    assert is_for_eyes(method.encode(), fields(*pairs)) is expected
