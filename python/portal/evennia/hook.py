"""The service that Evennia starts in place of its own Portal: it makes way for this one.

Evennia's launcher runs `twistd`, which makes this service, goes into the background and writes
`server/portal.pid`. As soon as Twisted's reactor runs, and not before (else the process that
`twistd` was started as would wait for ever), the image of the process is replaced: the pid stays.

What the Portal needs of the settings goes with it in a file without a name: a command line can be
read by everybody on the machine, and the environment is inherited by every child.
"""

import os
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet import reactor
from twisted.logger import Logger

from portal.evennia.collecting import collect, encode, write_whole

UMASK = 0o022  # twistd leaves 077, which would make every file of the Server its owner's alone


class PortalService(Service):
    """Replaces Evennia's Portal by this one; for `EVENNIA_PORTAL_SERVICE_CLASS`."""

    log = Logger()

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Have the process become a Portal when the reactor runs."""
        loop: Any = reactor
        loop.callWhenRunning(self._become_portal)

    def _become_portal(self) -> None:
        try:
            settings = sys.modules["django.conf"].settings
            directory = str(Path.cwd())
            descriptor = os.memfd_create("portal-settings", 0)  # not closed by exec
            write_whole(descriptor, encode(collect(settings, directory, sys.argv)))
            os.umask(UMASK)
            command = ["-m", "portal", "run", "--evennia", directory]
            command = [sys.executable, "-P", *command, "--settings-fd", str(descriptor)]
            os.execv(sys.executable, command)  # noqa: S606 - our own program
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no Portal
            reason = f"{type(error).__name__}: {error}"
            self.log.critical("The Portal cannot be started: {reason}", reason=reason)
            loop: Any = reactor
            loop.stop()  # twistd removes its pid file
