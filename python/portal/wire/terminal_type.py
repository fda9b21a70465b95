"""TTYPE: what the client and its terminal are called and can do (RFC 1091 and MTTS).

The client is asked again and again, and says another name each time: those who know MTTS their
own name, the kind of terminal, then `MTTS` with a number whose bits are abilities. It has said all
when it repeats a name. One question stands open at a time.
"""

from collections.abc import Sequence
from typing import Any

from portal.wire.events import Event, TerminalType

CODE = 24

_IS = b"\x00"
_SEND = b"\x01"

# Clients that are no MTTS repeat themselves after five names at most.
MAX_NAMES = 10
# RFC 1091 allows 40 characters; some names carry a version behind.
NAME_LENGTH = 64

_MTTS = "MTTS "

# The bits of MTTS, by the names that games know as protocol flags.
ABILITIES = {
    "ANSI": 1,
    "VT100": 2,
    "UTF-8": 4,
    "XTERM256": 8,
    "MOUSE_TRACKING": 16,
    "OSC_COLOR_PALETTE": 32,
    "SCREENREADER": 64,
    "PROXY": 128,
    "TRUECOLOR": 256,
    "MNES": 512,
    "MSLP": 1024,
    "SSL": 2048,
}

# What a game decides by; of the other abilities only those are noted that a client has.
_COLOURS = ("ANSI", "XTERM256", "TRUECOLOR")

# Clients that show 256 colours and say so by their name only.
_CLIENTS_OF_256_COLOURS = frozenset(
    {
        "ATLANTIS",
        "BEIP",
        "CMUD",
        "KILDCLIENT",
        "MUDLET",
        "MUSHCLIENT",
        "POTATO",
        "PUTTY",
        "TINYFUGUE",
        "XTERM",
    }
)

# The same with red, green and blue.
_CLIENTS_OF_TRUECOLOUR = frozenset({"AXMUD", "TINTIN"})


class TerminalTypeNegotiation:
    """Asks a client for its names until it repeats one."""

    __slots__ = ("asked", "names")

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.asked = False

    @property
    def settled(self) -> bool:
        """Whether no answer is awaited."""
        return not self.asked

    @property
    def fresh(self) -> bool:
        """Whether it need not be kept."""
        return not self.asked

    def at_enabled(self, *, local: bool) -> list[bytes | Event]:  # noqa: ARG002 - of every handler
        """Ask for the first name."""
        self.asked = True
        return [_SEND]

    def at_disabled(self, *, local: bool) -> list[bytes | Event]:  # noqa: ARG002
        """Ask no more; the client begins with its first name when it is enabled again."""
        self._finish()
        return []

    def receive(self, payload: bytes) -> list[bytes | Event]:
        """Read a name and ask for the next; a name that nobody asked for is ignored."""
        if not self.asked or payload[:1] != _IS:
            return []
        name = _clean(payload[1:])
        if not name or name in self.names:
            self._finish()
            return []
        self.names = (*self.names, name)
        outputs: list[bytes | Event] = [TerminalType(self.names)]
        if len(self.names) < MAX_NAMES and not name.startswith(_MTTS):
            return [*outputs, _SEND]
        self._finish()
        return outputs

    def get_state(self) -> Any:
        """Return the names so far and whether another is awaited."""
        return [list(self.names), self.asked]

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""
        names, self.asked = state
        self.names = tuple(names)

    def _finish(self) -> None:
        self.asked = False
        self.names = ()


def terminal_flags(names: Sequence[str]) -> dict[str, Any]:
    """Say what a client's names mean as protocol flags: who it is and what it can do.

    An MTTS answer counts for all that it names. Without one, colours are guessed from the names.
    `names` holds at least one.
    """
    plain = [name for name in names if not name.startswith(_MTTS)]
    client = plain[0] if plain else ""
    terminal = plain[1] if len(plain) > 1 else client
    flags: dict[str, Any] = {"TTYPE": True, "CLIENTNAME": client.upper(), "TERM": terminal}
    bits = _abilities(names)
    if bits is None:
        upper = {name.upper() for name in plain}
        colours = any(name.endswith(("-256COLOR", "-TRUECOLOR")) for name in upper)
        flags["ANSI"] = upper != {"DUMB"}
        flags["XTERM256"] = colours or any(
            name.split("-")[0].split(" ")[0] in _CLIENTS_OF_256_COLOURS for name in upper
        )
        flags["TRUECOLOR"] = any(
            name.endswith("-TRUECOLOR") or name in _CLIENTS_OF_TRUECOLOUR for name in upper
        )
        return flags
    flags.update((name, False) for name in _COLOURS)
    flags.update((name, True) for name, bit in ABILITIES.items() if bits & bit)
    return flags


def _abilities(names: Sequence[str]) -> int | None:
    for name in names:
        number = name.removeprefix(_MTTS)
        if number != name and number.isascii() and number.isdigit():
            return int(number)
    return None


def _clean(name: bytes) -> str:
    text = name[:NAME_LENGTH].decode("ascii", "ignore")
    return "".join(letter for letter in text if letter.isprintable()).strip()
