"""From layers to a configuration, or to the list of all that is wrong."""

import re
from pathlib import Path

import pytest

from portal.config import Config, LimitsConfig, TelnetConfig, build, examine, load, read_file
from portal.config.layers import Layer, flatten
from portal.errors import ConfigError, ConfigErrors


def test_nothing_is_the_default():
    assert load() == Config()
    assert build({}) == Config()
    assert load(flatten({}, "x"), flatten({}, "y")) == Config()


def test_tables():
    config = build(
        {
            "name": "Harbour",
            "telnet": {"hosts": ["0.0.0.0", "::"], "port": 23},
            "limits": {"connections_per_second": 5},
            "amp": {"trusted_networks": ["10.0.0.0/8"], "secret": "xyzzy"},
            "server": {"resend_uncertain": True},
        }
    )
    assert config.name == "Harbour"
    assert config.telnet == TelnetConfig(hosts=("0.0.0.0", "::"), port=23)
    assert config.limits == LimitsConfig(connections_per_second=5.0)
    assert config.amp.secret == "xyzzy"
    assert config.server.resend_uncertain


def test_a_higher_layer_has_the_last_word_setting_by_setting():
    low = Layer("low", {"name": "low", "telnet.port": 1, "telnet.hosts": ["::1"]})
    high = Layer("high", {"telnet.port": 2, "directory": ""})
    config = load(low, high)
    assert (config.name, config.directory) == ("low", None)
    assert (config.telnet.port, config.telnet.hosts) == (2, ("::1",))


@pytest.mark.parametrize(
    ("above", "socket"),
    [
        ({"amp.port": 1}, None),
        ({"amp.host": "::1"}, None),
        ({"amp.host": "::1", "amp.socket": "/other"}, "/other"),
        ({"amp.compression": 1}, "/amp"),
    ],
)
def test_who_names_an_amp_port_means_no_socket_below(above, socket):
    config = load(Layer("low", {"amp.socket": "/amp", "amp.port": 5}), Layer("high", above))
    assert config.amp.socket == socket


def test_everything_that_is_wrong_is_named():
    low = flatten(
        {"prot": 1, "telnet": {"port": 70000, "encoding": "klingon"}, "hub": {"close_seconds": 60}},
        "portal.toml",
    )
    high = Layer(
        "environment",
        {"telnet.port": 23, "limits.connections": "x", "http.port": 23},
        {"limits.connections": "PORTAL_LIMITS_CONNECTIONS", "http.port": "PORTAL_HTTP_PORT"},
    )
    config, problems = examine(low, high)
    assert [str(each) for each in problems] == [
        "portal.toml: prot: there is no such setting; the nearest is telnet.port",
        "portal.toml: telnet.port: expected 0 to 65535, got 70000",
        'portal.toml: telnet.encoding: expected an encoding that keeps ASCII, such as utf-8 or latin-1, got "klingon"',
        'environment: PORTAL_LIMITS_CONNECTIONS: expected a whole number, got "x"',
        "portal.toml: hub.close_seconds: expected at most 30.0, as hub.close_cap_seconds is, got 60.0",
        "environment: PORTAL_HTTP_PORT: expected another port than telnet.port, which is 23 at 127.0.0.1 too",
    ]
    assert config.telnet == TelnetConfig(port=23)
    with pytest.raises(ConfigErrors) as raised:
        load(low, high)
    assert list(map(str, raised.value.problems)) == list(map(str, problems))
    assert str(raised.value).splitlines() == list(map(str, problems))


@pytest.mark.parametrize(
    ("low", "high", "blamed"),
    [
        ({"hub.close_seconds": 60}, {}, "low: hub.close_seconds"),
        ({"hub.close_cap_seconds": 1}, {}, "low: hub.close_cap_seconds"),
        ({"hub.close_cap_seconds": 1, "hub.close_seconds": 60}, {}, "low: hub.close_seconds"),
        ({"hub.close_seconds": 60}, {"hub.close_cap_seconds": 40}, "high: hub.close_cap_seconds"),
        ({"hub.close_cap_seconds": 40}, {"hub.close_seconds": 60}, "high: hub.close_seconds"),
    ],
)
def test_the_setting_to_blame_is_the_one_that_was_set_last(low, high, blamed):
    with pytest.raises(ConfigError) as raised:
        load(Layer("low", low), Layer("high", high))
    assert str(raised.value).startswith(f"{blamed}: expected at ")


def test_one_problem_is_raised_as_it_is():
    with pytest.raises(ConfigError) as raised:
        build({"telnet": {"port": 70000}})
    error = raised.value
    assert type(error) is ConfigError
    assert (error.path, error.key) == ("settings", "telnet.port")
    assert list(error.problems) == [error]


def test_this_machine_is_looked_at_unless_it_is_for_another():
    layer = Layer("file", {"server.directory": "/no/such/directory"})
    with pytest.raises(ConfigError, match=r"server\.directory: there is no directory"):
        load(layer)
    assert load(layer, here=False).server.directory == "/no/such/directory"


def test_the_example_in_the_documentation(tmp_path):
    page = Path(__file__).parents[2] / "docs/configuration.md"
    example = re.search(r"^```toml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)[1]
    path = tmp_path / "portal.toml"
    path.write_text(example)
    config = load(read_file(str(path)), here=False)
    assert config.name == "Harbour"
    # What it shows as limits are the defaults.
    assert config.limits == LimitsConfig()
