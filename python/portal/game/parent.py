"""The Portal that started this process: a game ends with the Portal that started it.

A Portal that is stopped tells its game to leave. One that is killed cannot, and the game that it
leaves behind would dial a port where nobody listens for ever, or join the Portal that comes next,
beside the game which that one starts.
"""

import os

import trio


async def wait_until_gone(pid: int) -> None:
    """Return when there is no process of this pid any more, at once if there is none now.

    It need not be the parent: a shell may stand between. Linux's pidfd, see pidfd_open(2).
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
