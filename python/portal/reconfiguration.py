"""SIGHUP: the log file is opened anew, and the configuration is read again.

A configuration that is wrong changes nothing, and everything that is wrong with it is logged. Of
one that is right, the log names what a running Portal has taken over, and what waits for another
start (`portal.config.changes`).
"""

from collections.abc import Callable

import structlog

from portal import logs
from portal.app import Portal
from portal.config import Config, LogConfig
from portal.errors import ConfigError
from portal.log_rotation import Rotation
from portal.logs import LogFile

log = structlog.get_logger(__name__)

UNCHANGED = "these need another start of the Portal"


class Reconfiguration:
    """The configuration of a process that is a Portal, and its log.

    `reread()` makes the configuration anew, as the process made it at its start; without it only
    the log file is opened again. Close it at the end: that closes the log.
    Raises ConfigError for a log that cannot be written.
    """

    def __init__(self, config: LogConfig, reread: Callable[[], Config] | None = None) -> None:
        self.reread = reread
        self._log = config
        self._file = _open(config)
        self._lost = 0  # in files that were left

    @property
    def log_lines_lost(self) -> int:
        """How many lines the log did not take, in all of its files together."""
        return self._lost + self._file.lost

    def hang_up(self, portal: Portal) -> None:
        """Do what SIGHUP asks for; nothing is raised."""
        self._file.reopen()
        if self.reread is None:
            return
        try:
            config = self.reread()
            self._move_log(config.log)
        except ConfigError as error:
            _refuse(error)
            return
        changes = portal.reconfigure(config)
        log.info("config_applied", settings=changes.applied)
        if changes.needs_restart:
            log.warning("config_unchanged", settings=changes.needs_restart, reason=UNCHANGED)

    def close(self) -> None:
        """Close the log; lines that come later are lost."""
        self._file.close()

    def _move_log(self, config: LogConfig) -> None:
        if config != self._log:
            file, self._file = self._file, _open(config)
            file.close()
            self._lost += file.lost
            self._log = config


def _refuse(error: ConfigError) -> None:
    for each in error.problems:
        log.error("config_refused", path=each.path, key=each.key, expected=each.expected)


def _open(config: LogConfig) -> LogFile:
    rotation = Rotation(config.max_bytes, config.days)
    return logs.configure(config.level, path=config.path, json=config.json, rotation=rotation)
