"""Markup of games (`|rred|n`) as ANSI, MXP, HTML and plain text.

The codes are listed in the `markup` crate, which does the work in one pass, and in
docs/markup.md. Text that holds nothing to change is returned as the same object. Code points that
no encoding can carry (half surrogates, which a pickled text may hold) are shown as `?`.
"""

from typing import Self

import structlog

from portal._native import (
    ANSI,
    MARKED,
    MARKED_PROMPT,
    MXP,
    NO_LINE_END,
    RAW,
    SPEECH,
    TRUECOLOR,
    XTERM256,
    SpeechFilter,
    read_look,
    text_to_html,
    websocket_html,
)
from portal._native import Markup as Codes
from portal.config import MarkupConfig

__all__ = [
    "ANSI",
    "MARKED",
    "MARKED_PROMPT",
    "MXP",
    "NO_LINE_END",
    "RAW",
    "SPEECH",
    "TRUECOLOR",
    "XTERM256",
    "Markup",
    "escape_mxp",
    "read_look",
    "text_to_html",
]

log = structlog.get_logger(__name__)


class Markup(Codes):
    """The markup of one game, compiled from its configuration; it never changes.

    A rule of the game that cannot be followed is logged and left out. Every method takes time in
    proportion to the length of its text. Compiled are:

    - `to_terminal(text, look)`: what a terminal shows that has the abilities of a look, a number
      whose bits are those above. Colours that it has not become the nearest that it has; without
      ANSI they are taken away. Those that the text leaves on are reset at its end. With MXP links
      may be clicked, and all else is escaped for it.
    - `to_html(text, *, styled=True)`: spans with classes and links, everything else escaped. Spaces
      stay: show it with `white-space: pre-wrap`. Without `styled` there are no spans.
    - `to_plain(text)`: the text alone.
    """

    config: MarkupConfig
    _speech: SpeechFilter | None

    def __new__(cls, config: MarkupConfig | None = None) -> Self:
        """Compile the rules, and log those that cannot be followed."""
        config = config or MarkupConfig()
        self = super().__new__(
            cls,
            only=config.only_own,
            codes=config.codes,
            bright_backgrounds=config.bright_backgrounds,
            foregrounds=config.foregrounds,
            backgrounds=config.backgrounds,
            grey_foregrounds=config.grey_foregrounds,
            grey_backgrounds=config.grey_backgrounds,
        )
        self.config = config
        for setting, rule, reason in self.refused:
            log.error("markup_rule_refused", setting=setting, rule=rule, reason=reason)
        self._speech = _make_speech(config.screenreader_strip)
        return self

    def to_speech(self, text: str) -> str:
        """Make plain text for a screen reader: without what it would read out in vain."""
        plain = self.to_plain(text)
        return plain if self._speech is None else self._speech.spare(plain)

    def to_frame(self, text: str) -> bytes:
        """Make the websocket frame of `["text", [html], {}]` of a text, in one native call."""
        return websocket_html(self, text)


def escape_mxp(text: str) -> str:
    """Make an MXP client show a text that is no markup as it is."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("\x1b", "")


def _make_speech(expression: str) -> SpeechFilter | None:
    if not expression:
        return None
    try:
        return SpeechFilter(expression)
    except ValueError as error:
        setting = "screenreader_strip"
        log.error("markup_rule_refused", setting=setting, rule=expression, reason=str(error))  # noqa: TRY400 - the reason is all of it
        return None
