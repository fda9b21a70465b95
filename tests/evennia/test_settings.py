"""The settings of a game become those of the Portal; each mistake is named by Evennia's name."""

import pytest

from portal.config import MIB, LimitsConfig, load
from portal.config.settings import find_value, list_settings
from portal.errors import ConfigError
from portal.evennia.settings import make_command, read_layer


@pytest.fixture
def read(collect):
    return lambda **changes: load(read_layer(collect(**changes)))


def differences(read, **changes):
    """What a change of Evennia's settings changes of the Portal's."""
    before, after = read(), read(**changes)
    keys = (key for key in list_settings() if find_value(before, key) != find_value(after, key))
    return {key: find_value(after, key) for key in keys}


@pytest.mark.parametrize("release", ["5.0.1", "6.1.0"])
def test_the_defaults_of_a_release(read, release, game_directory):
    config = read(release=release)
    logs = game_directory / "server" / "logs"
    assert config.name == "Evennia"
    assert (config.telnet.hosts, config.telnet.port) == (("0.0.0.0",), 4000)
    assert config.telnet.encoding == "utf-8"
    assert config.telnet.more_encodings == ("latin-1", "ISO-8859-1")
    assert config.telnet.idle_command == "idle"
    assert (config.http.hosts, config.http.port) == (("0.0.0.0",), 4001)
    assert config.http.upstream == "http://127.0.0.1:4005"
    assert (config.telnet.more_ports, config.http.more_ports) == ((), ())
    assert config.http.trusted_proxies == ("127.0.0.1",)
    assert (config.websocket.hosts, config.websocket.port) == (("0.0.0.0",), 4002)
    assert (config.telnet.enabled, config.http.enabled, config.websocket.enabled) == (True,) * 3
    assert (config.amp.host, config.amp.port) == ("127.0.0.1", 4006)
    assert config.limits == LimitsConfig(
        connections_per_second=50.0,
        commands_per_second=80.0,
        command_burst=160,
        oob_per_second=80.0,
        oob_burst=400,
        line_characters=6000,
        line_bytes=24_000,
        too_fast_text="Too fast.",
        too_long_text="Too long.",
    )
    assert (config.log.path, config.log.days) == (str(logs / "portal.log"), 7)
    assert config.log.max_bytes == 1_000_000
    assert config.server.output == str(logs / "server.log")
    assert config.server.directory == str(game_directory)
    assert config.server.pid_file == str(game_directory / "server" / "server.pid")
    assert config.pid_file == str(game_directory / "server" / "portal.pid")
    assert not config.server.autostart


