"""The configuration: frozen, strict, and the addresses that processes tell each other."""

import msgspec
import pytest

from portal.config import (
    AmpConfig,
    Config,
    TelnetConfig,
    amp_address_from_environment,
    amp_address_to_text,
    amp_secret_from_environment,
    parse_amp_address,
)
from portal.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4006", ("127.0.0.1", 4006)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("unix:/run/portal.sock", "/run/portal.sock"),
        ("unix:relative path", "relative path"),
    ],
)
def test_addresses_there_and_back(text, address):
    assert parse_amp_address(text) == address
    assert amp_address_to_text(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "4006", "host", "host:", "host:65536", "host:-1", "host:4x", "host:\u0664", "unix:"],
)
def test_what_is_no_address(text):
    with pytest.raises(ConfigError, match="PORTAL_AMP"):
        parse_amp_address(text)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, ("127.0.0.1", 4006)),
        ("", ("127.0.0.1", 4006)),
        ("10.0.0.1:5", ("10.0.0.1", 5)),
        ("unix:/x", "/x"),
    ],
)
def test_the_address_in_the_environment(monkeypatch, value, address):
    monkeypatch.delenv("PORTAL_AMP", raising=False)
    if value is not None:
        monkeypatch.setenv("PORTAL_AMP", value)
    assert amp_address_from_environment() == address


@pytest.mark.parametrize(("value", "secret"), [(None, None), ("", None), ("s3cret", "s3cret")])
def test_the_secret_in_the_environment(monkeypatch, value, secret):
    monkeypatch.delenv("PORTAL_AMP_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("PORTAL_AMP_SECRET", value)
    assert amp_secret_from_environment() == secret


def test_nothing_changes_after_it_is_built():
    config = Config(telnet=TelnetConfig(port=0))
    with pytest.raises(AttributeError):
        config.name = "other"
    with pytest.raises(AttributeError):
        config.telnet.port = 1


def test_everything_has_a_default_and_goes_through_json():
    config = Config(name="x", amp=AmpConfig(socket="/x"))
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b'{"telnet": {"prot": 4000}}', "unknown field `prot`"),
        (b'{"telnet": {"port": "4000"}}', "Expected `int`"),
        (b'{"telnett": {}}', "unknown field `telnett`"),
    ],
)
def test_what_is_misspelt_is_refused(text, complaint):
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.json.decode(text, type=Config)
