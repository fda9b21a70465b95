"""What settings must be to each other, and to the machine."""

import os
import sys

import pytest

from portal.config import (
    AmpConfig,
    Config,
    HttpConfig,
    HubConfig,
    LogConfig,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
)
from portal.config.rules import find_conflicts, find_obstacles, is_open

HOST = "192.0.2.1"


def test_the_defaults_are_right():
    assert list(find_conflicts(Config())) == []
    assert list(find_obstacles(Config())) == []


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            Config(hub=HubConfig(unsent_soft_bytes=9_000_000)),
            {
                "hub.unsent_soft_bytes": "expected at most 8388608, as hub.unsent_hard_bytes is, got 9000000",
                "hub.unsent_hard_bytes": "expected at least 9000000, as hub.unsent_soft_bytes is, got 8388608",
            },
        ),
        (
            Config(hub=HubConfig(unsent_total_bytes=2_000_000, unsent_hard_bytes=3_000_000)),
            {
                "hub.unsent_hard_bytes": "expected at most 2000000, as hub.unsent_total_bytes is, got 3000000",
                "hub.unsent_total_bytes": "expected at least 3000000, as hub.unsent_hard_bytes is, got 2000000",
            },
        ),
        (
            Config(server=ServerConfig(restart_seconds=60.0)),
            {
                "server.restart_seconds": "expected at most 30.0, as server.restart_max_seconds is, got 60.0",
                "server.restart_max_seconds": "expected at least 60.0, as server.restart_seconds is, got 30.0",
            },
        ),
    ],
)  # fmt: skip
def test_what_may_not_be_larger_than_another(config, complaint):
    assert list(find_conflicts(config)) == [complaint]


PORTS = {"telnet": TelnetConfig, "websocket": WebSocketConfig, "http": HttpConfig}


@pytest.mark.parametrize(
    ("hosts", "others", "shared"),
    [
        (["127.0.0.1"], ["127.0.0.1"], "127.0.0.1"),
        (["127.0.0.1"], ["127.0.0.2"], None),
        (["0.0.0.0"], ["127.0.0.1"], "0.0.0.0"),
        (["127.0.0.1", "::1"], ["::"], "::1"),
        (["0.0.0.0"], ["::1", "::"], None),
        (["localhost"], ["127.0.0.1"], "localhost"),
        (["::1"], ["localhost"], "::1"),
        (["localhost"], ["0.0.0.0"], "localhost"),
        (["localhost"], ["192.0.2.1"], None),
        (["game.example.org"], ["game.example.org"], "game.example.org"),
        (["game.example.org"], ["127.0.0.1"], None),
    ],
)
@pytest.mark.parametrize("name", ["websocket", "http"])
def test_two_listeners_on_one_port(name, hosts, others, shared):
    config = Config(
        telnet=TelnetConfig(port=5000, hosts=tuple(hosts)),
        **{name: PORTS[name](port=5000, hosts=tuple(others))},
    )
    text = f"expected another port than {{}}, which is 5000 at {shared} too"
    place = f"expected others, since port 5000 at {shared} is {{}} too"
    expected = {
        f"{name}.port": text.format("telnet.port"),
        "telnet.port": text.format(f"{name}.port"),
        f"{name}.hosts": place.format("telnet.port"),
        "telnet.hosts": place.format(f"{name}.port"),
    }
    found = list(find_conflicts(config))
    assert found == ([] if shared is None else [expected])
    assert [list(each) for each in found] == [list(expected)] * len(found), "in this order"


@pytest.mark.parametrize(
    "config",
    [
        Config(telnet=TelnetConfig(port=0), http=HttpConfig(port=0), amp=AmpConfig(port=0)),
        Config(telnet=TelnetConfig(port=4001), http=HttpConfig(enabled=False)),
        Config(telnet=TelnetConfig(port=4001, enabled=False)),
        Config(telnet=TelnetConfig(port=4002), websocket=WebSocketConfig(enabled=False)),
        Config(telnet=TelnetConfig(port=4006), amp=AmpConfig(socket="/run/amp")),
    ],
)
def test_ports_that_nobody_shares(config):
    assert list(find_conflicts(config)) == []


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (
            Config(http=HttpConfig(more_ports=(4000,))),
            ["http.more_ports", "telnet.port", "http.hosts", "telnet.hosts"],
        ),
        (
            Config(telnet=TelnetConfig(more_ports=(5000,)), http=HttpConfig(more_ports=(5000,))),
            ["http.more_ports", "telnet.more_ports", "http.hosts", "telnet.hosts"],
        ),
        (Config(telnet=TelnetConfig(more_ports=(4000,))), ["telnet.more_ports", "telnet.port"]),
        (Config(telnet=TelnetConfig(more_ports=(5000, 5000))), ["telnet.more_ports"]),
        (Config(telnet=TelnetConfig(more_ports=(0, 0, 5000))), None),
    ],
)
def test_more_ports_are_ports_like_the_others(config, keys):
    found = [list(complaint) for complaint in find_conflicts(config)]
    assert found == ([] if keys is None else [keys])


@pytest.mark.parametrize(
    ("http", "wrong"),
    [
        ({"upstream": "http://127.0.0.1:4001"}, True),
        ({"upstream": "http://localhost:4001"}, True),
        ({"upstream": "http://127.0.0.1:4001", "hosts": ("0.0.0.0",)}, True),
        ({"upstream": "http://127.0.0.1:4009", "more_ports": (4009,)}, True),
        ({"upstream": "http://127.0.0.1:4005"}, False),
        ({"upstream": "http://192.0.2.1:4001"}, False),
        ({"upstream": "http://127.0.0.1:4001", "enabled": False}, False),
    ],
)
def test_nothing_is_passed_on_to_where_it_came_from(http, wrong):
    found = list(find_conflicts(Config(http=HttpConfig(**http))))
    assert len(found) == wrong
    for complaint in found:
        assert list(complaint) == ["http.upstream", "http.port", "http.more_ports"]
        assert "the Portal's own HTTP port" in complaint["http.upstream"]


