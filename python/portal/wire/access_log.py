"""Lines about requests as web servers write them (the "combined" format), for other programs.

No line holds a query: neither that of the request nor that of the page it came from. What a client
sent is written so that it cannot be taken for a field or a line of its own.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

LONGEST = 200  # of what a client sent, each
# In English, whatever the language of the machine.
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class AccessLog:
    """Where the lines go: to `write`, one each without its end; nowhere while that is None."""

    __slots__ = ("write",)

    def __init__(self) -> None:
        self.write: Callable[[str], None] | None = None


def make_access_line(
    address: str,
    request: bytes,
    fields: Iterable[tuple[bytes, bytes]],
    *,
    status: int,
    size: int,
    when: datetime,
) -> str:
    """Write a line: who asked for what, when, and what came of it.

    `request` is the method, the path and the version; `fields` are the request's, with names in
    lower case; `size` are the bytes of the answer's body, `when` knows its time zone. A client that
    left before its answer has the `status` 0, and 499 in the line, as nginx writes it.
    """
    told = dict(fields)
    page = told.get(b"referer", b"").partition(b"?")[0].partition(b"#")[0]
    program = told.get(b"user-agent", b"")
    time = f"{when:%d}/{MONTHS[when.month - 1]}/{when:%Y:%H:%M:%S %z}"
    return (
        f'{address or "-"} - - [{time}] "{_quote(request)}" {status or 499} {size or "-"} '
        f'"{_quote(page) or "-"}" "{_quote(program) or "-"}"'
    )


def _quote(data: bytes) -> str:
    """Write what a client sent with the letters of ASCII, without quotes and controls."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in data[:LONGEST]
    )
