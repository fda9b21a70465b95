"""The errors: one tree, and each says whose fault it is."""

import pytest

from portal import errors


def test_every_error_is_a_portal_error():
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    assert len(classes) > 8
    assert all(issubclass(each, errors.PortalError) for each in classes)


@pytest.mark.parametrize(
    ("error", "text", "attributes"),
    [
        (
            errors.ConfigError("portal.toml", "telnet.port", "expected 0 to 65535"),
            "portal.toml: telnet.port: expected 0 to 65535",
            {"path": "portal.toml", "key": "telnet.port", "expected": "expected 0 to 65535"},
        ),
        (
            errors.RemoteProtocolError("KeyTooLong", "300 bytes"),
            "KeyTooLong: 300 bytes",
            {"name": "KeyTooLong", "text": "300 bytes"},
        ),
        (
            errors.RemoteAMPError("UNKNOWN", "Unknown Error"),
            "UNKNOWN: Unknown Error",
            {"code": "UNKNOWN", "description": "Unknown Error"},
        ),
        (
            errors.ServiceError("telnet", "cannot listen"),
            "telnet: cannot listen",
            {"name": "telnet"},
        ),
    ],
)
def test_what_an_error_tells(error, text, attributes):
    assert str(error) == text
    assert {name: getattr(error, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (errors.LocalProtocolError, errors.ProtocolError),
        (errors.RemoteProtocolError, errors.ProtocolError),
        (errors.UnhandledCommand, errors.RemoteAMPError),
        (errors.RemoteAMPError, errors.AMPError),
    ],
)
def test_what_may_be_caught_together(narrow, wide):
    assert issubclass(narrow, wide)
    assert not issubclass(errors.LocalProtocolError, errors.RemoteProtocolError)


def test_several_settings_are_wrong():
    first, second = errors.ConfigError("a", "b", "c"), errors.ConfigError("d", "e", "f")
    error = errors.ConfigErrors([first, second])
    assert isinstance(error, errors.ConfigError)
    assert str(error) == "a: b: c\nd: e: f"
    assert (error.path, error.key, error.expected) == ("a", "b", "c")
    assert list(error.problems) == [first, second]
    assert list(first.problems) == [first]
