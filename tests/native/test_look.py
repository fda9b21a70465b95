"""What flags and options say about the look of a text, against Evennia's rules written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import _native as native
from portal._native import read_look

ALL = native.ANSI | native.XTERM256 | native.TRUECOLOR
TOLD = {"TTYPE": True}


@pytest.mark.parametrize(
    ("flags", "options", "look"),
    [
        ({}, None, ALL),  # who has not said what it can do is believed to have all
        ({"XTERM256": False, "ANSI": False}, None, ALL),
        (TOLD, None, 0),
        ({**TOLD, "ANSI": True}, None, native.ANSI),
        ({**TOLD, "XTERM256": True}, None, native.ANSI | native.XTERM256),
        ({**TOLD, "TRUECOLOR": True}, None, native.TRUECOLOR),
        ({**TOLD, "ANSI": True}, {"ansi": False}, 0),
        (TOLD, {"ansi": True}, native.ANSI),
        (TOLD, {"nocolor": False}, native.ANSI),
        ({"NOCOLOR": True}, None, ALL & ~native.ANSI),
        ({"NOCOLOR": True}, {"nocolor": False}, ALL),
        ({}, {"xterm256": False, "truecolor": 0}, native.ANSI),
        ({"MXP": True, "SCREENREADER": 1}, {}, ALL | native.MXP | native.SPEECH),
        ({"MXP": True}, {"mxp": False, "screenreader": True}, ALL | native.SPEECH),
        ({"RAW": True}, None, ALL | native.RAW),
        ({"RAW": True}, {"raw": False}, ALL),
        ({"FORCEDENDLINE": False}, None, ALL | native.NO_LINE_END),
        ({"NOGOAHEAD": False}, None, ALL | native.MARKED | native.MARKED_PROMPT),
        ({"NOGOAHEAD": False, "NOPROMPTGOAHEAD": True}, None, ALL | native.MARKED),
        ({"NOPROMPTGOAHEAD": False}, None, ALL | native.MARKED_PROMPT),
    ],
)
def test_looks(flags, options, look):
    assert read_look(flags, options) == look


FLAGS = [
    "TTYPE",
    "XTERM256",
    "TRUECOLOR",
    "ANSI",
    "RAW",
    "NOCOLOR",
    "MXP",
    "SCREENREADER",
    "NOGOAHEAD",
]
OPTIONS = ["xterm256", "truecolor", "ansi", "raw", "nocolor", "mxp", "screenreader"]


def switches(names):
    return st.dictionaries(st.sampled_from(names), st.booleans())


@given(switches(FLAGS), switches(OPTIONS))
def test_options_stand_above_flags(flags, options):
    def ability(name):
        return options.get(name, flags.get(name.upper(), False) if flags.get("TTYPE") else True)

    xterm256, ansi = ability("xterm256"), ability("ansi")
    wanted = {
        native.XTERM256: xterm256,
        native.TRUECOLOR: ability("truecolor"),
        native.ANSI: not options.get("nocolor", flags.get("NOCOLOR") or not (xterm256 or ansi)),
        native.RAW: options.get("raw", flags.get("RAW", False)),
        native.MXP: options.get("mxp", flags.get("MXP", False)),
        native.SPEECH: options.get("screenreader", flags.get("SCREENREADER", False)),
        native.MARKED: not flags.get("NOGOAHEAD", True),
    }
    look = read_look(flags, options)
    assert {bit: bool(look & bit) for bit in wanted} == {b: bool(on) for b, on in wanted.items()}


def test_only_dicts_are_read():
    with pytest.raises(TypeError):
        read_look([], None)
