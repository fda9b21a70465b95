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

from portal.evennia.collecting import collect, encode

UMASK = 0o022  # twistd leaves 077, which would make every file of the Server its owner's alone


class PortalService(Service):
    """Replaces Evennia's Portal by this one; for `EVENNIA_PORTAL_SERVICE_CLASS`."""

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Have the process become a Portal when the reactor runs."""
        loop: Any = reactor
        loop.callWhenRunning(self._become_portal)

    def _become_portal(self) -> None:
        settings = sys.modules["django.conf"].settings
        directory = str(Path.cwd())
        descriptor = os.memfd_create("portal-settings", 0)  # not closed by exec
        os.write(descriptor, encode(collect(settings, directory)))
        os.umask(UMASK)
        command = ["-m", "portal", "run", "--evennia", directory]
        command = [sys.executable, *command, "--settings-fd", str(descriptor)]
        os.execv(sys.executable, command)  # noqa: S606 - our own program
