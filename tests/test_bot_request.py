"""Asking for a bot where there are none."""

import pytest
from structlog.testing import capture_logs

from portal.bot_request import refuse_bot
from portal.errors import ServiceError


def test_bots_are_refused():
    with capture_logs() as logs, pytest.raises(ServiceError, match="no bots"):
        refuse_bot("a.Bot", {"token": "hush", "channel": "#a"})
    assert [(each["event"], each["options"]) for each in logs] == [
        ("bot_refused", ["channel", "token"])
    ]
    assert "hush" not in repr(logs)
