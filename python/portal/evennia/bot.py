"""Bots of an Evennia game: each that its Server asks for is named in the log, and skipped.

Evennia's bots are accounts whose sessions its own Portal makes, with clients of IRC, RSS, Grapevine
or Discord that are written for Twisted. The Server asks and does not wait: an account whose session
never comes stays as it is, and the channels that it would carry go on without.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from portal.evennia.notes import GUIDE

log = structlog.get_logger(__name__)

# What tells one bot from another, and is no secret.
NAMES = ("uid", "botname", "channel", "network", "grapevine_channel")


def skip_bot(protocol_path: str, config: Mapping[str, Any]) -> None:
    """Name a bot in the log; the Server gets the answer that it would get of a bot that starts."""
    told = {name: config[name] for name in NAMES if isinstance(config.get(name), str | int)}
    url = config.get("url")
    if isinstance(url, str):
        told["host"] = _find_host(url)  # the rest of an address may hold a key
    log.warning("bot_skipped", protocol_path=protocol_path, **told, docs=f"{GUIDE}#bots")


def _find_host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
