"""One value: read from a file or a variable, and what is said where it is wrong."""

import datetime as dt
import tomllib

import pytest

from portal.config import Config
from portal.config.settings import find_value, list_settings
from portal.config.values import convert, parse, write


@pytest.mark.parametrize(
    ("key", "value", "converted"),
    [
        ("telnet.port", 0, 0),
        ("telnet.port", 65535, 65535),
        ("telnet.hosts", ["::", "0.0.0.0", "game.example.org"], ("::", "0.0.0.0", "game.example.org")),
        ("telnet.keepalive_seconds", 0, 0.0),
        ("limits.commands_per_second", 5, 5.0),
        ("telnet.encoding", "latin-1", "latin-1"),
        ("telnet.more_encodings", ["latin-1", "cp1251"], ("latin-1", "cp1251")),
        ("telnet.idle_command", "idle now", "idle now"),
        ("telnet.idle_command", "", ""),
        ("limits.too_fast_text", "", ""),
        ("websocket.enabled", False, False),
        ("websocket.origins", [], ()),
        ("websocket.origins", ["https://a.example", "http://[::1]:8080"], ("https://a.example", "http://[::1]:8080")),
        ("http.trusted_proxies", ["10.0.0.0/8", "192.0.2.7", "::1"], ("10.0.0.0/8", "192.0.2.7", "::1")),
        ("server.command", ["python", ""], ("python", "")),
        ("http.more_ports", [8080, 0], (8080, 0)),
        ("http.more_ports", [], ()),
        ("http.upstream", "http://127.0.0.1:4005", "http://127.0.0.1:4005"),
        ("http.upstream", "http://[::1]:4005", "http://[::1]:4005"),
        ("http.upstream", "http://game-web:80", "http://game-web:80"),
        ("http.upstream", "", None),
        ("amp.socket", "/run/amp", "/run/amp"),
        ("amp.socket", "", None),
        ("directory", "", None),
        ("log.json", True, True),
        ("log.json", "auto", None),
        ("amp.compression", 9, 9),
    ],
)  # fmt: skip
def test_what_is_right(key, value, converted):
    assert convert(list_settings()[key], value) == converted


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("telnet.port", 70000, "expected 0 to 65535, got 70000"),
        ("telnet.port", -1, "expected 0 to 65535, got -1"),
        ("telnet.port", "4000", 'expected a whole number, got "4000"'),
        ("telnet.port", True, "expected a whole number, got true"),
        ("telnet.port", 1.5, "expected a whole number, got 1.5"),
        ("telnet.port", {"a": 1}, "expected a whole number, got a table"),
        ("telnet.more_encodings", ["utf-8", "utf-16"], 'expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "utf-16"'),
        ("telnet.idle_command", "a\nb", 'expected a text that can be typed in one line, got "a\\nb"'),
        ("limits.connections", 0, "expected at least 1, got 0"),
        ("limits.connections", 2**31, "expected at most 2147483647, got 2147483648"),
        ("http.forwarded_header", "via", 'expected one of forwarded, x-forwarded-for, got "via"'),
        ("http.forwarded_header", 1, "expected one of forwarded, x-forwarded-for, got 1"),
        ("limits.oob_per_second", 0, "expected more than 0, got 0"),
        ("limits.oob_per_second", float("nan"), "expected more than 0, got NaN"),
        ("limits.oob_per_second", float("inf"), "expected at most 1000000000, got Infinity"),
        ("limits.oob_per_second", "many", 'expected a number, got "many"'),
        ("telnet.keepalive_seconds", -1, "expected at least 0, got -1"),
        ("server.restart_factor", 0.5, "expected at least 1, got 0.5"),
        ("amp.compression", 10, "expected 0 to 9, got 10"),
        ("name", 5, "expected a text, got 5"),
        ("name", "", 'expected a name that can be shown in a line, got ""'),
        ("name", "a\nb", 'expected a name that can be shown in a line, got "a\\nb"'),
        ("name", dt.date(2020, 1, 1), 'expected a text, got "2020-01-01"'),
        ("directory", "a\0", 'expected a path without the character of code 0, got "a\\u0000"'),
        ("websocket.enabled", 1, "expected true or false, got 1"),
        ("log.json", 1, "expected true or false, got 1"),
        ("telnet.hosts", [], "expected at least one, got []"),
        ("telnet.hosts", "::", 'expected a list of texts, as ["one", "two"], got "::"'),
        ("telnet.hosts", [1], 'expected a list of texts, as ["one", "two"], got [1]'),
        ("telnet.hosts", ["0.0.0.0:4000"], 'expected an address or a name alone, without port and brackets, got "0.0.0.0:4000"'),
        ("telnet.hosts", ["[::1]"], 'expected an address or a name alone, without port and brackets, got "[::1]"'),
        ("telnet.hosts", ["::1", "a b"], 'expected an address such as 127.0.0.1 or ::1, or a name, got "a b"'),
        ("amp.host", "", 'expected an address such as 127.0.0.1 or ::1, or a name, got ""'),
        ("amp.socket", "x" * 108, 'expected a path of at most 107 bytes, got "' + "x" * 59 + "..."),
        ("amp.socket", "\0", 'expected a path without the character of code 0, got "\\u0000"'),
        ("amp.trusted_networks", ["ten"], 'expected networks such as 10.0.0.0/8, or addresses, got "ten"'),
        ("telnet.encoding", "klingon", 'expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "klingon"'),
        ("telnet.encoding", "utf-16", 'expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "utf-16"'),
        ("telnet.encoding", "rot13", 'expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "rot13"'),
        ("log.level", "loud", 'expected one of debug, info, warning, error, critical, got "loud"'),
        ("websocket.origins", ["https://a.example/"], 'expected https://host or https://host:port, in lower case and with nothing behind it, got "https://a.example/"'),
        ("websocket.origins", ["https://A.example"], 'expected https://host or https://host:port, in lower case and with nothing behind it, got "https://A.example"'),
        ("websocket.origins", ["a.example"], 'expected https://host or https://host:port, in lower case and with nothing behind it, got "a.example"'),
        ("websocket.origins", ["https://a.example:443"], 'expected it without :443, which browsers leave out, got "https://a.example:443"'),
        ("websocket.origins", ["http://a.example:80"], 'expected it without :80, which browsers leave out, got "http://a.example:80"'),
        ("telnet.encoding", "gr\xf6\xdfe\x1b\u202e", 'expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "größe\\u001b?"'),
        ("http.more_ports", [70000], "expected 0 to 65535 each, got [70000]"),
        ("http.more_ports", [80, -1], "expected 0 to 65535 each, got [80, -1]"),
        ("http.more_ports", ["80"], 'expected a list of whole numbers, as [1, 2], got ["80"]'),
        ("http.more_ports", 80, "expected a list of whole numbers, as [1, 2], got 80"),
        ("http.more_ports", [True], "expected a list of whole numbers, as [1, 2], got [true]"),
        ("http.upstream", "https://127.0.0.1:4005", 'expected http://host:port and nothing behind it, got "https://127.0.0.1:4005"'),
        ("http.upstream", "http://127.0.0.1", 'expected http://host:port and nothing behind it, got "http://127.0.0.1"'),
        ("http.upstream", "http://127.0.0.1:4005/", 'expected http://host:port and nothing behind it, got "http://127.0.0.1:4005/"'),
        ("http.upstream", "http://127.0.0.1:0", 'expected http://host:port and nothing behind it, got "http://127.0.0.1:0"'),
        ("http.upstream", "http://127.0.0.1:65536", 'expected http://host:port and nothing behind it, got "http://127.0.0.1:65536"'),
        ("http.upstream", "http://a:b@127.0.0.1:4005", 'expected http://host:port and nothing behind it, got "http://a:b@127.0.0.1:4005"'),
        ("http.upstream", "http://[::g]:4005", 'expected http://host:port and nothing behind it, got "http://[::g]:4005"'),
        ("http.upstream", "http://[1:2]:4005", 'expected an address or a name alone, without port and brackets, got "http://[1:2]:4005"'),
        ("amp.secret", 12345, "expected a text, got something else"),
    ],
)  # fmt: skip
def test_what_is_wrong(key, value, said):
    with pytest.raises(ValueError, match=r".") as raised:
        convert(list_settings()[key], value)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("telnet.port", "4001", 4001),
        ("telnet.port", " 4_001 ", 4001),
        ("telnet.port", "tcp://10.0.0.1:4001", "tcp://10.0.0.1:4001"),
        ("telnet.port", "\u0664", "\u0664"),
        ("telnet.hosts", "0.0.0.0, ::,", ["0.0.0.0", "::"]),
        ("telnet.hosts", " ", []),
        ("telnet.more_ports", "4001, 4_002,", [4001, 4002]),
        ("telnet.more_ports", "4001, many", [4001, "many"]),
        ("telnet.keepalive_seconds", "2.5", 2.5),
        ("telnet.keepalive_seconds", "often", "often"),
        ("websocket.enabled", "TRUE", True),
        ("websocket.enabled", "1", True),
        ("websocket.enabled", "false", False),
        ("websocket.enabled", "0", False),
        ("websocket.enabled", "yes", "yes"),
        ("log.json", "true", True),
        ("log.json", "auto", "auto"),
        ("log.path", " a b ", " a b "),
        ("name", "5", "5"),
        ("server.command", "python 'my game.py' a,b", ["python", "my game.py", "a,b"]),
    ],
)
def test_what_a_variable_says(key, text, value):
    assert parse(list_settings()[key], text) == value


def test_a_command_line_with_an_open_quote():
    with pytest.raises(ValueError, match="expected a command line as a shell takes it: No closing"):
        parse(list_settings()["server.command"], "python 'game.py")


def test_what_is_written_can_be_read():
    for key, setting in list_settings().items():
        text = write(setting, setting.default)
        (value,) = tomllib.loads(f"x = {text}").values()
        assert convert(setting, value) == setting.default == find_value(Config(), key)
    assert write(list_settings()["hub.backlog"], 12345) == "12_345"
    assert write(list_settings()["amp.port"], 12345) == "12345"
