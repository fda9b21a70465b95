"""What the Portal has to know of an Evennia game, as plain data: collected where Django is.

This runs inside Evennia's own processes (the launcher hook), or in a short-lived one
(`python -m portal.evennia.collecting`); so it imports the standard library only, and Django's
settings are those that are there already. What comes out is JSON.
"""

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

_NAMES = """
    SERVERNAME LOCKDOWN_MODE DEBUG
    TELNET_ENABLED TELNET_PORTS TELNET_INTERFACES TELNET_OOB_ENABLED
    SSL_ENABLED SSL_PORTS SSL_INTERFACES SSL_CERTIFICATE_ISSUER
    SSH_ENABLED SSH_PORTS SSH_INTERFACES
    WEBSOCKET_CLIENT_ENABLED WEBSOCKET_CLIENT_PORT WEBSOCKET_CLIENT_INTERFACE WEBSOCKET_CLIENT_URL
    WEBCLIENT_ENABLED WEBSERVER_ENABLED WEBSERVER_PORTS WEBSERVER_INTERFACES UPSTREAM_IPS
    AMP_HOST AMP_PORT AMP_INTERFACE
    MAX_CONNECTION_RATE MAX_COMMAND_RATE COMMAND_RATE_WARNING MAX_CHAR_LIMIT MAX_CHAR_LIMIT_WARNING
    ENCODINGS IDLE_COMMAND SCREENREADER_REGEX_STRIP SESSION_SYNC_ATTRS SESSION_ENGINE
    COLOR_ANSI_EXTRA_MAP COLOR_XTERM256_EXTRA_FG COLOR_XTERM256_EXTRA_BG COLOR_XTERM256_EXTRA_GFG
    COLOR_XTERM256_EXTRA_GBG COLOR_ANSI_XTERM256_BRIGHT_BG_EXTRA_MAP COLOR_NO_DEFAULT
    MXP_ENABLED MXP_OUTGOING_ONLY
    MSSP_META_MODULE WEB_PLUGINS_MODULE PORTAL_SERVICES_PLUGIN_MODULES
    PORTAL_LOG_FILE PORTAL_LOG_DAY_ROTATION PORTAL_LOG_MAX_SIZE SERVER_LOG_FILE HTTP_LOG_FILE
    TELNET_PROTOCOL_CLASS SSL_PROTOCOL_CLASS SSH_PROTOCOL_CLASS WEBSOCKET_PROTOCOL_CLASS
    AJAX_CLIENT_CLASS AJAX_PROTOCOL_CLASS BASE_SESSION_CLASS PORTAL_SESSION_HANDLER_CLASS
    AMP_SERVER_PROTOCOL_CLASS
"""
# The settings that the Portal goes by, or tells that it does not.
NAMES = tuple(_NAMES.split())


def collect(settings: Any, directory: str) -> dict[str, Any]:
    """Collect what the Portal needs of a game whose settings are loaded, as JSON takes it.

    `settings` is `django.conf.settings`, `directory` the game's.
    """
    values = {name: getattr(settings, name) for name in NAMES if hasattr(settings, name)}
    evennia = Path(str(sys.modules["evennia"].__file__)).parent
    return {
        "settings": values,
        "directory": directory,
        "evennia": str(evennia),
        "version": (evennia / "VERSION.txt").read_text("utf-8").strip(),
        "settings_module": os.environ.get("DJANGO_SETTINGS_MODULE", "server.conf.settings"),
        "path": sys.path,
    }


def encode(collected: Mapping[str, Any]) -> bytes:
    """Write down what was collected; a value that is no plain data becomes its text."""
    return json.dumps(collected, default=str).encode()


def main() -> None:
    """Collect from the game in the working directory, and write the JSON to standard output."""
    directory = str(Path.cwd())
    sys.path.insert(0, directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "server.conf.settings"
    import_module("evennia")
    settings = import_module("django.conf").settings
    os.write(1, encode(collect(settings, directory)))


if __name__ == "__main__":
    main()
