"""Bots that the Server asks for."""

import pytest
from structlog.testing import capture_logs

from portal.evennia.bot import skip_bot


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {
                "uid": 3,
                "botname": "evbot",
                "channel": "#evennia",
                "network": "irc.example.org",
                "port": 6667,
                "ssl": None,
            },
            {"uid": 3, "botname": "evbot", "channel": "#evennia", "network": "irc.example.org"},
        ),
        (
            {"uid": 4, "url": "https://me:hush@news.example.org/feed?key=hush", "rate": 300},
            {"uid": 4, "host": "news.example.org"},
        ),
        ({"uid": 5, "url": "http://[hush"}, {"uid": 5, "host": ""}),
        ({"uid": 5, "url": "nothing"}, {"uid": 5, "host": ""}),
        ({"uid": 6, "grapevine_channel": "gossip"}, {"uid": 6, "grapevine_channel": "gossip"}),
        ({"uid": 7, "botname": ["a"], "token": "hush"}, {"uid": 7}),
        ({}, {}),
    ],
)
def test_each_is_named_and_skipped(config, told):
    with capture_logs() as logs:
        assert skip_bot("evennia.server.portal.irc.IRCBotFactory", config) is None
    assert logs == [
        {
            "event": "bot_skipped",
            "log_level": "warning",
            "protocol_path": "evennia.server.portal.irc.IRCBotFactory",
            "docs": "docs/evennia.md#bots",
            **told,
        }
    ]
    assert "hush" not in repr(logs)
