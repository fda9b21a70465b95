"""Settings from variables, and which variables are ours."""

import pytest

from portal.config.environment import name_variable, read_environment
from portal.config.settings import list_settings


def test_every_setting_has_its_variable():
    variables = {name_variable(key) for key in list_settings()}
    assert len(variables) == len(list_settings())
    assert {"PORTAL_NAME", "PORTAL_TELNET_PORT", "PORTAL_LIMITS_HELD_LINES"} <= variables
    assert name_variable("amp.secret") == "PORTAL_AMP_SECRET"


def test_what_variables_say():
    layer = read_environment(
        {
            "PORTAL_NAME": "Harbour",
            "PORTAL_TELNET_PORT": "4001",
            "PORTAL_TELNET_HOSTS": "0.0.0.0,::",
            "PORTAL_HTTP_ENABLED": "false",
            "PORTAL_LOG_PATH": "",
            "PORTAL_SERVER_COMMAND": "python game.py",
            "PORTAL_AMP_SECRET": "xyzzy",
            "PATH": "/bin",
        }
    )
    assert layer.path == "environment"
    assert layer.problems == ()
    assert layer.settings == {
        "name": "Harbour",
        "telnet.port": 4001,
        "telnet.hosts": ["0.0.0.0", "::"],
        "http.enabled": False,
        "server.command": ["python", "game.py"],
        "amp.secret": "xyzzy",
    }
    assert layer.names["telnet.port"] == "PORTAL_TELNET_PORT"
    assert set(layer.names) == set(layer.settings)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("PORTAL_TELNET_PROT", "there is no such setting; the nearest is PORTAL_TELNET_PORT"),
        ("PORTAL_AMP_HELD_LINES", "there is no such setting; the nearest is PORTAL_LIMITS_HELD_LINES"),
        ("PORTAL_LOG_QQQQ", "there is no such setting"),
    ],
)  # fmt: skip
def test_a_variable_of_a_table_that_names_no_setting(variable, said):
    layer = read_environment({variable: "1"})
    assert [str(each) for each in layer.problems] == [f"environment: {variable}: {said}"]


def test_a_command_line_that_is_none():
    layer = read_environment({"PORTAL_SERVER_COMMAND": "a 'b"})
    (problem,) = layer.problems
    assert problem.key == "PORTAL_SERVER_COMMAND"
    assert layer.settings == {}


@pytest.mark.parametrize(
    "variable",
    [
        "PORTAL_AMP",
        "PORTAL_PID",
        "PORTAL_CI",
        "PORTAL_CONFIG",
        "PORTAL_DEMO_DATA",
        "PORTAL_PORT",
        "PORTAL_SERVICE_HOST",
        "PORTAL_SERVICE_PORT_TELNET",
        "PORTAL_PORT_4000_TCP_ADDR",
        "portal_telnet_port",
        "TELNET_PORT",
    ],
)
def test_variables_that_are_not_ours(variable):
    layer = read_environment({variable: "x"})
    assert (layer.settings, layer.problems) == ({}, ())
