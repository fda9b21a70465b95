import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import RemoteProtocolError
from portal.markup import ANSI, Markup, read_look
from portal.wire.formats import DEFAULT, FORMATS, NAME_LENGTH, choose_format

V1 = FORMATS["v1.evennia.com"]
MARKUP = Markup()


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ((), (DEFAULT, None)),
        (("v1.evennia.com",), (V1, "v1.evennia.com")),
        (("json.mudstandards.org", "v1.evennia.com"), (V1, "v1.evennia.com")),
        (("V1.EVENNIA.COM",), (DEFAULT, None)),
        (("json.mudstandards.org",), (DEFAULT, None)),
    ],
)
def test_choice(offered, expected):
    assert choose_format(offered) == expected


def test_every_format_has_its_own_name():
    assert {name: found.name for name, found in FORMATS.items()} == {name: name for name in FORMATS}


# ---- in


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ('["text", ["look"], {}]', ("text", ["look"], {})),
        ('["text", ["look"]]', ("text", ["look"], {})),
        ('["text", "look"]', ("text", ["look"], {})),
        ('["text", "look", {"a": 1}]', ("text", ["look"], {"a": 1})),
        ('["text"]', ("text", [], {})),
        ('["text", null]', ("text", [None], {})),
        ('["text", {"a": 1}]', ("text", [{"a": 1}], {})),
        ('["hp", [], {"now": 1.5}]', ("hp", [], {"now": 1.5})),
        ('["hp", 5]', ("hp", [5], {})),
        (
            '["x", [1e3, -7, true, null, "\\u00e9"], {"": {}}]',
            ("x", [1000.0, -7, True, None, "é"], {"": {}}),
        ),
        ('["x", ["\\ud83d\\ude00"]]', ("x", ["😀"], {})),
        ('["x", [184467440737095516159]]', ("x", [184467440737095516159], {})),
        (' \n["x"]\t', ("x", [], {})),
        ('["größe", [], {}]', ("größe", [], {})),
        (json.dumps(["x" * NAME_LENGTH]), ("x" * NAME_LENGTH, [], {})),
        ('["options_", [], {}]', ("options_", [], {})),
        ('["default", ["x"], {}]', ("default", ["x"], {})),
        (
            '["text", ["a"], {"text": 1, "options": {"raw": true}}]',
            ("text", ["a"], {"text": 1, "options": {"raw": True}}),
        ),
        ('["x", [], {"a": 1, "a": 2}]', ("x", [], {"a": 2})),
    ],
)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_messages(frame, expected, kind):
    assert V1.decode(kind(frame)) == expected


@pytest.mark.parametrize(
    "frame",
    [
        "",
        " ",
        "look",
        '"look"',
        "5",
        "null",
        "{}",
        '{"text": ["look"]}',
        "[]",
        "[1]",
        "[null, [], {}]",
        '[["text"], [], {}]',
        '["text", [], {}, 1]',
        '["text", [], []]',
        '["text", [], null]',
        '["text", [], "x"]',
        '["", [], {}]',
        '["_private", [], {}]',
        '["__class__"]',
        '["options", [], {}]',
        # They would collide with the arguments of functions in the game.
        '["session", [], {}]',
        '["self"]',
        '["text", ["look"], {"session": 1}]',
        '["hp", [], {"a": 1, "self": null}]',
        json.dumps(["x" * (NAME_LENGTH + 1)]),
        # Not JSON, at every place where another form was seen before.
        '["text", ["look"], {}',
        '["text", ["look"], {}] x',
        '["text", ["look"], {}]["text"]',
        "[1, oops",
        '["text", [], [oops',
        '["text", 5, {}] x',
        "['text']",
        '["text", [NaN]]',
        '["text", [Infinity]]',
        '["text", [01]]',
        '["text", ["\t"]]',
        '["text", ["\\x"]]',
        '["text", ["\\ud800"], {}]',
        '["text", ["\\udc00"], {}]',
        '["text", "\\ud800"]',
        "\ufeff[]",
        # Numbers beyond what is read.
        '["text", [1e400], {}]',
        '["text", 1e400]',
        f'["text", [{"1" * 5000}], {{}}]',
        f'["text", {"1" * 5000}]',
        # Nested beyond all reason, in either form.
        "[" * 60_000,
        '["x", [' + "[" * 60_000,
        '["x", ' + '{"a":' * 10_000,
        '["x", [], {"a": ' + "[" * 60_000,
        '[1, {"a":' + "[" * 60_000,
    ],
)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_what_is_no_message(frame, kind):
    with pytest.raises(RemoteProtocolError) as caught:
        V1.decode(kind(frame))
    # The player is told this, so it holds nothing of what was sent.
    assert caught.value.text.isascii()
    assert len(caught.value.text) < 100


