"""How texts are shown to players: by their options, the flags of the session, and the markup.

What the flags and options say is a *look*, a number (`portal.markup.read_look`). A text that is
said to many is rendered once for each look among them.
"""

from portal.config import MarkupConfig
from portal.markup import (
    MARKED,
    MARKED_PROMPT,
    MXP,
    NO_LINE_END,
    RAW,
    SPEECH,
    Markup,
    escape_mxp,
)
from portal.wire.formats import Format
from portal.wire.telnet import CRLF, GO_AHEAD, encode_text

# What was rendered last is kept for whoever is sent the same next. A longer text is hardly said to
# many, and would stay in memory.
REMEMBERED_LENGTH = 16 * 1024
# So many forms of it are kept: players differ in colours and encodings, but not in many.
REMEMBERED_FORMS = 32


class Rendering:
    """Renders texts by the markup of a game; all ways in share one.

    Only the last text is remembered, in its different forms: what is said to a room is said to
    all of it at once.
    """

    __slots__ = ("_forms", "_text", "markup")

    def __init__(self, config: MarkupConfig) -> None:
        self.markup = Markup(config)
        self._text = ""
        self._forms: dict[tuple[object, int], bytes] = {}

    def reconfigure(self, config: MarkupConfig) -> None:
        """Go by other codes from now on."""
        if config != self.markup.config:
            self.markup = Markup(config)
            self._forms = {}

    def render_line(self, text: str, look: int, encoding: str) -> bytes:
        """Render a text for telnet as a line, with its end."""
        if text == self._text:
            form = self._forms.get((encoding, look))
            if form is not None:
                return form
        data = encode_text(self._render(text, look), encoding)
        if data[-1:] != b"\n" and not look & NO_LINE_END:
            data += CRLF
        if look & MARKED:
            data += GO_AHEAD
        self._remember(text, (encoding, look), data)
        return data

    def render_prompt(self, text: str, look: int, encoding: str) -> bytes:
        """Render a text for telnet as a prompt: without a line end, but with a mark, if any."""
        data = encode_text(self._render(text, look), encoding)
        return data + GO_AHEAD if look & MARKED_PROMPT else data

    def render_frame(self, text: str, form: Format) -> bytes:
        """Make the whole websocket frame of a text, for a player with no wishes of their own."""
        if text == self._text:
            frame = self._forms.get((form, 0))
            if frame is not None:
                return frame
        frame = form.frame_text(self.markup, text)
        self._remember(text, (form, 0), frame)
        return frame

    def _render(self, text: str, look: int) -> str:
        if look & SPEECH:
            text = self.markup.to_speech(text)
            return escape_mxp(text) if look & MXP and not look & RAW else text
        return text if look & RAW else self.markup.to_terminal(text, look)

    def _remember(self, text: str, key: tuple[object, int], form: bytes) -> None:
        if len(text) > REMEMBERED_LENGTH:
            return
        if text != self._text or len(self._forms) >= REMEMBERED_FORMS:
            self._text = text
            self._forms = {}
        self._forms[key] = form
