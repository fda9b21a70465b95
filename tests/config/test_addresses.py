"""The addresses that processes tell each other, and whose child a process is."""

import pytest

from portal.config import (
    amp_address_from_environment,
    amp_address_to_text,
    amp_secret_from_environment,
    parse_amp_address,
    portal_pid_from_environment,
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


@pytest.mark.parametrize(("value", "pid"), [(None, None), ("", None), ("42", 42)])
def test_the_portal_in_the_environment(monkeypatch, value, pid):
    monkeypatch.delenv("PORTAL_PID", raising=False)
    if value is not None:
        monkeypatch.setenv("PORTAL_PID", value)
    assert portal_pid_from_environment() == pid


@pytest.mark.parametrize("value", ["x", "-1", "0", "1.5", "\N{SUPERSCRIPT TWO}", str(2**31)])
def test_a_portal_that_is_no_process(monkeypatch, value):
    monkeypatch.setenv("PORTAL_PID", value)
    with pytest.raises(ConfigError, match="environment: PORTAL_PID"):
        portal_pid_from_environment()
