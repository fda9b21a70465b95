import pytest

from portal.wire.events import TerminalType
from portal.wire.terminal_type import (
    ABILITIES,
    MAX_NAMES,
    NAME_LENGTH,
    TerminalTypeNegotiation,
    terminal_flags,
)

SEND = b"\x01"


def answer(handler, name):
    return handler.receive(b"\x00" + name)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ([b"Mudlet", b"XTERM", b"MTTS 2361"], 3),
        ([b"xterm", b"xterm"], 1),
        ([b"A", b"B", b"A"], 2),
        ([b"A", b"B", b"C", b"C"], 3),
        ([b"A", b""], 1),
        ([b""], 0),
        ([b"\xff\x01"], 0),
        ([b"%d" % number for number in range(MAX_NAMES)], MAX_NAMES),
    ],
)
def test_it_asks_until_all_is_said(names, kept):
    handler = TerminalTypeNegotiation()
    assert handler.settled
    assert handler.at_enabled(local=False) == [SEND]
    for number, name in enumerate(names):
        assert not handler.settled
        outputs = answer(handler, name)
        expected = []
        if number < kept:
            expected.append(TerminalType(tuple(each.decode() for each in names[: number + 1])))
        if number < len(names) - 1:
            expected.append(SEND)
        assert outputs == expected
    assert handler.settled
    assert handler.fresh
    assert answer(handler, b"unasked") == []


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x02x", b"x"])
def test_what_is_no_name_is_no_answer(payload):
    handler = TerminalTypeNegotiation()
    handler.at_enabled(local=False)
    assert handler.receive(payload) == []
    assert not handler.settled


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"  xterm\t", "xterm"),
        (b"a\x1b[31m\r\nb\xff", "a[31mb"),
        (b"x" * 1000, "x" * NAME_LENGTH),
    ],
)
def test_names_are_cleaned(name, expected):
    handler = TerminalTypeNegotiation()
    handler.at_enabled(local=False)
    assert answer(handler, name)[0] == TerminalType((expected,))


def test_it_begins_anew():
    handler = TerminalTypeNegotiation()
    handler.at_enabled(local=False)
    answer(handler, b"A")
    assert handler.at_disabled(local=False) == []
    assert handler.settled
    assert handler.at_enabled(local=False) == [SEND]
    assert answer(handler, b"A") == [TerminalType(("A",)), SEND]


def test_state():
    handler = TerminalTypeNegotiation()
    handler.at_enabled(local=False)
    answer(handler, b"A")
    other = TerminalTypeNegotiation()
    other.set_state(handler.get_state())
    assert other.get_state() == handler.get_state() == [["A"], True]
    assert answer(other, b"B") == [TerminalType(("A", "B")), SEND]


COLOURS = {"ANSI": True, "XTERM256": True, "TRUECOLOR": False}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Mudlet"], {"CLIENTNAME": "MUDLET", "TERM": "Mudlet", **COLOURS}),
        (["xterm"], {"CLIENTNAME": "XTERM", "TERM": "xterm", **COLOURS}),
        (["foo", "bar-256color"], {"CLIENTNAME": "FOO", "TERM": "bar-256color", **COLOURS}),
        (["foo", "ansi"], {"TERM": "ansi", **COLOURS, "XTERM256": False}),
        (["foo", "x-truecolor"], {**COLOURS, "TRUECOLOR": True, "XTERM256": True}),
        (["AxMUD"], {"ANSI": True, "TRUECOLOR": True, "XTERM256": False}),
        (["dumb"], {"ANSI": False, "XTERM256": False, "TRUECOLOR": False}),
        (["a", "dumb", "MTTS x"], {"ANSI": True}),
        (["a", "xterm", "MTTS 0"], {"ANSI": False, "XTERM256": False, "TRUECOLOR": False}),
        (
            ["a", "b", "MTTS 269"],
            {"UTF-8": True, "ANSI": True, "XTERM256": True, "TRUECOLOR": True},
        ),
        (["a", "b", "MTTS 65"], {"SCREENREADER": True, "ANSI": True, "XTERM256": False}),
        (["MTTS 1"], {"CLIENTNAME": "", "TERM": "", "ANSI": True}),
    ],
)
def test_flags(names, expected):
    flags = terminal_flags(names)
    assert flags["TTYPE"] is True
    assert {name: flags[name] for name in expected} == expected


@pytest.mark.parametrize(("name", "bit"), ABILITIES.items())
def test_every_ability_has_its_bit(name, bit):
    colours = {"ANSI", "XTERM256", "TRUECOLOR"}
    flags = terminal_flags(["client", "terminal", f"MTTS {bit}"])
    assert {each for each in ABILITIES if flags.get(each)} == {name}
    assert {each for each in ABILITIES if flags.get(each) is False} == colours - {name}
    assert set(ABILITIES.values()) == {1 << place for place in range(12)}
