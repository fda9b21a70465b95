import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events as peer_events
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.utilities import LocalProtocolError as PeerError

from portal.errors import LocalProtocolError
from portal.wire import websocket
from portal.wire.websocket import CloseReceived, PongReceived, ProtocolFailed, WebSocketCodec

MAX_MESSAGE = 300
MASK = bytes.fromhex("37fa213d")
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


def make_codec():
    return WebSocketCodec(MAX_MESSAGE)


def frame(first, payload=b""):
    """A client's frame with `first` as its first byte."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([first]) + length + MASK + masked(payload)


def masked(payload):
    return bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def failed(code, reason):
    """The event of a failure, and what the client is told."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return ProtocolFailed(code, reason), bytes([CLOSE, len(payload)]) + payload


def write_down_and_read_back(codec):
    """What another process would make of it, by way of JSON."""
    other = make_codec()
    other.set_state(msgspec.json.decode(msgspec.json.encode(codec.get_state())))
    assert other.get_state() == codec.get_state()
    return other


BAD_TEXT, BAD_TEXT_CLOSE = failed(1007, "text is not UTF-8")
UNMASKED, UNMASKED_CLOSE = failed(1002, "frame without a mask")
TOO_LONG, TOO_LONG_CLOSE = failed(1009, "message is too long")

CASES = [
    (b"", [], b""),
    (frame(TEXT, b"look") + frame(TEXT, b""), ["look", ""], b""),
    (frame(BINARY, b"\0\xff") + frame(TEXT, "né".encode()), [b"\0\xff", "né"], b""),
    (frame(0x01, b"lo") + frame(PING, b"1") + frame(0x80, b"ok"), ["look"], b"\x8a\x011"),
    (frame(PING, b"1") + frame(PING) + frame(PING, b"3"), [], b"\x8a\x011\x8a\0\x8a\x013"),
    (frame(PONG, b"1") + frame(TEXT, b"x"), [PongReceived(b"1"), "x"], b""),
    (frame(CLOSE) + frame(TEXT, b"x"), [CloseReceived(1005, "")], b"\x88\0"),
    (
        frame(TEXT, b"x") + frame(PING) + frame(CLOSE, b"\x03\xe9bye") + frame(PING),
        ["x", CloseReceived(1001, "bye")],
        b"\x8a\0\x88\x02\x03\xe9",
    ),
    (frame(TEXT, b"a\xff") + frame(TEXT, b"x"), [BAD_TEXT], BAD_TEXT_CLOSE),
    (frame(PING) + b"\x81\x01x" + frame(PING), [UNMASKED], b"\x8a\0" + UNMASKED_CLOSE),
    (frame(TEXT, b"x" * 300), ["x" * 300], b""),
    (frame(TEXT, b"x" * 301), [TOO_LONG], TOO_LONG_CLOSE),
]


@pytest.mark.parametrize("moved", [False, True], ids=["one process", "moved"])
@pytest.mark.parametrize(("data", "expected", "replies"), CASES)
def test_messages_and_events(data, expected, replies, moved):
    for cut in range(len(data) + 1):
        codec = make_codec()
        found = codec.receive_data(data[:cut])
        if moved:
            codec = write_down_and_read_back(codec)
        found += codec.receive_data(data[cut:])
        assert found == expected
        ended = isinstance((expected or [None])[-1], CloseReceived | ProtocolFailed)
        assert codec.output == replies
        assert (codec.closing, codec.closed) == (ended, False)
        assert codec.data_to_send() == replies
        assert (codec.closing, codec.closed) == (False, ended)
        assert codec.data_to_send() == codec.output == b""
        assert codec.pending == 0


def test_pending():
    codec = make_codec()
    assert codec.receive_data(frame(0x01, b"loo")) == []
    assert codec.pending == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("look", b"\x81\x04look"),
        (b"n\xc3\xa9", b"\x81\x03n\xc3\xa9"),
        ("", b"\x81\0"),
        ("né\n", b"\x81\x04n\xc3\xa9\n"),
        ("\udc80x", b"\x81\x02?x"),
        ("x" * 126, b"\x81\x7e\0\x7e" + b"x" * 126),
    ],
)
def test_texts_out(text, expected):
    assert make_codec().encode_text(text) == expected


