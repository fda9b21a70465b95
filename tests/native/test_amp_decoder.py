"""The compiled decoder of a link: what comes out of it, what ends a stream, what it costs."""

import pickle
import resource
import zlib

import pytest
from twisted.protocols.amp import AmpBox

from portal._native import (
    OBJECTS,
    PLAIN,
    REJECT,
    AmpDecoder,
    BoxError,
    encode_answer,
    encode_message,
)

KEY = b"packed_data"
COMPRESSED = {b"Msg": KEY, b"Admin": b"other"}
NONE = pickle.dumps(None, 5)
NAMES_A_CLASS = b"\x80\x02cos\nsystem\n."


def make_decoder(**limits):
    return AmpDecoder(COMPRESSED, **limits)


def test_what_comes_out_of_the_decoder():
    sent = [
        (encode_answer(b"1a"), b"1a"),
        (
            AmpBox({b"_answer": b"1", b"total": b"94"}).serialize(),
            {b"_answer": b"1", b"total": b"94"},
        ),
        (AmpBox({b"_error": b"1"}).serialize(), {b"_error": b"1"}),
        (AmpBox({b"_command": b"Sum", b"a": b"1"}).serialize(), {b"_command": b"Sum", b"a": b"1"}),
        (b"\0\0", {}),
        (encode_message(b"Msg", KEY, NONE, 5, 0), (b"Msg", b"5", NONE, PLAIN, "")),
        (encode_message(b"Admin", b"other", NONE, None, 6), (b"Admin", None, NONE, PLAIN, "")),
        (
            encode_message(b"Msg", KEY, NAMES_A_CLASS, None, 6),
            (b"Msg", None, NAMES_A_CLASS, OBJECTS, "os.system"),
        ),
    ]
    stream = b"".join(wire for wire, _ in sent)
    expected = [item for _, item in sent]
    assert make_decoder().receive_data(stream) == expected
    for size in (1, 2, 3, 7, 50):
        decoder = make_decoder()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [item for piece in pieces for item in decoder.receive_data(piece)] == expected
        assert decoder.pending == 0
        assert decoder.error is None


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ({}, "MissingChunk"),
        ({KEY: b"not zlib"}, "BadDeflate"),
        ({KEY: zlib.compress(bytes(101))}, "PayloadTooLarge"),
    ],
)
def test_a_payload_that_is_not_read_costs_its_message_alone(box, reason):
    wire = AmpBox({b"_command": b"Msg", b"_ask": b"7", **box}).serialize()
    received = make_decoder(max_payload=100).receive_data(wire + encode_answer(b"1"))
    command, ask, payload, verdict, text = received[0]
    assert (command, ask, payload, verdict) == (b"Msg", b"7", b"", REJECT)
    assert text.startswith(reason)
    assert received[1:] == [b"1"]


def test_the_limit_of_payloads_can_be_changed():
    decoder = make_decoder(max_payload=10)
    assert decoder.max_payload == 10
    message = encode_message(b"Msg", KEY, pickle.dumps("x" * 20, 5), None, 0)
    assert decoder.receive_data(message)[0][3] == REJECT
    decoder.max_payload = 100
    assert decoder.receive_data(message)[0][3] == PLAIN


@pytest.mark.parametrize(
    ("tail", "name"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "KeyTooLong"),
        (b"\0\1k\0\0" * 5, "TooManyKeys"),
        (b"\0\1k\xff\xff" + bytes(65535), "BoxTooLong"),
    ],
)
def test_what_came_before_an_error_is_handed_out(tail, name):
    decoder = make_decoder(max_keys=4, max_box=50_000)
    received = decoder.receive_data(encode_answer(b"1") + tail)
    assert received == [b"1"]
    assert decoder.error is not None
    assert decoder.error[0] == name
    assert decoder.receive_data(encode_answer(b"2")) == []
    assert decoder.pending == 0


def test_pending():
    decoder = make_decoder()
    decoder.receive_data(b"\0\1a\0")
    assert decoder.pending == 4
    decoder.receive_data(b"\0\0\0")
    assert decoder.pending == 0


@pytest.mark.parametrize(
    ("compressed", "error"),
    [({"Msg": KEY}, TypeError), ({b"Msg": "key"}, TypeError), ({b"Msg": b""}, BoxError)],
)
def test_a_decoder_that_cannot_be_made(compressed, error):
    with pytest.raises(error):
        AmpDecoder(compressed)


def test_one_byte_reads_stay_linear():
    # Sixteen times the bytes, sixteen times the work; re-joining a buffer would make it 256.
    def user_time():
        return resource.getrusage(resource.RUSAGE_THREAD).ru_utime

    def seconds(size):
        wire = encode_message(b"Msg", KEY, pickle.dumps(bytes(size), 5), None, 0)
        decoder, start = make_decoder(), user_time()
        for at in range(len(wire)):
            received = decoder.receive_data(wire[at : at + 1])
        assert received[0][3] == PLAIN
        return user_time() - start

    assert seconds(1 << 20) < 16 * 8 * max(seconds(1 << 16), 0.002)
