import pytest

from portal.wire.events import WindowSize
from portal.wire.window_size import WindowSizeNegotiation


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\0\x50\0\x18", [WindowSize(80, 24)]),
        (b"\0\xff\0\xff", [WindowSize(255, 255)]),
        (b"\0\0\0\x18", [WindowSize(0, 24)]),
        (b"\0\0\0\0", [WindowSize(0, 0)]),
        (b"\0\x01\0\x01", [WindowSize(10, 2)]),
        (b"\xff\xff\xff\xff", [WindowSize(1000, 1000)]),
        (b"", []),
        (b"\0\x50\0", []),
        (b"\0\x50\0\x18\0", []),
    ],
)
def test_sizes(payload, expected):
    handler = WindowSizeNegotiation()
    assert handler.receive(payload) == expected
    assert handler.settled
    assert handler.fresh
    handler.at_enabled(local=False)
    assert handler.receive(payload) == expected
    assert handler.settled is handler.fresh is bool(expected)


def test_it_waits_for_the_size_unless_there_will_be_none():
    handler = WindowSizeNegotiation()
    assert handler.at_enabled(local=False) == []
    assert not handler.settled
    assert handler.at_disabled(local=False) == []
    assert handler.settled


@pytest.mark.parametrize("waiting", [True, False])
def test_state(waiting):
    handler = WindowSizeNegotiation()
    handler.set_state(waiting)
    assert handler.get_state() is waiting
    assert handler.settled is not waiting
