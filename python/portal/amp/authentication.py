"""Who may speak at an AMP port, and how two ends prove to each other that they know a secret.

A port on loopback or on a UNIX socket (mode 0600) trusts whoever reaches it. At any other address
each peer must know the shared secret, those on this machine too, or come from a trusted network (a
stock Server, which cannot do the rest):

    dialler                                   listener
    AuthenticateStart(nonce=D)      ->
                                    <-        nonce=L
    AuthenticateFinish(proof=HMAC("dialler", D, L))  ->
                                    <-        proof=HMAC("listener", D, L)

HMAC is SHA-256 under the secret; nonces are 32 random bytes, new for every connection. The roles in
the proofs keep an attacker from sending one end's proof back to it. The dialler proves first, so
that the port hands nothing to strangers on which they could try secrets offline. Until the listener
is satisfied every other command is UNHANDLED, and after a wrong proof the connection is closed.

The proofs say who is there; they neither hide nor protect what follows. Across a network that is
not trusted the link belongs into a tunnel.
"""

import enum
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import structlog

from portal.amp.arguments import Schema, String
from portal.amp.commands import Command
from portal.config import is_open
from portal.errors import ConfigError, PortalError, RemoteProtocolError

if TYPE_CHECKING:
    from portal.amp.link import Link
    from portal.config import AmpConfig
    from portal.hub.timers import DeadlineQueue

log = structlog.get_logger(__name__)

NONCE_BYTES = 32
# Named in every proof, so that no other use of the secret can ever give the same bytes.
CONTEXT = b"portal amp authentication 1"


class AuthenticationError(PortalError):
    """The peer does not know the secret, or does not keep to the order of the proofs."""


class AuthenticateStart(Command):
    """The dialler's nonce; answered with the listener's."""

    arguments: ClassVar[Schema] = {"nonce": String()}
    response: ClassVar[Schema] = {"nonce": String()}
    fatal_errors: ClassVar[Mapping[type[Exception], str]] = {
        AuthenticationError: "AUTHENTICATION_FAILED"
    }


class AuthenticateFinish(Command):
    """The dialler's proof; answered with the listener's when it is right, else the link ends."""

    arguments: ClassVar[Schema] = {"proof": String()}
    response: ClassVar[Schema] = {"proof": String()}
    fatal_errors: ClassVar[Mapping[type[Exception], str]] = {
        AuthenticationError: "AUTHENTICATION_FAILED"
    }


class Trust(enum.Enum):
    """What a peer must do before it is answered."""

    LOCAL = enum.auto()  # nothing: it is on this machine
    NETWORK = enum.auto()  # nothing: its network is trusted
    SECRET = enum.auto()  # prove that it knows the secret
    REFUSED = enum.auto()  # go away


def may_speak(config: "AmpConfig", address: str, *, local: bool = False) -> Trust:
    """Decide by its address ("" on a UNIX socket) what a peer must do before it is answered.

    `local` says of an address that is not loopback that it is this machine's own. Close a link that
    is REFUSED, and give one that must know the SECRET an `Authenticator`.
    Raises ConfigError for a trusted network that is none.
    """
    if not address:
        return Trust.LOCAL
    peer = _parse_address(address)
    if peer is None:
        return Trust.REFUSED
    if any(peer in network for network in trusted_networks(config)):
        return Trust.NETWORK
    if config.secret and is_open(config):
        # Of everybody: behind a loopback address may stand a tunnel or a proxy, too.
        return Trust.SECRET
    return Trust.LOCAL if local or peer.is_loopback else Trust.REFUSED


