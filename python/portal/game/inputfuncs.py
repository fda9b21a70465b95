"""What a game registers: functions for messages by name, and hooks for what happens.

Whether a function is asynchronous is decided when it is registered, so that a message costs no
look at it. Both kinds of table hold callables only and belong to one `GameServer`.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from portal.errors import PortalError

if TYPE_CHECKING:
    from portal.game.session import ServerSession

log = structlog.get_logger(__name__)

InputFunction = Callable[..., Awaitable[None] | None]
Hook = Callable[..., None]

HOOKS = (
    "at_start",
    "at_stop",
    "at_connect",
    "at_sync",
    "at_login",
    "at_disconnect",
)
FAILED = "That did not work: an error occurred in the game. It was noted, and the game goes on."


class InputError(PortalError):
    """A message was not carried out: its function failed, or the session is too far behind.

    The Portal gets it as the message's answer.
    """


class InputFunctionEntry(NamedTuple):
    """A registered function, and whether it has to be awaited."""

    function: InputFunction
    waits: bool


class InputFunctions:
    """The functions that messages are handed to, by name."""

    __slots__ = ("_default", "_table")

    def __init__(self) -> None:
        self._table: dict[str, InputFunctionEntry] = {}
        self._default: InputFunctionEntry | None = None

    def add(self, name: str, function: InputFunction) -> None:
        """Hand messages called `name` to `function(session, *args, **kwargs)`.

        `default(session, cmdname, *args, **kwargs)` gets those that nobody else takes.
        The last one registered under a name counts.
        """
        entry = InputFunctionEntry(function, inspect.iscoroutinefunction(function))
        if name == "default":
            self._default = entry
        else:
            self._table[name] = entry

    def find(self, name: str) -> InputFunctionEntry | None:
        """Return what is called for messages of that name, or None when there is nothing."""
        entry = self._table.get(name)
        if entry is None and self._default is not None:
            return self._default._replace(function=partial(_call_default, self._default, name))
        return entry


def _call_default(
    entry: InputFunctionEntry, name: str, session: "ServerSession", *args: Any, **kwargs: Any
) -> Awaitable[None] | None:
    return entry.function(session, name, *args, **kwargs)


class Hooks:
    """The functions that are called when something happens, in the order of registration."""

    __slots__ = ("_table",)

    def __init__(self) -> None:
        self._table: dict[str, list[Hook]] = {name: [] for name in HOOKS}

    def add(self, name: str, function: Hook) -> None:
        """Call `function` when `name` (one of HOOKS) happens.

        Raises TypeError for an asynchronous one: the order of things hangs on hooks, so they
        do not wait.
        """
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"{name} is a hook, and hooks are plain functions")
        self._table[name].append(function)

    def start(self) -> None:
        """Call `at_start`. What it raises is passed on: without it there is no game."""
        for function in self._table["at_start"]:
            function()

    def call(self, name: str, session: "ServerSession | None" = None, *args: Any) -> None:
        """Call the functions of a hook; what one raises is logged, and the others are called."""
        for function in self._table[name]:
            try:
                if session is None:
                    function(*args)
                else:
                    function(session, *args)
            except Exception:
                # The barrier between the game's code and the table of sessions.
                sessid = 0 if session is None else session.sessid
                log.exception("hook_failed", hook=name, sessid=sessid)
                if session is not None:
                    session.msg(FAILED)
