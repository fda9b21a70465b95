"""What a web client of Evennia's says about its browser, and whether its page may say it; sans-IO.

Its websocket is opened with `?csessid&page_id&browser`: the key of the browser's session on the
game's website, a number that the page has made up for itself, and the browser's kind.

The key is as good as a password. It comes in an address, which other pages could use if they had
it, and so it counts from pages of the same host only.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

# Django's keys are 32 letters and digits, and never shorter than 8; other engines may have others.
_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")
_PAGE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LONGEST_NAME = 60  # the longest that Evennia's page sends has 36 letters

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^/:@\[\]]+)(?::\d+)?")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^/:@\[\]]+)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class BrowserQuery:
    """Which browser (`csessid`, a secret), which of its pages, and its kind; "" for what is not."""

    csessid: str
    page: str
    name: str


def read_query(query: str) -> BrowserQuery | None:
    """Read the query of a websocket; None for one that names no browser's session."""
    csessid, *rest = query.split("&")
    found = make_query(csessid, *map(unquote, rest[:2]))
    return found if found.csessid else None


def make_query(csessid: str, page: str = "", name: str = "") -> BrowserQuery:
    """Look at what a client says, and leave out what cannot be that."""
    shown = "".join(each for each in name if each.isprintable())
    return BrowserQuery(
        csessid if _KEY.fullmatch(csessid) else "",
        page if _PAGE.fullmatch(page) else "",
        shown[:LONGEST_NAME],
    )


def is_own_page(origin: str, hosts: Iterable[str]) -> bool:
    """Whether a page (`origin`) is of one of the hosts that were asked for; ports do not matter.

    The website and the websocket have different ports. `hosts` are values of Host headers.
    """
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        return False
    return any(
        host is not None and host[1] == found[1]
        for host in (_HOST.fullmatch(each.strip().lower()) for each in hosts)
    )
