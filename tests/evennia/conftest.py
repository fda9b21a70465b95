"""Games that exist as their settings only: what is collected of one that has changed nothing."""

import copy

import pytest

# Every setting that is collected, as `evennia/settings_default.py` has it: the same in 5.0.1 and
# 6.1.0, but for what stands in RELEASES. The paths are of the game in `directory`.
DEFAULTS = {
    "SERVERNAME": "Evennia",
    "LOCKDOWN_MODE": False,
    "DEBUG": False,
    "TELNET_ENABLED": True,
    "TELNET_PORTS": [4000],
    "TELNET_INTERFACES": ["0.0.0.0"],
    "TELNET_OOB_ENABLED": False,
    "SSL_ENABLED": False,
    "SSL_PORTS": [4003],
    "SSL_INTERFACES": ["0.0.0.0"],
    "SSL_CERTIFICATE_ISSUER": {"C": "EV", "ST": "Evennia", "CN": "evennia"},
    "SSH_ENABLED": False,
    "SSH_PORTS": [4004],
    "SSH_INTERFACES": ["0.0.0.0"],
    "WEBSOCKET_CLIENT_ENABLED": True,
    "WEBSOCKET_CLIENT_PORT": 4002,
    "WEBSOCKET_CLIENT_INTERFACE": "0.0.0.0",
    "WEBSOCKET_CLIENT_URL": None,
    "WEBCLIENT_ENABLED": True,
    "WEBSERVER_ENABLED": True,
    "WEBSERVER_PORTS": [[4001, 4005]],
    "WEBSERVER_INTERFACES": ["0.0.0.0"],
    "UPSTREAM_IPS": ["127.0.0.1"],
    "AMP_HOST": "localhost",
    "AMP_PORT": 4006,
    "AMP_INTERFACE": "127.0.0.1",
    "MAX_CONNECTION_RATE": 2,
    "MAX_COMMAND_RATE": 80,
    "COMMAND_RATE_WARNING": "Too fast.",
    "MAX_CHAR_LIMIT": 6000,
    "MAX_CHAR_LIMIT_WARNING": "Too long.",
    "ENCODINGS": ["utf-8", "latin-1", "ISO-8859-1"],
    "IDLE_COMMAND": "idle",
    "SCREENREADER_REGEX_STRIP": r"\+-+|\+$|\+~|--+|~~+|==+",
    "SESSION_SYNC_ATTRS": ["protocol_key", "address", "sessid", "uid", "puid", "protocol_flags"],
    "SESSION_ENGINE": "django.contrib.sessions.backends.db",
    "COLOR_ANSI_EXTRA_MAP": [],
    "COLOR_XTERM256_EXTRA_FG": [],
    "COLOR_XTERM256_EXTRA_BG": [],
    "COLOR_XTERM256_EXTRA_GFG": [],
    "COLOR_XTERM256_EXTRA_GBG": [],
    "COLOR_ANSI_XTERM256_BRIGHT_BG_EXTRA_MAP": [],
    "COLOR_NO_DEFAULT": False,
    "MXP_ENABLED": True,
    "MXP_OUTGOING_ONLY": True,
    "MSSP_META_MODULE": "server.conf.mssp",
    "WEB_PLUGINS_MODULE": "server.conf.web_plugins",
    "PORTAL_SERVICES_PLUGIN_MODULES": ["server.conf.portal_services_plugins"],
    "PORTAL_LOG_FILE": "server/logs/portal.log",
    "PORTAL_LOG_DAY_ROTATION": 7,
    "PORTAL_LOG_MAX_SIZE": 1_000_000,
    "SERVER_LOG_FILE": "server/logs/server.log",
    "HTTP_LOG_FILE": "server/logs/http_requests.log",
    "EVENNIA_PORTAL_SERVICE_CLASS": "evennia.server.portal.service.EvenniaPortalService",
    "TELNET_PROTOCOL_CLASS": "evennia.server.portal.telnet.TelnetProtocol",
    "SSL_PROTOCOL_CLASS": "evennia.server.portal.ssl.SSLProtocol",
    "SSH_PROTOCOL_CLASS": "evennia.server.portal.ssh.SshProtocol",
    "WEBSOCKET_PROTOCOL_CLASS": "evennia.server.portal.webclient.WebSocketClient",
    "AJAX_CLIENT_CLASS": "evennia.server.portal.webclient_ajax.AjaxWebClient",
    "AJAX_PROTOCOL_CLASS": "evennia.server.portal.webclient_ajax.AjaxWebClientSession",
    "BASE_SESSION_CLASS": "evennia.server.session.Session",
    "PORTAL_SESSION_HANDLER_CLASS": (
        "evennia.server.portal.portalsessionhandler.PortalSessionHandler"
    ),
    "AMP_SERVER_PROTOCOL_CLASS": "evennia.server.portal.amp_server.AMPServerProtocol",
}
RELEASES = {
    "5.0.1": {},
    "6.1.0": {
        "WEBSOCKET_SUBPROTOCOLS": [
            "json.mudstandards.org",
            "gmcp.mudstandards.org",
            "terminal.mudstandards.org",
            "v1.evennia.com",
        ]
    },
}
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
        settings = copy.deepcopy(DEFAULTS) | copy.deepcopy(RELEASES[release]) | changes
        for name in ("PORTAL_LOG_FILE", "SERVER_LOG_FILE", "HTTP_LOG_FILE"):
            if settings[name] == DEFAULTS[name]:
                settings[name] = str(game_directory / settings[name])
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
