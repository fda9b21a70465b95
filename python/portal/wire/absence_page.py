"""The page in place of the game's own while its web server is not there, sans-IO.

It has no script and fetches nothing: whatever it needs is in it. It asks for the same page again
by itself, which a browser does with a GET and never with what a form had sent.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape

from portal.wire.http import SECURITY_HEADERS


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said of an absence; `seconds` until it is worth asking again."""

    text: str
    seconds: int


SOON, LATER = 3, 30

# By `Absence.state`. A game that is connected may have its pages a moment later, or none.
NOTICES: Mapping[str, Notice] = {
    "starting": Notice("The game is starting.", SOON),
    "restarting": Notice("The game is restarting.", SOON),
    "lost": Notice("The game has stopped answering. It is being started again.", SOON),
    "stopped": Notice("The game has been stopped.", LATER),
    "given_up": Notice("The game does not start, and does not come back by itself.", LATER),
    "closing": Notice("The game is shutting down.", LATER),
    "connected": Notice("The pages of the game are not there at the moment.", SOON),
}


class Fate(StrEnum):
    """What became of what the browser sent, in the words that its user is told."""

    NOTHING_SENT = "This page comes back by itself as soon as the game is there."
    NOT_RECEIVED = "What you sent was not received. Go back and send it again in a moment."
    UNKNOWN = (
        "Whether what you sent was received is not known. Look after it before you send it again."
    )


# The colours are those of the web client.
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #fcfcfa;
  color: #22262b; font: 16px/1.4 system-ui, sans-serif; }
main { max-width: 32rem; padding: 1.5rem; text-align: center; }
h1 { font-size: 1.4rem; }
p + p { color: #5a616b; }
@media (prefers-color-scheme: dark) {
  body { background: #14161a; color: #d6d9de; }
  p + p { color: #9aa1ab; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Mapping[str, str] = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}
"""The headers of security that fit this page; its style is the one that may be applied."""


def make_absence_page(name: str, notice: Notice, fate: Fate) -> bytes:
    """Write the page of a game called `name`.

    Only where nothing was sent it asks again by itself.
    """
    again = f'<meta http-equiv="refresh" content="{notice.seconds}">\n'
    refresh = again if fate is Fate.NOTHING_SENT else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{refresh}<title>{escape(name)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(name)}</h1>
<p role="status">{escape(notice.text)}</p>
<p>{fate}</p>
</main>
</body>
</html>
""".encode()
