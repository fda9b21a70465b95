"""How long one call of a function takes."""

from time import perf_counter


def timed(function, seconds):
    """Seconds for one call, measured for about so long."""
    function()
    calls, taken = 1, 0.0
    while taken < seconds / 2:
        calls *= 2
        start = perf_counter()
        for _ in range(calls):
            function()
        taken = perf_counter() - start
    return taken / calls
