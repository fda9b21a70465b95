"""The peer of the side by side: Evennia's own Portal, by the command of its launcher.

It runs with the Python of an environment that has Evennia, in the directory of a game. The
launcher's `twistd` is called here, in the foreground, so that it can tell when it serves.

    python evennia_portal.py         prints {"telnet_port": ..., ...} and serves
    python evennia_portal.py server  the game's Server in its place: prints {}, and dials in
"""

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

LOGGERS = {
    "portal/portal.py": "evennia.utils.logger.GetPortalLogObserver",
    "server.py": "evennia.utils.logger.GetServerLogObserver",
}


def tell(program, out):
    """Says where it listens."""
    from django.conf import settings  # noqa: PLC0415 - which are loaded by now

    ports = {}
    if program != "server.py":
        ports = {
            "telnet_port": settings.TELNET_PORTS[0],
            "websocket_port": settings.WEBSOCKET_CLIENT_PORT,
            "amp_port": settings.AMP_PORT,
        }
    os.write(out, json.dumps(ports).encode() + b"\n")


def write_log():
    """Has standard output, which is the log of a `twistd` in the foreground, go to the game's.

    The descriptor that comes back is what standard output was: nobody reads a log from there.
    """
    out = os.dup(1)
    log = os.open("server/logs/twistd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.close(log)
    return out


def main(program):
    """Is what `twistd` would be."""
    sys.path.insert(0, str(Path.cwd()))
    os.environ["PYTHONPATH"] = ":".join(sys.path)
    os.environ["DJANGO_SETTINGS_MODULE"] = "server.conf.settings"
    evennia = Path(importlib.util.find_spec("evennia").origin).parent
    from twisted.internet import reactor  # noqa: PLC0415
    from twisted.scripts.twistd import run  # noqa: PLC0415

    reactor.callWhenRunning(tell, program, write_log())
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [
            "twistd",
            f"--python={evennia / 'server' / program}",
            f"--logger={LOGGERS[program]}",
            f"--pidfile={folder}/twistd.pid",
            "--nodaemon",
        ]
        run()


if __name__ == "__main__":
    main("server.py" if "server" in sys.argv[1:] else "portal/portal.py")
