"""What players on every protocol of the hub have in common: when they are read, and when not.

A player is not read while the game is behind with their messages (`pause_input`), and for a moment
after sending more than is allowed (`at_throttled`). A protocol's session adds its codec.
"""

from typing import Any

from portal.config import Config
from portal.hub.connection import Connection
from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.protocols.rendering import Rendering
from portal.session import Session, SessionHandler
from portal.throttle import TELL_SECONDS, TokenBucket


class PlayerProtocol:
    """Makes the sessions of one way in; what they share is kept here once.

    `protocol_key` names the way in, as the game sees it. `rendering` is shared with other ways in,
    if there are any.
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        hub: Hub,
        sessionhandler: SessionHandler,
        rendering: Rendering | None = None,
        *,
        protocol_key: str,
    ) -> None:
        self.config = config
        self.rendering = rendering or Rendering(config.markup)
        self.metrics = metrics
        self.sessionhandler = sessionhandler
        self.protocol_key = protocol_key
        self.now = hub.now
        self.floods = hub.deadlines(config.limits.pause_seconds, PlayerSession.read_on)

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on; sessions that live are told by their handler."""
        self.config = config
        self.rendering.reconfigure(config.markup)
        self.floods.set_seconds(config.limits.pause_seconds)

    def forget(self, session: Any) -> None:
        """Let no deadline of a session expire any more."""
        self.floods.cancel(session)


class PlayerSession(Session):
    """A player on a connection of the hub, which calls it as the protocol.

    It ends when the connection ends, by whichever side.
    """

    __slots__ = ("_bucket", "_flooding", "_stormy", "_told", "connection", "protocol")

    protocol: Any  # the PlayerProtocol of the same module as the session's class

    def __init__(self, protocol: PlayerProtocol, connection: Connection, address: str) -> None:
        self.init_session(protocol.protocol_key, address, protocol.sessionhandler)
        self.protocol = protocol
        self.connection = connection
        self._flooding = False  # it sent too much and is not read for a while
        self._bucket: TokenBucket | None = None  # most clients need none
        self._stormy = False  # a storm of controls was logged
        self._told: float | None = None  # when the player was last told of a long line

    @property
    def close_reason(self) -> str:
        """Why the connection ended, for the log."""
        return self.connection.close_reason

    def connection_lost(self, error: Exception | None) -> None:
        """End the session, whatever ended the connection."""
        if error is not None and not self.connection.close_reason:
            # As the system says it: a reset is a program that ended, a timeout one that vanished.
            self.connection.close_reason = getattr(error, "strerror", None) or str(error)
        self.protocol.forget(self)
        self.sessionhandler.disconnect(self)

    def at_reconfigured(self, config: Config) -> None:
        """Go by other limits on controls, too."""
        super().at_reconfigured(config)
        if self._bucket is not None:
            limits = config.limits
            self._bucket.set_rate(limits.negotiations_per_second, limits.negotiation_burst)

    def pause_input(self) -> None:
        """Read nothing more from this player until `resume_input`."""
        self.connection.pause_reading()

    def resume_input(self) -> None:
        """Read on after `pause_input`."""
        if not self._flooding:
            self._resume_reading()

    def at_throttled(self) -> None:
        """Read nothing for `pause_seconds` of a client that sends more than is allowed."""
        if not self._flooding:
            self._flooding = True
            self.connection.pause_reading()
            self.protocol.floods.start(self)

    def read_on(self) -> None:
        """Read again after a flood, unless the game is behind with this player's messages."""
        self._flooding = False
        if not self.input_paused:
            self._resume_reading()

    def at_storm(self, *, first: bool) -> None:
        """Count a control that was not acted on, because there were too many; log the first."""

    def echo_line(self, text: str) -> None:
        """Show a player who wants that (LOCALECHO) what they have typed, as they typed it.

        Whether it was hidden is asked before the game hears of it: its answer may show it again.
        """
        self.send_text(text, options={"raw": True})

    def admit(self) -> bool:
        """Whether one more control (a negotiation, a ping) may cost anything.

        A client that sends too many is not read for a while, either.
        """
        bucket = self._bucket
        if bucket is None:
            limits = self.protocol.config.limits
            bucket = TokenBucket(limits.negotiations_per_second, limits.negotiation_burst)
            self._bucket = bucket
        if bucket.take(self.protocol.now()):
            return True
        self.at_throttled()
        self.at_storm(first=not self._stormy)
        self._stormy = True
        return False

    def tell_too_long(self, limit: int) -> bool:
        """Tell the player that a line was thrown away; returns whether it was time to tell it."""
        self.protocol.metrics.lines_too_long += 1
        now = self.protocol.now()
        if self._told is not None and now - self._told < TELL_SECONDS:
            return False
        self._told = now
        if text := self.protocol.config.limits.say_too_long(f"{limit} bytes"):
            self.send_text(text)
        return True

    def _resume_reading(self) -> None:
        self.connection.resume_reading()
