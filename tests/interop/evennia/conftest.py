"""A real Evennia, from PyPI, and games of it.

`PORTAL_EVENNIA_PYTHON` names the interpreter of an environment to use in place of those that
`make evennia` creates. `PORTAL_EVENNIA_WAY=stock` has the games run behind Evennia's own Portal:
not to test that, but to see that a test asks of the game what the game does.
"""

import os
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from evennia_crowd import open_crowd
from evennia_game import Game, make_templates

# A shell has it ignored by what it runs in the background, and by all that comes of that: launcher
# and Servers, which are ended by it here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[3]
# Each way in with the release that most games run, and the newest one with the usual way.
GAMES = (("5.0.1", "hook"), ("5.0.1", "run"), ("6.1.0", "hook"))
USUAL = "5.0.1"


def find_python(version):
    given = os.environ.get("PORTAL_EVENNIA_PYTHON")
    python = Path(given) if given else ROOT / ".evennia" / version / "bin" / "python"
    if not (given or (python.parents[1] / "complete").is_file()):
        pytest.skip(f"no Evennia {version}: make evennia")
    return python


@pytest.fixture(scope="session")
def evennia_python():
    """The interpreter of an environment with Evennia and the Portal: `evennia_python(version)`."""
    return find_python


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """The games that others are copies of: `templates(version)`, never started and played."""
    made = {}

    def templates(version):
        if version not in made:
            python = find_python(version)
            folder = tmp_path_factory.mktemp("evennia-" + version)
            made[version] = python, *make_templates(python, folder)
        return made[version]

    return templates


@contextmanager
def make_game(templates, folder, *, way, version=USUAL, fresh=False, settings=""):
    """Make a game that does not run yet; nothing of it is left at the end."""
    python, never_started, played = templates(version)
    way = os.environ.get("PORTAL_EVENNIA_WAY", way)
    game = Game(python, never_started if fresh else played, folder / "game", way, settings)
    try:
        yield game
    finally:
        game.close()


@pytest.fixture(scope="session")
def game_of_one_s_own(templates):
    """Make a game that a whole module shares: `with game_of_one_s_own(folder, way=...)`."""
    return partial(make_game, templates)


@pytest.fixture(scope="session", params=GAMES, ids="-".join)
def game(request, templates, tmp_path_factory):
    """A game that runs, for the tests that leave it running as they found it."""
    version, way = request.param
    folder = tmp_path_factory.mktemp("game")
    with make_game(templates, folder, way=way, version=version) as game:
        game.start()
        yield game
        game.stop()


@pytest.fixture
def new_game(templates, tmp_path):
    """Make a game of one's own that does not run yet: `new_game(way=..., settings=...)`."""
    opened = []

    def new_game(**options):
        manager = make_game(templates, tmp_path, **options)
        opened.append(manager)
        return manager.__enter__()

    yield new_game
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture
async def crowd(game):
    """The owner of the game, and twenty typists at work, half of them on websockets."""
    async with open_crowd(game) as (owner, typists):
        yield owner, typists
