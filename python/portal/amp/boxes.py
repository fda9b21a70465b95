"""AMP boxes as bytes: the one door to the compiled codec.

What the codec refuses becomes an error with a side to it here: encoding fails for a bug of the
caller (`LocalProtocolError`), decoding for a fault of the peer (`RemoteProtocolError`). Limits
and layout are those of AMP: keys of 1 to 255 bytes, values of up to 65535, keys sorted.
"""

from portal._native import (
    PLAIN,
    READ,
    AmpDecoder,
    BoxError,
    encode_answer,
    encode_answers,
    encode_message,
)
from portal._native import compress as _compress
from portal._native import decode_boxes as _decode_boxes
from portal._native import decompress as _decompress
from portal._native import encode_box as _encode_box
from portal.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "PLAIN",
    "READ",
    "AmpDecoder",
    "Box",
    "compress",
    "decode_boxes",
    "decompress",
    "encode_answer",
    "encode_answers",
    "encode_box",
    "encode_message",
]

Box = dict[bytes, bytes]


def encode_box(box: Box) -> bytes:
    """Write one box, its keys sorted.

    Raises LocalProtocolError for an empty key, a key over 255 or a value over 65535 bytes, and for
    anything that is not bytes.
    """
    try:
        return _encode_box(box)
    except (BoxError, TypeError) as error:
        raise LocalProtocolError(f"the box cannot be sent: {_text(error)}") from error


def decode_boxes(data: bytes) -> list[Box]:
    """Read boxes that stand one behind the other; a last one that is cut off is left out.

    Raises RemoteProtocolError when they break the rules of framing.
    """
    try:
        return _decode_boxes(data)
    except BoxError as error:
        raise RemoteProtocolError(*_name_and_text(error)) from error


def compress(name: bytes, value: bytes, level: int) -> Box:
    """Cut a long value into pieces and deflate each: `name`, `name.2`, `name.3` ...

    `level` 0 writes stored blocks, 1 to 9 are zlib's. Add the result to the box to be sent.
    Raises LocalProtocolError for a name too long to be numbered.
    """
    try:
        return _compress(name, value, level)
    except (BoxError, TypeError, ValueError) as error:
        raise LocalProtocolError(f"the value cannot be sent: {_text(error)}") from error


def decompress(name: bytes, box: Box, limit: int) -> bytes:
    """Put the pieces of a value together again, by number and never to more than `limit` bytes.

    Raises RemoteProtocolError when pieces are missing, cannot be inflated or grow too large.
    """
    try:
        return _decompress(name, box, limit)
    except BoxError as error:
        raise RemoteProtocolError(*_name_and_text(error)) from error


def _name_and_text(error: BoxError) -> tuple[str, str]:
    name, text = error.args
    return name, text


def _text(error: Exception) -> str:
    return ": ".join(str(part) for part in error.args)
