"""The game's end of AMP: one link to the Portal at a time, dialled again whenever it is lost.

    dial  ->  authenticate (where the Portal is on another machine)  ->  PSYNC
          <-  the Portal's PSYNC with its sessions; from here the game is in play
    ...   ->  SSYNC, when the game leaves; the answer is waited for

A Portal that is not there is dialled for ever: it is the Portal that holds the players, and it may
be the one that is restarted.
"""

import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import structlog
import trio

from portal.amp.authentication import authenticate
from portal.amp.commands import (
    AdminPortal2Server,
    AdminServer2Portal,
    MsgPortal2Server,
    MsgServer2Portal,
    Operation,
)
from portal.amp.link import Link
from portal.config import AmpConfig
from portal.errors import ConnectionLost, PortalError, UnhandledCommand
from portal.messages import Message
from portal.metrics import Metrics

if TYPE_CHECKING:
    from portal.game.sessionhandler import ServerSessionHandler
    from portal.hub.connection import Connection
    from portal.hub.hub import Hub

log = structlog.get_logger(__name__)

FIRST_PAUSE = 1.0
PAUSE_FACTOR = 1.5
LONGEST_PAUSE = 10.0
# A part of each pause is left to chance, so that many games do not dial in step.
JITTER = 0.2
CONNECT_SECONDS = 10.0  # until the Portal has taken the call and proved itself; then it may think
# A link that ends sooner counts as a failed try: two games at one Portal, each of which replaces
# the other, shall not do so every second.
STABLE_SECONDS = 10.0


class AmpClient:
    """Keeps the link to the Portal at `address` for `sessionhandler`; a service.

    `address` is a host and a port, or the path of a UNIX socket; `info` is what the Portal is
    told of the game. `config.secret` is proved to a Portal on another machine.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        config: AmpConfig,
        metrics: Metrics,
        *,
        hub: "Hub",
        sessionhandler: "ServerSessionHandler",
        info: Mapping[str, Any],
    ) -> None:
        self.address = address
        self.config = config
        self.metrics = metrics
        self.sessionhandler = sessionhandler
        self.info = dict(info)
        self.link: Link | None = None
        self.leaving = False
        self._hub = hub
        self._gone = trio.Event()
        self._boxes = hub.deadlines(config.box_seconds, Link.expire)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial, and dial again, until cancelled or until `leave` was called and the link is gone.

        The pauses between two tries grow from 1 to 10 seconds. Cancelling leaves the link as it
        is; the end of the hub ends it.
        """
        task_status.started()
        pause = FIRST_PAUSE
        while not self.leaving:
            began = trio.current_time()
            try:
                with trio.fail_after(CONNECT_SECONDS):
                    await self._connect()
            except (OSError, PortalError, trio.TooSlowError) as error:
                reason = str(error) or type(error).__name__
                log.info("portal_unreachable", address=self.address, reason=reason)
            else:
                await self._gone.wait()
            if trio.current_time() - began >= STABLE_SECONDS:
                pause = FIRST_PAUSE
            if not self.leaving:
                await trio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))
                pause = min(pause * PAUSE_FACTOR, LONGEST_PAUSE)

    async def _connect(self) -> None:
        """Dial once and introduce the game; the Portal's PSYNC then comes by itself."""
        self._gone = trio.Event()
        if isinstance(self.address, str):
            connection = await self._hub.connect_unix(self.address, self._make_link)
        else:
            connection = await self._hub.connect_tcp(*self.address, self._make_link)
        link = cast("Link", connection.protocol)
        try:
            await self._authenticate(link)
        except BaseException:
            link.abort("the Portal and the game could not authenticate each other")
            raise
        if link.closed:
            raise ConnectionLost("the link ended right after the proof")
        self.link = link
        introduction = {"operation": Operation.PSYNC, "spid": os.getpid(), "info_dict": self.info}
        link.send_packed(AdminServer2Portal, 0, introduction)

    def _make_link(self, connection: "Connection") -> Link:
        return Link(
            connection,
            self.config,
            self.metrics,
            responders={},
            packed={MsgPortal2Server: self._message, AdminPortal2Server: self._admin},
            lost=self._lost,
            deadlines=self._boxes,
        )

    async def _authenticate(self, link: Link) -> None:
        secret = self.config.secret
        if secret is None:
            return
        try:
            await authenticate(link, secret)
        except UnhandledCommand:
            # A Portal on this machine asks for no proof, and who else could be at its address?
            if not link.connection.is_local:
                raise

    def _lost(self, link: Link, error: Exception | None) -> None:
        self._gone.set()
        if link is self.link:
            self.link = None
            log.info("portal_lost", reason=str(error or link.connection.close_reason or "closed"))
            self.sessionhandler.portal_lost()

    # ---- from the Portal

    def _message(self, link: Link, sessid: Any, kwargs: dict[str, Any]) -> None:
        self.sessionhandler.receive_message(sessid, kwargs, link.defer_answer)

    def _admin(self, link: Link, sessid: Any, kwargs: dict[str, Any]) -> None:
        if kwargs.get("operation") == Operation.PSYNC and link is self.link:
            # From here on, also while the sessions are taken over, the game may speak to them.
            self.sessionhandler.portal = self
        self.sessionhandler.receive_admin(sessid, kwargs)

    # ---- to the Portal: the PortalLink of the sessionhandler

    def send_message(self, sessid: int | list[int], message: Message) -> None:
        """Send a message to one session or to several; on a lost link nothing happens."""
        if self.link is not None:
            self.link.send_packed(MsgServer2Portal, sessid, message)

    def send_admin(self, operation: str, sessid: int = 0, **kwargs: Any) -> None:
        """Send an operation; on a lost link nothing happens, and an error is logged."""
        if self.link is not None:
            kwargs["operation"] = operation
            self.link.send_packed(AdminServer2Portal, sessid, kwargs)

    async def leave(self, seconds: float) -> bool:
        """Write every session down at the Portal, and close the link when that is answered.

        Nothing is written where no Portal has handed its sessions over. It takes at most `seconds`
        twice. Returns whether the Portal has answered; `run` ends afterwards.
        """
        self.leaving = True
        link = self.link
        if link is None:
            return False
        answered = False
        if self.sessionhandler.portal is not None:
            answered = await self._write_down(link, seconds)
        link.close("the game leaves")
        with trio.move_on_after(seconds):
            await self._gone.wait()
        return answered

    async def _write_down(self, link: Link, seconds: float) -> bool:
        finished = trio.Event()
        failures: list[Exception] = []

        def done(_context: object, error: Exception | None) -> None:
            if error is not None:
                failures.append(error)
            finished.set()

        sync = {
            "operation": Operation.SSYNC,
            "sessiondata": self.sessionhandler.get_all_sync_data(),
            "clean": True,
        }
        link.send_packed(AdminServer2Portal, 0, sync, answered=done)
        # What comes after it would be carried out by a game whose memory is written down already.
        self.sessionhandler.portal = None
        with trio.move_on_after(seconds):
            await finished.wait()
        if failures or not finished.is_set():
            reason = str(failures[0]) if failures else "no answer"
            log.error("sessions_not_written_down", reason=reason)
            return False
        return True