def test_the_amp_port_is_a_port_like_the_others():
    (complaint,) = find_conflicts(Config(telnet=TelnetConfig(port=4006)))
    assert list(complaint) == ["amp.port", "telnet.port", "amp.host", "telnet.hosts"]


@pytest.mark.parametrize(
    ("amp", "is_wrong"),
    [
        (AmpConfig(host="0.0.0.0"), True),
        (AmpConfig(host=HOST), True),
        (AmpConfig(host="game.example.org"), True),
        (AmpConfig(host=HOST, secret="xyzzy"), False),
        (AmpConfig(host=HOST, trusted_networks=("192.0.2.0/24",)), False),
        (AmpConfig(host=HOST, socket="/run/amp"), False),
    ],
)
def test_an_open_amp_port_needs_a_secret_or_networks(amp, is_wrong):
    complaints = list(find_conflicts(Config(amp=amp)))
    assert len(complaints) == is_wrong
    for complaint in complaints:
        assert list(complaint) == ["amp.host", "amp.trusted_networks"]
        assert "PORTAL_AMP_SECRET" in complaint["amp.host"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        (HOST, True),
        ("game", True),
    ],
)
def test_which_addresses_are_open(host, expected):
    assert is_open(AmpConfig(host=host)) is expected


# ---- this machine


@pytest.fixture
def place(tmp_path):
    """A directory with a program, a text and a directory in it."""
    (tmp_path / "game").write_text("#!/bin/sh\n")
    (tmp_path / "game").chmod(0o755)
    (tmp_path / "text").write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("section", "settings", "said"),
    [
        ("server", {"directory": "{}"}, None),
        ("server", {"directory": "{}/none"}, "server.directory: there is no directory {}/none"),
        ("server", {"directory": "{}/text"}, "server.directory: there is no directory {}/text"),
        ("server", {"command": (sys.executable, "x")}, None),
        ("server", {"command": ("sh",)}, None),
        ("server", {"command": ("no-such-program",)}, "server.command: there is no program 'no-such-program' that can be started"),
        ("server", {"command": ("",)}, "server.command: there is no program '' that can be started"),
        ("server", {"command": ("./game",), "directory": "{}"}, None),
        ("server", {"command": ("{}/game",)}, None),
        ("server", {"command": ("./game",)}, "server.command: there is no program './game' that can be started"),
        ("server", {"command": ("{}/text",)}, "server.command: there is no program '{}/text' that can be started"),
        ("server", {"command": ("{}/folder",)}, "server.command: there is no program '{}/folder' that can be started"),
        ("server", {"command": ("no-such-program",), "directory": "{}/none"}, "server.directory: there is no directory {}/none"),
        ("log", {"path": "{}/new.log"}, None),
        ("log", {"path": "{}/text"}, None),
        ("log", {"path": "{}/folder"}, "log.path: {}/folder is a directory, expected a file"),
        ("log", {"path": "{}/none/new.log"}, "log.path: there is no directory {}/none"),
        ("log", {"path": "{}/text/new.log"}, "log.path: there is no directory {}/text"),
        ("log", {"http_path": "{}/new.log"}, None),
        ("log", {"http_path": "{}/folder"}, "log.http_path: {}/folder is a directory, expected a file"),
        ("amp", {"socket": "{}/amp"}, None),
        ("amp", {"socket": "{}/none/amp"}, "amp.socket: there is no directory {}/none"),
        ("", {"directory": "{}/a/b/c"}, None),
        ("", {"directory": "{}"}, None),
        ("", {"directory": "{}/text"}, "directory: there is no directory {}/text"),
        ("", {"directory": "{}/text/a/b"}, "directory: there is no directory {}/text"),
    ],
)  # fmt: skip
def test_what_is_there(place, section, settings, said):
    def fill(value):
        return (
            tuple(map(fill, value)) if isinstance(value, tuple) else value.replace("{}", str(place))
        )

    filled = {name: fill(value) for name, value in settings.items()}
    sections = {"server": ServerConfig, "log": LogConfig, "amp": AmpConfig}
    config = Config(**{section: sections[section](**filled)} if section else filled)
    found = [f"{key}: {text}" for each in find_obstacles(config) for key, text in each.items()]
    assert found == ([] if said is None else [fill(said)])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(log=LogConfig(path="new.log")), {"log.path": "nothing can be made in ."}),
        (Config(log=LogConfig(path="old.log")), {"log.path": "old.log cannot be written"}),
        (Config(directory="data"), {"directory": "nothing can be made in ."}),
        (Config(amp=AmpConfig(socket="amp")), {"amp.socket": "nothing can be made in ."}),
    ],
)
def test_where_nothing_may_be_written(tmp_path, monkeypatch, config, said):
    """Root may write everywhere, so the system's answer is played here."""
    (tmp_path / "old.log").write_text("")
    monkeypatch.chdir(tmp_path)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    assert list(find_obstacles(config)) == [said]


def test_a_directory_that_nobody_may_look_into(monkeypatch):
    def refuse(_self):
        raise PermissionError

    monkeypatch.setattr("portal.config.rules.Path.is_dir", refuse)
    complaints = find_obstacles(Config(server=ServerConfig(directory="/closed")))
    assert list(complaints) == [{"server.directory": "there is no directory /closed"}]
