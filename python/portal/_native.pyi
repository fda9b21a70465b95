# The codecs of Portal, compiled. Each part wraps one pure crate.

from collections.abc import Sequence
from typing import Any, Self, final

from typing_extensions import disjoint_base

__all__ = [
    "ANSI",
    "MARKED",
    "MARKED_PROMPT",
    "MXP",
    "NO_LINE_END",
    "OBJECTS",
    "PLAIN",
    "RAW",
    "READ",
    "REJECT",
    "SPEECH",
    "TRUECOLOR",
    "XTERM256",
    "AmpDecoder",
    "BoxError",
    "Markup",
    "SpeechFilter",
    "TelnetDecoder",
    "WebSocketDecoder",
    "compress",
    "decode_boxes",
    "decompress",
    "dump_packed",
    "encode_answer",
    "encode_answers",
    "encode_box",
    "encode_message",
    "read_look",
    "scan_pickle",
    "telnet_escape",
    "telnet_text",
    "text_to_html",
    "websocket_frame",
    "websocket_html",
    "websocket_text",
]

# ---- ampcodec

PLAIN: int
OBJECTS: int
REJECT: int
READ: int

class BoxError(ValueError): ...

def encode_box(box: dict[bytes, bytes]) -> bytes: ...
def encode_answer(tag: bytes) -> bytes: ...
def encode_answers(tags: list[bytes]) -> bytes: ...
def dump_packed(sessid: object, kwargs: object) -> bytes | None: ...
def encode_message(
    command: bytes, key: bytes, payload: bytes, ask: int | None, level: int
) -> bytes: ...
def compress(name: bytes, value: bytes, level: int) -> dict[bytes, bytes]: ...
def decompress(name: bytes, box: dict[bytes, bytes], limit: int) -> bytes: ...
def decode_boxes(data: bytes) -> list[dict[bytes, bytes]]: ...
def scan_pickle(data: bytes) -> tuple[int, str]: ...

@final
class AmpDecoder:
    max_payload: int
    def __new__(
        cls,
        compressed: dict[bytes, bytes],
        *,
        texts: list[bytes] | None = None,
        max_keys: int = 512,
        max_box: int = 25_165_824,
        max_payload: int = 16_777_216,
    ) -> AmpDecoder: ...
    @property
    def pending(self) -> int: ...
    @property
    def error(self) -> tuple[str, str] | None: ...
    def receive_data(
        self, data: bytes
    ) -> list[bytes | tuple[bytes, bytes | None, object, int, str] | dict[bytes, bytes]]: ...

# ---- telnetcodec

@final
class TelnetDecoder:
    def __new__(cls, max_line: int, max_subnegotiation: int) -> TelnetDecoder: ...
    def receive_data(self, data: bytes) -> list[bytes | tuple[int, int, bytes]]: ...
    @property
    def pending(self) -> int: ...
    def get_state(self) -> dict[str, int | bool | bytes]: ...
    def set_state(self, state: dict[str, int | bool | bytes]) -> None: ...

def telnet_escape(data: bytes) -> bytes: ...
def telnet_text(data: bytes) -> bytes: ...

# ---- wscodec

@final
class WebSocketDecoder:
    def __new__(cls, max_message: int) -> WebSocketDecoder: ...
    def receive_data(self, data: bytes) -> list[str | bytes | tuple[int, bytes]]: ...
    @property
    def pending(self) -> int: ...
    def get_state(self) -> dict[str, int | bool | bytes]: ...
    def set_state(self, state: dict[str, int | bool | bytes]) -> None: ...

def websocket_frame(opcode: int, payload: bytes) -> bytes: ...
def websocket_html(markup: Markup, text: str) -> bytes: ...
def websocket_text(text: str) -> bytes: ...

# ---- markup

ANSI: int
XTERM256: int
TRUECOLOR: int
MXP: int
SPEECH: int
RAW: int
NO_LINE_END: int
MARKED: int
MARKED_PROMPT: int

@disjoint_base
class Markup:
    def __new__(
        cls,
        *,
        only: bool = False,
        codes: Sequence[tuple[str, str]] = ...,
        bright_backgrounds: Sequence[tuple[str, str]] = ...,
        foregrounds: Sequence[str] = ...,
        backgrounds: Sequence[str] = ...,
        grey_foregrounds: Sequence[str] = ...,
        grey_backgrounds: Sequence[str] = ...,
    ) -> Self: ...
    @property
    def refused(self) -> list[tuple[str, str, str]]: ...
    def to_terminal(self, text: str, look: int) -> str: ...
    def to_html(self, text: str, *, styled: bool = True) -> str: ...
    def to_plain(self, text: str) -> str: ...

@final
class SpeechFilter:
    def __new__(cls, expression: str) -> SpeechFilter: ...
    def spare(self, text: str) -> str: ...

def text_to_html(text: str) -> str: ...
def read_look(flags: dict[str, Any], options: dict[str, Any] | None = None) -> int: ...
