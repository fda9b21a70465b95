import datetime as dt
import re

import pytest

from portal.wire.access_log import LONGEST, AccessLog, make_access_line

COMBINED = re.compile(
    r'(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "([^"]*)" (\d{3}) (\d+|-) '
    r'"([^"]*)" "([^"]*)"'
)

WHEN = dt.datetime(2023, 11, 14, 22, 13, 20, 9, dt.timezone(dt.timedelta(hours=-3.5)))


def make(address="203.0.113.9", request=b"GET / HTTP/1.1", status=200, size=5, **fields):
    pairs = [(name.replace("_", "-").encode(), value) for name, value in fields.items()]
    line = make_access_line(address, request, pairs, status=status, size=size, when=WHEN)
    found = COMBINED.fullmatch(line)
    assert found, line
    return found.groups()


def test_a_line():
    found = make(referer=b"https://a.example/page", user_agent=b"Mozilla/5.0 (X11)")
    address, when, *rest = found
    assert address == "203.0.113.9"
    assert when == "14/Nov/2023:22:13:20 -0330"
    expected = ["GET / HTTP/1.1", "200", "5", "https://a.example/page", "Mozilla/5.0 (X11)"]
    assert rest == expected


def test_what_is_not_there():
    found = make(address="", size=0)
    assert (found[0], found[4:]) == ("-", ("-", "-", "-"))


def test_a_client_that_left_before_the_answer():
    assert make(status=0)[3] == "499"


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (b"https://a.example/login?next=/&token=secret", "https://a.example/login"),
        (b"https://a.example/page#secret", "https://a.example/page"),
        (b'"\\ \x1b[2J\r\nx\xe9\x7f', "\\x22\\x5c \\x1b[2J\\x0d\\x0ax\\xe9\\x7f"),
        (b"x" * 1000, "x" * LONGEST),
    ],
)
def test_what_a_client_sent_is_no_more_than_a_field(sent, written):
    assert make(referer=sent)[5] == written


def test_a_log_goes_nowhere_at_first():
    assert AccessLog().write is None
