"""A game as the Portal sees it."""

import pytest

from portal.config import load
from portal.errors import ConfigError
from portal.evennia.bot import skip_bot
from portal.evennia.collecting import NAMES
from portal.evennia.game import make_game
from portal.evennia.settings import read_layer


@pytest.fixture
def make(collect):
    def make(**changes):
        collected = collect(**changes)
        return make_game(collected, load(read_layer(collected)))

    return make


def test_a_stock_game(make, game_directory):
    game = make()
    assert game.directory == str(game_directory)
    assert game.environment == {
        "PYTHONPATH": str(game_directory),
        "DJANGO_SETTINGS_MODULE": "server.conf.settings",
    }
    assert game.status == {
        "version": "5.0.1",
        "errors": "",
        "info": "",
        "lockdown_mode": "",
        "telnet_ssl": [],
        "ssh": [],
        "webserver_internal": ["webserver: 4005"],
    }
    assert (game.notes, game.services) == ((), ())
    assert game.connect_bot is skip_bot


def test_what_the_launcher_shows_of_ports_that_are_not_served(make):
    game = make(SSL_ENABLED=True, SSH_ENABLED=True, LOCKDOWN_MODE=True)
    assert game.status["telnet_ssl"] == ["telnet+ssl: 4003 (not served by this Portal)"]
    assert game.status["ssh"] == ["ssh: 4004 (not served by this Portal)"]
    assert "LOCKDOWN_MODE" in game.status["lockdown_mode"]
    assert game.kept.tls_hosts == game.kept.ssh_hosts == ("127.0.0.1",)
    assert len(game.notes) == 2


@pytest.mark.parametrize(
    ("arguments", "profiled"),
    [
        (["twistd", "--savestats", "--profiler=cprofile", "--profile=x"], True),
        (["twistd"], False),
        ([], False),
        ({}, False),
        ("--profiler=cprofile", False),
        (["rm", "-rf", "/"], False),
    ],
)
def test_the_command_is_the_game_s_whatever_the_launcher_sends(make, arguments, profiled):
    game = make()
    command = game.choose_command(arguments)
    usual = game.config.server.command
    assert command[: len(usual)] == usual
    assert (command[len(usual) :] != ()) == profiled
    assert any("server.prof" in each for each in command) == profiled


JUNK = (
    None,
    True,
    0,
    -1,
    2**40,
    0.5,
    float("inf"),
    float("nan"),
    "",
    "x",
    "a\x00\nb",
    [],
    [None],
    [5],
    ["x"],
    [""],
    [[1, 2]],
    [["a", "b"]],
    {},
    {"a": [1]},
)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_setting_holds_there_is_no_traceback(collect, name):
    for value in JUNK:
        collected = collect(**{name: value})
        try:
            config = load(read_layer(collected))
        except ConfigError as error:
            problems = {each.key for each in error.problems}
            assert problems == {name}, (value, str(error))
        else:
            make_game(collected, config)
    collected = collect()
    collected["settings"].pop(name, None)
    try:
        config = load(read_layer(collected))
    except ConfigError as error:
        assert [each.key for each in error.problems] == [name]
    else:
        make_game(collected, config)
