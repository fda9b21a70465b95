"""When a Portal that Evennia's launcher has started cannot start: who has to hear of it.

Its standard error leads nowhere, and the launcher waits for a Portal that will not come. So the
reason goes into the log of the game, and the pid file that `twistd` has left is removed: with it
the launcher would take the Portal for one that hangs.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from portal import logs
from portal.errors import ConfigError, PortalError
from portal.server_process import read_pid

log = structlog.get_logger(__name__)


def report_failure(collected: Mapping[str, Any], error: PortalError) -> None:
    """Write into the game's log why there is no Portal, a line for each reason; nothing is raised.

    Without a log that can be written, the error itself is all that is said.
    """
    path = collected["settings"].get("PORTAL_LOG_FILE")
    if isinstance(path, str) and path and not collected.get("foreground"):
        with contextlib.suppress(ConfigError), contextlib.closing(logs.configure(path=path)):
            for each in error.problems if isinstance(error, ConfigError) else (error,):
                log.critical("portal_not_started", reason=str(each))
    pid_file = Path(collected["directory"], "server", "portal.pid")
    if read_pid(str(pid_file)) == os.getpid():
        pid_file.unlink(missing_ok=True)
