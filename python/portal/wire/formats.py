"""Formats: how a websocket subprotocol writes a message.

A format is found by the name of its subprotocol in `FORMATS`. So far there is one, which also
serves clients that ask for none: `v1.evennia.com`, one JSON array for each message.

    ["text", ["look"], {}]      from the player: a line
    ["text", ["<span class='color-009'>red</span>"], {}]      to the player: HTML
"""

import html
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from portal.errors import RemoteProtocolError
from portal.markup import ANSI, RAW, SPEECH, Markup, text_to_html

# A name becomes that of a function in the game; the longest in use have about thirty letters.
NAME_LENGTH = 100
# What Servers call their own arguments: a function could not be given another of that name. And
# `options` belongs to all commands of a message.
RESERVED = frozenset({"session", "self", "options"})

_EXPECTED = 'expected ["name", [arguments], {options}]'
_decode = msgspec.json.Decoder().decode
_decode_whole = msgspec.json.Decoder(tuple[str, list[Any], dict[str, Any]]).decode


def _to_text(value: object) -> str:
    """Make any value a text that UTF-8 can carry: without half surrogates."""
    return str(value).encode("utf-8", "replace").decode()


_encode = msgspec.json.Encoder(enc_hook=_to_text).encode


class Format(Protocol):
    """One subprotocol: frames to messages and back; it has no state."""

    name: str

    def decode(self, frame: str | bytes) -> tuple[str, list[Any], dict[str, Any]]:
        """Read a message of a client: its name, args and kwargs.

        Raises RemoteProtocolError when it is none.
        """
        ...

    def encode(self, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Write a message for the client: the payload of a TEXT frame."""
        ...

    def encode_text(self, markup: Markup, text: str, look: int, *, as_is: bool) -> str:
        """Turn a text of the game into what a client of this format shows."""
        ...

    def frame_text(self, markup: Markup, text: str) -> bytes:
        """Make the whole frame of a text without options: nearly everything that is sent."""
        ...


class V1:
    """`v1.evennia.com`: JSON arrays, and texts as HTML."""

    name = "v1.evennia.com"

    def decode(self, frame: str | bytes) -> tuple[str, list[Any], dict[str, Any]]:
        """Read `["name", [args], {kwargs}]`; what is left out at the end is empty.

        A single argument may stand without its list. Names are text of 1 to 100 characters, not
        beginning with `_` and not RESERVED, nor are `session` and `self` names of kwargs.
        Raises RemoteProtocolError when it is nothing of the kind.
        """
        try:
            try:
                name, args, kwargs = _decode_whole(frame)
            except msgspec.ValidationError:  # of another form, or a number beyond all bounds
                name, args, kwargs = _read_short(frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteProtocolError("MalformedMessage", f"{_EXPECTED} in JSON") from error
        except RecursionError as error:
            raise RemoteProtocolError("MalformedMessage", "nested too deep") from error
        if kwargs and ("session" in kwargs or "self" in kwargs):
            raise RemoteProtocolError("MalformedMessage", f"{_EXPECTED}, with other options")
        if name == "text":
            return name, args, kwargs
        if not 0 < len(name) <= NAME_LENGTH or name[0] == "_" or name in RESERVED:
            raise RemoteProtocolError("MalformedMessage", f"{_EXPECTED}, with another name")
        return name, args, kwargs

    def encode(self, name: str, args: list[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Write a message as JSON; bytes become base64, what else it cannot carry its `str()`."""
        try:
            return _encode((name, args, kwargs))
        except (TypeError, ValueError):
            return _encode(_to_json((name, args, kwargs)))

    def encode_text(self, markup: Markup, text: str, look: int, *, as_is: bool) -> str:
        """Turn a text into HTML, as the look of it says.

        Without ANSI its styles are taken away, and what a screen reader is not to read out with
        SPEECH. With RAW it is shown as it is written; with `as_is` beside it, it is HTML of the
        game already.
        """
        if look & SPEECH:
            text = markup.to_speech(text)
        if look & RAW:
            return text if as_is else html.escape(text)
        return text_to_html(text) if look & SPEECH else markup.to_html(text, styled=look & ANSI > 0)

    def frame_text(self, markup: Markup, text: str) -> bytes:
        """Make the frame of a text as HTML, in one native call."""
        return markup.to_frame(text)


def _read_short(frame: str | bytes) -> tuple[str, list[Any], dict[str, Any]]:
    """Read a message that is JSON and not whole: it may leave out its last parts."""
    message = _decode(frame)
    if type(message) is list and 1 <= len(message) <= 3 and type(message[0]) is str:
        args = message[1] if len(message) > 1 else []
        kwargs = message[2] if len(message) > 2 else {}
        if type(kwargs) is dict:
            return message[0], args if type(args) is list else [args], kwargs
    raise RemoteProtocolError("MalformedMessage", _EXPECTED)


def _to_json(value: Any) -> Any:
    """Make a value of a message fit for JSON: keys are text, and texts hold no half surrogates."""
    if isinstance(value, str):
        return _to_text(value)
    if isinstance(value, Mapping):
        return {_to_text(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(item) for item in value]
    return value


_V1 = V1()

FORMATS: Mapping[str, Format] = {_V1.name: _V1}
DEFAULT: Format = _V1


def choose_format(offered: tuple[str, ...]) -> tuple[Format, str | None]:
    """Choose among the subprotocols that a client offers: the format, and the name to answer.

    Where none is known the default serves and nothing is answered: a browser then gives up by
    itself, and a simple client goes on.
    """
    for name, found in FORMATS.items():
        if name in offered:
            return found, name
    return DEFAULT, None
