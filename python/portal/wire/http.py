"""The head of an HTTP request (RFC 9112), sans-IO, and answers that end its connection.

Every request is looked at here before anything else reads it. The form is held strictly, so that
whoever reads the head after us (wsproto, hypercorn's h11) cannot see another request in it: no
folded lines, no bare line feeds, a body only by its Content-Length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from portal.errors import RemoteProtocolError

HEAD_END = b"\r\n\r\n"
# Browsers send about fifteen, behind several proxies twice as many; each costs whoever reads them.
MAX_FIELDS = 100

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(
    rb"%b [!-~]+ HTTP/(\d\.\d)\r\n((?:%b:[\t -~\x80-\xff]*\r\n)*)\r\n" % (_TOKEN, _TOKEN)
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
    411: "Length Required",
    413: "Content Too Large",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
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
    shall not change to HTTP/2 behind our back. `body_bytes` come behind it.
    """

    data: bytes
    body_bytes: int
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
    version, fields = found.groups()
    if version not in {b"1.1", b"1.0"}:
        raise RemoteProtocolError("505", "This port speaks HTTP/1.1.")
    upgrades: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in _FIELDS.findall(fields):
        match name.lower():
            case b"upgrade":
                upgrades.append(value.lower())
            case b"content-length":
                lengths.append(value.strip())
            case _:
                raise RemoteProtocolError("411", "A body is taken with its Content-Length only.")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise RemoteProtocolError("400", "The Content-Length is none.")
    size = int(lengths[0]) if lengths else 0
    wants_websocket = any(b"websocket" in value for value in upgrades)
    if wants_websocket and (size or version == b"1.0"):
        raise RemoteProtocolError("400", "A websocket begins with HTTP/1.1 and without a body.")
    return Head(_UPGRADE.sub(b"", head) if upgrades else head, size, wants_websocket)


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
