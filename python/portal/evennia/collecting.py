"""What the Portal has to know of an Evennia game, as plain data: collected where Django is.

This runs inside Evennia's own processes (the launcher hook), or in a short-lived one
(`python -m portal.evennia.collecting`); so it imports the standard library only, and Django's
settings are those that are there already. What comes out is JSON.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"
SETTINGS_MODULE = "server.conf.settings"
MSSP_TABLE = "MSSPTable"
# What `twistd` is told by who wants it in the foreground, or profiled.
FOREGROUND = frozenset({"--nodaemon", "-n"})
PROFILER = "--profile"
DEEPEST = 20  # levels of a setting; what is in itself would never end

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
    EVENNIA_PORTAL_SERVICE_CLASS WEBSOCKET_SUBPROTOCOLS
    TELNET_PROTOCOL_CLASS SSL_PROTOCOL_CLASS SSH_PROTOCOL_CLASS WEBSOCKET_PROTOCOL_CLASS
    AJAX_CLIENT_CLASS AJAX_PROTOCOL_CLASS BASE_SESSION_CLASS PORTAL_SESSION_HANDLER_CLASS
    AMP_SERVER_PROTOCOL_CLASS
"""
# The settings that the Portal goes by, or tells that it does not.
NAMES = tuple(_NAMES.split())


def collect(settings: Any, directory: str, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Collect what the Portal needs of a game whose settings are loaded, as JSON takes it.

    `settings` is `django.conf.settings`, `directory` the game's. `arguments` are those of the
    `twistd` that makes way for the Portal.
    """
    values = {name: getattr(settings, name) for name in NAMES if hasattr(settings, name)}
    evennia = Path(str(sys.modules["evennia"].__file__)).parent
    mssp, failed = collect_mssp(values.get("MSSP_META_MODULE"))
    return {
        "settings": to_plain(values),
        "directory": directory,
        "evennia": str(evennia),
        "version": (evennia / "VERSION.txt").read_text("utf-8").strip(),
        "settings_module": os.environ.get(SETTINGS_VARIABLE, SETTINGS_MODULE),
        "path": [str(each) for each in sys.path],
        "mssp": mssp,
        "mssp_failed": failed,
        "foreground": any(each in FOREGROUND for each in arguments),
        "profiled": any(each.startswith(PROFILER) for each in arguments),
    }


def collect_mssp(module: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Collect what a game tells crawlers: its texts by their names, and the names that failed.

    The table is a mapping or a list of pairs. A value is one thing, several, or a function that
    returns such; it is called once, here, since the Portal imports nothing of the game.
    """
    try:
        table = getattr(import_module(str(module)), MSSP_TABLE, None) or {}
        pairs = list(table.items() if isinstance(table, Mapping) else table)
    except ImportError:
        return {}, []  # Evennia does without, too
    except Exception as error:  # noqa: BLE001 - whatever a game's own module does
        return {}, [f"{module}: {type(error).__name__}"]
    found: dict[str, list[str]] = {}
    failed: list[str] = []
    for pair in pairs:
        try:
            name, value = pair
            found[str(name)] = _list_texts(value() if callable(value) else value)
        except Exception:  # noqa: BLE001 - as above
            failed.append(to_text(pair[0] if isinstance(pair, list | tuple) and pair else pair))
    return found, failed


def _list_texts(value: Any) -> list[str]:
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    return [to_text(each) for each in (value if several else [value])]


def to_plain(value: Any, depth: int = 0) -> Any:
    """Turn a value into what JSON can hold: of what is none of it, its text."""
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return {to_text(key): to_plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, set | frozenset):
            return sorted((to_plain(each, depth + 1) for each in value), key=str)
        if isinstance(value, list | tuple):
            return [to_plain(each, depth + 1) for each in value]
    return to_text(value)


def to_text(value: Any) -> str:
    """Return the text of any value; of a pattern what it was made of, of a class its path."""
    try:
        if isinstance(value, re.Pattern):
            return to_text(value.pattern)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, type):
            return f"{value.__module__}.{value.__qualname__}"
        return str(value)
    except Exception:  # noqa: BLE001 - a game's own class may do anything
        return f"<{type(value).__name__}>"


def encode(collected: Mapping[str, Any]) -> bytes:
    """Write down what was collected."""
    return json.dumps(collected).encode()


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it, in however many pieces the system takes it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def describe_failure(error: BaseException, directory: str) -> str:
    """Say in one line what was raised, and where in the game: the last place that is the game's."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    places = traceback.extract_tb(error.__traceback__)
    own = [place for place in places if place.filename.startswith(directory + os.sep)]
    if own:
        text = f"{text} ({own[-1].filename}, line {own[-1].lineno})"
    return " ".join(text.split())


def main() -> None:
    """Collect from the game in the working directory, and write the JSON to standard output.

    Where that fails, the reason is the last line on standard error, and the exit code 1.
    """
    # What a game prints while it is imported is no part of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    directory = str(Path.cwd())
    sys.path.insert(0, directory)
    os.environ[SETTINGS_VARIABLE] = SETTINGS_MODULE
    try:
        import_module("evennia")
        settings = import_module("django.conf").settings
        write_whole(answer, encode(collect(settings, directory)))
    except BaseException as error:  # noqa: BLE001 - settings may do anything, and may exit
        sys.stdout.flush()
        sys.stderr.write(f"\n{describe_failure(error, directory)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
