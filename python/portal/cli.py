"""The command `portal`: start a Portal, and talk to one that runs.

`demo` and `run` become the Portal. The others are a question each: they dial the Portal's AMP port
on this machine, ask by PortalQuery, show the answer and are gone. Everything heavy is imported
where it is used, so that `portal --help` comes at once.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from portal.config import (
    NOTE_NAME,
    AmpConfig,
    Config,
    LogConfig,
    ServerConfig,
    TelnetConfig,
    amp_address_to_text,
    amp_secret_from_environment,
)
from portal.errors import PortalError

EXIT_CODES = """Exit codes: 0 done, or ended in order; 1 no Portal answers, or what was asked
failed, or the Portal could not start or was cut short; 2 the command line is wrong."""

TELNET = TelnetConfig()
AMP = AmpConfig()

Address = tuple[str, int] | str
Answer = dict[str, Any]

QUERY_SECONDS = 10.0  # a Portal that is well answers within milliseconds
# The Portal bounds a reload by itself; this is for one that is stuck.
RELOAD_SECONDS = 200.0
STOP_SECONDS = 20.0

command = typer.Typer(
    help=f"The connection front end of text games.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks show local variables, and there may be a secret among them.
    pretty_exceptions_enable=False,
)

TelnetPort = Annotated[int, typer.Option(min=0, max=65535, help="For players; 0: any free port.")]
AmpPort = Annotated[
    int, typer.Option(min=0, max=65535, help="For the game and this command; 0: any free port.")
]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        help="Address for players; may be given several times.",
        show_default=", ".join(TELNET.hosts),
    ),
]
AmpHost = Annotated[str, typer.Option(help="Address for the game.")]
AmpSocket = Annotated[
    str | None, typer.Option(help="A UNIX socket in place of the AMP address and port.")
]
OneLine = Annotated[
    bool, typer.Option("--json", help="When ready, print one line of JSON with addresses and pids.")
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning, error or critical.")]
LogFile = Annotated[str | None, typer.Option(help="In place of standard error.")]

Host = Annotated[str, typer.Option(help="Where the Portal's AMP port is.")]
Port = Annotated[int, typer.Option("--amp-port", min=1, max=65535)]
Socket = Annotated[str | None, typer.Option("--amp-socket", help="Its UNIX socket instead.")]
Data = Annotated[Path | None, typer.Option(help="The Portal's directory: it notes where it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


# ---- being a Portal


@command.command(epilog=EXIT_CODES)
def demo(
    telnet_port: TelnetPort = TELNET.port,
    amp_port: AmpPort = AMP.port,
    host: Hosts = None,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its players.")] = Path(
        "portal-demo-data"
    ),
    as_json: OneLine = False,
    log_level: LogLevel = "info",
    log_file: LogFile = None,
) -> None:
    """Run a Portal with a small multi-player game behind it, as a process of its own.

    Play it by telnet; reload, crash or kill the game, and you stay connected.
    """
    directory = data.absolute()
    game = (sys.executable, "-m", "portal.demo", "--data", str(directory))
    _serve(
        _config(
            TelnetConfig(hosts=_hosts(host), port=telnet_port),
            _amp_config(port=amp_port),
            ServerConfig(command=game),
            name="Portal demo",
            directory=directory,
            log=(log_level, log_file),
        ),
        as_json=as_json,
    )


@command.command(epilog=EXIT_CODES)
def run(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    server: Annotated[
        str | None, typer.Option(help="Command line of the game; it is started and kept running.")
    ] = None,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Start no game; one dials in by itself.")
    ] = False,
    telnet_port: TelnetPort = TELNET.port,
    amp_port: AmpPort = AMP.port,
    host: Hosts = None,
    amp_host: AmpHost = AMP.host,
    amp_socket: AmpSocket = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory in which the Portal notes where it is.")
    ] = None,
    as_json: OneLine = False,
    log_level: LogLevel = "info",
    log_file: LogFile = None,
) -> None:
    """Run a Portal in front of your own game, which finds it by the variable PORTAL_AMP.

    Give the game's command line with --server, or --no-server. An AMP address that is not loopback
    needs a shared secret, in the variable PORTAL_AMP_SECRET.
    """
    if no_server == (server is not None):
        raise typer.BadParameter(
            "give the game's command line, or --no-server", param_hint="--server"
        )
    try:
        words = tuple(shlex.split(server or ""))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--server") from error
    if server is not None and not words:
        raise typer.BadParameter("the command line is empty", param_hint="--server")
    _serve(
        _config(
            TelnetConfig(hosts=_hosts(host), port=telnet_port),
            _amp_config(host=amp_host, port=amp_port, socket=amp_socket),
            ServerConfig(command=words),
            name="Portal",
            directory=None if data is None else data.absolute(),
            log=(log_level, log_file),
        ),
        as_json=as_json,
    )


def _hosts(given: list[str] | None) -> tuple[str, ...]:
    return tuple(given) if given else TELNET.hosts


def _amp_config(**settings: Any) -> AmpConfig:
    return AmpConfig(secret=amp_secret_from_environment(), **settings)


def _config(
    telnet: TelnetConfig,
    amp: AmpConfig,
    server: ServerConfig,
    *,
    name: str,
    directory: Path | None,
    log: tuple[str, str | None],
) -> Config:
    return Config(
        name=name,
        directory=None if directory is None else str(directory),
        telnet=telnet,
        amp=amp,
        server=server,
        log=LogConfig(level=log[0], path=log[1]),
    )


def _serve(config: Config, *, as_json: bool) -> NoReturn:
    from portal.app import run_process  # noqa: PLC0415 - brings everything

    try:
        code = run_process(config, _print_json if as_json else _print_welcome)
    except PortalError as error:
        _fail(str(error))
    raise typer.Exit(code)


def _print_json(info: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(info))


def _print_welcome(info: Mapping[str, Any]) -> None:
    typer.echo(f"{info['name']} is running (pid {info['portal_pid']}). Ctrl-C stops it.")
    for host, port in info["telnet"]:
        typer.echo(f"Play:   telnet {host} {port}")
    amp = info["amp"]
    where = f"--amp-socket {shlex.quote(amp)}" if isinstance(amp, str) else f"--amp-port {amp[1]}"
    typer.echo(f"Manage: portal status {where}   (also sessions, reload, stop)")


# ---- asking one


@command.command(epilog=EXIT_CODES)
def status(
    host: Host = AMP.host,
    port: Port = AMP.port,
    socket: Socket = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show how a running Portal and its game are."""
    answer = _ask("status", _find(host, port, socket, data), QUERY_SECONDS)
    typer.echo(json.dumps(answer, indent=2) if as_json else describe_status(answer))


