"""Logs: what a line looks like, where it goes, and that writing it never raises."""

import io
import json
import os
import stat
from datetime import date

import pytest
import structlog

from portal import logs
from portal.errors import ConfigError
from portal.log_rotation import Rotation


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Unprintable:
    def __repr__(self):
        raise RuntimeError("not to be shown")


@pytest.fixture(autouse=True)
def unconfigured():
    yield
    structlog.reset_defaults()


@pytest.fixture
def log():
    return structlog.get_logger("portal.somewhere")


def configured(**settings):
    stream = settings.pop("stream", None) or io.StringIO()
    logs.configure(stream=stream, **settings)
    return stream


# ---- what a line looks like


def test_the_setting_of_a_path_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"log\.http_path"):
        logs.LogFile(str(tmp_path), key="log.http_path")


def test_json(log):
    stream = configured()
    log.info("player_left", sessid=7, address="::1", reason=ValueError("x"), data=b"\xff")
    log.warning("second")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert list(first)[:3] == ["time", "level", "event"]
    time = first.pop("time")
    assert time.endswith("Z")
    assert first == {
        "level": "info",
        "event": "player_left",
        "logger": "portal.somewhere",
        "sessid": 7,
        "address": "::1",
        "reason": "ValueError('x')",
        "data": "/w==",
    }
    assert second["level"] == "warning"


def test_for_people(log):
    stream = configured(stream=Terminal())
    log.info("player_left", sessid=7)
    assert "player_left" in stream.getvalue()
    assert "sessid" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()  # colours
    with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
        json.loads(stream.getvalue())


@pytest.mark.parametrize(
    ("wanted", "stream", "is_json"),
    [
        (None, Terminal, False),
        (None, io.StringIO, True),
        (True, Terminal, True),
        (False, io.StringIO, False),
    ],
)
def test_which_of_the_two(log, wanted, stream, is_json):
    stream = configured(json=wanted, stream=stream())
    log.info("event")
    assert stream.getvalue().startswith("{") == is_json


@pytest.mark.parametrize("as_json", [True, False])
def test_text_does_not_steer_the_terminal(log, as_json):
    stream = configured(json=as_json)
    log.warning("event", text="\x1b]0;owned\x07\r\nfaked line")
    assert "\x1b" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_variables(log, as_json):
    stream = configured(json=as_json)
    password = "tiddlywinks"
    try:
        len(password) / 0
    except ZeroDivisionError:
        log.exception("crashed")
    assert "ZeroDivisionError" in stream.getvalue()
    assert "tiddlywinks" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("info", ["info", "warning", "error", "critical"]),
        ("critical", ["critical"]),
    ],
)
def test_levels(log, level, seen):
    stream = configured(level=level)
    for name in logs.LEVELS:
        getattr(log, name)("event")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == seen


def test_a_logger_without_a_name():
    stream = configured()
    structlog.get_logger().info("event")
    assert "logger" not in json.loads(stream.getvalue())


def test_an_unknown_level():
    with pytest.raises(ConfigError, match=r"log\.level"):
        logs.configure("loud")


# ---- where it goes


