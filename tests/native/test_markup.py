"""The compiled markup as Python sees it; its cases stand in the crate's own tests."""

import pytest

from portal._native import markup_to_ansi, markup_to_html, markup_to_plain

RENDERERS = [markup_to_ansi, markup_to_html, markup_to_plain]


@pytest.mark.parametrize(
    ("render", "expected"),
    [
        (markup_to_ansi, "\x1b[1m\x1b[31mé<|\x1b[0m\n"),
        (markup_to_html, '<span class="color-009">é&lt;|</span>\n'),
        (markup_to_plain, "é<|\n"),
    ],
)
def test_rendering(render, expected):
    assert render("|ré<|||n|/") == expected


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("text", ["", "look", "größer", "日本語 🎉", "a\nb\tc"])
def test_what_has_no_codes_is_the_same_object(render, text):
    assert render(text) is text


@pytest.mark.parametrize("render", RENDERERS)
def test_only_text_is_rendered(render):
    for wrong in (b"bytes", None, 3):
        with pytest.raises(TypeError):
            render(wrong)
    with pytest.raises(UnicodeEncodeError):
        render("half a pair: \udc80")
