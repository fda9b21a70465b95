"""In front of an Evennia game: all that knows Evennia's Python side.

`EVENNIA_PORTAL_SERVICE_CLASS = "portal.evennia.PortalService"` in a game's settings is all that a
game needs (`docs/evennia.md`). Importing this package imports neither Twisted nor Django.
"""

from typing import Any

__all__ = ["PortalService"]


def __getattr__(name: str) -> Any:
    if name != "PortalService":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from portal.evennia.hook import PortalService  # noqa: PLC0415 - it imports Twisted

    return PortalService
