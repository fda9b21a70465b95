"""The head of an HTTP request (RFC 9112), sans-IO, and answers that end its connection.

Every request is looked at here before anything else reads it. The form is held strictly, so that
whoever reads the head after us (wsproto, hypercorn's h11) cannot see another request in it: no
folded lines, no bare line feeds, one thing only that says where the body ends.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.errors import RemoteProtocolError

HEAD_END = b"\r\n\r\n"
# Browsers send about fifteen, behind several proxies twice as many; each costs whoever reads them.
MAX_FIELDS = 100

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(
    rb"%b ([!-~]+) HTTP/(\d\.\d)\r\n((?:%b:[\t -~\x80-\xff]*\r\n)*)\r\n" % (_TOKEN, _TOKEN)
)
_FIELDS = re.compile(
    rb"^(upgrade|content-length|transfer-encoding):([^\r]*)\r$", re.IGNORECASE | re.MULTILINE
)
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
# More digits than any body has; int() of thousands would take its time.
_LENGTH = re.compile(rb"\d{1,15}")

_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    413: "Content Too Large",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}

# On every answer: no page of a stranger may frame the client or slip code into it.
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Head:
    """What has to be known of a request before it is handed on.

    `data` is the head without its Upgrade: this is for one hop only, and whoever serves pages
    shall not change to HTTP/2 behind our back. `target` is what is asked for, byte for byte.
    `body_bytes` come behind the head, or as many chunks as come (`portal.wire.body`).
    """

    data: bytes
    target: bytes
    body_bytes: int
    chunked: bool
    wants_websocket: bool


def read_head(head: bytes) -> Head:
    """Read the head of a request, up to and with its empty line.

    Raises RemoteProtocolError for one that is refused; its `name` is the status of the answer and
    its `text` what is wrong.
    """
    if head.count(b"\n") > MAX_FIELDS + 2:
        raise RemoteProtocolError("431", f"A request may have {MAX_FIELDS} header fields.")
    found = _HEAD.fullmatch(head)
    if found is None:
        raise RemoteProtocolError("400", "This is no proper HTTP request.")
    target, version, fields = found.groups()
    if version not in {b"1.1", b"1.0"}:
        raise RemoteProtocolError("505", "This port speaks HTTP/1.1.")
    values: dict[bytes, list[bytes]] = {}
    for name, value in _FIELDS.findall(fields):
        values.setdefault(name.lower(), []).append(value.strip().lower())
    size, chunked = _read_framing(version, values)
    upgrades = values.get(b"upgrade", [])
    wants_websocket = any(b"websocket" in value for value in upgrades)
    if wants_websocket and (size or chunked or version == b"1.0"):
        raise RemoteProtocolError("400", "A websocket begins with HTTP/1.1 and without a body.")
    data = _UPGRADE.sub(b"", head) if upgrades else head
    return Head(data, target, size, chunked, wants_websocket)


def _read_framing(version: bytes, values: Mapping[bytes, Sequence[bytes]]) -> tuple[int, bool]:
    """Return how many bytes the body has, and whether it comes in chunks instead.

    A request that says both is how another is smuggled in (RFC 9112, section 11.2).
    """
    lengths = values.get(b"content-length", ())
    codings = values.get(b"transfer-encoding", ())
    if codings and (lengths or version == b"1.0"):
        raise RemoteProtocolError("400", "A body has a Content-Length or is chunked, not both.")
    if codings and list(codings) != [b"chunked"]:
        raise RemoteProtocolError("501", "A body is taken as it is or chunked.")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise RemoteProtocolError("400", "The Content-Length is none.")
    return (int(lengths[0]) if lengths else 0), bool(codings)


def refuse(status: int, text: str, *headers: tuple[str, str]) -> bytes:
    """Write an answer that ends the connection: the status and one line of plain text."""
    body = f"{text}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        *(f"{name}: {value}" for name, value in (*headers, *SECURITY_HEADERS.items())),
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode("ascii") + body
