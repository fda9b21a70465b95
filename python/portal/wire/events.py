"""What a telnet client can say besides lines: one small frozen class for each.

Lines are plain `bytes` and no events: they are nearly all that ever comes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OptionEnabled:
    """Both sides agree on an option; `local` tells whether this side or the client performs it."""

    option: int
    local: bool


@dataclass(frozen=True, slots=True)
class OptionDisabled:
    """An option that was on is off."""

    option: int
    local: bool


@dataclass(frozen=True, slots=True)
class OptionRefused:
    """The client does not want an option, which was not on; perhaps nobody had asked."""

    option: int
    local: bool


@dataclass(frozen=True, slots=True)
class WindowSize:
    """The size of the client's window in characters; 0 where it does not say."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class TerminalType:
    """What the client calls itself: every name so far, in its order."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CharsetAgreed:
    """Text is in `encoding` (Python's name) from here on: set `TelnetCodec.encoding` to it."""

    encoding: str


@dataclass(frozen=True, slots=True)
class LineTooLong:
    """A line passed `limit` bytes; what came and the rest of it are thrown away."""

    limit: int


@dataclass(frozen=True, slots=True)
class SubnegotiationTooLong:
    """The payload of a subnegotiation passed `limit` bytes and is thrown away."""

    limit: int


@dataclass(frozen=True, slots=True)
class Command:
    """A command that stands alone (its byte); what must be answered has been answered.

    0 is none: it is a NUL between two lines, which old clients send lest they be cut off for being
    idle.
    """

    verb: int


Event = (
    OptionEnabled
    | OptionDisabled
    | OptionRefused
    | WindowSize
    | TerminalType
    | CharsetAgreed
    | LineTooLong
    | SubnegotiationTooLong
    | Command
)
