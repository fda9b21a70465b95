import pytest
from structlog.testing import capture_logs

from portal.config import MarkupConfig
from portal.markup import ANSI, MXP, TRUECOLOR, XTERM256, Markup, escape_mxp, text_to_html

MARKUP = Markup()
RESET = "\x1b[0m"


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
        ("a||b|/", "a|b\n", "a|b<br>", "a|b\n"),
        # What no encoding can carry.
        (
            "|Ra\udc80b",
            "\x1b[22m\x1b[31ma?b" + RESET,
            '<span class="color-001">a?b</span>',
            "a?b",
        ),
        ("\ud83d", "?", "?", "?"),
    ],
)
def test_renderers(text, ansi, html, plain):
    assert MARKUP.to_terminal(text, ANSI) == ansi
    assert MARKUP.to_html(text) == html
    assert MARKUP.to_plain(text) == MARKUP.to_terminal(text, 0) == plain
    assert html.replace('"', '\\"').encode() in MARKUP.to_frame(text)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (0, "ab"),
        (ANSI, "\x1b[1m\x1b[31ma\x1b[1m\x1b[31mb"),
        (ANSI | XTERM256, "\x1b[38;5;196ma\x1b[38;5;196mb"),
        (ANSI | XTERM256 | TRUECOLOR, "\x1b[38;5;196ma\x1b[38;2;255;0;0mb"),
        (ANSI | XTERM256 | 1 << 12, "\x1b[38;5;196ma\x1b[38;5;196mb"),  # others' bits
    ],
)
def test_abilities(look, expected):
    ends = RESET if look else ""
    assert MARKUP.to_terminal("|500a|#ff0000b", look) == expected + ends


def test_speech():
    text = "|r+----+|n\n|bnow||then|n -- |lclook|ltsee|le"
    assert MARKUP.to_speech(text) == "\nnow|then  see"
    assert MARKUP.to_speech("|r\udc80--") == "?"
    assert Markup(MarkupConfig(screenreader_strip="")).to_speech("|r--") == "--"


def test_text_that_is_no_markup():
    assert text_to_html("|r<\n\udc80") == "|r&lt;<br>?"
    assert escape_mxp("<&>\x1b[1z") == "&lt;&amp;&gt;[1z"
    assert MARKUP.to_terminal("<&>", MXP) == "&lt;&amp;&gt;"


def test_a_game_adds_codes():
    config = MarkupConfig(
        codes=(("%cr", "\x1b[31m"), ("%r", "\r\n")),
        bright_backgrounds=(("%ch%cR", "%c[500"),),
        foregrounds=("%c([0-5])([0-5])([0-5])",),
        backgrounds=(r"%c\[([0-5])([0-5])([0-5])",),
        grey_foregrounds=("%c=([a-z])",),
        grey_backgrounds=(r"%c\[=([a-z])",),
    )
    markup = Markup(config)
    assert markup.config is config
    text = "%cra%r%c050b%ch%cRc%c=zd%c[=ae|rf"
    assert markup.to_plain(text) == "a\nbcdef"
    assert markup.to_terminal(text, ANSI | XTERM256) == (
        "\x1b[31ma\n\x1b[38;5;46mb\x1b[48;5;196mc\x1b[38;5;231md\x1b[48;5;16me\x1b[1m\x1b[31mf\x1b[0m"
    )
    assert Markup(MarkupConfig(only_own=True)).to_plain("|ra||") == "|ra|"


def test_a_wrong_rule_is_one_line_in_the_log():
    with capture_logs() as logs:
        markup = Markup(MarkupConfig(foregrounds=("(", "x"), screenreader_strip="["))
    assert markup.to_speech("|ra--") == "a--"
    refused = [entry for entry in logs if entry["event"] == "markup_rule_refused"]
    assert [(entry["setting"], entry["rule"], entry["log_level"]) for entry in refused] == [
        ("foregrounds", "(", "error"),
        ("foregrounds", "x", "error"),
        ("screenreader_strip", "[", "error"),
    ]
    assert "expected 3 groups in it" in refused[1]["reason"]
    assert all("\n" not in entry["reason"] for entry in refused)
