"""The poller: which descriptors are ready, asked of the kernel without waiting.

The only module that knows epoll, so that kqueue can stand beside it one day. Two sets are kept.
The priority set holds the links to the game; it is nested in the common set, so that one
descriptor (`fileno`) becomes readable whenever anything at all is ready, and yet it can be asked
alone, however many clients are ready too.
"""

import os
import select

from portal.errors import ServiceError

READABLE = getattr(select, "EPOLLIN", 0)
WRITABLE = getattr(select, "EPOLLOUT", 0)
# Reported without being asked for: the peer has reset the connection, or both ways are shut.
GONE = getattr(select, "EPOLLERR", 0) | getattr(select, "EPOLLHUP", 0)
# Asked for beside READABLE or without it: the peer has shut its direction, and all that it sent
# before is here.
FINISHED = getattr(select, "EPOLLRDHUP", 0)

Event = tuple[int, int]


class Poller:
    """Level-triggered readiness of many descriptors.

    Wait with `trio.lowlevel.wait_readable(poller.fileno())`, then call `poll_priority` and `poll`;
    neither ever waits. A descriptor must be unregistered before it is closed: a child between fork
    and exec holds it too, and the kernel would go on reporting it.

    Raises ServiceError on a system without epoll. `close` releases the poller's own descriptors.
    """

    __slots__ = ("_common", "_priority", "_priority_fd", "_wakeup")

    def __init__(self) -> None:
        if not hasattr(select, "epoll"):
            raise ServiceError("hub", "this system has no epoll; Portal runs on Linux")
        self._common = select.epoll()
        self._priority = select.epoll()
        self._priority_fd = self._priority.fileno()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._common.register(self._priority_fd, select.EPOLLIN)
        # Edge-triggered: each write is reported once, and nobody has to read the counter.
        self._common.register(self._wakeup, select.EPOLLIN | select.EPOLLET)

    def fileno(self) -> int:
        """Return the descriptor that is readable while anything is ready."""
        return self._common.fileno()

    def register(self, fd: int, interest: int) -> None:
        """Watch a descriptor for READABLE, WRITABLE, FINISHED; GONE is always reported."""
        self._common.register(fd, interest)

    def modify(self, fd: int, interest: int, *, priority: bool) -> None:
        """Watch a registered descriptor for something else; `priority` names its set."""
        (self._priority if priority else self._common).modify(fd, interest)

    def unregister(self, fd: int, *, priority: bool) -> None:
        """Forget a registered descriptor; `priority` names its set."""
        (self._priority if priority else self._common).unregister(fd)

    def move(self, fd: int, interest: int, *, priority: bool) -> None:
        """Put a registered descriptor into the other set: the one that `priority` names."""
        self.unregister(fd, priority=not priority)
        (self._priority if priority else self._common).register(fd, interest)

    def poll(self, limit: int) -> list[Event]:
        """Return at most `limit` ready descriptors, each with what it is ready for.

        The poller's own descriptors may be among them; whoever looks a descriptor up has to
        ignore one that it does not know.
        """
        return self._common.poll(0, limit)

    def poll_priority(self, limit: int) -> list[Event]:
        """Return what is ready in the priority set, however much else is."""
        return self._priority.poll(0, limit)

    def wake(self) -> None:
        """Make `fileno` readable once."""
        os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """Release the poller; nothing of it may be used afterwards."""
        self._common.close()
        self._priority.close()
        os.close(self._wakeup)
