"""The game's end of a Portal: sessions, messages, and nothing of a game itself.

Begin with `GameServer`; `docs/game.md` tells the rest.
"""

from portal.game.server import GameServer
from portal.game.session import ServerSession
from portal.game.sessionhandler import ServerSessionHandler

__all__ = ["GameServer", "ServerSession", "ServerSessionHandler"]
