import codecs

import pytest

from portal.wire.charset import ENCODINGS, MAX_NAMES, CharsetNegotiation, find_encoding
from portal.wire.events import CharsetAgreed

QUESTION = b"\x01;UTF-8;ISO-8859-1;US-ASCII"
REJECTED = b"\x03"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("Utf_8", "utf-8"),
        ("ISO-8859-1", "iso-8859-1"),
        ("latin-1", "iso-8859-1"),
        ("iso8859-15", "iso-8859-15"),
        ("CP437", "cp437"),
        ("windows-1251", "cp1251"),
        ("koi8-r", "koi8-r"),
        ("US-ASCII", "ascii"),
        ("UTF-16", None),
        ("rot13", None),
        ("unicode_escape", None),
        ("../../x", None),
        ("", None),
    ],
)
def test_names(name, expected):
    assert find_encoding(name) == expected


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS.values())))
def test_every_encoding_keeps_telnet_apart_from_text(encoding):
    assert codecs.lookup(encoding)
    assert find_encoding(encoding) == encoding
    assert "look\r\n".encode(encoding) == b"look\r\n"
    for byte in (b"\r", b"\n", b"\0", b"\x08", b"\x1b"):
        assert byte.decode(encoding) == byte.decode("ascii")


@pytest.mark.parametrize(
    ("payload", "expected", "settled"),
    [
        (b"\x02UTF-8", [CharsetAgreed("utf-8")], True),
        (b"\x02iso-8859-1", [CharsetAgreed("iso-8859-1")], True),
        (b"\x02nonsense", [], True),
        (b"\x02\xff", [], True),
        (b"\x03", [], True),
        (b"", [], False),
        (b"\x07", [], False),
        (b"\x04\x01", [b"\x05"], False),
        # Both asked at once: the client has to answer.
        (b"\x01;UTF-8", [REJECTED], False),
    ],
)
def test_answers_to_our_question(payload, expected, settled):
    handler = CharsetNegotiation()
    assert handler.at_enabled(local=True) == [QUESTION]
    assert not handler.settled
    assert handler.receive(payload) == expected
    assert handler.settled is handler.fresh is settled


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x01;UTF-8", [b"\x02UTF-8", CharsetAgreed("utf-8")]),
        (b"\x01 CP437 utf8", [b"\x02utf8", CharsetAgreed("utf-8")]),
        (b"\x01;X-ODD;KOI8-R;CP437", [b"\x02KOI8-R", CharsetAgreed("koi8-r")]),
        (b"\x01;X-ODD", [REJECTED]),
        (b"\x01;", [REJECTED]),
        (b"\x01", [REJECTED]),
        (b"\x01[TTABLE]\x01;UTF-8", [REJECTED]),
        (b"\x01" + b";x" * MAX_NAMES + b";UTF-8", [REJECTED]),
        (b"\x01" + b";x" * (MAX_NAMES - 1) + b";UTF-8", [b"\x02UTF-8", CharsetAgreed("utf-8")]),
        (b"\x02UTF-8", []),
        (b"\x03", []),
    ],
)
def test_questions_of_the_client(payload, expected):
    handler = CharsetNegotiation()
    assert handler.at_enabled(local=False) == []
    assert handler.settled
    assert handler.receive(payload) == expected


@pytest.mark.parametrize(("local", "settled"), [(True, True), (False, False)])
def test_the_end_of_our_question(local, settled):
    handler = CharsetNegotiation()
    handler.at_enabled(local=True)
    assert handler.at_disabled(local=local) == []
    assert handler.settled is settled


@pytest.mark.parametrize("asked", [True, False])
def test_state(asked):
    handler = CharsetNegotiation()
    handler.set_state(asked)
    assert handler.get_state() is asked
    assert handler.settled is not asked
