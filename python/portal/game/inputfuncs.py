"""What a game registers: functions for messages by name, and hooks for what happens.

Both kinds of table hold callables only and belong to one `GameServer`.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

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
NOT_PLAIN = "{} is a hook, and hooks are plain functions"
FAILED = "That did not work: an error occurred in the game. It was noted, and the game goes on."


class InputError(PortalError):
    """A message was not carried out: its function failed, or the session is too far behind.

    The Portal gets it as the message's answer.
    """


class InputFunctions:
    """The functions that messages are handed to, by name."""

    __slots__ = ("_default", "_table")

    def __init__(self) -> None:
        self._table: dict[str, InputFunction] = {}
        self._default: InputFunction | None = None

    def add(self, name: str, function: InputFunction) -> None:
        """Hand messages called `name` to `function(session, *args, **kwargs)`.

        `default(session, cmdname, *args, **kwargs)` gets those that nobody else takes.
        The last one registered under a name counts.
        """
        if name == "default":
            self._default = function
        else:
            self._table[name] = function

    def find(self, name: str) -> InputFunction | None:
        """Return what is called for messages of that name, or None when there is nothing."""
        function = self._table.get(name)
        if function is None and self._default is not None:
            return partial(_call_default, self._default, name)
        return function


def _call_default(
    function: InputFunction, name: str, session: "ServerSession", *args: Any, **kwargs: Any
) -> Awaitable[None] | None:
    return function(session, name, *args, **kwargs)


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
            raise TypeError(NOT_PLAIN.format(name))
        self._table[name].append(function)

    def start(self) -> None:
        """Call `at_start`. What it raises is passed on: without it there is no game."""
        for function in self._table["at_start"]:
            _call_hook("at_start", function)

    def call(self, name: str, session: "ServerSession | None" = None, *args: Any) -> None:
        """Call the functions of a hook; what one raises is logged, and the others are called."""
        for function in self._table[name]:
            try:
                if session is None:
                    _call_hook(name, function, *args)
                else:
                    _call_hook(name, function, session, *args)
            except Exception:
                # The barrier between the game's code and the table of sessions.
                sessid = 0 if session is None else session.sessid
                log.exception("hook_failed", hook=name, sessid=sessid)
                if session is not None:
                    session.msg(FAILED)


def _call_hook(name: str, function: Callable[..., object], *args: Any) -> None:
    """Call a hook. Raises TypeError when it turns out to be asynchronous: nobody awaits it."""
    result = function(*args)
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(NOT_PLAIN.format(name))