def test_a_file_that_is_moved_away(log, tmp_path):
    path = tmp_path / "portal.log"
    file = logs.configure(path=str(path))
    assert not file.is_terminal
    log.info("one")
    path.rename(tmp_path / "portal.log.1")
    log.info("two")
    file.reopen()
    log.info("three")
    file.close()
    log.info("four")  # lost, and no error
    file.close()
    read = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    old = (tmp_path / "portal.log.1").read_text().splitlines()
    assert [json.loads(line)["event"] for line in old] == ["one", "two"]
    assert read == ["three"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_a_file_is_appended_to(log, tmp_path):
    path = tmp_path / "portal.log"
    path.write_text("before\n")
    file = logs.configure(path=str(path))
    log.info("event")
    file.close()
    assert path.read_text().startswith("before\n{")


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(ConfigError, match=r"log\.path"):
        logs.configure(path=str(tmp_path / "missing" / "portal.log"))


def test_when_the_directory_is_gone_the_old_file_goes_on(log, tmp_path):
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "portal.log"
    file = logs.configure(path=str(path))
    (tmp_path / "logs").rename(tmp_path / "old")
    file.reopen()
    log.info("event")
    file.close()
    assert "event" in (tmp_path / "old" / "portal.log").read_text()


def test_standard_error_by_default(log, capsys):
    file = logs.configure()
    file.reopen()
    log.info("event")
    file.close()
    log.info("after")
    assert "event" in capsys.readouterr().err


# ---- it never raises


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("value", [Unprintable(), {Unprintable(): 1}])
def test_a_value_that_cannot_be_written(log, as_json, value):
    stream = configured(json=as_json)
    log.info("event", value=value)
    assert "log_line_failed" in stream.getvalue()
    assert "event" in stream.getvalue()
    assert "not to be shown" not in stream.getvalue()
    if as_json:
        assert json.loads(stream.getvalue())["level"] == "info"


def test_an_event_that_is_no_text(log):
    stream = configured(json=True)
    log.info(Unprintable())
    assert json.loads(stream.getvalue())["of"] == "?"


def test_half_a_character(log, tmp_path):
    path = tmp_path / "portal.log"
    file = logs.configure(path=str(path), json=False)
    log.info("event\udc80")
    file.close()
    assert "event" in path.read_text()


def test_a_stream_that_was_closed(log):
    stream = configured()
    stream.close()
    log.info("event")


def test_a_reader_that_went_away(log):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        file = logs.configure(stream=stream)
        log.info("event")
    assert file.lost == 1


def test_a_reader_that_does_not_read_holds_nobody_up(log):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        file = logs.configure(stream=stream)
        written = 0
        while not file.lost:
            log.info("event", text="x" * 500)
            written += 1
        log.info("lost too")
        assert written > 10
        assert len(reader.read1(65536)) > 1000
        log.info("back")
        assert file.lost == 2
        stream.close()
        assert json.loads(reader.read().splitlines()[-1])["event"] == "back"


def test_a_full_disk(log):
    file = logs.configure(path="/dev/full")
    log.info("event")
    assert file.lost == 1
    file.close()


# ---- when a file is done


def test_a_full_file_is_set_aside(tmp_path):
    path = tmp_path / "log"
    file = logs.LogFile(str(path), rotation=Rotation(max_bytes=10))
    for line in ("12345", "6789", "abc"):
        file.write(line)
    file.close()
    (old,) = [each for each in tmp_path.iterdir() if each != path]
    assert old.name.startswith("log.2")
    assert (old.read_text(), path.read_text()) == ("12345\n6789\n", "abc\n")
    assert file.lost == 0


def test_what_was_written_before_counts(tmp_path):
    path = tmp_path / "log"
    path.write_text("2024-05-01 begun\n")
    days = iter([date(2024, 5, 2), date(2024, 5, 7), date(2024, 5, 8), *[date(2024, 5, 9)] * 3])
    file = logs.LogFile(str(path), rotation=Rotation(days=7), today=lambda: next(days))
    file.write("second")
    assert len(list(tmp_path.iterdir())) == 1
    file.write("third")
    file.write("fourth")
    file.close()
    assert path.read_text() == "third\nfourth\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_cannot_be_set_aside_is_gone_on_with(tmp_path, monkeypatch):
    path = tmp_path / "log"
    file = logs.LogFile(str(path), rotation=Rotation(max_bytes=3))
    monkeypatch.setattr(logs, "set_aside", broken)
    for line in ("1234", "5", "6789"):
        file.write(line)
    file.close()
    assert path.read_text() == "1234\n5\n6789\n"


def broken(*_):
    raise OSError("full")


def test_a_stream_is_never_done():
    stream = io.StringIO()
    file = logs.LogFile(stream=stream, rotation=Rotation(max_bytes=1))
    file.write("one")
    file.write("two")
    assert stream.getvalue() == "one\ntwo\n"
