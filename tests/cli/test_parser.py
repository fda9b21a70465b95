"""The words of the command line."""

import pytest

from portal.cli.parser import FLAGS
from portal.config.settings import list_settings


def test_help_names_the_exit_codes(portal):
    for words in (["--help"], ["run", "--help"], ["status", "--help"], ["check", "--help"]):
        text = portal(*words).stdout
        assert [line[:3] for line in text.partition("Exit codes:")[2].splitlines()] == [
            "",
            "  0",
            "  1",
            "   ",
            "  2",
        ]


def test_each_flag_stands_above_a_setting(portal):
    assert set(FLAGS) <= set(list_settings())
    text = portal("run", "--help").stdout
    assert [flag for flag in FLAGS.values() if f"  {flag} " not in text] == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--server", "x", "--no-server"],
        ["--server", ""],
        ["--server", "unfinished 'quote"],
        ["--no-server", "--telnet-port", "65536"],
        ["--no-server", "--telnet-port", "http"],
        ["--no-server", "--telnet-port", "-1"],
        ["--no-server", "--log-level", "loud"],
        ["--no-server", "--no"],
        ["--unknown"],
    ],
)
def test_a_wrong_command_line(portal, served, words):
    result = portal("run", *words)
    assert result.exit_code == 2
    assert served == []