def test_the_rest_of_the_way_out():
    codec = make_codec()
    assert codec.encode_binary(b"\0") == b"\x82\x01\0"
    assert codec.encode_ping() == b"\x89\0"
    assert codec.encode_ping(b"x" * websocket.MAX_PING) == b"\x89\x7d" + b"x" * 125
    with pytest.raises(ValueError, match="126 bytes"):
        codec.encode_ping(b"x" * 126)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), b"\x88\x02\x03\xe8"),
        ((1001, "bye"), b"\x88\x05\x03\xe9bye"),
        ((1008, "x" * 124), b"\x88\x7d\x03\xf0" + b"x" * 123),
        ((4999, "x" * 122 + "é"), b"\x88\x7c\x13\x87" + b"x" * 122),
        ((3000, "\udc80"), b"\x88\x03\x0b\xb8?"),
    ],
)
def test_closes_out(arguments, expected):
    codec = make_codec()
    assert codec.encode_close(*arguments) == expected
    assert codec.closed is True


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70000])
def test_codes_that_no_close_may_carry(code):
    codec = make_codec()
    with pytest.raises(LocalProtocolError):
        codec.encode_close(code)
    assert codec.closed is False


def test_nothing_goes_out_behind_a_close():
    codec = make_codec()
    codec.encode_close()
    sent = [codec.encode_text("x"), codec.encode_binary(b"x"), codec.encode_ping()]
    assert [*sent, codec.encode_close()] == [b""] * 4


def test_what_came_before_a_close_can_be_answered():
    codec = make_codec()
    assert codec.receive_data(frame(TEXT, b"x") + frame(PING) + frame(CLOSE))[0] == "x"
    codec = write_down_and_read_back(codec)
    assert codec.encode_text("x") == b"\x81\x01x"
    assert codec.data_to_send() == b"\x8a\0\x88\0"
    assert codec.encode_text("x") == b""


def test_one_close_goes_out():
    codec = make_codec()
    codec.receive_data(frame(PING) + frame(CLOSE, b"\x03\xe9"))
    assert codec.encode_close(1011) == b"\x8a\0\x88\x02\x03\xe9"
    assert [codec.output, codec.encode_close(), codec.data_to_send()] == [b""] * 3


def test_pongs_go_out_before_our_close():
    codec = make_codec()
    codec.receive_data(frame(PING))
    assert codec.encode_close() == b"\x8a\0\x88\x02\x03\xe8"
    assert codec.output == b""


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(TEXT, b"x") + frame(PING) + frame(PONG) + frame(BINARY, b"x"), []),
        (frame(TEXT, b"x") + frame(CLOSE, b"\x03\xe8"), [CloseReceived(1000, "")]),
        (frame(TEXT, b"x") + b"\x81\x01x", [UNMASKED]),
    ],
)
def test_what_the_client_says_behind_our_close(data, expected):
    codec = make_codec()
    codec.encode_close()
    codec = write_down_and_read_back(codec)
    assert codec.receive_data(data) == expected
    assert codec.output == b""


class Admission:
    def __init__(self, count):
        self.left = count
        self.asked = 0

    def __call__(self):
        self.asked += 1
        self.left -= 1
        return self.left >= 0


def test_admission_counts_pings_and_pongs():
    codec = make_codec()
    admit = Admission(2)
    pings = frame(PING, b"1") + frame(PONG, b"2") + frame(PING, b"3") + frame(PONG, b"4")
    events = codec.receive_data(frame(TEXT, b"a") + pings + frame(TEXT, b"b"), admit)
    assert events == ["a", PongReceived(b"2"), "b"]
    assert codec.data_to_send() == b"\x8a\x011"
    assert admit.asked == 4
    assert codec.receive_data(frame(CLOSE), admit) == [CloseReceived(1005, "")]
    assert codec.data_to_send() == b"\x88\0"
    assert admit.asked == 4


def test_only_texts_come_back_untouched():
    codec = make_codec()
    codec.output = b"kept"
    assert codec.receive_data(frame(TEXT, b"a") * 100, admit=None) == ["a"] * 100
    assert codec.output == b"kept"


def test_a_flood_of_pings_is_answered_and_bounded():
    codec = make_codec()
    pings = frame(PING) * 5000 + frame(PING, b"x" * 125) * 100
    assert codec.receive_data(pings) == []
    assert codec.data_to_send() == b"\x8a\0" * 5000 + (b"\x8a\x7d" + b"x" * 125) * 100
    admit = Admission(3)
    assert codec.receive_data(pings, admit) == []
    assert codec.data_to_send() == b"\x8a\0" * 3


