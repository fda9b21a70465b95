"""The websocket codec: bytes of a client to messages and events, and back, sans-IO (RFC 6455).

    messages = codec.receive_data(data)        texts are str, binary messages bytes
    ...                                        answer those that came before a close
    connection.write(codec.data_to_send())     pongs and the close, if `output` has any
    if codec.closed: ...                       nothing more goes out: end the connection

The opening handshake is the caller's: the codec begins behind it. No extension is known, so none
may be agreed on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal._native import WebSocketDecoder, websocket_frame, websocket_text
from portal.errors import LocalProtocolError

# RFC 6455, section 7.4.1, and what was registered since.
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005  # never on the wire: the client's close had no code
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

# A control frame has at most 125 bytes (section 5.5), a close two of them for its code.
MAX_PING = 125
MAX_REASON = 123

# What a close may carry: 1004 to 1006 and 1015 are for programs to tell themselves.
_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The client is alive: it answers the ping with this payload, or sent it unasked."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The client closes, or answers a close; `code` is NO_STATUS where it gives none."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProtocolFailed:
    """The client broke the protocol or a limit; nothing that it sends is read any more."""

    code: int
    reason: str


Event = PongReceived | CloseReceived | ProtocolFailed


class WebSocketCodec:
    """One client's websocket, from behind the handshake.

    A message may have `max_message` bytes in all its fragments. `output` holds answers that must
    be sent, and `closing` tells that the last of them is a close: what came before the client's
    own can still be answered. `closed` tells that a close has gone out: nothing is encoded any
    more, and of what still comes only the client's own close, or its failure, is told.
    """

    __slots__ = ("_decoder", "closed", "closing", "output")

    def __init__(self, max_message: int) -> None:
        self._decoder = WebSocketDecoder(max_message)
        self.closed = False
        self.closing = False
        self.output = b""

    def receive_data(
        self, data: bytes, admit: Callable[[], bool] | None = None
    ) -> list[str | bytes | Event]:
        """Read what came from the client, cut anywhere; returns messages and events in order.

        Pings are answered in `output`, each one, in their order. `admit` is asked before a ping
        or a pong is acted on: what it refuses is passed over, which is the caller's guard against
        storms. A close or a failure is the last event ever, and has its answer in `output`.
        Nothing that a client sends raises.
        """
        items: Any = self._decoder.receive_data(data)
        if self.closed:
            return self._act_on(items, admit)
        for item in items:
            if type(item) is not str:
                return self._act_on(items, admit)
        return items  # type: ignore[no-any-return]

    def set_limit(self, max_message: int) -> None:
        """Go by another limit from the next frame on, also for a message that has begun."""
        state = self._decoder.get_state()
        self._decoder = WebSocketDecoder(max_message)
        self._decoder.set_state(state)

    def data_to_send(self) -> bytes:
        """Take the answers that must be sent now; they are gone from `output` then.

        With a close among them the codec is `closed`.
        """
        self.closed |= self.closing
        self.closing = False
        output, self.output = self.output, b""
        return output

    @property
    def pending(self) -> int:
        """Bytes stored of a message that has not ended."""
        return self._decoder.pending

    def encode_text(self, text: str | bytes) -> bytes:
        """Make a text message, of bytes that are UTF-8 already, or of a text.

        In a text, what is no character (a lone surrogate) becomes `?`.
        """
        if self.closed:
            return b""
        if isinstance(text, bytes):
            return websocket_frame(_TEXT, text)
        try:
            return websocket_text(text)
        except UnicodeEncodeError:
            return websocket_text(text.encode("utf-8", "replace").decode())

    def encode_binary(self, data: bytes) -> bytes:
        """Make a binary message."""
        return b"" if self.closed else websocket_frame(_BINARY, data)

    def encode_ping(self, payload: bytes = b"") -> bytes:
        """Make a ping, which the client answers with a pong; ValueError over MAX_PING bytes."""
        return b"" if self.closed else websocket_frame(_PING, payload)

    def encode_close(self, code: int = NORMAL, reason: str = "") -> bytes:
        """Make the close, the last that goes out, behind what stands in `output`.

        Where the client's own close is still to be answered, that answer is the one; empty where a
        close has gone out before. The reason is cut to MAX_REASON bytes, at the border of a
        character. LocalProtocolError for a code that no close may carry.
        """
        if code not in _SENDABLE:
            raise LocalProtocolError(f"a close with code {code}")
        if not self.closed and not self.closing:
            text = reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
            self.output += websocket_frame(_CLOSE, code.to_bytes(2, "big") + text.encode())
            self.closing = True
        return self.data_to_send()

    def get_state(self) -> dict[str, Any]:
        """Return everything that must be written down, as plain data that JSON can carry.

        It holds the message so far, which may be half a password.
        """
        return {
            "decoder": {
                name: value.decode("latin-1") if isinstance(value, bytes) else value
                for name, value in self._decoder.get_state().items()
            },
            "closed": self.closed,
            "closing": self.closing,
            "output": self.output.decode("latin-1"),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was called."""
        self._decoder.set_state(
            {
                name: value.encode("latin-1") if isinstance(value, str) else value
                for name, value in state["decoder"].items()
            }
        )
        self.closed = state["closed"]
        self.closing = state["closing"]
        self.output = state["output"].encode("latin-1")

    # ---- parts of the above

    def _act_on(
        self, items: list[str | bytes | tuple[int, bytes]], admit: Callable[[], bool] | None
    ) -> list[str | bytes | Event]:
        events: list[str | bytes | Event] = []
        output = [self.output]
        for item in items:
            if not isinstance(item, tuple):
                if not self.closed:
                    events.append(item)
                continue
            code, payload = item
            if code == _CLOSE or code >= NORMAL:
                events.append(_read_end(code, payload))
                self.closing = not self.closed
                # What is told of a failure is what the close says of it.
                answer = payload[:2] if code == _CLOSE else code.to_bytes(2, "big") + payload
                output.append(websocket_frame(_CLOSE, answer) if self.closing else b"")
            elif self.closed or (admit is not None and not admit()):
                continue
            elif code == _PONG:
                events.append(PongReceived(payload))
            else:
                output.append(websocket_frame(_PONG, payload))
        self.output = b"".join(output)
        return events


def _read_end(code: int, payload: bytes) -> CloseReceived | ProtocolFailed:
    if code != _CLOSE:
        return ProtocolFailed(code, payload.decode())
    if not payload:
        return CloseReceived(NO_STATUS, "")
    return CloseReceived(int.from_bytes(payload[:2], "big"), payload[2:].decode())
