"""Messages that wait until a page asks for them, in place of a connection."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import trio

from portal.config import Config

# What a message costs in memory beside its bytes.
MESSAGE_BYTES = 64

TOO_SLOW = "its page fetches its messages too slowly"


class Shelf(Protocol):
    """What a box needs of whoever has all of them (`AjaxProtocol`)."""

    config: Config
    now: Callable[[], float]

    def note_size(self, change: int) -> None:
        """Take note that there is more, or less, in one of them."""
        ...


class Box:
    """The messages of one session, the oldest first; to the session it is its connection.

    `unsent` is their size. `lost()` is called once, when nobody will ask any more: at once after
    `abort`, and after `close` when the last message was taken.
    """

    __slots__ = (
        "_asked",
        "_changed",
        "_messages",
        "_reading",
        "_shelf",
        "_taken",
        "address",
        "close_reason",
        "closing",
        "ended",
        "lost",
        "unsent",
    )

    def __init__(self, shelf: Shelf, address: str) -> None:
        self.address = address
        self.close_reason = ""
        self.unsent = 0
        self.closing = False
        self.ended = False
        self.lost: Callable[[], None] = lambda: None
        self._shelf = shelf
        self._messages: deque[bytes] = deque()
        self._taken = 0.0  # when the page last took something, or had everything
        self._asked = 0
        self._changed = trio.Event()
        self._reading = trio.Event()
        self._reading.set()

    # ---- what a session does with its connection

    def write(self, message: bytes) -> None:
        """Keep a message for the page; one that does not take what is there is cut."""
        if self.closing or not message:
            return
        if not self._messages:
            self._taken = self._shelf.now()
        self._messages.append(message)
        self._changed.set()
        self._grow(len(message) + MESSAGE_BYTES)
        bounds = self._shelf.config.hub
        waited = self._shelf.now() - self._taken
        if self.unsent > bounds.unsent_hard_bytes or (
            self.unsent > bounds.unsent_soft_bytes and waited > bounds.unsent_grace_seconds
        ):
            self.abort(TOO_SLOW)

    def close(self, reason: str = "") -> None:
        """Keep nothing more, and end when the page has taken what is there."""
        if not self.closing:
            self.closing = True
            self.close_reason = self.close_reason or reason
            self.settle()

    def abort(self, reason: str = "") -> None:
        """End at once; what the page has not taken is dropped."""
        self.closing = True
        self.close_reason = self.close_reason or reason
        self._messages.clear()
        self._grow(-self.unsent)
        self.settle()

    def pause_reading(self) -> None:
        """Let what the page sends wait."""
        if not self.ended:
            self._reading = trio.Event()

    def resume_reading(self) -> None:
        """Let it come."""
        self._reading.set()

    # ---- what the page does

    async def take(self) -> bytes | None:
        """Take the oldest message out, as soon as there is one.

        None when no more will come, or when the page has asked again meanwhile. Follow it up with
        `settle` when the page has the message, and with `put_back` when it has not got it.
        """
        self._asked = mine = self._asked + 1
        self._changed.set()
        while not self._messages:
            if self.closing or mine != self._asked:
                return None
            self._changed = trio.Event()
            await self._changed.wait()
        if mine != self._asked:
            return None
        message = self._messages.popleft()
        self._grow(-len(message) - MESSAGE_BYTES)
        self._taken = self._shelf.now()
        return message

    def put_back(self, message: bytes) -> None:
        """Keep a message that was taken out and did not arrive."""
        if not self.ended:
            self._messages.appendleft(message)
            self._grow(len(message) + MESSAGE_BYTES)
            self._changed.set()

    def settle(self) -> None:
        """End, if it is closed and the page has everything."""
        if self.closing and not self._messages and not self.ended:
            self.ended = True
            self._changed.set()
            self._reading.set()
            self.lost()

    async def wait_for_reading(self) -> None:
        """Wait while nothing is to be read of the page."""
        while not self._reading.is_set():
            await self._reading.wait()

    # ---- state

    def get_state(self) -> dict[str, Any]:
        """Return the messages as plain data."""
        return {"messages": [message.decode() for message in self._messages]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Have the messages that `get_state` wrote down."""
        for message in state["messages"]:
            self.write(message.encode())

    def _grow(self, change: int) -> None:
        self.unsent += change
        self._shelf.note_size(change)
