"""The telnet codec: bytes of a client to lines and events, and text to bytes, sans-IO.

    connection.write(codec.offers)             first of all
    events = codec.receive_data(data)          lines are bytes, the rest are `portal.wire.events`
    connection.write(codec.data_to_send())     answers of the negotiation, if `output` has any

The codec decodes no text: `decode_text(line, codec.encoding)` is the caller's, so that a change of
encoding in the middle of a read counts from its place on.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal._native import TelnetDecoder, telnet_text
from portal.wire.events import Command, Event, LineTooLong, SubnegotiationTooLong
from portal.wire.options import (
    AYT,
    ECHO,
    GA,
    IAC,
    NOP,
    OFFERS,
    SB,
    WILL,
    OptionNegotiator,
    Output,
)

CRLF = b"\r\n"
GO_AHEAD = bytes([IAC, GA])
KEEPALIVE = bytes([IAC, NOP])

_HERE = b"\r\n[Yes]\r\n"
# What the decoder says of itself has no verb: of a line and of a subnegotiation that are too long,
# and this, of NUL between lines.
_KEPT_ALIVE = 2


def decode_text(data: bytes, encoding: str, others: Sequence[str] = ()) -> str:
    """Decode a line of a client's; one that is not in its encoding is tried in the others.

    What is in none of them is decoded as far as it goes, with U+FFFD for the rest.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        for each in others:
            with contextlib.suppress(UnicodeDecodeError):
                return data.decode(each)
        return data.decode(encoding, "replace")


def encode_text(text: str, encoding: str) -> bytes:
    """Encode a text for telnet; line ends become CR LF, what the encoding has not becomes `?`."""
    return telnet_text(text.encode(encoding, "replace"))


class TelnetCodec:
    """One client's telnet, from its first byte.

    A line may have `max_line` bytes and a subnegotiation `max_subnegotiation`; of what is longer
    there is one event, and the rest is thrown away unstored. `encoding` is Python's name of the
    encoding of text, both ways; set it when `CharsetAgreed` comes. `hidden` tells whether the
    client was asked to hide what is typed. `output` holds answers that must be sent.
    """

    __slots__ = ("_decoder", "encoding", "hidden", "options", "output")

    offers = OFFERS

    def __init__(self, max_line: int, max_subnegotiation: int, encoding: str = "utf-8") -> None:
        self._decoder = TelnetDecoder(max_line, max_subnegotiation)
        self.options = OptionNegotiator()
        self.encoding = encoding
        self.hidden = False
        self.output = b""

    def receive_data(
        self, data: bytes, admit: Callable[[], bool] | None = None
    ) -> list[bytes | Event]:
        """Read what came from the client, cut anywhere; returns lines and events in their order.

        Lines are without their end, edited, and may be empty. `admit` is asked before anything
        but a line is acted on: what it refuses is passed over, which is the caller's guard
        against storms. Nothing that a client sends raises.
        """
        tokens: Any = self._decoder.receive_data(data)
        for token in tokens:
            if type(token) is not bytes:
                return self._act_on(tokens, admit)
        return tokens  # type: ignore[no-any-return]

    def set_limits(self, max_line: int, max_subnegotiation: int) -> None:
        """Go by other limits from the next byte on, also for what has begun."""
        state = self._decoder.get_state()
        self._decoder = TelnetDecoder(max_line, max_subnegotiation)
        self._decoder.set_state(state)

    def data_to_send(self) -> bytes:
        """Take the answers that must be sent now; they are gone from `output` then."""
        output, self.output = self.output, b""
        return output

    @property
    def pending(self) -> int:
        """Bytes of a line that has not ended."""
        return self._decoder.pending

    @property
    def settled(self) -> bool:
        """Whether the client has answered all that usual clients answer."""
        return self.options.settled

    def encode_text(self, text: str) -> bytes:
        """Encode a text for the client; line ends become CR LF, what it cannot show `?`."""
        return encode_text(text, self.encoding)

    def hide_input(self) -> bytes:
        """Have the client hide what is typed; returns what must be sent.

        The end of a line is hidden, too: send a CR LF after each line that comes while `hidden`.
        """
        self.hidden = True
        return self.options.request(ECHO, wished=True, local=True)

    def show_input(self) -> bytes:
        """Have the client show again what is typed; returns what must be sent."""
        self.hidden = False
        return self.options.request(ECHO, wished=False, local=True)

    def get_state(self) -> dict[str, Any]:
        """Return everything that must be written down, as plain data that JSON can carry.

        It holds the line so far, which may be half a password.
        """
        return {
            "decoder": {
                name: value.decode("latin-1") if isinstance(value, bytes) else value
                for name, value in self._decoder.get_state().items()
            },
            "options": self.options.get_state(),
            "encoding": self.encoding,
            "hidden": self.hidden,
            "output": self.output.decode("latin-1"),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was called; the offers are not to be sent again."""
        self._decoder.set_state(
            {
                name: value.encode("latin-1") if isinstance(value, str) else value
                for name, value in state["decoder"].items()
            }
        )
        self.options.set_state(state["options"])
        self.encoding = state["encoding"]
        self.hidden = state["hidden"]
        self.output = state["output"].encode("latin-1")

    # ---- parts of the above

    def _act_on(
        self, tokens: list[bytes | tuple[int, int, bytes]], admit: Callable[[], bool] | None
    ) -> list[bytes | Event]:
        events: list[bytes | Event] = []
        for token in tokens:
            if isinstance(token, bytes):
                events.append(token)
                continue
            verb, option, payload = token
            if not verb and option < _KEPT_ALIVE:
                too_long = SubnegotiationTooLong if option else LineTooLong
                events.append(too_long(int(payload) - 1))
                continue
            if admit is not None and not admit():
                continue
            if not verb:
                events.append(Command(0))
                continue
            for output in self._answer(verb, option, payload):
                if isinstance(output, bytes):
                    self.output += output
                else:
                    events.append(output)
        return events

    def _answer(self, verb: int, option: int, payload: bytes) -> list[Output]:
        if verb == SB:
            return self.options.receive_subnegotiation(option, payload)
        if verb >= WILL:
            return self.options.receive(verb, option)
        return [_HERE, Command(verb)] if verb == AYT else [Command(verb)]
