"""The body of an HTTP request: which of the bytes behind a head belong to it (RFC 9112), sans-IO.

The bytes themselves go on as they are, to whoever reads the request. So the form of chunks is held
strictly: another reader shall find the end at the same byte.
"""

import re

from portal.errors import RemoteProtocolError
from portal.wire.http import Head

# Eight digits are 4 GiB, more than any chunk has. Extensions mean nothing to anybody here.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t -~]*)?[\t ]*\r\n")
_EMPTY_LINE = b"\r\n"

# The lines around chunks.
_SIZE, _END_OF_CHUNK, _END_OF_BODY = "size", "end of chunk", "end of body"

MAX_LINES = 500  # in one go, which takes 0.4 ms: chunks of a byte each shall hold nobody up
MAX_LINE_BYTES = 128  # of a chunk's size, its extensions and the end of the line

WRONG = "The body is not properly chunked."
FIELDS = "Fields behind a body are not taken."


class Body:
    """The body of one request, as its head announces it.

    `chunked` tells how it comes, `ended` whether all of it was measured, `size` how many bytes it
    has had until now, without what is around its chunks, and `announced` how many its head says.
    """

    __slots__ = ("_due", "_left", "_line", "announced", "chunked", "ended", "size")

    def __init__(self, head: Head) -> None:
        self.ended = not head.body_bytes and not head.chunked
        self.size = 0
        self.chunked = head.chunked
        self.announced = head.body_bytes
        self._left = head.body_bytes  # of the body, or of the chunk that was begun
        self._line = b""  # what has come of the line that is due
        self._due = _SIZE  # what kind of line that is

    def measure(self, data: bytes) -> int:
        """Return how many of the next bytes belong to it: all, unless it ends within them.

        Of bytes that are nearly all chunks it may be fewer at a time, and then it is to be asked
        again for the others.
        Raises RemoteProtocolError for chunks that are none; its `name` is the answer's status.
        """
        if not self.chunked:
            return self._measure_data(data, 0)
        at = lines = 0
        while at < len(data) and not self.ended and lines < MAX_LINES:
            if self._left:
                at = self._measure_data(data, at)
            else:
                at = self._measure_line(data, at)
                lines += 1
        return at

    def _measure_data(self, data: bytes, at: int) -> int:
        size = min(self._left, len(data) - at)
        self._left -= size
        self.size += size
        if not self.chunked:
            self.ended = not self._left
        return at + size

    def _measure_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at, at + MAX_LINE_BYTES) + 1
        stop = end or len(data)
        self._line += data[at:stop]
        if len(self._line) > MAX_LINE_BYTES:
            raise RemoteProtocolError("400", WRONG)
        if end:
            line, self._line = self._line, b""
            self._take_line(line)
        return stop

    def _take_line(self, line: bytes) -> None:
        if self._due == _SIZE:
            found = _SIZE_LINE.fullmatch(line)
            if found is None:
                raise RemoteProtocolError("400", WRONG)
            self._left = int(found[1], 16)
            self._due = _END_OF_CHUNK if self._left else _END_OF_BODY
        elif line != _EMPTY_LINE:
            raise RemoteProtocolError("400", WRONG if self._due == _END_OF_CHUNK else FIELDS)
        else:
            self.ended = self._due == _END_OF_BODY
            self._due = _SIZE
