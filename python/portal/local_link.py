"""The link to a game in the Portal's own process: plain calls where there is AMP else.

One object is both ends of it: the link that `portal.server_link` has to a game, and the
`PortalLink` that the game's sessionhandler has to its Portal. So the rules of an absence, of orders
and of what is uncertain are those of AMP, carried out by the same code.

    to the game     send_payload -> queue -> the game's sessionhandler -> answer
    to the Portal   send_message, send_admin -> server_link, at once

What is for the game is handed to it at once, in the call that brings it, unless some of the game's
own code is waiting for that call to return: a function that was handed something just now, or one
that is telling the Portal something. Else a game that lets a session go would hear of its end
while it is still at it. It then comes as the next thing when that function has returned. So the
order is that of the stream that AMP would be, and calls are never nested deeper than one message.

Nothing that can be changed is shared. Messages of players are copied, since theirs is kept until it
is answered; those of the game are fresh from `portal.messages.normalise`. What the game has the
Portal keep is copied by the codec that AMP uses, so that it comes back with the same types.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import structlog
import trio

from portal.amp.commands import NOT_BEGUN, MsgPortal2Server, Operation, PackedCommand
from portal.amp.link import Answered
from portal.amp.payload import copy_value
from portal.errors import ConnectionLost, PortalError, RemoteAMPError
from portal.game import GameServer
from portal.messages import Message, text_to_message
from portal.server_link import RESTART_MODES, LinkedServer

log = structlog.get_logger(__name__)

# The game works in the hub's tick, and shall not stretch it by more than a phase of it: after a
# restart thousands of sessions may be announced at once.
SLICE_SECONDS = 0.0005
# What the Portal is told of a message that the game never saw.
NOT_HANDED_OVER = "the game was not handed it"

Payload = tuple[Any, dict[str, Any]]  # a session's number first


class _Ask:
    """Something that the game is told, and the answer it owes."""

    __slots__ = ("answered", "begun", "command", "context", "deferred", "link", "payload")

    def __init__(
        self,
        link: "LocalLink",
        command: type[PackedCommand],
        payload: Payload,
        answered: Answered | None,
        context: object,
    ) -> None:
        self.link = link
        self.command = command
        self.payload = payload
        self.answered = answered
        self.context = context
        self.begun = False  # the game has been handed it
        self.deferred = False  # and answers later

    def defer(self) -> "_Ask":
        """Take the answer over: it is owed from now on, also after a failure."""
        self.deferred = True
        return self

    def answer(self) -> None:
        """Say that it was carried out."""
        self.link.settle(self, None)

    def fail(self, error: Exception) -> None:
        """Say that it was not; a game that gives it back does so by NotBegun."""
        code, _ = self.command.error_to_code(error)
        # The text of others may hold a player's words.
        text = str(error) if isinstance(error, PortalError) else type(error).__name__
        self.link.settle(self, RemoteAMPError(code, text))

    def lose(self, link: str) -> None:
        """Say that the link has ended before it was answered."""
        if self.begun or self.command is not MsgPortal2Server:
            self.tell(ConnectionLost(f"{link} has ended"))
        else:
            self.tell(RemoteAMPError(NOT_BEGUN, NOT_HANDED_OVER))

    def tell(self, error: Exception | None) -> None:
        """Tell whoever asked, once; what goes wrong there is logged and harms nobody else."""
        if self.answered is None:
            return
        try:
            self.answered(self.context, error)
        except Exception:
            # The barrier between one answer and the next, as in `portal.amp.link`.
            log.exception("answered_failed", command=self.command.__name__)


class LocalLink:
    """Links one game to the Portal behind `server`; hand `connect` to `GameServer.serve_by`.

    `departure` is what the Portal last ordered the game to leave for: "reload", "reset" or
    "shutdown", and "" if nothing.
    """

    # A window bounds what is on its way, and here nothing is.
    unanswered_bytes = 0
    max_payload = 0

    def __init__(self, server: LinkedServer, game: GameServer) -> None:
        self.server = server
        self.game = game
        self.name = f"game {game.name}"
        self.leaving = False
        self.closed = False
        self.departure = ""
        self._asks: dict[_Ask, None] = {}  # in the order of asking
        self._queue: deque[_Ask] = deque()
        self._handing = False  # the game is being handed something
        self._calls = 0  # of the game to the Portal that have not returned
        self._wake = trio.Event()

    async def connect(self, nursery: trio.Nursery, info: Mapping[str, Any]) -> "LocalLink":
        """Introduce the game to the Portal; its sessions follow. Another game has to go."""
        await nursery.start(self._run)
        introduction = {"operation": Operation.PSYNC, "spid": os.getpid(), "info_dict": dict(info)}
        self._call(self.server.admin, 0, introduction)
        return self

    async def _run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hand over what could not be handed over at once; however the game ends, so does this."""
        try:
            task_status.started()
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                self._hand_over()
        finally:
            self.close("the game has ended")

    # ---- to the game: the link of `portal.server_link`

    @property
    def unanswered(self) -> int:
        """How many messages and operations the game has not answered."""
        return len(self._asks)

    @staticmethod
    def encode_packed(sessid: int | list[int], kwargs: Mapping[str, Any] | str) -> Payload:
        """Copy what the game is to get."""
        if isinstance(kwargs, str):
            return sessid, text_to_message(kwargs)
        return sessid, {key: _copy(value) for key, value in kwargs.items()}

    def send_payload(
        self,
        command: type[PackedCommand],
        payload: Payload,
        answered: Answered | None = None,
        context: object = None,
    ) -> None:
        """Hand it to the game, now or as soon as its turn comes.

        `answered(context, error)` is called once, perhaps before this returns.
        """
        ask = _Ask(self, command, payload, answered, context)
        if self.closed:
            ask.tell(ConnectionLost(f"{self.name} has left"))
            return
        self._asks[ask] = None
        self._queue.append(ask)
        if not self._handing and not self._calls:
            self._hand_over()

    def prefer(self) -> None:
        """Do nothing: it waits for no other."""

    def close(self, reason: str = "") -> None:
        """End the link, and have a game leave that does not know of it yet.

        What it has not begun with is given back, and what it has begun with stays unanswered.
        """
        if self.closed:
            return
        if not self.leaving:
            self.leaving = True
            self.game.sessions.begin_leaving()
            self.game.stop()
        self.closed = True
        log.info("local_link_closed", link=self.name, reason=reason)
        asks, self._asks = self._asks, {}
        self._queue.clear()
        for ask in asks:
            ask.lose(self.name)
        self.server.lost(self)
        self.game.sessions.portal_lost()

    def settle(self, ask: _Ask, error: Exception | None) -> None:
        """Give the answer to an ask; one that was given already is no answer."""
        if ask in self._asks:
            del self._asks[ask]
            ask.tell(error)

    def _hand_over(self) -> None:
        """Hand the game what waits for it, in order; after a slice of time the rest has to wait."""
        queue = self._queue
        end = perf_counter() + SLICE_SECONDS
        while queue:
            ask = queue.popleft()
            ask.begun = self._handing = True
            try:
                self._hand(ask)
            except Exception as error:
                # The barrier between the game and the Portal.
                if not isinstance(error, PortalError):
                    log.exception("game_failed", command=ask.command.__name__)
                ask.fail(error)
            else:
                if not ask.deferred:
                    ask.answer()
            finally:
                self._handing = False
            if perf_counter() > end:
                break
        if queue:
            self._wake.set()

    def _hand(self, ask: _Ask) -> None:
        sessid, kwargs = ask.payload
        sessions = self.game.sessions
        if ask.command is MsgPortal2Server:
            sessions.receive_message(sessid, kwargs, ask.defer)
            return
        operation = kwargs["operation"]
        if operation == Operation.PSYNC:
            # From here on, also while the sessions are taken over, the game may speak to them.
            sessions.portal = self
        elif operation in RESTART_MODES:
            self.departure = kwargs["server_restart_mode"]
        sessions.receive_admin(sessid, kwargs)

    # ---- to the Portal: the PortalLink of the game's sessionhandler

    def send_message(self, sessid: int | list[int], message: Message) -> None:
        """Show a message to one session or to several; once the link has ended nothing happens."""
        self._call(self.server.data, sessid, message)

    def send_admin(self, operation: str, sessid: int = 0, **kwargs: Any) -> None:
        """Have an operation done; once the link has ended nothing happens, and errors are logged.

        Raises LocalProtocolError for what could not be sent over AMP either.
        """
        kwargs["operation"] = operation
        self._call(self.server.admin, sessid, copy_value(kwargs))

    async def leave(self, seconds: float) -> bool:  # noqa: ARG002 - here nobody has to be waited for
        """Write every session down at the Portal, and end the link; returns whether that was done.

        Nothing is written where no Portal has handed its sessions over.
        """
        await trio.lowlevel.checkpoint()
        self.leaving = True
        sessions = self.game.sessions
        written = False
        if sessions.portal is not None:
            try:
                data = copy_value(sessions.get_all_sync_data())
                sync = {"operation": Operation.SSYNC, "sessiondata": data, "clean": True}
                self.server.admin(self, 0, sync)
                written = True
            except PortalError:
                log.exception("sessions_not_written_down")
        self.close("the game leaves")
        return written

    def _call(self, function: Callable[["LocalLink", Any, Any], None], *args: Any) -> None:
        """Call the Portal; what it says to that waits until the game's own function returns."""
        if self.closed:
            return
        self._calls += 1
        try:
            function(self, *args)
        except Exception as error:
            # The barrier between the Portal and the game; over AMP it is an error box.
            known = isinstance(error, PortalError)
            reason = str(error) if known else type(error).__name__
            log.warning("portal_refused", link=self.name, reason=reason, exc_info=not known)
        finally:
            self._calls -= 1
        if self._queue and not self._handing and not self._calls:
            self._wake.set()


def _copy(value: Any) -> Any:
    """Copy a plain value, as deep as it goes."""
    kind = type(value)
    if kind is dict:
        return {key: _copy(item) for key, item in value.items()}
    if kind is list:
        return [_copy(item) for item in value]
    if kind is tuple:
        return tuple(map(_copy, value))
    return set(value) if kind is set else value
