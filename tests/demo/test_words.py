"""What players type, made safe; and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.demo.words import choose_name, clean_line, escape_markup, fold_name
from portal.markup import Markup


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("look\n", "look"),
        ("  say  hi \r\n", "say  hi"),
        ("a\tb", "a b"),
        ("\x1b[31mred\x07", "[31mred"),
        ("a\x00b\x7fc\x9bd", "abcd"),
        ("\u202eevil\u2066", "evil"),
        ("two\u2028lines", "twolines"),
        ("half\ud800", "half"),
        ("\U0001f469\u200d\U0001f680 grüße 你好", "\U0001f469\u200d\U0001f680 grüße 你好"),
        ("", ""),
    ],
)
def test_clean_line(line, clean):
    assert clean_line(line) == clean


@given(st.text(st.characters()))
def test_a_clean_line_is_one_line_of_text(line):
    clean = clean_line(line)
    assert len(clean.splitlines()) <= 1
    assert clean_line(clean) == clean
    clean.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("plain", "plain"), ("|rred", "||rred"), ("||", "||||"), ("|", "||"), ("{{", "{{{{")],
)
def test_escape_markup(text, escaped):
    assert escape_markup(text) == escaped
    assert Markup().to_plain(escaped) == text


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Anna", "Anna"),
        (" anna\r\n", "Anna"),
        ("McDuff", "McDuff"),
        ("éva", "Éva"),
        ("e\u0301va", "Éva"),
        ("Οδυσσέας", "Οδυσσέας"),
        ("李雷", "李雷"),
        ("ab", "Ab"),
        ("a" * 20, "A" + "a" * 19),
    ],
)
def test_names(line, name):
    assert choose_name(line) == name


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "type a name"),
        ("  ", "type a name"),
        ("a", "2 to 20"),
        ("a" * 21, "2 to 20"),
        ("Anna Maria", "letters only"),
        ("anna1", "letters only"),
        ("|ranna", "letters only"),
        ("an-na", "letters only"),
        ("\x1banna", "letters only"),
        ("You", "confuse"),
        ("EVERYBODY", "confuse"),
    ],
)
def test_what_is_no_name(line, reason):
    with pytest.raises(ValueError, match=reason):
        choose_name(line)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Anna", "ANNA"), ("Éva", "e\u0301va"), ("Strasse", "STRAßE"), ("ﬁona", "Fiona")],
)
def test_spellings_of_one_name(one, other):
    assert fold_name(one) == fold_name(other)


def test_other_names_are_others():
    assert fold_name("Anna") != fold_name("Anne")
