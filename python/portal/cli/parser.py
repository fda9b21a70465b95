"""The words of the command line, and what its help says.

A flag that stands above a setting has the setting's dotted name as its `dest`, and a flag that is
not given leaves nothing behind, so that a file can be below.
"""

import shlex
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping
from functools import partial
from typing import Any

from portal.config import (
    AMP_SECRET_VARIABLE,
    CONFIG_VARIABLE,
    LOG_LEVELS,
    AmpConfig,
    HttpConfig,
    TelnetConfig,
    WebSocketConfig,
)

# What was given: settings by their dotted names, other flags by plain ones.
Options = dict[str, Any]

EXIT_CODES = """Exit codes:
  0  done, or ended in order
  1  no Portal answers, or what was asked failed, or a setting is wrong,
     or the Portal could not start, or it was cut short
  2  the command line is wrong"""

DEMO_DIRECTORY = "portal-demo-data"
FILE = "portal.toml"

TELNET = TelnetConfig()
WEBSOCKET = WebSocketConfig()
HTTP = HttpConfig()
AMP = AmpConfig()

# The flags by the settings that they stand above; `--host` is for several.
FLAGS: Mapping[str, str] = {
    "directory": "--data",
    "telnet.enabled": "--no-telnet",
    "telnet.hosts": "--host",
    "telnet.port": "--telnet-port",
    "websocket.enabled": "--no-websocket",
    "websocket.hosts": "--host",
    "websocket.port": "--websocket-port",
    "http.enabled": "--no-http",
    "http.hosts": "--host",
    "http.port": "--http-port",
    "server.command": "--server",
    "server.autostart": "--start",
    "amp.host": "--amp-host",
    "amp.port": "--amp-port",
    "amp.socket": "--amp-socket",
    "log.level": "--log-level",
    "log.path": "--log-file",
}


def make_parser() -> ArgumentParser:
    """Make the parser; `command` is the name of the command that was given."""
    top = _add_details(ArgumentParser(prog="portal", allow_abbrev=False))
    top.description = "The connection front end of text games."
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, summary: str, details: str = "") -> ArgumentParser:
        parser = commands.add_parser(
            name, help=summary, argument_default=SUPPRESS, allow_abbrev=False
        )
        parser.description = f"{summary}\n\n{details}".strip()
        parser.set_defaults(command=name)
        return _add_details(parser)

    _add_serving(
        add("demo", DEMO_SUMMARY, DEMO_DETAILS),
        data=f"where the demo keeps its players (./{DEMO_DIRECTORY})",
    )
    run = add("run", RUN_SUMMARY, RUN_DETAILS)
    _add_game(run)
    _add_serving(run, data="directory in which the Portal notes where it is")
    init = add("init", "Write a configuration file with every setting, explained.")
    init.add_argument("file", nargs="?", metavar="FILE", help=f"({FILE})")
    init.add_argument("--force", action="store_true", help="also over a file that is there")
    check = add("check", "Name everything that is wrong with the configuration.", CHECK_DETAILS)
    _add_config(check)
    for name, summary in (
        ("status", "Show how a running Portal and its game are."),
        ("sessions", "List who is connected."),
        ("reload", "Reload the game; ends when the new one is there. Players stay."),
        ("stop", "Stop the Portal and its game; ends when it is gone."),
    ):
        _add_asking(add(name, summary, ASK_DETAILS), as_json=name in {"status", "sessions"})
    return top


DEMO_SUMMARY = "Run a Portal with a small multi-player game behind it."
DEMO_DETAILS = """Play it by telnet or in a browser; reload, crash or kill the game, and you stay
connected."""
RUN_SUMMARY = "Run a Portal in front of your own game."
RUN_DETAILS = f"""Give the game's command line with --server (or as server.command in the file), or
--no-server. The game finds its Portal by the variable PORTAL_AMP. An AMP address that
is not loopback needs a shared secret, in the variable {AMP_SECRET_VARIABLE}.
Settings come from the file, from variables such as PORTAL_TELNET_PORT above it, and from
flags above both. SIGHUP has file and environment read again."""
CHECK_DETAILS = """File and environment are read as `portal run` reads them; nothing is started."""
ASK_DETAILS = """Without a flag, the Portal's AMP port is found by the configuration."""


