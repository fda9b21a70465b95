"""Portal: the connection front end of text games.

Importing this package is cheap: nothing heavy is imported until it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.embedding import open_portal

__all__ = ["__version__", "open_portal"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `open_portal` when it is asked for."""
    if name != "open_portal":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from portal.embedding import open_portal  # noqa: PLC0415 - see above: the whole Portal

    return open_portal
