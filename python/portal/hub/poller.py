"""The poller: which descriptors are ready, asked of the kernel without waiting.

The only module that knows epoll, so that kqueue can stand beside it one day. A set is kept for
each rank. Those of links and guests are nested in that of the players, so that one descriptor
(`fileno`) becomes readable whenever anything at all is ready, and yet each can be asked alone,
however many players are ready too.
"""

import os
import select
from enum import IntEnum

from portal.errors import ServiceError

READABLE = getattr(select, "EPOLLIN", 0)
WRITABLE = getattr(select, "EPOLLOUT", 0)
# Reported without being asked for: the peer has reset the connection, or both ways are shut.
GONE = getattr(select, "EPOLLERR", 0) | getattr(select, "EPOLLHUP", 0)
# Asked for beside READABLE or without it: the peer has shut its direction, and all that it sent
# before is here.
FINISHED = getattr(select, "EPOLLRDHUP", 0)

Event = tuple[int, int]


class Rank(IntEnum):
    """In which set a descriptor is; in each tick links are served first, then guests, then players.

    Five hundred players who all type are served in eight ticks: who just came, or wants a page,
    would wait for that at every step.
    """

    PLAYER = 0  # by the thousand
    GUEST = 1  # has not begun to play, or never will
    LINK = 2  # leads to the game


PLAYER, GUEST, LINK = Rank


class Poller:
    """Level-triggered readiness of many descriptors.

    Wait with `trio.lowlevel.wait_readable(poller.fileno())`, then call `poll` for each rank, which
    never waits. A descriptor must be unregistered before it is closed: a child between fork
    and exec holds it too, and the kernel would go on reporting it.

    Raises ServiceError on a system without epoll. `close` releases the poller's own descriptors.
    """

    __slots__ = ("_sets", "_wakeup")

    def __init__(self) -> None:
        if not hasattr(select, "epoll"):
            raise ServiceError("hub", "this system has no epoll; Portal runs on Linux")
        self._sets = tuple(select.epoll() for _ in Rank)
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        for rank in (GUEST, LINK):
            self._sets[PLAYER].register(self._sets[rank].fileno(), select.EPOLLIN)
        # Edge-triggered: each write is reported once, and nobody has to read the counter.
        self._sets[PLAYER].register(self._wakeup, select.EPOLLIN | select.EPOLLET)

    def fileno(self) -> int:
        """Return the descriptor that is readable while anything is ready."""
        return self._sets[PLAYER].fileno()

    def register(self, fd: int, interest: int, rank: Rank) -> None:
        """Watch a descriptor for READABLE, WRITABLE, FINISHED; GONE is always reported."""
        self._sets[rank].register(fd, interest)

    def modify(self, fd: int, interest: int, rank: Rank) -> None:
        """Watch a registered descriptor for something else; `rank` is the one it has."""
        self._sets[rank].modify(fd, interest)

    def unregister(self, fd: int, rank: Rank) -> None:
        """Forget a registered descriptor; `rank` is the one it has."""
        self._sets[rank].unregister(fd)

    def poll(self, rank: Rank, limit: int) -> list[Event]:
        """Return at most `limit` ready descriptors of a rank, each with what it is ready for.

        The poller's own descriptors may be among those of PLAYER; whoever looks a descriptor up
        has to ignore one that it does not know.
        """
        return self._sets[rank].poll(0, limit)

    def wake(self) -> None:
        """Make `fileno` readable once."""
        os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """Release the poller; nothing of it may be used afterwards."""
        for each in self._sets:
            each.close()
        os.close(self._wakeup)
