"""A player whose page asks for each message by a request of its own.

To the game it is a player as on a websocket: the same messages, as HTML. What differs is below it:
a box (`portal.protocols.ajax_box`) in place of the connection, and what would be a frame is the
message itself.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import trio

from portal.markup import ANSI, Markup
from portal.protocols.ajax_box import Box
from portal.protocols.websocket_session import CONNECTED_ANEW, WebSocketSession
from portal.wire.formats import V1
from portal.wire.websocket import NORMAL, WebSocketCodec

if TYPE_CHECKING:
    from portal.hub.connection import Connection
    from portal.protocols.ajax import AjaxProtocol

KEEPALIVE = b'["ajax_keepalive",[],{}]'
CLOSED = "its page was closed"
SILENT = "its page does not ask for anything any more"


class Messages(V1):
    """The format of websockets without their frames."""

    name = "ajax"

    def frame_text(self, markup: Markup, text: str) -> bytes:
        """Make the message of a text as HTML."""
        return self.encode("text", [self.encode_text(markup, text, ANSI, as_is=False)], {})


class NoFrames(WebSocketCodec):
    """Messages that are sent as they are; the end is no message, but that there are no more."""

    __slots__ = ()

    def encode_text(self, text: str | bytes) -> bytes:
        """Return the message, unless it is closed."""
        if self.closed:
            return b""
        return text if isinstance(text, bytes) else text.encode("utf-8", "replace")

    def encode_close(self, code: int = NORMAL, reason: str = "") -> bytes:  # noqa: ARG002
        """Let nothing more go out."""
        self.closed = True
        return b""


MESSAGES = Messages()


class AjaxSession(WebSocketSession):
    """A player whose page asks for each message; `key` is what the page calls itself.

    `counted` tells that it was admitted as a connection of its address. `opened` is set when it is
    known who the player is, or when that will not be known. `turn` keeps what the page sends in
    order.
    """

    __slots__ = ("_asked", "box", "counted", "key", "opened", "turn")

    protocol: "AjaxProtocol"

    def __init__(self, protocol: "AjaxProtocol", box: Box, key: tuple[str, str]) -> None:
        # All that a session does with a connection, a box can.
        super().__init__(protocol, cast("Connection", box), box.address)
        self.counted = False
        self.format = MESSAGES
        self.codec = NoFrames(protocol.config.limits.subnegotiation_bytes)
        self.box = box
        self.key = key
        self.opened = trio.Event()
        self.turn = trio.Lock()
        self._asked = False  # the page was asked whether it is there
        box.lost = self._lose

    def receive_message(self, message: str) -> None:
        """Take in what the page sent."""
        self._receive(message)

    def note_alive(self) -> None:
        """Take note that the page has asked for anything."""
        self._asked = False
        if not self.box.closing:
            self.protocol.alive.start(self)

    def check_alive(self) -> None:
        """Ask whether the page is there; where it was asked already, it is not."""
        if self._asked:
            self.protocol.note_silent(self)
            self.leave(SILENT)
        else:
            self._asked = True
            self.connection.write(KEEPALIVE)
            self.protocol.alive.start(self)

    def leave(self, reason: str = CLOSED) -> None:
        """End because the page is closed, or as good as that."""
        self._note_closed()
        self.box.abort(reason)

    def give_way(self) -> None:
        """End without a word to the player: the page has begun anew."""
        self.box.abort(CONNECTED_ANEW)

    def get_state(self) -> dict[str, Any]:
        """Return everything that must survive in another process, as plain data."""
        return {**super().get_state(), "key": list(self.key), "box": self.box.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what `get_state` wrote down."""
        super().set_state({**state, "format": V1.name})
        self.format = MESSAGES
        self.box.set_state(state["box"])

    def _lose(self) -> None:
        self.opened.set()
        self.connection_lost(None)
