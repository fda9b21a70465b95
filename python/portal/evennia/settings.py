"""The settings of an Evennia game, as a configuration of the Portal."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.config import Layer
from portal.evennia.game import Game

LOCKED = ("127.0.0.1",)
PROFILING = ("--savestats", "--profiler=cprofile")


def read_layer(collected: Mapping[str, Any]) -> Layer:
    """Turn the settings of a game into those of the Portal; errors name Evennia's."""
    given = collected["settings"]
    locked = given.get("LOCKDOWN_MODE")
    settings: dict[str, Any] = {}
    names: dict[str, str] = {}

    def put(key: str, name: str, value: Any) -> None:
        settings[key] = value
        names[key] = name

    def hosts(name: str) -> list[str]:
        return list(LOCKED if locked else given[name])

    put("name", "SERVERNAME", given["SERVERNAME"])
    put("telnet.hosts", "TELNET_INTERFACES", hosts("TELNET_INTERFACES"))
    put("telnet.port", "TELNET_PORTS", given["TELNET_PORTS"][0])
    put("telnet.encoding", "ENCODINGS", given["ENCODINGS"][0])
    put("websocket.enabled", "WEBSOCKET_CLIENT_ENABLED", given["WEBSOCKET_CLIENT_ENABLED"])
    put("websocket.port", "WEBSOCKET_CLIENT_PORT", given["WEBSOCKET_CLIENT_PORT"])
    host = LOCKED[0] if locked else given["WEBSOCKET_CLIENT_INTERFACE"]
    put("websocket.hosts", "WEBSOCKET_CLIENT_INTERFACE", [host])
    put("http.enabled", "WEBSERVER_ENABLED", given["WEBSERVER_ENABLED"])
    put("http.hosts", "WEBSERVER_INTERFACES", hosts("WEBSERVER_INTERFACES"))
    put("http.port", "WEBSERVER_PORTS", given["WEBSERVER_PORTS"][0][0])
    put("http.trusted_proxies", "UPSTREAM_IPS", list(given["UPSTREAM_IPS"]))
    put("amp.host", "AMP_INTERFACE", given["AMP_INTERFACE"])
    put("amp.port", "AMP_PORT", given["AMP_PORT"])
    put("log.path", "PORTAL_LOG_FILE", given["PORTAL_LOG_FILE"])
    put("server.output", "SERVER_LOG_FILE", given["SERVER_LOG_FILE"])
    directory = Path(collected["directory"])
    put("server.command", "the Server", list(make_command(collected)))
    put("server.directory", "the game", str(directory))
    put("server.pid_file", "the game", str(directory / "server" / "server.pid"))
    put("server.autostart", "the launcher", False)
    put("pid_file", "the game", str(directory / "server" / "portal.pid"))
    return Layer("settings.py", settings, names)


def make_command(collected: Mapping[str, Any]) -> tuple[str, ...]:
    """Make the command that starts the Server, as Evennia's launcher does."""
    beside = shutil.which("twistd", path=str(Path(sys.executable).parent))
    server = Path(collected["evennia"], "server", "server.py")
    pid_file = Path(collected["directory"], "server", "server.pid")
    return (
        beside or "twistd",
        f"--python={server}",
        "--logger=evennia.utils.logger.GetServerLogObserver",
        f"--pidfile={pid_file}",
    )


def make_game(collected: Mapping[str, Any], config: Any) -> Game:
    """Put a game together of what was collected, and the configuration made of it."""
    directory = collected["directory"]
    profile = Path(directory, "server", "logs", "server.prof")
    given = collected["settings"]
    lockdown = "  LOCKDOWN_MODE active: Only local connections." if given["LOCKDOWN_MODE"] else ""
    return Game(
        directory=directory,
        config=config,
        environment={
            "PYTHONPATH": ":".join(collected["path"]),
            "DJANGO_SETTINGS_MODULE": collected["settings_module"],
        },
        status={
            "version": f"{collected['version']}",
            "errors": "",
            "info": "",
            "lockdown_mode": lockdown,
        },
        profiled=(*config.server.command, *PROFILING, f"--profile={profile}"),
    )
