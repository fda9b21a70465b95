"""The players' names, where they are and their passwords, in one SQLite file.

Every call is one short transaction on local disk (about 0.1 ms), so none is worth a thread.
Hashing a password is: it takes some 30 ms and 19 MiB on purpose, so `Passwords` does it in
threads, two at a time.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import argon2
import trio

from portal.demo.words import fold_name

FILE = "demo.sqlite3"
SCHEMA = """
CREATE TABLE IF NOT EXISTS players (
    uid INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    password TEXT,
    seen REAL NOT NULL
)
"""
FIND = "SELECT uid, name, room, password FROM players WHERE folded = ?"
# Names that nobody protected are forgotten after a month, or guests would fill the disk.
FORGET_SECONDS = 30 * 86400.0
HASHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Player:
    """One row: `password` is an Argon2 hash, or None for a name that anybody may use."""

    uid: int
    name: str
    room: str
    password: str | None


class PlayerStore:
    """The table of players below `directory`, which is made (mode 0700) where it is missing.

    Raises OSError or sqlite3.Error when it cannot be opened or written. Close it at the end.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = sqlite3.connect(directory / FILE, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A crash of the game loses nothing by it, only one of the machine the last moments.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(SCHEMA)

    def close(self) -> None:
        """Close the file. Every call before it is on disk already."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def find(self, name: str) -> Player | None:
        """Return the player of that name, in whatever case it is written."""
        row = self._database.execute(FIND, (fold_name(name),)).fetchone()
        return None if row is None else Player(*row)

    def visit(self, name: str, room: str, now: float) -> Player:
        """Return the player of that name, made anew in `room` for one that is not there."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO players (name, folded, room, seen) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (folded) DO UPDATE SET seen = excluded.seen",
                (name, fold_name(name), room, now),
            )
            return Player(*database.execute(FIND, (fold_name(name),)).fetchone())

    def move(self, uid: int, room: str, now: float) -> None:
        """Note where a player is."""
        with self._transaction() as database:
            query = "UPDATE players SET room = ?, seen = ? WHERE uid = ?"
            database.execute(query, (room, now, uid))

    def protect(self, uid: int, password: str) -> None:
        """Note the hash of a player's password; until now there was another or none."""
        with self._transaction() as database:
            database.execute("UPDATE players SET password = ? WHERE uid = ?", (password, uid))

    def forget_guests(self, now: float) -> int:
        """Forget the names without a password that were not seen for a month; returns how many."""
        with self._transaction() as database:
            query = "DELETE FROM players WHERE password IS NULL AND seen < ?"
            return database.execute(query, (now - FORGET_SECONDS,)).rowcount


class Passwords:
    """Hashes passwords with Argon2id, in threads; the parameters are OWASP's for small machines."""

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=1
        )
        self._limiter = trio.CapacityLimiter(HASHES_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash that is stored. Cancelling waits for the thread."""
        return await trio.to_thread.run_sync(self._hasher.hash, password, limiter=self._limiter)

    async def check(self, stored: str, password: str) -> bool:
        """Whether it is the password of that hash. Cancelling waits for the thread."""
        return await trio.to_thread.run_sync(self._check, stored, password, limiter=self._limiter)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
