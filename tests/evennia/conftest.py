"""Games that exist as their settings only: what is collected of one that has changed nothing."""

import json
from pathlib import Path

import pytest

# Every setting that is collected, as a release has it by default (but for the texts of warnings);
# the paths are of the game.
VECTORS = Path(__file__).parents[1] / "vectors" / "evennia"
# What the game's template has of the modules that are looked at.
PLUGINS = '''"""
Start plugin services
"""


def start_plugin_services(portal):
    """
    This hook is called by Evennia, last in the Portal startup process.
    """
    pass
'''
WEB_PLUGINS = '''"""Web plugin hooks."""


def at_webserver_root_creation(web_root):
    """The Server's."""
    return web_root


def at_webproxy_root_creation(web_root):
    """The Portal's."""
    return web_root
'''


@pytest.fixture
def game_directory(tmp_path):
    """Where a game lies, with the files of the template that matter."""
    conf = tmp_path / "game" / "server" / "conf"
    conf.mkdir(parents=True)
    (tmp_path / "game" / "server" / "logs").mkdir()
    (conf / "settings.py").write_text('SERVERNAME = "Harbour"\n')
    (conf / "portal_services_plugins.py").write_text(PLUGINS)
    (conf / "web_plugins.py").write_text(WEB_PLUGINS)
    return tmp_path / "game"


@pytest.fixture
def collect(game_directory):
    """What is collected of a game with these settings; `absent` are names that it has deleted."""

    def collect(release="5.0.1", absent=(), **changes):
        settings = json.loads((VECTORS / f"settings-{release}.json").read_text())
        for name in ("PORTAL_LOG_FILE", "SERVER_LOG_FILE", "HTTP_LOG_FILE"):
            settings[name] = str(game_directory / settings[name])
        settings |= changes
        for name in absent:
            del settings[name]
        return {
            "settings": settings,
            "directory": str(game_directory),
            "evennia": "/python/evennia",
            "version": release,
            "settings_module": "server.conf.settings",
            "path": [str(game_directory)],
            "mssp": {},
            "foreground": False,
            "profiled": False,
        }

    return collect
