"""The command `portal`: start a Portal, and talk to one that runs.

`demo` and `run` become the Portal. The others are a question each: they dial the Portal's AMP port
on this machine, ask by PortalQuery, show the answer and are gone. Everything heavy is imported
where it is used, so that `portal --help` comes at once; and nothing that only parses stays in the
memory of the Portal, which is why the parser is the standard library's.
"""

import json
import os
import shlex
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from portal.config import (
    AMP_SECRET_VARIABLE,
    LOG_LEVELS,
    NOTE_NAME,
    AmpConfig,
    TelnetConfig,
    amp_address_to_text,
    amp_secret_from_environment,
    build,
    layer,
    read_file,
)
from portal.errors import ConnectionLost, PortalError

EXIT_CODES = """Exit codes: 0 done, or ended in order; 1 no Portal answers, or what was asked
failed, or the Portal could not start or was cut short; 2 the command line is wrong."""

TELNET = TelnetConfig()
AMP = AmpConfig()
DEMO = {"name": "Portal demo", "directory": "portal-demo-data"}

Address = tuple[str, int] | str
Answer = dict[str, Any]
# What was given on the command line: settings by their dotted names, other flags by plain ones.
Options = dict[str, Any]

QUERY_SECONDS = 10.0  # a Portal that is well answers within milliseconds
# The Portal bounds a reload by itself; this is for one that is stuck.
RELOAD_SECONDS = 200.0
STOP_SECONDS = 20.0


# ---- the words of the command line


def _parser() -> ArgumentParser:
    """Make the parser; a flag that is not given leaves nothing behind, so a file can be below."""
    top = _add_details(ArgumentParser(prog="portal", allow_abbrev=False))
    top.description = "The connection front end of text games."
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, act: Any, summary: str, details: str = "") -> ArgumentParser:
        parser = commands.add_parser(
            name, help=summary, argument_default=SUPPRESS, allow_abbrev=False
        )
        parser.description = f"{summary}\n\n{details}".strip()
        parser.set_defaults(act=act)
        return _add_details(parser)

    demo = add("demo", _demo, DEMO_SUMMARY, DEMO_DETAILS)
    _add_serving(demo, data=f"where the demo keeps its players (./{DEMO['directory']})")
    run = add("run", _run, RUN_SUMMARY, RUN_DETAILS)
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
    for name, act, summary in (
        ("status", _status, "Show how a running Portal and its game are."),
        ("sessions", _sessions, "List who is connected."),
        ("reload", _reload, "Reload the game; ends when the new one is there. Players stay."),
        ("stop", _stop, "Stop the Portal and its game; ends when it is gone."),
    ):
        _add_asking(add(name, act, summary), as_json=act in {_status, _sessions})
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


# ---- being a Portal


def _demo(options: Options) -> int:
    settings = _settings(options, DEMO)
    game = (sys.executable, "-m", "portal.demo", "--data", settings["directory"])
    return _serve(layer(settings, {"server": {"command": game}}), options)


def _run(options: Options) -> int:
    settings = _settings(options, {})
    if "command" not in settings.get("server", {}):
        reason = "give --server 'COMMAND' or --no-server, or server.command in the file"
        raise _WrongCommandLine(reason)
    return _serve(settings, options)


class _WrongCommandLine(Exception):
    """What the parser could not see by itself."""