@pytest.mark.parametrize(
    ("flood", "expected"),
    [
        (frame(0x00, b""), failed(1008, "too many empty fragments")),
        (frame(0x00, b"x"), (TOO_LONG, TOO_LONG_CLOSE)),
        (frame(0x00, b"") + frame(PING), failed(1008, "too many empty fragments")),
    ],
)
def test_fragments_without_end_end(flood, expected):
    event, close = expected
    codec = make_codec()
    codec.receive_data(frame(0x02, b""))
    found = []
    while not codec.closing:
        found += codec.receive_data(flood)
        assert codec.pending <= MAX_MESSAGE
    assert found == [event]
    assert codec.data_to_send().endswith(close)
    assert codec.receive_data(flood * 1000) == []
    assert codec.pending == 0


def test_a_state_is_bounded():
    codec = make_codec()
    codec.receive_data(frame(0x02, b"\0" * 299))
    codec.receive_data(frame(PING, b"\0" * 125)[:-1])
    # A byte of them becomes six in JSON at most, and the names of the rest are few.
    assert len(msgspec.json.encode(codec.get_state())) < 6 * (MAX_MESSAGE + 125) + 300


def test_an_idle_codec_is_small():
    # Memory of a websocket that says nothing, beside its connection's and its session's.
    codec = make_codec()
    for data in (frame(TEXT, b"x" * 200), frame(0x01, b"x"), frame(PING, b"1"), frame(0x80)):
        codec.receive_data(data)
    codec.data_to_send()
    assert sys.getsizeof(codec) + sys.getsizeof(codec._decoder) <= 256


def make_peer():
    return Connection(ConnectionType.CLIENT)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
SAID = st.one_of(
    st.builds(
        peer_events.TextMessage,
        data=TEXTS,
        frame_finished=st.just(True),
        message_finished=st.just(True),
    ),
    st.builds(peer_events.BytesMessage, data=st.binary(max_size=200)),
    st.builds(peer_events.Ping, payload=st.binary(max_size=125)),
    st.builds(peer_events.Pong, payload=st.binary(max_size=125)),
)


@given(st.lists(SAID, max_size=6), st.data())
def test_a_peer_is_understood(said, data):
    peer, codec = make_peer(), make_codec()
    sent = b"".join(peer.send(event) for event in said) + peer.send(
        peer_events.CloseConnection(code=1000, reason="bye")
    )
    cut = data.draw(st.integers(0, len(sent)))
    found = codec.receive_data(sent[:cut]) + codec.receive_data(sent[cut:])
    expected = [
        PongReceived(bytes(event.payload)) if isinstance(event, peer_events.Pong) else event.data
        for event in said
        if not isinstance(event, peer_events.Ping)
    ]
    assert found == [*expected, CloseReceived(1000, "bye")]
    peer.receive_data(codec.data_to_send())
    answers = [event.payload for event in peer.events() if isinstance(event, peer_events.Pong)]
    assert answers == [event.payload for event in said if isinstance(event, peer_events.Ping)]
    assert peer.state is ConnectionState.CLOSED


@given(st.lists(st.one_of(TEXTS, st.binary(max_size=200)), max_size=6), TEXTS)
def test_a_peer_understands(said, reason):
    peer, codec = make_peer(), make_codec()
    encode = {str: codec.encode_text, bytes: codec.encode_binary}
    sent = b"".join(encode[type(each)](each) for each in said) + codec.encode_ping(b"!")
    peer.receive_data(sent + codec.encode_close(1012, reason))
    *messages, ping, close = peer.events()
    assert [
        bytes(each.data) if isinstance(each.data, bytearray) else each.data for each in messages
    ] == said
    assert ping.payload == b"!"
    assert close.code == 1012
    assert reason.startswith(close.reason or "")
    with pytest.raises(PeerError):
        peer.send(peer_events.Ping())


def test_another_limit_also_for_a_message_that_has_begun():
    codec = WebSocketCodec(8)
    assert codec.receive_data(frame(0x01, b"abcd")) == []
    codec.set_limit(20)
    assert codec.receive_data(frame(0x80, b"efghijkl")) == ["abcdefghijkl"]
    codec.set_limit(4)
    assert codec.receive_data(frame(0x81, b"abcd")) == ["abcd"]
    (failure,) = codec.receive_data(frame(0x81, b"abcde"))
    assert failure.code == 1009
