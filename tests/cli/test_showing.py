"""What people are shown."""

import pytest

from portal.cli.showing import describe_seconds, describe_sessions, describe_status


@pytest.fixture
def session(asked):
    return asked.answers["sessions"]["sessions"][0]


def test_status_for_people(portal, asked):
    lines = portal("status").stdout.splitlines()
    assert lines == [
        "Portal    Portal demo, version 1.2, pid 10",
        "Uptime    1 h 2 min",
        "Server    CONNECTED, pid 11 (demo 3)",
        "Sessions  3 (telnet 2, websocket 1)",
        "Telnet    127.0.0.1 4000, ::1 4000",
        "AMP       127.0.0.1:4006",
        "",
        "messages_in                             5",
    ]


def test_status_of_a_portal_without_anything(asked):
    answer = asked.answers["status"] | {
        "server": {"state": "DOWN", "pid": None, "info": {}},
        "sessions": {},
        "addresses": {"telnet": [], "amp": "/run/portal"},
        "counters": {"messages_in": 0},
    }
    lines = [line.rstrip() for line in describe_status(answer).splitlines()]
    assert lines[2:] == [
        "Server    DOWN, pid -",
        "Sessions  0",
        "Telnet",
        "AMP       unix:/run/portal",
    ]


def test_sessions_for_people(portal, asked):
    assert portal("sessions").stdout.splitlines() == [
        "sessid  protocol   address   name  idle",
        "1       telnet     10.0.0.9  Ann   1 d 1 h",
        "12      websocket  local     -     0 s",
        "2 sessions",
    ]


def test_a_name_does_not_steer_the_terminal(session):
    entry = session | {"uname": "A\x1b[2Jnn"}
    text = describe_sessions([entry])
    assert "\x1b" not in text
    assert "A?[2Jnn" in text
    assert text.endswith("\n1 session")


def test_a_session_that_is_logged_in_without_a_name(session):
    assert "?" in describe_sessions([session | {"uname": None}])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 s"),
        (86400 + 3600 + 61, "1 d 1 h"),
    ],
)
def test_durations(seconds, text):
    assert describe_seconds(seconds) == text
