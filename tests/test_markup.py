import pytest

from portal.markup import RESET, close_colours, to_ansi, to_html, to_plain


@pytest.mark.parametrize(
    ("text", "ansi", "html", "plain"),
    [
        ("look", "look", "look", "look"),
        (
            "|rred|n <b>",
            "\x1b[1m\x1b[31mred\x1b[0m <b>",
            '<span class="color-009">red</span> &lt;b&gt;',
            "red <b>",
        ),
        ("a||b|/", "a|b\n", "a|b\n", "a|b\n"),
        # What no encoding can carry.
        ("|Ra\udc80b", "\x1b[22m\x1b[31ma?b", '<span class="color-001">a?b</span>', "a?b"),
        ("\ud83d", "?", "?", "?"),
    ],
)
def test_renderers(text, ansi, html, plain):
    assert to_ansi(text) == ansi
    assert to_html(text) == html
    assert to_plain(text) == plain


@pytest.mark.parametrize(
    ("ansi", "expected"),
    [
        ("", ""),
        ("plain\n", "plain\n"),
        ("\x1b[31mred", "\x1b[31mred" + RESET),
        ("\x1b[31mred\n", "\x1b[31mred" + RESET + "\n"),
        ("\x1b[31mred\r\n\n", "\x1b[31mred" + RESET + "\r\n\n"),
        ("\x1b[31mred\x1b[0m over", "\x1b[31mred\x1b[0m over"),
        ("\x1b[31mred\x1b[m\n", "\x1b[31mred\x1b[m\n"),
        ("\x1b[0m\x1b[1mbright", "\x1b[0m\x1b[1mbright" + RESET),
    ],
)
def test_colours_do_not_run_on(ansi, expected):
    assert close_colours(ansi) == expected
