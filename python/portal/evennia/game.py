"""An Evennia game, as the Portal sees it: what its settings come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.bot_request import ConnectBot
from portal.config import Config
from portal.evennia.bot import skip_bot
from portal.evennia.given import Given
from portal.evennia.kept import Kept, read_kept
from portal.evennia.notes import Note, find_notes, find_services
from portal.evennia.settings import LOCKED, find_settings_file

PROFILING = ("--savestats", "--profiler=cprofile")
LOCKDOWN = "  LOCKDOWN_MODE active: Only local connections."
NOT_SERVED = "{}: {} (not served by this Portal)"


@dataclass(frozen=True, slots=True)
class Game:
    """An Evennia game: its configuration of the Portal, and what goes beside that.

    `environment` is for its Server, beside the Portal's own. `status` holds what the launcher
    prints and the Portal has no setting for (`errors`, `info`, `lockdown_mode`, `version`, ...).
    `profiled` is the Server's command when the launcher is to profile it. `notes` are to be logged
    at the start, and `kept` and `services` (modules) wait for what will go by them.
    """

    directory: str
    config: Config
    environment: Mapping[str, str]
    status: Mapping[str, Any]
    profiled: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    kept: Kept = Kept()  # noqa: RUF009 - it cannot be changed
    services: tuple[str, ...] = ()
    connect_bot: ConnectBot = skip_bot

    def choose_command(self, arguments: object) -> tuple[str, ...]:
        """Return the command that starts its Server, as Evennia's launcher wants it (SSTART).

        Of what the launcher sends, no word is run: it is looked at for whether to profile.
        """
        wanted = isinstance(arguments, list) and "--profiler=cprofile" in arguments
        return self.profiled if wanted else self.config.server.command


def make_game(collected: Mapping[str, Any], config: Config) -> Game:
    """Put a game together of what was collected, and the configuration made of it.

    What is wrong with the settings was said when the configuration was made.
    """
    given = Given(find_settings_file(collected), collected["settings"])
    locked = given.flag("LOCKDOWN_MODE")
    kept = read_kept(given, collected["mssp"], locked=LOCKED if locked else ())
    directory = collected["directory"]
    profile = Path(directory, "server", "logs", "server.prof")
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
            "lockdown_mode": LOCKDOWN if locked else "",
            "telnet_ssl": [NOT_SERVED.format("telnet+ssl", port) for port in kept.tls_ports],
            "ssh": [NOT_SERVED.format("ssh", port) for port in kept.ssh_ports],
            "webserver_internal": [
                f"webserver: {inner}" for _, inner in given.pairs("WEBSERVER_PORTS")
            ],
        },
        profiled=(*config.server.command, *PROFILING, f"--profile={profile}"),
        notes=tuple(find_notes(collected, given, kept)),
        kept=kept,
        services=find_services(collected, given),
    )
