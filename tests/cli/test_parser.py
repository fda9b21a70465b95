"""The words of the command line."""

import pytest


def test_help_names_the_exit_codes(portal):
    for words in (["--help"], ["run", "--help"], ["status", "--help"]):
        assert "Exit codes" in portal(*words).stdout


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
