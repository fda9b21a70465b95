"""The words of the command line, and what its help says."""

import shlex
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from functools import partial

from portal.config import AMP_SECRET_VARIABLE, LOG_LEVELS, AmpConfig, TelnetConfig

EXIT_CODES = """Exit codes: 0 done, or ended in order; 1 no Portal answers, or what was asked
failed, or the Portal could not start or was cut short; 2 the command line is wrong."""

TELNET = TelnetConfig()
AMP = AmpConfig()
DEMO_DIRECTORY = "portal-demo-data"


def make_parser() -> ArgumentParser:
    """Make the parser; a flag that is not given leaves nothing behind, so a file can be below."""
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

    demo = add("demo", DEMO_SUMMARY, DEMO_DETAILS)
    _add_serving(demo, data=f"where the demo keeps its players (./{DEMO_DIRECTORY})")
    run = add("run", RUN_SUMMARY, RUN_DETAILS)
    game = run.add_mutually_exclusive_group()
    game.add_argument(
        "--server",
        type=_words,
        dest="server.command",
        metavar="'COMMAND'",
        help="command line of the game; it is started and kept running",
    )
    game.add_argument(
        "--no-server",
        action="store_const",
        const=(),
        dest="server.command",
        help="start no game; one dials in by itself",
    )
    run.add_argument(
        "--amp-host", dest="amp.host", metavar="ADDRESS", help=f"for the game ({AMP.host})"
    )
    run.add_argument(
        "--amp-socket",
        dest="amp.socket",
        metavar="PATH",
        help="a UNIX socket in place of the AMP address and port",
    )
    _add_serving(run, data="directory in which the Portal notes where it is")
    for name, summary in (
        ("status", "Show how a running Portal and its game are."),
        ("sessions", "List who is connected."),
        ("reload", "Reload the game; ends when the new one is there. Players stay."),
        ("stop", "Stop the Portal and its game; ends when it is gone."),
    ):
        _add_asking(add(name, summary), as_json=name in {"status", "sessions"})
    return top


DEMO_SUMMARY = "Run a Portal with a small multi-player game behind it."
DEMO_DETAILS = """Play it by telnet; reload, crash or kill the game, and you stay connected."""
RUN_SUMMARY = "Run a Portal in front of your own game."
RUN_DETAILS = f"""Give the game's command line with --server (or as server.command in the file), or
--no-server. The game finds its Portal by the variable PORTAL_AMP. An AMP address that
is not loopback needs a shared secret, in the variable {AMP_SECRET_VARIABLE}."""


def _add_details(parser: ArgumentParser) -> ArgumentParser:
    parser.epilog = EXIT_CODES
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


def _add_serving(parser: ArgumentParser, *, data: str) -> None:
    add = parser.add_argument
    add("--config", metavar="FILE", help="settings, in TOML; flags stand above them")
    add(
        "--telnet-port",
        dest="telnet.port",
        type=_port,
        metavar="PORT",
        help=f"for players ({TELNET.port}); 0: any free port",
    )
    add(
        "--amp-port",
        dest="amp.port",
        type=_port,
        metavar="PORT",
        help=f"for the game and this command ({AMP.port}); 0: any free port",
    )
    add(
        "--host",
        dest="telnet.hosts",
        action="append",
        metavar="ADDRESS",
        help=f"address for players, may be given several times ({', '.join(TELNET.hosts)})",
    )
    add("--data", dest="directory", metavar="DIR", help=data)
    add(
        "--json",
        action="store_true",
        help="when ready, print one line of JSON with addresses and pids",
    )
    add(
        "--log-level",
        dest="log.level",
        choices=LOG_LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(LOG_LEVELS)} (info)",
    )
    add("--log-file", dest="log.path", metavar="FILE", help="in place of standard error")


def _add_asking(parser: ArgumentParser, *, as_json: bool) -> None:
    add = parser.add_argument
    add("--host", default=AMP.host, help=f"where the Portal's AMP port is ({AMP.host})")
    add(
        "--amp-port",
        type=partial(_port, least=1),
        default=AMP.port,
        metavar="PORT",
        help=f"({AMP.port})",
    )
    add("--amp-socket", metavar="PATH", help="its UNIX socket instead")
    add("--data", metavar="DIR", help="the Portal's directory: it notes there where it is")
    if as_json:
        add("--json", action="store_true", help="print JSON")


def _port(text: str, least: int = 0) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= 65535:
        raise ArgumentTypeError(f"expected {least} to 65535, not {text!r}")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if not words:
        raise ArgumentTypeError("the command line is empty")
    return words
