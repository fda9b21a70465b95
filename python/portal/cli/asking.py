"""Asking a Portal that runs: the commands `status`, `sessions`, `reload` and `stop`."""

import json
from pathlib import Path
from typing import Any

import msgspec

from portal.cli.configuring import read_layers
from portal.cli.parser import AMP, Options
from portal.cli.showing import describe_sessions, describe_status, find_way, say
from portal.config import NOTE_NAME, load
from portal.errors import ConnectionLost

Address = tuple[str, int] | str
Answer = dict[str, Any]

QUERY_SECONDS = 10.0  # a Portal that is well answers within milliseconds
# The Portal bounds a reload by itself; this is for one that is stuck.
RELOAD_SECONDS = 200.0
STOP_SECONDS = 20.0


def status(options: Options) -> int:
    """Show how a running Portal and its game are."""
    answer = _ask("status", options, QUERY_SECONDS)
    say(json.dumps(answer, indent=2) if "json" in options else describe_status(answer))
    return 0


def sessions(options: Options) -> int:
    """List who is connected."""
    answer = _ask("sessions", options, QUERY_SECONDS)
    say(
        json.dumps(answer, indent=2) if "json" in options else describe_sessions(answer["sessions"])
    )
    return 0


def reload(options: Options) -> int:
    """Reload the game, and wait until the new one is there."""
    answer = _ask("reload", options, RELOAD_SECONDS)
    say(f"The game was reloaded in {answer['seconds']:.1f} s.")
    return 0


def stop(options: Options) -> int:
    """Stop the Portal, and wait until it is gone."""
    _ask("stop", options, STOP_SECONDS, until_gone=True)
    say("The Portal has stopped.")
    return 0


def _ask(query: str, options: Options, seconds: float, *, until_gone: bool = False) -> Answer:
    from portal.amp.query import ask  # noqa: PLC0415 - brings trio and the hub

    return ask(query, _find(options), seconds, until_gone=until_gone)


def _find(options: Options) -> Address:
    """Say where to dial: by the flags, else by the configuration.

    With a directory it is what the Portal there has noted. Raises ConfigError for a configuration
    that is wrong.
    """
    if "evennia" in options:
        return _find_game(options["evennia"])
    if "amp_socket" in options:
        return str(options["amp_socket"])
    if "data" in options:
        return _read_note(options["data"])
    if "host" in options or "amp_port" in options:
        return options.get("host", AMP.host), options.get("amp_port", AMP.port)
    config = load(*read_layers(options), here=False)
    if config.directory is not None:
        return _read_note(config.directory)
    amp = config.amp
    return amp.socket or (find_way(amp.host), amp.port)


def _find_game(directory: str) -> Address:
    from portal.evennia.reading import collect_from  # noqa: PLC0415 - needed for games only
    from portal.evennia.settings import read_layer  # noqa: PLC0415

    amp = load(read_layer(collect_from(directory)), here=False).amp
    return find_way(amp.host), amp.port


def _read_note(directory: str) -> Address:
    path = Path(directory, NOTE_NAME)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note).amp
    except (OSError, msgspec.DecodeError):
        raise ConnectionLost(f"no Portal answers: there is no readable {path}") from None


class _Note(msgspec.Struct):
    """What is needed of a Portal's note."""

    amp: Address
