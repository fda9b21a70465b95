"""What a Server gets that asks for a bot (SCONN); whoever runs a Portal sets what connects bots.

Such a function connects the bot that is meant, or raises ServiceError, which the Server gets as the
answer.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from portal.errors import ServiceError

log = structlog.get_logger(__name__)

ConnectBot = Callable[[str, Mapping[str, Any]], None]
"""Called with the path of a class, as the Server names it, and what it is to be made with."""


def refuse_bot(protocol_path: str, config: Mapping[str, Any]) -> None:
    """Connect none. Raises ServiceError; what the bot is made with may hold secrets."""
    log.warning("bot_refused", protocol_path=protocol_path, options=sorted(config))
    raise ServiceError(protocol_path, "this Portal runs no bots")
