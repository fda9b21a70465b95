"""What a file says, as it stands there."""

import pytest

from portal.config import Layer, flatten, read_file
from portal.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "portal.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_a_file(write):
    path = write('name = "Harbour"\n[telnet]\nport = 23\nhosts = ["::"]\n[log]\n')
    layer = read_file(path)
    assert layer.path == path
    assert layer.settings == {"name": "Harbour", "telnet.port": 23, "telnet.hosts": ["::"]}
    assert layer.problems == ()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[telnet]\nprot = 4000", ["telnet.prot: there is no such setting; the nearest is telnet.port"]),
        ("[telnett]\nport = 1", ["telnett: there is no such setting; the nearest is telnet"]),
        ("encoding = 'x'", ["encoding: there is no such setting; the nearest is telnet.encoding"]),
        ("[server]\nhosts = []", ["server.hosts: there is no such setting; the nearest is telnet.hosts"]),
        ("qqqq = 1", ["qqqq: there is no such setting"]),
        ('"a\\nb" = 1', ["a?b: there is no such setting"]),
        ('"telnet.port" = 1', ['"telnet.port": there is no such setting; the nearest is telnet.port']),
        ("[telnet.ssl]\nport = 1", ["telnet.ssl: there is no such setting; the nearest is telnet.hosts"]),
        ("telnet = 5", ["telnet: expected a table, [telnet]"]),
        ("[[telnet]]\nport = 1", ["telnet: expected a table, [telnet]"]),
        ("zzz = 1\n[amp]\nsecret = 'xyzzy'\nqqqq = 2", [
            "zzz: there is no such setting",
            "amp.qqqq: there is no such setting",
            "amp.secret: belongs into the environment, as PORTAL_AMP_SECRET",
        ]),
        ("name = 'x'\nname = =", ["TOML: Invalid value (at line 2, column 8)"]),
        ("\nname = '\xe9'".encode("latin-1"), ["TOML: line 2 is not UTF-8"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file(write, text, problems):
    path = write(text)
    layer = read_file(path)
    assert [str(each) for each in layer.problems] == [f"{path}: {text}" for text in problems]
    assert "xyzzy" not in str(layer)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    (problem,) = read_file(str(tmp_path / name)).problems
    assert problem.key == "file"
    assert problem.expected in {
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
    }


def test_tables_of_a_program():
    layer = flatten({"name": "x", "telnet": {"port": 1}, "prot": 2}, "settings")
    assert layer.settings == {"name": "x", "telnet.port": 1}
    assert [str(each) for each in layer.problems] == [
        "settings: prot: there is no such setting; the nearest is telnet.port"
    ]


def test_a_layer_blames_a_setting_by_the_name_that_it_has_there():
    layer = Layer("environment", {"telnet.port": 1}, {"telnet.port": "PORTAL_TELNET_PORT"})
    error = layer.blame("telnet.port", "expected 2")
    assert isinstance(error, ConfigError)
    assert str(error) == "environment: PORTAL_TELNET_PORT: expected 2"
    assert str(layer.blame("amp.port", "expected 2")) == "environment: amp.port: expected 2"
