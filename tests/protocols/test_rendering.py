"""What is rendered, and what of it is remembered."""

import pytest

from portal.config import MarkupConfig
from portal.markup import ANSI, MARKED, MARKED_PROMPT, NO_LINE_END, RAW, XTERM256, Markup
from portal.protocols.rendering import REMEMBERED_FORMS, REMEMBERED_LENGTH, Rendering
from portal.wire.formats import DEFAULT, V1

RED = "\x1b[1m\x1b[31m"


@pytest.fixture
def rendered(monkeypatch):
    """The texts and looks that the markup was asked for."""
    asked = []
    real = Markup.to_terminal

    def to_terminal(self, text, look):
        asked.append((text, look))
        return real(self, text, look)

    monkeypatch.setattr(Markup, "to_terminal", to_terminal)
    return asked


@pytest.mark.parametrize(
    ("look", "line", "prompt"),
    [
        (0, b"a\r\nb\r\n", b"a\r\nb"),
        (ANSI, b"\x1b[1m\x1b[31ma\r\nb\x1b[0m\r\n", b"\x1b[1m\x1b[31ma\r\nb\x1b[0m"),
        (RAW, b"|ra\r\nb\r\n", b"|ra\r\nb"),
        (NO_LINE_END, b"a\r\nb", b"a\r\nb"),
        (MARKED, b"a\r\nb\r\n\xff\xf9", b"a\r\nb"),
        (MARKED_PROMPT, b"a\r\nb\r\n", b"a\r\nb\xff\xf9"),
    ],
)
def test_lines_and_prompts(look, line, prompt):
    rendering = Rendering(MarkupConfig())
    assert rendering.render_line("|ra\nb", look, "utf-8") == line
    assert rendering.render_prompt("|ra\nb", look, "utf-8") == prompt


def test_each_form_of_a_text_is_rendered_once(rendered):
    rendering = Rendering(MarkupConfig())
    forms = [(ANSI, "utf-8"), (ANSI | XTERM256, "utf-8"), (ANSI, "latin-1"), (0, "utf-8")]
    lines = [{rendering.render_line("|ré", *form) for form in forms} for _ in range(3)]
    assert lines[0] == lines[1] == lines[2]
    assert len(lines[0]) == 3
    assert len(rendered) == len(forms)
    rendering.render_frame("|ré", DEFAULT)
    rendering.render_line("|ré", ANSI, "utf-8")
    assert len(rendered) == len(forms)
    rendering.render_line("other", ANSI, "utf-8")
    rendering.render_line("|ré", ANSI, "utf-8")
    assert len(rendered) == len(forms) + 2


def test_few_forms_are_remembered(rendered):
    rendering = Rendering(MarkupConfig())
    for look in range(REMEMBERED_FORMS * 3):
        rendering.render_line("|rhi", look << 9, "utf-8")
        assert len(rendering._forms) <= REMEMBERED_FORMS
    assert len(rendered) == REMEMBERED_FORMS * 3


@pytest.mark.parametrize("longer", [0, 1])
def test_a_long_text_is_not_remembered(longer):
    rendering = Rendering(MarkupConfig())
    text = "x" * (REMEMBERED_LENGTH + longer)
    assert rendering.render_line(text, 0, "utf-8") == text.encode() + b"\r\n"
    rendering.render_frame(text, DEFAULT)
    assert (len(rendering._text) == REMEMBERED_LENGTH) is not bool(longer)


def test_formats_are_told_apart():
    class Other(V1):
        def frame_text(self, markup, text):
            return b"another format's"

    rendering = Rendering(MarkupConfig())
    other = Other()
    frames = [rendering.render_frame("hi", form) for form in (DEFAULT, other, DEFAULT, other)]
    assert frames == [b'\x81\x12["text",["hi"],{}]', b"another format's"] * 2


def test_another_configuration_has_other_codes():
    rendering = Rendering(MarkupConfig())
    markup = rendering.markup
    assert rendering.render_line("|r%", ANSI, "utf-8") == f"{RED}%\x1b[0m\r\n".encode()
    rendering.reconfigure(MarkupConfig())
    assert rendering.markup is markup
    rendering.reconfigure(MarkupConfig(codes=(("%", "!"),)))
    assert rendering.render_line("|r%", ANSI, "utf-8") == f"{RED}!\x1b[0m\r\n".encode()