def trusted_networks(
    config: "AmpConfig",
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Read the networks whose peers need no secret. Raises ConfigError for one that is none."""
    try:
        return [ipaddress.ip_network(text, strict=False) for text in config.trusted_networks]
    except ValueError as error:
        expected = "expected networks such as 10.0.0.0/8"
        raise ConfigError("configuration", "amp.trusted_networks", expected) from error


def check_address(config: "AmpConfig") -> None:
    """Refuse to listen where anybody could dial in; call it before the port is opened.

    Logs a warning when only trusted networks stand in the way.
    Raises ConfigError for an address that is not loopback, with neither secret nor networks.
    """
    networks = trusted_networks(config)
    if not is_open(config):
        return
    if not config.secret and not networks:
        expected = "an address that is not loopback needs PORTAL_AMP_SECRET or amp.trusted_networks"
        raise ConfigError("configuration", "amp.host", expected)
    if networks:
        log.warning("amp_networks_trusted", networks=[str(network) for network in networks])


class Authenticator:
    """The listener's half of the handshake, for one link; it holds no socket and no clock.

    Give the link its `responders` and, where the secret is demanded, `allow`; then `watch` bounds
    the time. `authenticated` turns True once.
    """

    __slots__ = ("_deadlines", "_dialler_nonce", "_link", "_nonce", "_secret", "authenticated")

    def __init__(self, secret: str) -> None:
        self.authenticated = False
        self._secret = secret
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._dialler_nonce = b""
        self._link: Link | None = None
        self._deadlines: DeadlineQueue[Authenticator] | None = None

    @property
    def responders(self) -> dict[type[Command], Callable[..., Mapping[str, Any]]]:
        """What the link answers for it."""
        return {AuthenticateStart: self.start, AuthenticateFinish: self.finish}

    def allow(self, _link: "Link", command: bytes) -> bool:
        """Whether a command may be handled: only the handshake's own, until it is done."""
        return self.authenticated or command in (AuthenticateStart.name, AuthenticateFinish.name)

    def watch(self, link: "Link", deadlines: "DeadlineQueue[Authenticator]") -> None:
        """End the link unless its peer proves itself in time.

        Make the queue by `hub.deadlines(config.authentication_seconds, Authenticator.expire)`.
        """
        self._link = link
        self._deadlines = deadlines
        deadlines.start(self)

    def expire(self) -> None:
        """End the link of a peer that has not proved itself: the deadline's callback."""
        if self._link is not None and not self.authenticated and not self._link.closed:
            log.warning("amp_authentication_late", link=self._link.name)
            self._link.metrics.amp_connections_refused += 1
            self._link.abort("the peer did not prove itself in time")

    def start(self, nonce: bytes) -> dict[str, bytes]:
        """Answer the dialler's nonce with ours.

        Raises AuthenticationError, after which the link ends, for a nonce of another length and
        for a second one.
        """
        if len(nonce) != NONCE_BYTES or self._dialler_nonce:
            raise AuthenticationError("expected one nonce of 32 bytes")
        self._dialler_nonce = nonce
        return {"nonce": self._nonce}

    def finish(self, proof: bytes) -> dict[str, bytes]:
        """Check the dialler's proof and answer with ours.

        Raises AuthenticationError, after which the link ends, when it is wrong or out of turn.
        """
        expected = prove(self._secret, b"dialler", self._dialler_nonce, self._nonce)
        if not self._dialler_nonce or not hmac.compare_digest(expected, proof):
            raise AuthenticationError("the proof is wrong")
        self.authenticated = True
        if self._deadlines is not None:
            self._deadlines.cancel(self)
        return {"proof": prove(self._secret, b"listener", self._dialler_nonce, self._nonce)}


async def authenticate(link: "Link", secret: str) -> None:
    """Prove the secret to the peer that was dialled, and have it prove the same.

    Do it before anything else on the link. When it raises, the link is closed or is to be closed:
    RemoteProtocolError "WrongProof" for a peer that does not know the secret, AuthenticationError
    when the peer says so of us, UnhandledCommand from a peer that has no secret, ConnectionLost.
    Cancelling leaves the link unauthenticated.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    answer = await link.call(AuthenticateStart, nonce=nonce)
    theirs = answer["nonce"]
    if len(theirs) != NONCE_BYTES:
        link.abort("the peer's nonce is of another length")
        raise RemoteProtocolError("WrongProof", "the nonce is of another length")
    proof = prove(secret, b"dialler", nonce, theirs)
    answer = await link.call(AuthenticateFinish, proof=proof)
    if not hmac.compare_digest(answer["proof"], prove(secret, b"listener", nonce, theirs)):
        link.abort("the peer does not know the secret")
        raise RemoteProtocolError("WrongProof", "the peer does not know the secret")


def prove(secret: str, role: bytes, dialler_nonce: bytes, listener_nonce: bytes) -> bytes:
    """Make the proof (32 bytes) of one role for two nonces of 32 bytes each."""
    message = b"\0".join((CONTEXT, role, dialler_nonce + listener_nonce))
    return hmac.digest(secret.encode("utf-8"), message, hashlib.sha256)


def _parse_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        return peer.ipv4_mapped
    return peer
