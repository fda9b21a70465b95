"""Who hears of it when a Portal that the launcher has started cannot start."""

import json
import os

import pytest
import structlog

from portal.errors import ConfigError, ConfigErrors, ServiceError
from portal.evennia.failure import report_failure


@pytest.fixture(autouse=True)
def unconfigured():
    yield
    structlog.reset_defaults()


@pytest.fixture
def logged(game_directory):
    """What stands in the game's log."""

    def logged():
        path = game_directory / "server" / "logs" / "portal.log"
        return [json.loads(each) for each in path.read_text().splitlines()] if path.exists() else []

    return logged


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (ServiceError("telnet", "cannot listen"), ["telnet: cannot listen"]),
        (ConfigError("a.py", "X", "is missing"), ["a.py: X: is missing"]),
        (
            ConfigErrors([ConfigError("a.py", "X", "one"), ConfigError("a.py", "Y", "two")]),
            ["a.py: X: one", "a.py: Y: two"],
        ),
    ],
)
def test_the_log_says_why(collect, logged, error, reasons):
    report_failure(collect(), error)
    assert [(each["event"], each["level"], each["reason"]) for each in logged()] == [
        ("portal_not_started", "critical", reason) for reason in reasons
    ]


@pytest.mark.parametrize("path", [None, 5, "", "/nowhere/portal.log"])
def test_without_a_log(collect, path):
    report_failure(collect(PORTAL_LOG_FILE=path), ServiceError("telnet", "cannot listen"))
    report_failure(collect(absent=["PORTAL_LOG_FILE"]), ServiceError("telnet", "cannot listen"))


def test_in_the_foreground_people_see_it(collect, logged):
    report_failure(collect() | {"foreground": True}, ServiceError("telnet", "cannot listen"))
    assert logged() == []


@pytest.mark.parametrize(("pid", "stays"), [(None, False), (1, True)])
def test_the_pid_file_goes_if_it_is_ours(collect, game_directory, pid, stays):
    file = game_directory / "server" / "portal.pid"
    file.write_text(str(pid or os.getpid()))
    report_failure(collect(), ServiceError("telnet", "cannot listen"))
    assert file.exists() == stays
