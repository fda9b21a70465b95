"""Settings by their dotted names."""

import pytest

from portal.config import Config, TelnetConfig
from portal.config.settings import find_nearest, find_value, list_settings, list_tables

TABLES = ["telnet", "websocket", "http", "server", "amp", "limits", "markup", "log", "hub"]


def test_every_field_is_a_setting():
    assert list(list_tables()) == TABLES
    settings = list_settings()
    assert list(settings)[:3] == ["name", "directory", "pid_file"]
    for table, section in list_tables().items():
        named = [key for key in settings if key.startswith(f"{table}.")]
        assert named == [f"{table}.{name}" for name in section.__struct_fields__]
    assert len(settings) == 3 + sum(len(each.__struct_fields__) for each in list_tables().values())


def test_a_setting_knows_its_default_and_is_found():
    for key, setting in list_settings().items():
        assert setting.key == key
        assert setting.default == find_value(Config(), key)
    assert find_value(Config(telnet=TelnetConfig(port=1)), "telnet.port") == 1
    assert find_value(Config(name="x"), "name") == "x"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("telnet.prot", "telnet.port"),
        ("telnet.held_lines", "limits.held_lines"),
        ("encoding", "telnet.encoding"),
        ("nmae", "name"),
        ("prot", "telnet.port"),
        ("qqqq", None),
    ],
)
def test_the_nearest_name(key, nearest):
    assert find_nearest(key, list_settings()) == nearest