HERE = ("127.0.0.1",)
EVERYWHERE = ("::", "0.0.0.0")
UNLIMITED = {
    "limits.commands_per_second": 1e9,
    "limits.oob_per_second": 1e9,
    "limits.command_burst": 2**31 - 1,
    "limits.oob_burst": 2**31 - 1,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SERVERNAME": "Harbour"}, {"name": "Harbour"}),
        (
            {"LOCKDOWN_MODE": True},
            {"telnet.hosts": HERE, "http.hosts": HERE, "websocket.hosts": HERE},
        ),
        ({"TELNET_PORTS": [23]}, {"telnet.port": 23}),
        (
            {"TELNET_PORTS": [23, 4000, 4010]},
            {"telnet.port": 23, "telnet.more_ports": (4000, 4010)},
        ),
        ({"TELNET_INTERFACES": ["::"]}, {"telnet.hosts": EVERYWHERE}),
        ({"TELNET_ENABLED": False}, {"telnet.enabled": False, "telnet.hosts": HERE}),
        ({"TELNET_PORTS": []}, {"telnet.enabled": False, "telnet.hosts": HERE}),
        ({"TELNET_INTERFACES": []}, {"telnet.enabled": False, "telnet.hosts": HERE}),
        ({"WEBSOCKET_CLIENT_PORT": 8002}, {"websocket.port": 8002}),
        ({"WEBSOCKET_CLIENT_INTERFACE": "127.0.0.1"}, {"websocket.hosts": HERE}),
        (
            {"WEBSOCKET_CLIENT_ENABLED": False},
            {"websocket.enabled": False, "websocket.hosts": HERE},
        ),
        (
            {"WEBCLIENT_ENABLED": False},
            {"http.ajax": False, "websocket.enabled": False, "websocket.hosts": HERE},
        ),
        (
            {"WEBSERVER_ENABLED": False},
            {
                "http.enabled": False,
                "http.hosts": HERE,
                "http.upstream": None,
                "http.ajax": False,
                "websocket.enabled": False,
                "websocket.hosts": HERE,
            },
        ),
        ({"WEBSERVER_PORTS": [[80, 4005]]}, {"http.port": 80}),
        (
            {"WEBSERVER_PORTS": [[80, 4015], [8080, 4025]]},
            {"http.port": 80, "http.more_ports": (8080,), "http.upstream": "http://127.0.0.1:4015"},
        ),
        ({"WEBSERVER_INTERFACES": ["127.0.0.1"]}, {"http.hosts": HERE}),
        ({"UPSTREAM_IPS": []}, {"http.trusted_proxies": ()}),
        ({"UPSTREAM_IPS": ["10.0.0.0/8"]}, {"http.trusted_proxies": ("10.0.0.0/8",)}),
        ({"AMP_PORT": 5006}, {"amp.port": 5006}),
        ({"AMP_INTERFACE": "::1"}, {"amp.host": "::1"}),
        ({"AMP_INTERFACE": "localhost"}, {"amp.host": "localhost"}),
        ({"MAX_CONNECTION_RATE": 10}, {"limits.connections_per_second": 250.0}),
        ({"MAX_CONNECTION_RATE": 0.5}, {"limits.connections_per_second": 12.5}),
        (
            {"MAX_COMMAND_RATE": 300},
            {
                "limits.commands_per_second": 300.0,
                "limits.command_burst": 600,
                "limits.oob_per_second": 300.0,
                "limits.oob_burst": 600,
            },
        ),
        (
            {"MAX_COMMAND_RATE": 0.25},
            {
                "limits.commands_per_second": 0.25,
                "limits.command_burst": 1,
                "limits.oob_per_second": 0.25,
            },
        ),
        ({"MAX_COMMAND_RATE": 0}, UNLIMITED),
        ({"MAX_COMMAND_RATE": -1}, UNLIMITED),
        ({"COMMAND_RATE_WARNING": ""}, {"limits.too_fast_text": ""}),
        ({"MAX_CHAR_LIMIT": 1}, {"limits.line_characters": 1, "limits.line_bytes": 8192}),
        ({"MAX_CHAR_LIMIT": 0}, {"limits.line_characters": 0, "limits.line_bytes": MIB}),
        ({"MAX_CHAR_LIMIT": -5}, {"limits.line_characters": 0, "limits.line_bytes": MIB}),
        ({"MAX_CHAR_LIMIT_WARNING": "No."}, {"limits.too_long_text": "No."}),
        ({"ENCODINGS": ["cp1251"]}, {"telnet.encoding": "cp1251", "telnet.more_encodings": ()}),
        ({"ENCODINGS": []}, {"telnet.more_encodings": ()}),
        ({"IDLE_COMMAND": "nothing"}, {"telnet.idle_command": "nothing"}),
        ({"COLOR_NO_DEFAULT": True}, {"markup.only_own": True}),
        (
            {"COLOR_ANSI_EXTRA_MAP": [["%cr", "\x1b[31m"], ["%cn", ""]]},
            {"markup.codes": (("%cr", "\x1b[31m"), ("%cn", ""))},
        ),
        (
            {"COLOR_ANSI_XTERM256_BRIGHT_BG_EXTRA_MAP": [["{[r", "{[500"]]},
            {"markup.bright_backgrounds": (("{[r", "{[500"),)},
        ),
        (
            {
                "COLOR_XTERM256_EXTRA_FG": ["a"],
                "COLOR_XTERM256_EXTRA_BG": ["b"],
                "COLOR_XTERM256_EXTRA_GFG": ["c"],
                "COLOR_XTERM256_EXTRA_GBG": ["d"],
            },
            {
                "markup.foregrounds": ("a",),
                "markup.backgrounds": ("b",),
                "markup.grey_foregrounds": ("c",),
                "markup.grey_backgrounds": ("d",),
            },
        ),
        ({"SCREENREADER_REGEX_STRIP": "--+"}, {"markup.screenreader_strip": "--+"}),
        ({"SCREENREADER_REGEX_STRIP": ""}, {"markup.screenreader_strip": ""}),
        ({"PORTAL_LOG_DAY_ROTATION": 0}, {"log.days": 0}),
        ({"PORTAL_LOG_MAX_SIZE": 5}, {"log.max_bytes": 5}),
    ],
)
def test_each_setting(read, changes, expected):
    assert differences(read, **changes) == expected


def test_requests_are_logged_with_debug_only(read, game_directory):
    path = str(game_directory / "server" / "logs" / "http_requests.log")
    assert read().log.http_path is None
    assert read(DEBUG=True).log.http_path == path
    assert read(DEBUG=True, HTTP_LOG_FILE="").log.http_path is None


