"""Markup of games (`|rred|n`) as ANSI, as HTML and as plain text.

The codes are listed in the `markup` crate, which does the work in one pass. Text that holds
nothing to change is returned as the same object. Code points that no encoding can carry (half
surrogates, which a pickled text may hold) are shown as `?`.
"""

from collections.abc import Callable

from portal._native import markup_to_ansi, markup_to_html, markup_to_plain

RESET = "\x1b[0m"

_RESETS = (RESET, "\x1b[m")


def to_ansi(text: str) -> str:
    """Turn markup into the ANSI sequences of a terminal of 16 colours.

    Colours are not reset at the end: see `close_colours`.
    """
    try:
        return markup_to_ansi(text)
    except UnicodeEncodeError:
        return _with_valid(markup_to_ansi, text)


def to_html(text: str) -> str:
    """Turn markup into HTML: spans with classes, everything else escaped.

    Line ends and spaces stay: show it with `white-space: pre-wrap`.
    """
    try:
        return markup_to_html(text)
    except UnicodeEncodeError:
        return _with_valid(markup_to_html, text)


def to_plain(text: str) -> str:
    """Take markup and ANSI colours away."""
    try:
        return markup_to_plain(text)
    except UnicodeEncodeError:
        return _with_valid(markup_to_plain, text)


def close_colours(ansi: str) -> str:
    """Reset the colours that a text of `to_ansi` leaves on, before the line ends it ends with."""
    last = ansi.rfind("\x1b")
    if last < 0 or ansi.startswith(_RESETS, last):
        return ansi
    body = ansi.rstrip("\r\n")
    return f"{body}{RESET}{ansi[len(body) :]}"


def _with_valid(render: Callable[[str], str], text: str) -> str:
    return render(text.encode("utf-8", "replace").decode())