def _add_details(parser: ArgumentParser) -> ArgumentParser:
    parser.epilog = EXIT_CODES
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


def _add_config(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help=f"settings, in TOML (${CONFIG_VARIABLE}, or none)"
    )


def _add_game(parser: ArgumentParser) -> None:
    game = parser.add_mutually_exclusive_group()
    game.add_argument(
        FLAGS["server.command"],
        type=_words,
        dest="server.command",
        metavar="'COMMAND'",
        help="command line of the game; it is started and kept running",
    )
    game.add_argument(
        "--no-server",
        action="store_const",
        const=[],
        dest="server.command",
        help="start no game; one dials in by itself",
    )
    game.add_argument(
        "--evennia",
        metavar="DIR",
        help="directory of an Evennia game, whose settings are gone by; `evennia start` starts it",
    )
    parser.add_argument(
        "--start",
        action="store_const",
        const=True,
        dest="server.autostart",
        help="start the Evennia game at once",
    )
    parser.add_argument("--settings-fd", type=int, help=SUPPRESS)
    _add_setting(parser, "amp.host", "ADDRESS", f"for the game ({AMP.host})")
    _add_setting(parser, "amp.socket", "PATH", "a UNIX socket in place of the AMP address and port")


def _add_serving(parser: ArgumentParser, *, data: str) -> None:
    _add_config(parser)
    for key, section, purpose in (
        ("telnet.port", TELNET, "for telnet"),
        ("websocket.port", WEBSOCKET, "for websockets alone"),
        ("http.port", HTTP, "for browsers: the client page, and websockets"),
        ("amp.port", AMP, "for the game and this command"),
    ):
        text = f"{purpose} ({section.port}); 0: any free port"
        _add_setting(parser, key, "PORT", text, type=_port)
    for key, purpose in (
        ("telnet.enabled", "for telnet"),
        ("websocket.enabled", "for websockets"),
        ("http.enabled", "for browsers"),
    ):
        parser.add_argument(
            FLAGS[key], dest=key, action="store_const", const=False, help=f"no port {purpose}"
        )
    parser.add_argument(
        FLAGS["telnet.hosts"],
        dest="hosts",
        action="append",
        metavar="ADDRESS",
        help=f"address for players, may be given several times ({', '.join(TELNET.hosts)})",
    )
    _add_setting(parser, "directory", "DIR", data)
    parser.add_argument(
        "--json",
        action="store_true",
        help="when ready, print one line of JSON with addresses and pids",
    )
    levels = f"{', '.join(LOG_LEVELS)} (info)"
    _add_setting(parser, "log.level", "LEVEL", levels, choices=LOG_LEVELS)
    _add_setting(parser, "log.path", "FILE", "in place of standard error")


def _add_setting(parser: ArgumentParser, key: str, metavar: str, text: str, **more: Any) -> None:
    parser.add_argument(FLAGS[key], dest=key, metavar=metavar, help=text, **more)


def _add_asking(parser: ArgumentParser, *, as_json: bool) -> None:
    add = parser.add_argument
    add("--host", help=f"where the Portal's AMP port is ({AMP.host})")
    add("--amp-port", type=partial(_port, least=1), metavar="PORT", help=f"({AMP.port})")
    add("--amp-socket", metavar="PATH", help="its UNIX socket instead")
    add("--data", metavar="DIR", help="the Portal's directory: it notes there where it is")
    add("--evennia", metavar="DIR", help="an Evennia game's directory: its settings say where")
    _add_config(parser)
    if as_json:
        add("--json", action="store_true", help="print JSON")


def _port(text: str, least: int = 0) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= 65535:
        raise ArgumentTypeError(f"expected {least} to 65535, not {text!r}")
    return int(text)


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if not words:
        raise ArgumentTypeError("the command line is empty")
    return words
