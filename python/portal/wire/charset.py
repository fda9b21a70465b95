"""CHARSET: which encoding text has, in both directions (RFC 2066).

Whoever performs the option (said WILL, was answered DO) may ask. This side asks for UTF-8 first;
a client's question is answered with the best of what it offers. Translation tables are refused.
"""

from typing import Any

from portal.wire.events import CharsetAgreed, Event

CODE = 42

_REQUEST, _ACCEPTED, _REJECTED, _TTABLE_IS, _TTABLE_REJECTED = range(1, 6)
_TTABLE = b"[TTABLE]"

# Best first; the separator stands in front.
_QUESTION = bytes([_REQUEST]) + b";UTF-8;ISO-8859-1;US-ASCII"

# More names in one question are read no further.
MAX_NAMES = 64

# Names as clients write them, without what is no letter or digit -> Python's names. Only what
# keeps CR, LF and IAC apart from text can be spoken over telnet, so no UTF-16; and no name from
# a stranger is ever looked up among Python's codecs, some of which are no encodings.
ENCODINGS = {
    "UTF8": "utf-8",
    "USASCII": "ascii",
    "ASCII": "ascii",
    "BIG5": "big5",
    "GBK": "gbk",
    "GB18030": "gb18030",
    "EUCKR": "euc-kr",
    "EUCJP": "euc-jp",
    "SHIFTJIS": "shift-jis",
    "SJIS": "shift-jis",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "LATIN1": "iso-8859-1",
    "LATIN2": "iso-8859-2",
    "LATIN9": "iso-8859-15",
    **{f"ISO8859{n}": f"iso-8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"CP{n}": f"cp{n}" for n in (437, 850, 852, 866, 932, 936, 949, 950)},
    **{f"{name}{n}": f"cp{n}" for n in range(1250, 1259) for name in ("CP", "WINDOWS")},
}


def find_encoding(name: str) -> str | None:
    """Return Python's name of an encoding that telnet can carry, or None."""
    return ENCODINGS.get("".join(letter for letter in name.upper() if letter.isalnum()))


class CharsetNegotiation:
    """Asks the client for an encoding, and answers when it asks."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False

    @property
    def settled(self) -> bool:
        """Whether no answer is awaited."""
        return not self.asked

    @property
    def fresh(self) -> bool:
        """Whether it need not be kept."""
        return not self.asked

    def at_enabled(self, *, local: bool) -> list[bytes | Event]:
        """Ask, if it is this side that may."""
        if not local:
            return []
        self.asked = True
        return [_QUESTION]

    def at_disabled(self, *, local: bool) -> list[bytes | Event]:
        """Await no answer any more."""
        if local:
            self.asked = False
        return []

    def receive(self, payload: bytes) -> list[bytes | Event]:
        """Read an answer or a question of the client; anything else is ignored."""
        kind, content = payload[:1], payload[1:]
        if kind == bytes([_REQUEST]):
            return self._answer(content)
        if kind == bytes([_TTABLE_IS]):
            return [bytes([_TTABLE_REJECTED])]
        if kind in (bytes([_ACCEPTED]), bytes([_REJECTED])) and self.asked:
            self.asked = False
            encoding = find_encoding(_text(content)) if kind == bytes([_ACCEPTED]) else None
            return [CharsetAgreed(encoding)] if encoding else []
        return []

    def get_state(self) -> Any:
        """Whether an answer is awaited."""
        return self.asked

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""
        self.asked = state

    def _answer(self, question: bytes) -> list[bytes | Event]:
        # Where both ask at once the client has to answer, and its own question is void.
        if not self.asked and question and not question.startswith(_TTABLE):
            names = question[1:].split(question[:1], MAX_NAMES)[:MAX_NAMES]
            known = [(name, find_encoding(_text(name))) for name in names]
            known.sort(key=lambda each: each[1] != "utf-8")
            for name, encoding in known:
                if encoding:
                    return [bytes([_ACCEPTED]) + name, CharsetAgreed(encoding)]
        return [bytes([_REJECTED])]


def _text(name: bytes) -> str:
    return name.decode("ascii", "replace")
