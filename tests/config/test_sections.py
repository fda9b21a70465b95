"""The sections: frozen, strict, and plain data."""

import msgspec
import pytest

from portal.config import AmpConfig, Config, TelnetConfig


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
