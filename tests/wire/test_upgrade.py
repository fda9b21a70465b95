import time

import pytest
import wsproto
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import AcceptConnection, Request

from portal.errors import RemoteProtocolError
from portal.wire.http import read_head
from portal.wire.upgrade import ONLY_13, read_upgrade

FIELDS = {
    "Host": "game.example:4001",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def head(fields=None, *, line="GET /play/me?name=A%20B&x HTTP/1.1", **more):
    """A handshake; names in `more` have underscores, and None leaves a field out."""
    fields = dict(FIELDS if fields is None else fields)
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [line, *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_handshake():
    upgrade = read_upgrade(
        head(
            Origin="https://game.example",
            Sec_WebSocket_Protocol="a.example, v1.evennia.com",
            X_Forwarded_For="192.0.2.1",
        )
    )
    assert (upgrade.path, upgrade.query) == ("/play/me", "name=A%20B&x")
    assert upgrade.host == "game.example:4001"
    assert upgrade.origin == "https://game.example"
    assert upgrade.subprotocols == ("a.example", "v1.evennia.com")
    assert upgrade.header("x-forwarded-for") == "192.0.2.1"
    assert upgrade.header("x-real-ip") == ""
    assert ("connection", "keep-alive, Upgrade") in upgrade.headers
    answer = upgrade.accept("v1.evennia.com")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")
    # The example of RFC 6455, section 1.3.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"Sec-WebSocket-Protocol: v1.evennia.com\r\n" in answer


@pytest.mark.parametrize("target", ["/", "/?", "*", "http://game.example/x?y=z"])
def test_a_bare_one(target):
    upgrade = read_upgrade(head(line=f"GET {target} HTTP/1.1"))
    path, _, query = target.partition("?")
    assert (upgrade.path, upgrade.query) == (path, query)
    assert (upgrade.origin, upgrade.subprotocols) == ("", ())
    assert b"Protocol" not in upgrade.accept().partition(b"Switching Protocols")[2]


def test_several_fields_of_a_name_are_one():
    data = head(X_Forwarded_For="192.0.2.1").replace(
        b"Host:", b"x-forwarded-for: 192.0.2.2\r\nHost:"
    )
    assert read_upgrade(data).header("x-forwarded-for") == "192.0.2.2, 192.0.2.1"


def test_no_extension_is_accepted():
    upgrade = read_upgrade(
        head(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    )
    assert b"Extensions" not in upgrade.accept()


def test_a_real_client_takes_the_answer():
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    sent = client.send(Request(host="x", target="/", subprotocols=["v1.evennia.com"]))
    client.receive_data(read_upgrade(sent).accept("v1.evennia.com"))
    (event,) = client.events()
    assert isinstance(event, AcceptConnection)
    assert event.subprotocol == "v1.evennia.com"


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (head(line="POST / HTTP/1.1"), "400", "must be GET"),
        (head(line="HEAD / HTTP/1.1"), "400", "must be GET"),
        (head(Host=None), "400", "Bad HTTP message"),
        (head(Host="gäme.example"), "400", "Bad HTTP message"),
        (head(Host="xn--\xff"), "400", "Bad HTTP message"),
        (head(Host="xn--" + "a" * 16_000 + "\xff"), "400", "Bad HTTP message"),
        (head(Connection=None), "400", "'Connection: Upgrade'"),
        (head(Connection="close"), "400", "'Connection: Upgrade'"),
        (head(Connection="\xfe"), "400", "Bad HTTP message"),
        (head(Upgrade="notwebsocket"), "400", "'Upgrade: websocket'"),
        (head(Upgrade="websocket, h2c"), "400", "'Upgrade: websocket'"),
        (head(Sec_WebSocket_Version=None), "400", "'Sec-WebSocket-Version'"),
        (head(Sec_WebSocket_Version="8"), "426", ONLY_13),
        (head(Sec_WebSocket_Version="13, 8"), "426", ONLY_13),
        (head(Sec_WebSocket_Version="\xb2"), "426", ONLY_13),
        (head(Sec_WebSocket_Key=None), "400", "'Sec-WebSocket-Key'"),
        (head(Sec_WebSocket_Key=""), "400", "16 bytes"),
        (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ"), "400", "16 bytes"),
        (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==="), "400", "16 bytes"),
        (head(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZS4uLi4uLg=="), "400", "16 bytes"),
        (head(Sec_WebSocket_Key="dGhlIHNhbXBs\xffSBub25jZQ=="), "400", "16 bytes"),
        (head(Sec_WebSocket_Protocol="\xff"), "400", "Bad HTTP message"),
        (head(Sec_WebSocket_Extensions="\xff"), "400", "Bad HTTP message"),
        (head(Content_Length="x"), "400", "Bad HTTP message"),
        (head(), None, ""),
        (head(Origin="\xff\xfe"), None, ""),
        (head(Sec_WebSocket_Protocol=",,"), None, ""),
        (head(Host=""), None, ""),
        (head(Host="a" * 16_000), None, ""),
        (head(Host="a..b"), None, ""),
    ],
)
def test_what_is_no_handshake(data, status, text):
    began = time.perf_counter()
    if status is None:
        read_upgrade(data).accept()
    else:
        with pytest.raises(RemoteProtocolError) as caught:
            read_upgrade(data)
        assert caught.value.name == status
        assert text in caught.value.text
    # A host of 16 000 letters must not cost more than others: it is decoded by IDNA's rules.
    assert time.perf_counter() - began < 1.0


def test_a_key_that_comes_twice_is_none():
    data = head().replace(b"Host:", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost:")
    with pytest.raises(RemoteProtocolError, match="16 bytes"):
        read_upgrade(data)


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n", b"\r\n\r\n", b"GET"])
def test_half_a_head_is_none(data):
    with pytest.raises(RemoteProtocolError, match="Bad HTTP message"):
        read_upgrade(data)


VALUES = st.text(
    st.characters(min_codepoint=9, max_codepoint=255, exclude_characters="\r\n"), max_size=12
) | st.sampled_from([*FIELDS.values(), "h2c", "chunked", "5", "permessage-deflate"])
NAMES = st.sampled_from([*FIELDS, "Origin", "Sec-WebSocket-Protocol", "Content-Length", "A"])


@given(st.dictionaries(NAMES, VALUES), st.booleans())
def test_whatever_comes_it_is_accepted_or_refused(fields, whole):
    data = head({**FIELDS, **fields} if whole else fields)
    try:
        if read_head(data).wants_websocket:
            upgrade = read_upgrade(data)
            assert upgrade.accept().startswith(b"HTTP/1.1 101 ")
            if upgrade.subprotocols:
                subprotocol = upgrade.subprotocols[-1]
                assert subprotocol.isascii()
    except RemoteProtocolError as error:
        assert error.name in {"400", "426", "501"}
