"""Messages of one session run in order, and nobody waits for somebody else's.

A message is carried out at once, in the call that brought it, up to the first function that gives
something to be awaited. Then it goes into the session's inbox, and so does everything behind it
until the inbox is empty again; a worker empties it. Workers are tasks: as many as there are
sessions whose functions wait just now. One that is done parks, and the next session wakes it, which
is cheaper than a task for each message or a channel for each session.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import Protocol

import structlog
import trio

from portal.errors import NotBegun
from portal.game.inputfuncs import FAILED, InputError, InputFunctions
from portal.game.session import ServerSession
from portal.messages import Message

log = structlog.get_logger(__name__)

# What the Portal reads in its log of a message that was given back.
LEAVING = "the game takes no messages now"
# Our Portal stops at 64; this is for one that does not.
MAX_OUTSTANDING = 256
# Parked tasks of about 3 KB each; a burst may make more, which end when they are done.
MAX_PARKED = 256


class Answer(Protocol):
    """The answer that a message is owed (`portal.amp.responders.DeferredAnswer`)."""

    def answer(self) -> None:
        """Say that the message was carried out."""
        ...

    def fail(self, error: Exception) -> None:
        """Say that it was not."""
        ...


class _Turn:
    """A message on its way through its functions.

    `calls` are those that are left, `name` is the one that was called last and `awaited` what it
    has yet to do; `failed` is one that failed. `answer` is owed once the message is in an inbox.
    """

    __slots__ = ("answer", "awaited", "calls", "failed", "name")

    answer: Answer

    def __init__(self, message: Message) -> None:
        self.calls = iter(message.items())
        self.awaited: Awaitable[object] | None = None
        self.failed = self.name = ""

    def fail(self, session: ServerSession) -> None:
        """Note that the last function has failed, and tell the player."""
        self.failed = self.name
        session.msg(FAILED)


Inbox = deque[_Turn]


class _Worker:
    """One task that may be parked; `session` is what it is woken for."""

    __slots__ = ("session", "task")

    task: trio.lowlevel.Task  # from when it is parked for the first time

    def __init__(self, session: ServerSession) -> None:
        self.session = session


class Workers:
    """Carries messages out by the functions of `functions`; a service.

    Asynchronous functions work only while `run` does.
    """

    def __init__(self, functions: InputFunctions) -> None:
        self.functions = functions
        self.busy = 0  # sessions with an inbox
        self._nursery: trio.Nursery | None = None
        self._parked: list[_Worker] = []
        self._quiet = trio.Event()
        self._quiet.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the workers' tasks. Cancelling it cancels them, and leaves messages unanswered."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def drain(self, seconds: float) -> bool:
        """Wait until no session is busy; then cancel what still is.

        Returns whether all was carried out. What was cut short stays unanswered, so that the
        Portal can tell its players which lines those were.
        """
        with trio.move_on_after(seconds):
            await self._quiet.wait()
            return True
        log.warning("functions_cancelled", sessions=self.busy)
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
        return False

    def receive(
        self, session: ServerSession, message: Message, defer: Callable[[], Answer]
    ) -> None:
        """Carry a message out, at once or when the session's turn comes.

        It is answered when this returns or, where it has to wait, by what `defer` gives.
        Raises InputError when a function failed or the session has too many outstanding.
        """
        inbox = session.inbox
        turn = _Turn(message)
        if inbox is None:
            turn.awaited = self._call(session, turn)
            if turn.awaited is None:
                if turn.failed:
                    raise InputError(f"{turn.failed} failed")
                return
            # What was called may have handed on a message of this session itself.
            inbox = session.inbox or self._begin(session, turn.awaited)
        elif len(inbox) >= MAX_OUTSTANDING:
            log.warning("session_too_far_behind", sessid=session.sessid, messages=len(inbox))
            raise InputError(f"more than {MAX_OUTSTANDING} messages are outstanding")
        turn.answer = defer()
        inbox.append(turn)

    def forget(self, session: ServerSession) -> None:
        """Drop what a session that ended has not had carried out; what runs goes on."""
        inbox = session.inbox
        while inbox is not None and len(inbox) > 1:
            inbox.pop().answer.answer()

    def give_back(self, session: ServerSession) -> None:
        """Give back what a session has not had begun, in its order; what runs goes on.

        The Portal keeps it for the next process of the game.
        """
        inbox = session.inbox
        if inbox is not None:
            waiting = [inbox.pop() for _ in range(len(inbox) - 1)]
            for turn in reversed(waiting):
                turn.answer.fail(NotBegun(LEAVING))

    def _call(self, session: ServerSession, turn: _Turn) -> Awaitable[object] | None:
        """Call a message's functions, up to one that gives something to be awaited.

        Whether it does is seen by what it returns: a decorator or a lambda around an asynchronous
        function does not look asynchronous. Returns None when no function is left.
        """
        for name, (args, kwargs) in turn.calls:
            function = self.functions.find(name)
            if function is None:
                log.debug("message_without_function", sessid=session.sessid, cmdname=name[:100])
                continue
            turn.name = name
            try:
                result = function(session, *args, **kwargs)
            except Exception:
                # The barrier between the game's code and the link; below is the other half.
                log.exception("inputfunc_failed", sessid=session.sessid, cmdname=name[:100])
                turn.fail(session)
            else:
                if result is not None and isawaitable(result):
                    return result
        return None

    def _begin(self, session: ServerSession, awaited: Awaitable[object]) -> Inbox:
        if self._nursery is None:
            if isinstance(awaited, Coroutine):
                awaited.close()
            raise InputError("the game is not running")
        inbox = session.inbox = deque()
        if not self.busy:
            self._quiet = trio.Event()
        self.busy += 1
        if self._parked:
            worker = self._parked.pop()
            worker.session = session
            trio.lowlevel.reschedule(worker.task)
        else:
            self._nursery.start_soon(self._work, _Worker(session))
        return inbox

    async def _work(self, worker: _Worker) -> None:
        while True:
            await self._empty(worker.session)
            if len(self._parked) >= MAX_PARKED:
                return
            await self._park(worker)

    async def _park(self, worker: _Worker) -> None:
        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._parked.remove(worker)
            return trio.lowlevel.Abort.SUCCEEDED

        del worker.session  # one that has ended shall not be kept by this
        worker.task = trio.lowlevel.current_task()
        self._parked.append(worker)
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _empty(self, session: ServerSession) -> None:
        """Carry out what is in an inbox; the one that runs stays in front of it until answered."""
        inbox = session.inbox
        try:
            while inbox:
                turn = inbox[0]
                await self._carry_out(session, turn)
                inbox.popleft()
                if turn.failed:
                    turn.answer.fail(InputError(f"{turn.failed} failed"))
                else:
                    turn.answer.answer()
        finally:
            session.inbox = None
            self.busy -= 1
            if not self.busy:
                self._quiet.set()

    async def _carry_out(self, session: ServerSession, turn: _Turn) -> None:
        awaited = self._call(session, turn) if turn.awaited is None else turn.awaited
        while awaited is not None:
            try:
                await awaited
            except Exception:
                log.exception("inputfunc_failed", sessid=session.sessid, cmdname=turn.name[:100])
                turn.fail(session)
            awaited = self._call(session, turn)
