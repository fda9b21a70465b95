"""What the command line may ask a running Portal: the answers to PortalQuery.

Each answer is a plain dict that becomes JSON. `app.py` hands the bound methods to the AMP server
by their names; asking for anything else is an error that lists them.
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from portal import __version__
from portal.metrics import Gauge, Metrics, look_up
from portal.session import Session
from portal.sessionhandler import PortalSessionHandler
from portal.supervisor import Supervisor

Query = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Queries:
    """Answers about one Portal; `addresses` tells where it listens and `stop` ends it.

    `gauges` are read whenever somebody asks.
    """

    def __init__(  # noqa: PLR0913 - every part is handed in, by name
        self,
        name: str,
        metrics: Metrics,
        sessionhandler: PortalSessionHandler,
        supervisor: Supervisor,
        *,
        gauges: Sequence[Gauge],
        wall: Callable[[], float],
        addresses: Callable[[], dict[str, Any]],
        server_info: Callable[[], Mapping[str, Any]],
        stop: Callable[[], None],
    ) -> None:
        self.name = name
        self.metrics = metrics
        self.sessionhandler = sessionhandler
        self.supervisor = supervisor
        self.gauges = gauges
        self.wall = wall
        self.addresses = addresses
        self.server_info = server_info
        self._stop = stop

    def by_name(self) -> dict[str, Query]:
        """Make the registry for the AMP server."""
        return {
            "status": self.status,
            "sessions": self.sessions,
            "reload": self.reload,
            "stop": self.stop,
        }

    async def status(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        """How the Portal and its Server are, with every figure there is; times in seconds."""
        sessions = self.sessionhandler.get_sessions(include_unloggedin=True)
        return {
            "name": self.name,
            "version": __version__,
            "pid": os.getpid(),
            "uptime": self.wall() - self.sessionhandler.portal_start_time,
            "server": {
                "state": self.supervisor.state.value,
                "pid": self.supervisor.server_pid,
                "info": {key: str(value) for key, value in self.server_info().items()},
            },
            "sessions": dict(Counter(session.protocol_key for session in sessions)),
            "addresses": self.addresses(),
            "gauges": look_up(self.gauges),
            "counters": self.metrics.as_dict(),
        }

    async def sessions(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Everybody who is connected."""
        sessions = self.sessionhandler.get_sessions(include_unloggedin=True)
        return {"sessions": [self._describe(each) for each in sessions]}

    def _describe(self, session: Session) -> dict[str, Any]:
        return {
            "sessid": session.sessid,
            "protocol_key": session.protocol_key,
            "address": session.address,
            "uname": session.uname,
            "logged_in": session.logged_in,
            "conn_time": session.conn_time,
            "idle": self.wall() - (session.cmd_last or session.conn_time),
        }

    async def reload(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Reload the game; answered when the new Server is connected.

        Raises ServerUnavailable when it does not come back in time.
        """
        began = self.wall()
        await self.supervisor.reload()
        return {"state": self.supervisor.state.value, "seconds": self.wall() - began}

    async def stop(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Stop the Portal; answered before it begins to."""
        self._stop()
        return {}
