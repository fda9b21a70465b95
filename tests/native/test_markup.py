"""The compiled markup as Python sees it; its cases stand in the crate's own tests."""

import time

import pytest

from portal._native import Markup, SpeechFilter, text_to_html

CODES = Markup()
RENDERERS = [
    lambda text: CODES.to_terminal(text, 7),
    CODES.to_html,
    CODES.to_plain,
    text_to_html,
    SpeechFilter("--+").spare,
]


@pytest.mark.parametrize(
    ("render", "expected"),
    [
        (RENDERERS[0], "\x1b[1m\x1b[31mé<|\x1b[0m\n"),
        (RENDERERS[1], '<span class="color-009">é&lt;|</span><br>'),
        (RENDERERS[2], "é<|\n"),
        (RENDERERS[3], "|ré&lt;|||n|/"),
    ],
)
def test_rendering(render, expected):
    assert render("|ré<|||n|/") == expected


def test_a_screen_reader_is_spared():
    spared = SpeechFilter("--+|^=$")
    assert spared.spare("a---b\n=\n-") == "ab\n\n-"
    with pytest.raises(ValueError, match="unclosed group"):
        SpeechFilter("(")


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("text", ["", "look", "größer", "日本語 🎉", "a b c"])
def test_what_has_no_codes_is_the_same_object(render, text):
    assert render(text) is text


@pytest.mark.parametrize("render", RENDERERS)
def test_only_text_is_rendered(render):
    for wrong in (b"bytes", None, 3):
        with pytest.raises(TypeError):
            render(wrong)


@pytest.mark.parametrize("render", RENDERERS)
def test_what_no_encoding_can_carry(render):
    assert render("half a pair: \udc80") == "half a pair: ?"


def test_additions_that_cannot_be_followed_are_named():
    codes = Markup(only=True, codes=[("%r", "\n"), ("", "x")], foregrounds=["%(["])
    assert codes.to_plain("a%rb|r||") == "a\nb|r|"
    [expression, tag] = codes.refused
    assert expression[:2] == ("foregrounds", "%([")
    assert "unclosed character class" in expression[2]
    assert tag == ("codes", "", "it stands for an empty text")


MUX = Markup(
    codes=[("%cr", "\x1b[31m"), ("%r", "\n"), ("%ch", "\x1b[1m")],
    bright_backgrounds=[("%ch%cR", "|[500")],
    foregrounds=["%c([0-5])([0-5])([0-5])"],
    grey_foregrounds=["%c=([a-z])"],
)
SPEECH = SpeechFilter(r"\+-+|\+$|\+~|--+|~~+|==+")
MEGABYTE = 1 << 20
HOSTILE = [
    "|",
    "||",
    "|l",
    "|lc",
    "|lu",
    "|lt",
    "|le",
    "|lca|lt",
    "|lca|ltb|le",
    "|lc|lt",
    "|[",
    "|#",
    "|#12",
    "\x1b",
    "\x1b[",
    "\x1b[1",
    "\x1b[1;",
    "\x1b[1m",
    "1;",
    "{",
    "{{",
    "http://",
    "www.",
    "http:",
    "://",
    "www.a.bc/",
    "w",
    ":",
    "&",
    "<",
    "|r",
    "|r|n",
    "|500",
    "|=a",
    "%",
    "%c",
    "%cr",
    "%c5",
    "%ch%c",
    "-",
    "+",
    "+-",
    "=~",
    "é",
]


@pytest.mark.parametrize("before", ["", "|lc", "|lca|lt", "\x1b[", "http://"])
def test_a_megabyte_takes_no_time_whatever_it_is(before):
    for part in HOSTILE:
        text = before + part * (MEGABYTE // len(part))
        begun = time.perf_counter()
        for codes in (CODES, MUX):
            codes.to_terminal(text, 15)
            codes.to_html(text)
            SPEECH.spare(codes.to_plain(text))
        # It takes a tenth of a second; with the square of the length it would be an hour.
        assert time.perf_counter() - begun < 10, part
