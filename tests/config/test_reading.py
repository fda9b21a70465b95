"""From a file to a configuration, and the words for what is wrong with it."""

import re
from pathlib import Path

import pytest

from portal.config import Config, LimitsConfig, TelnetConfig, build, layer, read_file
from portal.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "portal.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_a_file(write):
    text = """
    name = "Harbour"
    [telnet]
    hosts = ["0.0.0.0", "::"]
    port = 23
    [limits]
    connections_per_second = 5
    [amp]
    trusted_networks = ["10.0.0.0/8", "192.0.2.7"]
    [server]
    command = ["python", "game.py"]
    resend_uncertain = true
    """
    config = build(read_file(write(text)))
    assert config.name == "Harbour"
    assert config.telnet == TelnetConfig(hosts=("0.0.0.0", "::"), port=23)
    assert config.limits == LimitsConfig(connections_per_second=5.0)
    assert config.amp.trusted_networks == ("10.0.0.0/8", "192.0.2.7")
    assert config.server.command == ("python", "game.py")
    assert config.server.resend_uncertain


def test_an_empty_file_is_the_default(write):
    assert build(read_file(write(""))) == Config()


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("[telnet]\nprot = 4000", "telnet.prot", "no such setting; the nearest is telnet.port"),
        ("[telnett]\nport = 1", "telnett", "no such setting; the nearest is telnet"),
        ("encoding = 'x'", "encoding", "no such setting; the nearest is telnet.encoding"),
        ("[server]\nhosts = []", "server.hosts", "no such setting; the nearest is telnet.hosts"),
        ("qqqq = 1", "qqqq", "there is no such setting"),
        ('"a\\nb" = 1', "a?b", "there is no such setting"),
        ("telnet = 5", "telnet", "expected a table, got an integer"),
        ("[telnet]\nport = '4000'", "telnet.port", "expected an integer, got a string"),
        ("[telnet]\nport = 65536", "telnet.port", "expected an integer <= 65535"),
        ("[telnet]\nport = true", "telnet.port", "expected an integer, got true or false"),
        ("[telnet]\nhosts = '::'", "telnet.hosts", "expected an array, got a string"),
        ("[telnet]\nhosts = [1]", "telnet.hosts[0]", "expected a string, got an integer"),
        ("[telnet]\nhosts = []", "telnet.hosts", "expected an array of length >= 1"),
        ("[telnet]\nencoding = 'klingon'", "telnet.encoding", "expected an encoding"),
        ("[telnet]\nencoding = 'utf-16'", "telnet.encoding", "expected an encoding"),
        ("[telnet]\nencoding = 'rot13'", "telnet.encoding", "expected an encoding"),
        ("[limits]\nconnections = 0", "limits.connections", "expected an integer >= 1"),
        ("[limits]\noob_per_second = nan", "limits.oob_per_second", "expected a number > 0"),
        ("[limits]\noob_per_second = inf", "limits.oob_per_second", "expected a number <="),
        ("[amp]\nsocket = 5", "amp.socket", "expected a string, got an integer"),
        ("[amp]\ntrusted_networks = ['ten']", "amp.trusted_networks", "such as 10.0.0.0/8"),
        ("[amp]\nsecret = 'xyzzy'", "amp.secret", "environment, as PORTAL_AMP_SECRET"),
        ("[log]\nlevel = 'loud'", "log.level", "expected one of debug, info"),
        ("[log]\njson = 1", "log.json", "expected true or false, got an integer"),
        ("directory = 2020-01-01", "directory", "expected a string, got date"),
        ("name = =", "TOML", "(at line 1, column 8)"),
        ("name = '\xe9'".encode("latin-1"), "TOML", "utf-8"),
    ],
)
def test_a_mistake_in_a_file(write, text, key, expected):
    path = write(text)
    with pytest.raises(ConfigError) as raised:
        read_file(path)
    assert (raised.value.path, raised.value.key) == (path, key)
    assert expected in raised.value.expected
    assert "xyzzy" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(ConfigError, match=r"file: cannot be read: (No such file|Is a directory)"):
        read_file(str(tmp_path / name))


def test_the_example_in_the_documentation(write):
    page = Path(__file__).parents[2] / "docs/configuration.md"
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    config = build(read_file(write(example)))
    assert config.name == "Harbour"
    # What it shows as limits are the defaults.
    assert config.limits == LimitsConfig()


def test_layers():
    below = {"name": "a", "telnet": {"port": 1, "hosts": ["::1"]}}
    above = {"directory": "d", "telnet": {"port": 2}, "log": {"level": "debug"}}
    assert layer(below, above) == {
        "name": "a",
        "directory": "d",
        "telnet": {"port": 2, "hosts": ["::1"]},
        "log": {"level": "debug"},
    }
    assert below["telnet"]["port"] == 1
    assert layer() == {}
