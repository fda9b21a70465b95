"""Reading what was collected of a game: from a process that did it, and from a file."""

import json
import os
import sys

import pytest

from portal.errors import ConfigError
from portal.evennia import reading
from portal.evennia.collecting import encode
from portal.evennia.reading import collect_from, decode, read_collected

# What stands for Evennia and Django where neither is.
EVENNIA = ""
CONF = "class Settings: SERVERNAME = 'Harbour'\nsettings = Settings()\n"


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A Python that has an Evennia and a Django to be found, both of them nearly nothing."""
    for package, files in (
        ("evennia", {"__init__.py": EVENNIA, "VERSION.txt": "9.9\n"}),
        ("django", {"__init__.py": "", "conf.py": CONF}),
    ):
        (tmp_path / "python" / package).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / "python" / package / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return tmp_path / "python"


def test_a_game(python, game_directory, monkeypatch):
    monkeypatch.chdir(game_directory.parent)
    collected = collect_from("game")
    assert collected["settings"] == {"SERVERNAME": "Harbour"}
    assert collected["directory"] == str(game_directory)
    assert collected["version"] == "9.9"
    assert collected["evennia"] == str(python / "evennia")
    assert collected["settings_module"] == "server.conf.settings"


def test_what_a_game_prints_is_no_part_of_it(python, game_directory):
    (python / "evennia" / "__init__.py").write_text("print('hello')\n")
    assert collect_from(str(game_directory))["version"] == "9.9"


def test_a_folder_of_the_game_that_is_called_portal(python, game_directory):
    (game_directory / "portal").mkdir()
    (game_directory / "portal" / "__init__.py").write_text("raise RuntimeError")
    assert collect_from(str(game_directory))["version"] == "9.9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = unknown", "NameError: name 'unknown' is not defined ({file}, line 2)"),
        ("x = [1", "SyntaxError: '[' was never closed ({file}, line 2)"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere' ({file}, line 2)"),
        ("import sys; sys.exit(0)", "SystemExit: 0 ({file}, line 2)"),
        ("raise ValueError('a\\n\\x1bb')", "ValueError: a ?b ({file}, line 2)"),
        ("raise ValueError", "ValueError ({file}, line 2)"),
        ("import os; os._exit(3)", "no reason given"),
    ],
)
def test_settings_with_a_mistake(python, game_directory, text, expected):
    (python / "django" / "conf.py").write_text("from server.conf import settings\n")
    file = game_directory / "server" / "conf" / "settings.py"
    file.write_text(f"print('begin')\n{text}\n")
    with pytest.raises(ConfigError) as failure:
        collect_from(str(game_directory))
    reason = expected.format(file=file)
    assert str(failure.value) == f"{game_directory}: settings: cannot be loaded: {reason}"


def test_what_is_no_game(tmp_path, game_directory):
    for place, expected in (
        (tmp_path / "nowhere", "there is no such directory"),
        (tmp_path, "expected an Evennia game"),
        (game_directory / "server" / "conf" / "settings.py", "there is no such directory"),
    ):
        with pytest.raises(ConfigError, match=expected) as failure:
            collect_from(str(place))
        assert str(failure.value).startswith(f"{place}: game: ")


def test_a_python_without_evennia(game_directory, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(ConfigError) as failure:
        collect_from(str(game_directory))
    assert f"evennia: is not installed in this Python, {sys.executable}" in str(failure.value)


def test_what_takes_too_long(python, game_directory, monkeypatch):
    (python / "evennia" / "__init__.py").write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(reading, "COLLECTING_SECONDS", 0.5)
    with pytest.raises(ConfigError, match="took too long"):
        collect_from(str(game_directory))


def test_a_python_that_cannot_be_started(game_directory, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        collect_from(str(game_directory))


def test_from_a_file_without_a_name(collect):
    descriptor = os.memfd_create("settings")
    os.write(descriptor, encode(collect()))
    assert read_collected(descriptor) == collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_from_a_descriptor_that_is_none(tmp_path):
    descriptor = os.memfd_create("settings")
    os.close(descriptor)
    with pytest.raises(ConfigError, match="--settings-fd: cannot be read"):
        read_collected(descriptor)


@pytest.mark.parametrize("name", ["settings", "mssp", "path", "directory", "version"])
def test_what_was_not_collected(collect, name):
    collected = collect()
    for data in (
        b"",
        b"[]",
        b"\xff",
        json.dumps({**collected, name: 5}).encode(),
        json.dumps({each: collected[each] for each in collected if each != name}).encode(),
    ):
        with pytest.raises(ConfigError):
            decode(data)
