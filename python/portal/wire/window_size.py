"""NAWS: the size of the client's window, at once and at every change (RFC 1073)."""

from typing import Any

from portal.wire.events import Event, WindowSize

CODE = 31

# A client that claims to be smaller or larger is mistaken; games wrap lines by this.
WIDTHS = (10, 1000)
HEIGHTS = (2, 1000)


class WindowSizeNegotiation:
    """Reads the sizes that a client sends; nothing is ever sent to it."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting = False

    @property
    def settled(self) -> bool:
        """Whether the size has come, or will not."""
        return not self.waiting

    @property
    def fresh(self) -> bool:
        """Whether it need not be kept."""
        return not self.waiting

    def at_enabled(self, *, local: bool) -> list[bytes | Event]:  # noqa: ARG002 - of every handler
        """Wait for the size, which comes unasked."""
        self.waiting = True
        return []

    def at_disabled(self, *, local: bool) -> list[bytes | Event]:  # noqa: ARG002
        """Wait for nothing more."""
        self.waiting = False
        return []

    def receive(self, payload: bytes) -> list[bytes | Event]:
        """Read a size, also one that comes before its WILL. Any other length is no size."""
        if len(payload) != 4:
            return []
        self.waiting = False
        width = int.from_bytes(payload[:2], "big")
        height = int.from_bytes(payload[2:], "big")
        return [WindowSize(_within(width, WIDTHS), _within(height, HEIGHTS))]

    def get_state(self) -> Any:
        """Whether a size is awaited."""
        return self.waiting

    def set_state(self, state: Any) -> None:
        """Go on where `get_state` was called."""
        self.waiting = state


def _within(size: int, bounds: tuple[int, int]) -> int:
    return size and min(max(size, bounds[0]), bounds[1])
