"""The settings of an Evennia game, as a configuration of the Portal.

Which of the Portal's settings each of Evennia's stands for is the table in `docs/evennia.md`;
where the two do not measure the same, the reason stands beside it here. What cannot be gone by is
`portal.evennia.notes`'s.
"""

import ipaddress
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.config import KIB, MIB, Layer, LimitsConfig
from portal.evennia.given import Given
from portal.evennia.kept import read_kept

UPSTREAM_HOST = "127.0.0.1"  # where the Server's web server listens
# Where LOCKDOWN_MODE has everybody listen.
LOCKED = ["127.0.0.1"]

# MAX_CONNECTION_RATE is of sessions, of all players together, and 2 a second by default; who comes
# above it is queued there. Here it is of the connections of one address, a browser's among them,
# and who comes above it is turned away: so by default it is the Portal's own 50.
CONNECTIONS_PER_SESSION = 25
# Evennia counts in windows of a second: at the border of two, twice as many may come at once.
BURST_SECONDS = 2
# Where MAX_COMMAND_RATE limits nothing.
UNLIMITED_RATE = 1e9
UNLIMITED_BURST = 2**31 - 1
# A character has at most four bytes in any encoding that telnet can carry.
CHARACTER_BYTES = 4
# Where MAX_CHAR_LIMIT limits nothing: a line is kept in memory until it ends.
UNLIMITED_LINE_BYTES = MIB
LEAST_LINE_BYTES = 8 * KIB

COLOUR_PAIRS = {
    "codes": "COLOR_ANSI_EXTRA_MAP",
    "bright_backgrounds": "COLOR_ANSI_XTERM256_BRIGHT_BG_EXTRA_MAP",
}
COLOUR_EXPRESSIONS = {
    "foregrounds": "COLOR_XTERM256_EXTRA_FG",
    "backgrounds": "COLOR_XTERM256_EXTRA_BG",
    "grey_foregrounds": "COLOR_XTERM256_EXTRA_GFG",
    "grey_backgrounds": "COLOR_XTERM256_EXTRA_GBG",
}

AMP_ALONE = (
    'expected an address of this machine alone, as "127.0.0.1": whoever reaches this port can run '
    "code in the game, and nothing but Server and launcher has to; got {!r}"
)
RATE = "expected more than 0, got {:g}"


def read_layer(collected: Mapping[str, Any]) -> Layer:
    """Turn the settings of a game into those of the Portal; errors name Evennia's."""
    return _Reading(collected).read()


def find_settings_file(collected: Mapping[str, Any]) -> str:
    """Return the path of the file that a game's settings are in."""
    module = str(collected["settings_module"])
    return str(Path(collected["directory"], *module.split("."))) + ".py"


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