def _settings(options: Options, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what was given above the file, and that above the defaults of the command."""
    file = read_file(options["config"]) if "config" in options else {}
    flags: dict[str, Any] = {}
    for name, value in options.items():
        table, dot, setting = name.rpartition(".")
        if dot:
            flags.setdefault(table, {})[setting] = value
    if "directory" in options:
        flags["directory"] = options["directory"]
    if "amp" in flags:
        flags["amp"].setdefault("socket", None)  # else the file's would stand above these flags
    settings = layer(defaults, file, flags)
    if settings.get("directory") is not None:
        settings["directory"] = str(Path(settings["directory"]).absolute())
    return settings


def _serve(settings: Mapping[str, Any], options: Options) -> int:
    from portal.process import run_process  # noqa: PLC0415 - brings everything

    config = build(layer(settings, {"amp": {"secret": amp_secret_from_environment()}}))
    return run_process(config, _print_json if "json" in options else _print_welcome)


def _print_json(info: Mapping[str, Any]) -> None:
    _say(json.dumps(info))


def _print_welcome(info: Mapping[str, Any]) -> None:
    _say(f"{info['name']} is running (pid {info['portal_pid']}). Ctrl-C stops it.")
    for host, port in info["telnet"]:
        _say(f"Play:   telnet {host} {port}")
    amp = info["amp"]
    where = f"--amp-socket {shlex.quote(amp)}" if isinstance(amp, str) else f"--amp-port {amp[1]}"
    _say(f"Manage: portal status {where}   (also sessions, reload, stop)")


# ---- asking one


def _status(options: Options) -> int:
    answer = _ask("status", options, QUERY_SECONDS)
    _say(json.dumps(answer, indent=2) if "json" in options else describe_status(answer))
    return 0


def _sessions(options: Options) -> int:
    answer = _ask("sessions", options, QUERY_SECONDS)
    _say(
        json.dumps(answer, indent=2) if "json" in options else describe_sessions(answer["sessions"])
    )
    return 0


def _reload(options: Options) -> int:
    answer = _ask("reload", options, RELOAD_SECONDS)
    _say(f"The game was reloaded in {answer['seconds']:.1f} s.")
    return 0


def _stop(options: Options) -> int:
    _ask("stop", options, STOP_SECONDS, until_gone=True)
    _say("The Portal has stopped.")
    return 0


def _ask(query: str, options: Options, seconds: float, *, until_gone: bool = False) -> Answer:
    from portal.amp.query import ask  # noqa: PLC0415 - brings trio and the hub

    return ask(query, _find(options), seconds, until_gone=until_gone)


def _find(options: Options) -> Address:
    """Say where to dial; with a directory it is what the Portal there has noted."""
    if "amp_socket" in options:
        return str(options["amp_socket"])
    if "data" not in options:
        return options["host"], options["amp_port"]
    path = Path(options["data"], NOTE_NAME)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note).amp
    except (OSError, msgspec.DecodeError):
        raise ConnectionLost(f"no Portal answers: there is no readable {path}") from None


class _Note(msgspec.Struct):
    """What is needed of a Portal's note."""

    amp: Address


def _show(address: Address) -> str:
    return amp_address_to_text(address)


def _say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# ---- for people


def describe_status(answer: Mapping[str, Any]) -> str:
    """Say in a few lines how a Portal is; `answer` is that to the query "status"."""
    server = answer["server"]
    game = " ".join(
        server["info"][key] for key in ("servername", "version") if server["info"].get(key)
    )
    by_protocol = answer["sessions"]
    counts = ", ".join(f"{name} {count}" for name, count in sorted(by_protocol.items()))
    addresses = answer["addresses"]
    ports = ", ".join(f"{host} {port}" for host, port in addresses["telnet"])
    amp = addresses["amp"]
    lines = [
        ("Portal", f"{answer['name']}, version {answer['version']}, pid {answer['pid']}"),
        ("Uptime", describe_seconds(answer["uptime"])),
        ("Server", f"{server['state']}, pid {server['pid'] or '-'}" + (game and f" ({game})")),
        ("Sessions", f"{sum(by_protocol.values())}" + (counts and f" ({counts})")),
        ("Telnet", ports),
        ("AMP", _show(amp if isinstance(amp, str) else (amp[0], amp[1]))),
    ]
    counters = [(name, value) for name, value in answer["counters"].items() if value]
    text = [f"{label:9} {value}" for label, value in lines]
    if counters:
        text += ["", *(f"{name:28} {value:>12}" for name, value in counters)]
    return "\n".join(text)


def describe_sessions(entries: Sequence[Mapping[str, Any]]) -> str:
    """List sessions in columns; each entry is one of the answer to the query "sessions"."""
    rows = [("sessid", "protocol", "address", "name", "idle")]
    for entry in entries:
        name = entry["uname"] or ("-" if not entry["logged_in"] else "?")
        rows.append(
            (
                str(entry["sessid"]),
                entry["protocol_key"],
                entry["address"] or "local",
                _printable(name),
                describe_seconds(entry["idle"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    count = len(entries)
    return "\n".join([*lines, f"{count} session{'' if count == 1 else 's'}"])


def describe_seconds(seconds: float) -> str:
    """Write a duration in its two largest units: "3 d 4 h", "12 s"."""
    rest = max(int(seconds), 0)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _printable(text: str) -> str:
    """Show a player's text harmlessly: it must not steer the operator's terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; it exits with the code that the help names."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    try:
        code = options["act"](options)
    except _WrongCommandLine as error:
        parser.error(str(error))
    except PortalError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    except KeyboardInterrupt:
        code = 1
    except BrokenPipeError:
        # Whoever was reading has left; the interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
