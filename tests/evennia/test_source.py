"""What a module does, decided from its source."""

import ast
import sys

import pytest

from portal.evennia.source import Source, find_source


def read(text):
    return Source("module.py", ast.parse(text))


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("", False),
        ("def other(): work()", False),
        ("def hook(portal):\n    pass", False),
        ('def hook(portal):\n    """Nothing."""', False),
        ('def hook(portal):\n    """Nothing."""\n    return portal', False),
        ("def hook(portal):\n    return", False),
        ("def hook(portal):\n    return None", False),
        ("def hook(portal):\n    ...", False),
        ("def hook(portal):\n    work(portal)", True),
        ("def hook(portal):\n    return work(portal)", True),
        ("def hook(portal):\n    portal.a = 1\n    return portal", True),
        ("async def hook(portal):\n    await work()", True),
        ("from elsewhere import hook", True),
        ("from elsewhere import start as hook", True),
        ("import hook", True),
        ("hook = other", True),
        ("class Hook:\n    def hook(self): work()", False),
    ],
)
def test_whether_a_function_does_something(text, does):
    assert read(text).does_something("hook") is does


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("import json", False),
        ("import twisted", True),
        ("import twisted.internet as net", True),
        ("from twisted.internet import reactor", True),
        ("from twisted import logger", True),
        ("def hook(portal):\n    from twisted.application import service", True),
        ("from evennia.server.portal import telnet", True),
        ("from evennia.server.portal.irc import IRCBot", True),
        ("from evennia.utils import logger", False),
        ("import twistedness", False),
        ("from . import twisted", False),
    ],
)
def test_whether_it_is_for_twisted(text, uses):
    assert read(text).uses_twisted is uses


def test_finding(tmp_path):
    (tmp_path / "server" / "conf").mkdir(parents=True)
    (tmp_path / "server" / "conf" / "one.py").write_text("import a")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("import b")
    path = ["/nowhere", str(tmp_path)]
    for name, file in (
        ("server.conf.one", "server/conf/one.py"),
        ("pack", "pack/__init__.py"),
        (str(tmp_path / "server/conf/one.py"), "server/conf/one.py"),
    ):
        found = find_source(name, path)
        assert found is not None
        assert found.path == str(tmp_path / file)
    assert find_source("server.conf.two", path) is None
    assert find_source("server", path) is None
    assert find_source("/nowhere/one.py", path) is None


@pytest.mark.parametrize("text", [b"def (", b"a\0b", b"\xff\xfe"])
def test_what_cannot_be_read(tmp_path, text):
    (tmp_path / "broken.py").write_bytes(text)
    with pytest.raises(SyntaxError):
        find_source("broken", [str(tmp_path)])


def test_nothing_is_imported(tmp_path):
    (tmp_path / "marked_module.py").write_text("raise RuntimeError")
    assert find_source("marked_module", [str(tmp_path)]) is not None
    assert "marked_module" not in sys.modules