@command.command(epilog=EXIT_CODES)
def sessions(
    host: Host = AMP.host,
    port: Port = AMP.port,
    socket: Socket = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List who is connected."""
    answer = _ask("sessions", _find(host, port, socket, data), QUERY_SECONDS)
    typer.echo(json.dumps(answer, indent=2) if as_json else describe_sessions(answer["sessions"]))


@command.command(epilog=EXIT_CODES)
def reload(
    host: Host = AMP.host,
    port: Port = AMP.port,
    socket: Socket = None,
    data: Data = None,
) -> None:
    """Reload the game; ends when the new one is connected. Players stay."""
    answer = _ask("reload", _find(host, port, socket, data), RELOAD_SECONDS)
    typer.echo(f"The game was reloaded in {answer['seconds']:.1f} s.")


@command.command(epilog=EXIT_CODES)
def stop(
    host: Host = AMP.host,
    port: Port = AMP.port,
    socket: Socket = None,
    data: Data = None,
) -> None:
    """Stop the Portal and its game; ends when it is gone."""
    _ask("stop", _find(host, port, socket, data), STOP_SECONDS, until_gone=True)
    typer.echo("The Portal has stopped.")


def _find(host: str, port: int, socket: str | None, data: Path | None) -> Address:
    """Say where to dial; with a directory it is what the Portal there has noted."""
    if socket is not None:
        return socket
    if data is None:
        return host, port
    path = data / NOTE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note).amp
    except (OSError, msgspec.DecodeError):
        _fail(f"no Portal answers: there is no readable {path}")


class _Note(msgspec.Struct):
    """What is needed of a Portal's note."""

    amp: Address


def _ask(query: str, address: Address, seconds: float, *, until_gone: bool = False) -> Answer:
    """Ask, or end the program with one line that says why not."""
    from portal.amp.query import ask  # noqa: PLC0415 - brings trio and the hub

    try:
        return ask(query, address, seconds, until_gone=until_gone)
    except PortalError as error:
        _fail(str(error))


def _show(address: Address) -> str:
    return amp_address_to_text(address)


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(1)


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


def main() -> None:
    """Run the command line; it exits with the code that the help names."""
    command(prog_name="portal")