class _Reading:
    """One reading of what was collected."""

    def __init__(self, collected: Mapping[str, Any]) -> None:
        self.collected = collected
        self.given = Given(find_settings_file(collected), collected["settings"])
        self.locked = self.given.flag("LOCKDOWN_MODE")
        self.settings: dict[str, Any] = {}
        self.names: dict[str, str] = {}

    def read(self) -> Layer:
        self.put("name", "SERVERNAME", self.given.text("SERVERNAME"))
        self._read_telnet()
        self._read_web()
        self._read_amp()
        self._read_limits()
        self._read_markup()
        self._read_logs()
        self._place()
        given = self.given
        read_kept(given, {})
        given.texts("PORTAL_SERVICES_PLUGIN_MODULES", one=True)
        return Layer(given.path, self.settings, self.names, tuple(given.problems))

    def put(self, key: str, name: str, value: Any) -> None:
        """Set one of the Portal's settings by one of Evennia's, unless that is wrong already."""
        if not self.given.is_wrong(name):
            self.settings[key] = value
            self.names[key] = name

    def _hosts(self, hosts: list[str]) -> list[str]:
        return LOCKED if self.locked else hosts

    def _read_telnet(self) -> None:
        given = self.given
        ports, hosts = given.ports("TELNET_PORTS"), given.hosts("TELNET_INTERFACES")
        enabled = given.flag("TELNET_ENABLED") and bool(ports) and bool(hosts)
        self.put("telnet.enabled", "TELNET_ENABLED", enabled)
        if enabled:
            self.put("telnet.hosts", "TELNET_INTERFACES", self._hosts(hosts))
            self.put("telnet.port", "TELNET_PORTS", ports[0])
            self.put("telnet.more_ports", "TELNET_PORTS", ports[1:])
        encodings = given.texts("ENCODINGS")
        if encodings:
            self.put("telnet.encoding", "ENCODINGS", encodings[0])
            self.put("telnet.more_encodings", "ENCODINGS", encodings[1:])
        self.put("telnet.idle_command", "IDLE_COMMAND", given.text("IDLE_COMMAND"))

    def _read_web(self) -> None:
        given = self.given
        pairs, hosts = given.pairs("WEBSERVER_PORTS"), given.hosts("WEBSERVER_INTERFACES")
        enabled = given.flag("WEBSERVER_ENABLED") and bool(pairs) and bool(hosts)
        self.put("http.enabled", "WEBSERVER_ENABLED", enabled)
        if enabled:
            self.put("http.hosts", "WEBSERVER_INTERFACES", self._hosts(hosts))
            self.put("http.port", "WEBSERVER_PORTS", pairs[0][0])
            self.put("http.more_ports", "WEBSERVER_PORTS", [outer for outer, _ in pairs[1:]])
            # The Server serves the same at each of its own.
            upstream = f"http://{UPSTREAM_HOST}:{pairs[0][1]}"
            self.put("http.upstream", "WEBSERVER_PORTS", upstream)
            self.put("http.ajax", "WEBCLIENT_ENABLED", given.flag("WEBCLIENT_ENABLED"))
        self.put("http.trusted_proxies", "UPSTREAM_IPS", given.texts("UPSTREAM_IPS"))
        port, host = given.whole("WEBSOCKET_CLIENT_PORT"), given.host("WEBSOCKET_CLIENT_INTERFACE")
        wanted = given.flag("WEBCLIENT_ENABLED") and given.flag("WEBSOCKET_CLIENT_ENABLED")
        # Evennia opens it with the web server only.
        wanted = wanted and enabled and bool(port) and bool(host)
        self.put("websocket.enabled", "WEBSOCKET_CLIENT_ENABLED", wanted)
        if wanted:
            self.put("websocket.hosts", "WEBSOCKET_CLIENT_INTERFACE", self._hosts(host))
            self.put("websocket.port", "WEBSOCKET_CLIENT_PORT", port)

    def _read_amp(self) -> None:
        given = self.given
        host = given.text("AMP_INTERFACE")
        if not _is_loopback(host):
            given.complain("AMP_INTERFACE", AMP_ALONE.format(host))
        self.put("amp.host", "AMP_INTERFACE", host)
        self.put("amp.port", "AMP_PORT", given.whole("AMP_PORT"))

    def _read_limits(self) -> None:
        given, own = self.given, LimitsConfig()
        rate = given.number("MAX_CONNECTION_RATE")
        if rate <= 0:
            given.complain("MAX_CONNECTION_RATE", RATE.format(rate))
        connections = rate * CONNECTIONS_PER_SESSION
        self.put("limits.connections_per_second", "MAX_CONNECTION_RATE", connections)

        rate = given.number("MAX_COMMAND_RATE")
        limited = rate > 0
        burst = int(max(1, min(BURST_SECONDS * rate, UNLIMITED_BURST)))
        for key, value in (
            ("commands_per_second", rate if limited else UNLIMITED_RATE),
            ("command_burst", burst if limited else UNLIMITED_BURST),
            ("oob_per_second", rate if limited else UNLIMITED_RATE),
            # Clients send many of these when they connect, whatever a player may type.
            ("oob_burst", max(burst, own.oob_burst) if limited else UNLIMITED_BURST),
        ):
            self.put(f"limits.{key}", "MAX_COMMAND_RATE", value)
        text = given.text("COMMAND_RATE_WARNING")
        self.put("limits.too_fast_text", "COMMAND_RATE_WARNING", text)

        characters = max(0, int(given.number("MAX_CHAR_LIMIT")))
        size = max(characters * CHARACTER_BYTES, LEAST_LINE_BYTES)
        self.put("limits.line_characters", "MAX_CHAR_LIMIT", characters)
        line_bytes = size if characters else UNLIMITED_LINE_BYTES
        self.put("limits.line_bytes", "MAX_CHAR_LIMIT", line_bytes)
        text = given.text("MAX_CHAR_LIMIT_WARNING")
        self.put("limits.too_long_text", "MAX_CHAR_LIMIT_WARNING", text)

    def _read_markup(self) -> None:
        given = self.given
        self.put("markup.only_own", "COLOR_NO_DEFAULT", given.flag("COLOR_NO_DEFAULT"))
        for key, name in COLOUR_PAIRS.items():
            self.put(f"markup.{key}", name, given.text_pairs(name))
        for key, name in COLOUR_EXPRESSIONS.items():
            self.put(f"markup.{key}", name, given.texts(name))
        name = "SCREENREADER_REGEX_STRIP"
        self.put("markup.screenreader_strip", name, given.text(name))

    def _read_logs(self) -> None:
        given = self.given
        if not self.collected.get("foreground"):
            self.put("log.path", "PORTAL_LOG_FILE", given.text("PORTAL_LOG_FILE"))
        days = max(0, given.whole("PORTAL_LOG_DAY_ROTATION"))
        self.put("log.days", "PORTAL_LOG_DAY_ROTATION", days)
        size = max(0, given.whole("PORTAL_LOG_MAX_SIZE"))
        self.put("log.max_bytes", "PORTAL_LOG_MAX_SIZE", size)
        if given.values.get("DEBUG"):  # else Evennia writes none either
            self.put("log.http_path", "HTTP_LOG_FILE", given.text("HTTP_LOG_FILE"))
        self.put("server.output", "SERVER_LOG_FILE", given.text("SERVER_LOG_FILE"))

    def _place(self) -> None:
        """Set what Evennia has no setting for: where the game lies, and how its Server runs."""
        directory = Path(self.collected["directory"])
        for key, value in (
            ("server.command", list(make_command(self.collected))),
            ("server.directory", str(directory)),
            ("server.pid_file", str(directory / "server" / "server.pid")),
            ("server.autostart", False),  # the launcher starts it
            ("pid_file", str(directory / "server" / "portal.pid")),
        ):
            self.settings[key] = value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
