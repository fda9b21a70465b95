"""Evennia's own markup, for comparison: JSON lines in, JSON lines out; `python markup_peer.py`.

The first line is settings to have beside Evennia's defaults. Each line after it is a list of a
name of FUNCTIONS and its arguments; the answer is `["text", result]`, or `["error", name]` where
Evennia raised. It runs in an environment of Evennia's, so it imports nothing of the Portal.
"""

import ast
import json
import sys
import time
from pathlib import Path

from django.conf import settings

import evennia
from evennia import settings_default


def read(line):
    """One line of JSON; an end of input is the end."""
    if not line:
        raise SystemExit
    return json.loads(line)


given = {name: getattr(settings_default, name) for name in dir(settings_default) if name.isupper()}
settings.configure(**(given | read(sys.stdin.readline())))

from evennia.server.portal import mxp  # noqa: E402 - needs the settings
from evennia.utils import ansi, text2html  # noqa: E402

PACKAGE = Path(evennia.__file__).parent
# What is written for players: help, the tutorial world, the screens of a new game.
PARTS = ("commands", "help", "contrib", "game_template", "locale", "utils", "prototypes", "scripts")
SHORTEST = 4  # a shorter text in the source is no text for a player


def to_ansi(text, xterm256, truecolor):
    """As telnet's send_text, for a client with or without 256 colours and truecolour."""
    return ansi.parse_ansi(text, xterm256=xterm256, truecolor=truecolor)


def to_mxp(text):
    return mxp.mxp_parse(ansi.parse_ansi(text, mxp=True))


def to_html(text, strip=False):
    return text2html.parse_html(text, strip_ansi=strip)


def find_texts():
    """Every text constant in Evennia's own modules that is written for people."""
    found = set()
    for part in PARTS:
        for path in sorted((PACKAGE / part).rglob("*.py")):
            try:
                tree = ast.parse(path.read_text("utf-8"))
            except SyntaxError:  # the settings of a game in the making are no module yet
                continue
            found |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and len(node.value) >= SHORTEST
            }
    return sorted(found)


def find_contrib():
    """The codes that a game takes from Evennia's contrib, by their names."""
    from evennia.contrib.base_systems.color_markups import color_markups  # noqa: PLC0415

    names = [name for name in dir(color_markups) if name.isupper() and not name.startswith("_")]
    return {name: getattr(color_markups, name) for name in names}


def measure(name, texts):
    """Seconds for each of the texts, none of which was seen before."""
    function = FUNCTIONS[name]
    begun = time.process_time()
    for text in texts:
        function(text, *DEFAULTS.get(name, ()))
    return (time.process_time() - begun) / len(texts)


DEFAULTS = {"ansi": (True, True)}
FUNCTIONS = {
    "ansi": to_ansi,
    "strip": ansi.strip_ansi,
    "html": to_html,
    "mxp": to_mxp,
    "texts": find_texts,
    "contrib": find_contrib,
    "measure": measure,
    "version": lambda: evennia.__version__,
}


def main():
    while True:
        name, *arguments = read(sys.stdin.readline())
        try:
            answer = ["text", FUNCTIONS[name](*arguments)]
        except Exception as error:  # noqa: BLE001 - what Evennia raises is an answer
            answer = ["error", type(error).__name__]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
