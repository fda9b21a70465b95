"""SIGHUP: the log files are opened anew, and the configuration is read again.

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
    """The configuration of a process that is a Portal, and its logs.

    `reread()` makes the configuration anew, as the process made it at its start; without it only
    the log files are opened again. Close it at the end: that closes the logs.
    Raises ConfigError for a log that cannot be written.
    """

    def __init__(self, config: LogConfig, reread: Callable[[], Config] | None = None) -> None:
        self.reread = reread
        self._log = config
        self._file = _open(config)
        self._access_file = _open_access(config)
        self._lost = 0  # in files that were left

    @property
    def log_lines_lost(self) -> int:
        """How many lines the logs did not take, in all of their files together."""
        return self._lost + sum(file.lost for file in self._files())

    def begin(self, portal: Portal) -> None:
        """Let a Portal write its requests where the configuration says."""
        portal.web.access_log.write = None if self._access_file is None else self._access_file.write

    def hang_up(self, portal: Portal) -> None:
        """Do what SIGHUP asks for; nothing is raised."""
        for file in self._files():
            file.reopen()
        if self.reread is None:
            return
        try:
            config = self.reread()
            self._move_log(config.log)
            self.begin(portal)
        except ConfigError as error:
            _refuse(error)
            return
        changes = portal.reconfigure(config)
        log.info("config_applied", settings=changes.applied)
        if changes.needs_restart:
            log.warning("config_unchanged", settings=changes.needs_restart, reason=UNCHANGED)

    def close(self) -> None:
        """Close the logs; lines that come later are lost."""
        for file in self._files():
            file.close()

    def _files(self) -> list[LogFile]:
        return [self._file, *([] if self._access_file is None else [self._access_file])]

    def _move_log(self, config: LogConfig) -> None:
        if config == self._log:
            return
        access = _open_access(config)
        try:
            log_file = _open(config)
        except ConfigError:
            if access is not None:
                access.close()
            raise
        left = self._files()
        self._file, self._access_file, self._log = log_file, access, config
        for file in left:
            file.close()
            self._lost += file.lost


def _refuse(error: ConfigError) -> None:
    for each in error.problems:
        log.error("config_refused", path=each.path, key=each.key, expected=each.expected)


def _open(config: LogConfig) -> LogFile:
    rotation = _rotation(config)
    return logs.configure(config.level, path=config.path, json=config.json, rotation=rotation)


def _open_access(config: LogConfig) -> LogFile | None:
    path = config.http_path
    if path is None:
        return None
    return LogFile(path, key="log.http_path", rotation=_rotation(config))


def _rotation(config: LogConfig) -> Rotation:
    return Rotation(config.max_bytes, config.days)
