"""What is collected where Django is: everything becomes plain data, whatever a game has in it."""

import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from portal.evennia.collecting import (
    NAMES,
    collect,
    collect_mssp,
    describe_failure,
    encode,
    to_plain,
    write_whole,
)


class Lazy:
    """A text that is made when it is asked for, as those of translations are."""

    def __str__(self):
        return "translated"


class Text(str):
    __slots__ = ()


class Broken:
    def __str__(self):
        raise RuntimeError("not to be written")


CIRCLE: list = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (0.5, 0.5),
        ("a", "a"),
        (Text("a"), "a"),
        (Lazy(), "translated"),
        ([("a", Lazy())], [["a", "translated"]]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        ({1: Path("/x"), Lazy(): 2, ("a", 1): 3}, {"1": "/x", "translated": 2, "('a', 1)": 3}),
        (re.compile(r"\|([0-5])"), r"\|([0-5])"),
        (re.compile(rb"\|x"), r"\|x"),
        (b"\xffa", "\N{REPLACEMENT CHARACTER}a"),
        (ModuleType("server.conf.plugins"), "server.conf.plugins"),
        (Path, "pathlib.Path"),
        (Broken(), "<Broken>"),
        ("\udcff", "\udcff"),
    ],
)
def test_values(value, plain):
    assert to_plain(value) == plain
    assert json.loads(encode({"value": to_plain(value)})) == {"value": plain}


def test_what_is_in_itself_ends():
    assert len(json.dumps(to_plain(CIRCLE))) < 200


@pytest.fixture
def module(monkeypatch):
    """A module of a game with this MSSPTable."""

    def module(**values):
        made = ModuleType("game_mssp")
        for name, value in values.items():
            setattr(made, name, value)
        monkeypatch.setitem(sys.modules, "game_mssp", made)
        return "game_mssp"

    return module


def fail():
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("table", "found", "failed"),
    [
        (
            {"NAME": "Harbour", "PORT": ["23", 4000]},
            {"NAME": ["Harbour"], "PORT": ["23", "4000"]},
            [],
        ),
        ((("NAME", Lazy()), ["ROOMS", 0]), {"NAME": ["translated"], "ROOMS": ["0"]}, []),
        (
            {"UPTIME": lambda: 5, "PORT": lambda: ("1", "2")},
            {"UPTIME": ["5"], "PORT": ["1", "2"]},
            [],
        ),
        ({"A": fail, "B": "b"}, {"B": ["b"]}, ["A"]),
        ((("A",), 5, ("B", "b")), {"B": ["b"]}, ["A", "5"]),
        ({}, {}, []),
        (None, {}, []),
        (5, {}, ["game_mssp: TypeError"]),
    ],
)
def test_what_crawlers_are_told(module, table, found, failed):
    assert collect_mssp(module(MSSPTable=table)) == (found, failed)


def test_a_game_without_a_table(module):
    assert collect_mssp(module()) == ({}, [])
    assert collect_mssp("nowhere.mssp") == ({}, [])
    assert collect_mssp(None) == ({}, [])


@pytest.mark.parametrize(
    ("arguments", "foreground", "profiled"),
    [
        (["twistd", "--python=x", "--pidfile=y"], False, False),
        (["twistd", "--nodaemon"], True, False),
        (["twistd", "-n"], True, False),
        (["twistd", "--savestats", "--profiler=cprofile", "--profile=z"], False, True),
        ([], False, False),
    ],
)
def test_collect(monkeypatch, tmp_path, arguments, foreground, profiled):
    (tmp_path / "VERSION.txt").write_text("5.0.1\n")
    monkeypatch.setitem(sys.modules, "evennia", SimpleNamespace(__file__=tmp_path / "__init__.py"))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "server.conf.test")
    settings = SimpleNamespace(TELNET_PORTS=(4000,), SERVERNAME=Lazy(), SECRET_KEY="hush")
    collected = collect(settings, "/game", arguments)
    assert collected == {
        "settings": {"TELNET_PORTS": [4000], "SERVERNAME": "translated"},
        "directory": "/game",
        "evennia": str(tmp_path),
        "version": "5.0.1",
        "settings_module": "server.conf.test",
        "path": sys.path,
        "mssp": {},
        "mssp_failed": [],
        "foreground": foreground,
        "profiled": profiled,
    }
    assert json.loads(encode(collected)) == collected


def test_no_secret_is_among_the_names():
    assert "SECRET_KEY" not in NAMES
    assert "DATABASES" not in NAMES
    assert len(NAMES) == len(set(NAMES))


def test_all_is_written_however_little_the_system_takes(monkeypatch):
    pieces = []
    monkeypatch.setattr(os, "write", lambda _, data: pieces.append(bytes(data[:3])) or 3)
    write_whole(1, b"12345678")
    assert pieces == [b"123", b"456", b"78"]


def test_where_it_failed():
    file = str(Path(__file__))
    try:
        fail()
    except RuntimeError as error:
        own = describe_failure(error, str(Path(file).parent))
        foreign = describe_failure(error, "/game")
    line = fail.__code__.co_firstlineno + 1
    assert own == f"RuntimeError: no ({file}, line {line})"
    assert foreign == "RuntimeError: no"
    assert describe_failure(KeyError(), "/game") == "KeyError"
    assert describe_failure(SyntaxError("bad"), "/game") == "SyntaxError: bad"