def test_in_the_foreground_the_log_is_the_terminal_s(collect):
    assert load(read_layer(collect() | {"foreground": True})).log.path is None


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"SERVERNAME": ""}, "SERVERNAME", "a name that can be shown"),
        ({"TELNET_PORTS": ["4000"]}, "TELNET_PORTS", "expected a list of whole numbers"),
        ({"TELNET_PORTS": [70_000]}, "TELNET_PORTS", "0 to 65535"),
        ({"TELNET_INTERFACES": "0.0.0.0"}, "TELNET_INTERFACES", "expected a list of texts"),
        ({"TELNET_INTERFACES": ["a b"]}, "TELNET_INTERFACES", "expected an address"),
        ({"TELNET_ENABLED": "no"}, "TELNET_ENABLED", "expected True or False"),
        ({"LOCKDOWN_MODE": "yes"}, "LOCKDOWN_MODE", "expected True or False"),
        ({"WEBSERVER_PORTS": [4001]}, "WEBSERVER_PORTS", "pairs"),
        ({"WEBSERVER_PORTS": [[4000, 4005]]}, "WEBSERVER_PORTS", "expected another port"),
        ({"WEBSOCKET_CLIENT_PORT": "4002"}, "WEBSOCKET_CLIENT_PORT", "a whole number"),
        ({"WEBSOCKET_CLIENT_INTERFACE": ["::"]}, "WEBSOCKET_CLIENT_INTERFACE", "a text"),
        ({"UPSTREAM_IPS": ["proxy"]}, "UPSTREAM_IPS", "expected networks"),
        ({"AMP_PORT": 4000}, "AMP_PORT", "expected another port"),
        ({"TELNET_PORTS": [23, 23]}, "TELNET_PORTS", "expected another port"),
        ({"WEBSERVER_PORTS": [[4001, 4001]]}, "WEBSERVER_PORTS", "expected another port"),
        ({"WEBSERVER_PORTS": [[4001, 0]]}, "WEBSERVER_PORTS", "expected http://host:port"),
        ({"AMP_INTERFACE": "0.0.0.0"}, "AMP_INTERFACE", 'as "127.0.0.1"'),
        ({"AMP_INTERFACE": ""}, "AMP_INTERFACE", 'as "127.0.0.1"'),
        ({"MAX_CONNECTION_RATE": 0}, "MAX_CONNECTION_RATE", "more than 0"),
        ({"MAX_CONNECTION_RATE": "2"}, "MAX_CONNECTION_RATE", "expected a number"),
        ({"MAX_COMMAND_RATE": "80"}, "MAX_COMMAND_RATE", "expected a number"),
        ({"ENCODINGS": ["utf-16"]}, "ENCODINGS", "keeps ASCII"),
        ({"ENCODINGS": ["utf-8", "klingon"]}, "ENCODINGS", "keeps ASCII"),
        ({"IDLE_COMMAND": "a\nb"}, "IDLE_COMMAND", "one line"),
        ({"COLOR_ANSI_EXTRA_MAP": [["%cr"]]}, "COLOR_ANSI_EXTRA_MAP", "pairs of texts"),
        ({"COLOR_XTERM256_EXTRA_FG": "a"}, "COLOR_XTERM256_EXTRA_FG", "a list of texts"),
        ({"PORTAL_LOG_FILE": "/nowhere/portal.log"}, "PORTAL_LOG_FILE", "no directory /nowhere"),
        ({"PORTAL_LOG_MAX_SIZE": "1 MB"}, "PORTAL_LOG_MAX_SIZE", "a whole number"),
        ({"absent": ["TELNET_PORTS"]}, "TELNET_PORTS", "is missing"),
        ({"absent": ["AMP_INTERFACE"]}, "AMP_INTERFACE", "is missing"),
    ],
)
def test_what_is_wrong_is_said_once_with_evennia_s_name(
    read, game_directory, changes, name, expected
):
    with pytest.raises(ConfigError) as failure:
        read(**changes)
    file = game_directory / "server" / "conf" / "settings.py"
    (problem,) = failure.value.problems
    assert str(problem).startswith(f"{file}: {name}: ")
    assert expected in str(problem)


def test_all_that_is_wrong_is_said(read):
    changes = {"TELNET_PORTS": 4000, "AMP_INTERFACE": "10.0.0.1", "ENCODINGS": 8}
    with pytest.raises(ConfigError) as failure:
        read(**changes)
    assert {each.key for each in failure.value.problems} == set(changes)


def test_the_server_s_command(collect, game_directory):
    program, *arguments = make_command(collect())
    assert program.endswith("twistd")
    assert arguments == [
        "--python=/python/evennia/server/server.py",
        "--logger=evennia.utils.logger.GetServerLogObserver",
        f"--pidfile={game_directory / 'server' / 'server.pid'}",
    ]
