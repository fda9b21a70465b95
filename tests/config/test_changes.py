"""Which settings a running Portal takes over; that it really does is shown in tests/test_app.py."""

import msgspec
import pytest

from portal.config import (
    LIVE,
    NEEDS_RESTART,
    AmpConfig,
    Changes,
    Config,
    HubConfig,
    LimitsConfig,
    TelnetConfig,
    take_over,
)
from portal.config.settings import find_value, list_settings


def test_every_setting_is_in_exactly_one_of_the_two_tables():
    assert set(list_settings()) == LIVE | NEEDS_RESTART
    assert set() == LIVE & NEEDS_RESTART


def test_nothing_new():
    assert take_over(Config(), Config()) == (Config(), Changes((), ()))


def test_some_of_it_is_taken_over():
    running = Config(telnet=TelnetConfig(port=1), limits=LimitsConfig(held_lines=5))
    wanted = Config(
        name="new",
        directory="new",
        telnet=TelnetConfig(port=2, encoding="latin-1"),
        amp=AmpConfig(secret="xyzzy"),
        hub=HubConfig(backlog=1, tick_events=1),
    )
    config, changes = take_over(running, wanted)
    assert changes == Changes(
        applied=("name", "telnet.encoding", "limits.held_lines", "hub.tick_events"),
        needs_restart=("directory", "telnet.port", "amp.secret", "hub.backlog"),
    )
    assert config == Config(
        name="new",
        telnet=TelnetConfig(port=1, encoding="latin-1"),
        hub=HubConfig(tick_events=1),
    )


@pytest.mark.parametrize("key", list(list_settings()))
def test_each_setting_alone(key):
    wanted = change(Config(), key)
    config, changes = take_over(Config(), wanted)
    assert [*changes.applied, *changes.needs_restart] == [key]
    assert config == (wanted if key in LIVE else Config())


def change(config, key):
    """Another configuration that differs in one setting; of what type its value is matters not."""
    table, _, name = key.rpartition(".")
    value = find_value(config, key)
    other = value + 1 if isinstance(value, float) else "other"
    if not table:
        return msgspec.structs.replace(config, **{name: other})
    section = msgspec.structs.replace(getattr(config, table), **{name: other})
    return msgspec.structs.replace(config, **{table: section})
