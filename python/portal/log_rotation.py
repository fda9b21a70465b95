"""When a log file is full or old enough, and what it is called from then on.

A file that is done is renamed by the day on which it was last written to, as Evennia's own are:
`portal.log.2024_05_31`, and `portal.log.2024_05_31__1` where there is one of that name already.
Nothing is ever deleted. Several processes may append to one file: who finds that another has
renamed it goes on in the new one.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

# The day on which a file was begun stands in its first line, whoever has written that.
FIRST_LINE_BYTES = 256
_DAY = re.compile(rb"(\d{4})-(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is done: with `max_bytes` in it, or `days` after it was begun; 0 is never."""

    max_bytes: int = 0
    days: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether a file is ever done."""
        return self.max_bytes > 0 or self.days > 0

    def is_due(self, size: int, begun: date, today: date) -> bool:
        """Whether a file of this size, begun on that day, is done."""
        if not size:
            return False
        full = 0 < self.max_bytes <= size
        return full or (self.days > 0 and (today - begun).days >= self.days)


def find_begin(path: str, today: date) -> date:
    """Return the day on which a file was begun, as its first line says; today where none does."""
    with contextlib.suppress(OSError, ValueError), Path(path).open("rb") as file:
        found = _DAY.search(file.readline(FIRST_LINE_BYTES))
        if found:
            return min(date(*map(int, found.groups())), today)
    return today


def set_aside(path: str, descriptor: int, today: date) -> None:
    """Rename the file at a path, unless it is not the one that the descriptor has.

    Raises OSError when that fails; then it is as it was.
    """
    found = os.stat(descriptor)
    there = Path(path).stat()
    if (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino):
        last = min(datetime.fromtimestamp(found.st_mtime, UTC).astimezone().date(), today)
        Path(path).rename(_find_name(f"{path}.{last:%Y_%m_%d}"))


def _find_name(name: str) -> str:
    free, number = name, 0
    while Path(free).exists():
        number += 1
        free = f"{name}__{number}"
    return free
