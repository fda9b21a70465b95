"""Functions by name, and hooks."""

import pytest

from portal.errors import PortalError
from portal.game.inputfuncs import FAILED, HOOKS, Hooks, InputError, InputFunctions


def plain(session, *args, **kwargs):
    return (session, args, kwargs)


async def waiting(session=None, *args, **kwargs):
    return plain(session, *args, **kwargs)


def default(session, cmdname, *args, **kwargs):
    return (session, cmdname, args, kwargs)


def test_functions_are_found_by_name():
    functions = InputFunctions()
    functions.add("text", plain)
    functions.add("look", waiting)
    assert functions.find("text") is plain
    assert functions.find("look") is waiting
    assert functions.find("other") is None


def test_the_last_one_counts():
    functions = InputFunctions()
    functions.add("text", waiting)
    functions.add("text", plain)
    assert functions.find("text") is plain


def test_default_gets_the_name():
    functions = InputFunctions()
    functions.add("text", plain)
    functions.add("default", default)
    assert functions.find("text") is plain
    assert functions.find("hp")("s", 1, x=2) == ("s", "hp", (1,), {"x": 2})
    # A client may call its message "default" as well.
    assert functions.find("default")("s") == ("s", "default", (), {})


def test_hooks_are_called_in_order(side):
    hooks, called = Hooks(), []
    for number in range(3):
        hooks.add("at_connect", lambda session, number=number: called.append((session, number)))
    session = side.connect()
    hooks.call("at_connect", session)
    assert called == [(session, 0), (session, 1), (session, 2)]


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_do_not_wait(name):
    with pytest.raises(TypeError, match=name):
        Hooks().add(name, waiting)


def test_a_hook_that_turns_out_to_wait_has_failed(side):
    hooks = Hooks()
    for name in ("at_connect", "at_start"):
        hooks.add(name, lambda *_: waiting())
    hooks.call("at_connect", side.connect(6))
    assert side.portal.take_texts() == [(6, FAILED)]
    with pytest.raises(TypeError, match="at_start"):
        hooks.start()


def test_what_a_hook_raises_costs_nobody_anything(side):
    hooks, called = Hooks(), []

    def fail(*_):
        raise ZeroDivisionError

    for name in ("at_connect", "at_stop"):
        hooks.add(name, fail)
        hooks.add(name, lambda *args: called.append(args))
    session = side.connect(6)
    hooks.call("at_connect", session)
    assert side.portal.take_texts() == [(6, FAILED)]
    hooks.call("at_stop")
    assert called == [(session,), ()]


def test_what_at_start_raises_is_passed_on():
    hooks = Hooks()
    hooks.add("at_start", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hooks.start()


def test_an_input_error_is_one_of_ours():
    assert issubclass(InputError, PortalError)
