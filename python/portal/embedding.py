"""A Portal inside your own program: the same sessions, with the game in the same process.

    async with open_portal(Config(), game=game) as portal:
        ...

Nothing of the process is touched: no signal, no log, no limit, nothing of the collector. What
`portal.process` does for a process that is a Portal and nothing else is yours here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from portal.app import Portal
from portal.config import Config
from portal.game import GameServer


@asynccontextmanager
async def open_portal(
    config: Config, *, game: GameServer | None = None, amp: bool = False
) -> AsyncIterator[Portal]:
    """Run a Portal around a block of your trio program.

    In the block it listens (`portal.addresses()` tells where), and `game` has its players. Without
    one their input is kept until there is a game: `portal.play(game)` at any time, and with `amp`
    also a game process that dials in at the port of `config.amp`, or is started by
    `config.server.command`. Without `amp` that port is not opened.

    The end of the block stops the Portal in order: players are told, the game leaves, sessions and
    sockets end; at most 15 seconds. An exception or a cancel drops everything within about two.
    If the Portal is stopped from elsewhere (`portal.stop()`, an order of the game) the block goes
    on; `await portal.stopped()` in it to end with it.

    What the block raises comes out as it is, and so does what `game` raises in its `at_start`, a
    ConfigError, or a ServiceError for an address that cannot be had. What happens beside the block
    cancels it and is in an ExceptionGroup, as with every trio nursery.
    """
    portal = Portal(config, amp=amp)
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(portal.run)
                if game is not None:
                    await nursery.start(portal.play, game)
                yield portal
            except BaseException as error:
                if _is_cancelled(error):
                    raise
                # Past the nursery, which would put it into a group.
                raised = error
                nursery.cancel_scope.cancel()
            finally:
                portal.stop()
    except BaseExceptionGroup as group:
        if raised is None:
            raise
        raise group.derive([raised, *group.exceptions]) from None
    if raised is not None:
        raise raised


def _is_cancelled(error: BaseException) -> bool:
    """Whether there is a cancel in it, which is for some scope around the block to take."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(trio.Cancelled) is not None
    return isinstance(error, trio.Cancelled)