@pytest.mark.parametrize(
    "frame", [b"\xff", b'["text", ["\xff"], {}]', b'["\xc3(", []]', b'["text", "\xed\xa0\x80"]']
)
def test_binary_messages_must_be_utf_8(frame):
    with pytest.raises(RemoteProtocolError, match="JSON"):
        V1.decode(frame)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES | st.lists(VALUES, max_size=4), st.booleans())
def test_whatever_json_comes_it_is_read_or_refused(value, binary):
    frame = json.dumps(value, ensure_ascii=not binary)
    frame = frame.encode("utf-8", "surrogatepass") if binary else frame
    try:
        name, args, kwargs = V1.decode(frame)
    except RemoteProtocolError:
        return
    assert isinstance(value, list)
    assert (type(name), type(args), type(kwargs)) == (str, list, dict)


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_whatever_comes_it_is_read_or_refused(frame):
    try:
        V1.decode(frame)
    except RemoteProtocolError as error:
        assert error.name == "MalformedMessage"


# ---- out


class Odd:
    def __str__(self):
        return "odd \udc80"


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ([], {}, [[], {}]),
        (
            ["é", 1, 1.5, True, None],
            {"a": {"b": [1]}},
            [["é", 1, 1.5, True, None], {"a": {"b": [1]}}],
        ),
        ([(1, 2), {3}, frozenset({4})], {}, [[[1, 2], [3], [4]], {}]),
        (
            [{1: "a", 1.5: "b", None: "c", (1, 2): "d"}],
            {},
            [[{"1": "a", "1.5": "b", "None": "c", "(1, 2)": "d"}], {}],
        ),
        ([float("nan"), float("inf")], {}, [[None, None], {}]),
        ([2**70], {}, [[2**70], {}]),
        ([b"\xff\0"], {}, [["/wA="], {}]),
        ([dt.date(2026, 1, 2)], {}, [["2026-01-02"], {}]),
        # Half surrogates, which a pickled text may hold: `?`, wherever they stand.
        (["a\ud800b"], {}, [["a?b"], {}]),
        (
            ["é😀\udc80"],
            {"k\ud800": ["\ud800", {"\ud800": ("\ud800", {"\ud800"})}]},
            [["é😀?"], {"k?": ["?", {"?": ["?", ["?"]]}]}],
        ),
        (["\ud800", 5, None, 2.5], {"n": {1: 2}}, [["?", 5, None, 2.5], {"n": {"1": 2}}]),
        ([Odd()], {}, [["odd ?"], {}]),
        ([Odd(), "\ud800"], {}, [["odd ?", "?"], {}]),
    ],
)
def test_what_goes_out_is_json(args, kwargs, expected):
    assert json.loads(V1.encode("name", args, kwargs)) == ["name", *expected]


def test_a_name_of_half_a_surrogate():
    assert json.loads(V1.encode("n\ud800", [], {})) == ["n?", [], {}]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("|rred|n <b>", {}, '<span class="color-009">red</span> &lt;b&gt;'),
        ("|rred|n <b>", {"nocolor": True}, "red &lt;b&gt;"),
        ("|rred|n <b>", {"raw": True}, "|rred|n &lt;b&gt;"),
        ("|rred|n <b>", {"raw": True, "nocolor": True}, "|rred|n &lt;b&gt;"),
        ("|rred|n <b>", {"raw": True, "client_raw": True}, "|rred|n <b>"),
        ("|rred|n <b>", {"client_raw": True}, '<span class="color-009">red</span> &lt;b&gt;'),
        ("|r--red||r--|n <b>", {"screenreader": True}, "red|r &lt;b&gt;"),
        ("|r--red|n <b>", {"screenreader": True, "raw": True}, "red &lt;b&gt;"),
        ("", {}, ""),
    ],
)
def test_texts(text, options, expected):
    look = read_look({}, options)
    assert V1.encode_text(MARKUP, text, look, as_is="client_raw" in options) == expected


@pytest.mark.parametrize("text", ["", "|rred|n <b>\n\"'&", "é😀", "half \ud800", "x" * 70_000])
def test_the_frame_of_a_text_is_what_the_long_way_gives(text):
    """One native call makes what three functions would."""
    frame = V1.frame_text(MARKUP, text)
    size = frame[1]
    start = {126: 4, 127: 10}.get(size, 2)
    assert frame[0] == 0x81
    shown = V1.encode_text(MARKUP, text, ANSI, as_is=False)
    assert json.loads(frame[start:]) == json.loads(V1.encode("text", [shown], {}))
