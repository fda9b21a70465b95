"""The opening handshake of a websocket (RFC 6455, section 4), sans-IO.

The head of the request is read by wsproto, after `portal.wire.http` has looked at it; what comes
behind it is not its business but the codec's (`portal.wire.websocket`). A client may send its
first frame together with the head.
"""

import re
from dataclasses import dataclass, field

import wsproto
from wsproto.events import AcceptConnection, Request

from portal.errors import RemoteProtocolError

# Sixteen bytes in base64 (section 4.1); wsproto takes anything.
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")

ONLY_13 = "This port speaks version 13 of the websocket protocol."


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A client's request for a websocket.

    `path` and `query` are as they came (still percent-encoded), `origin` names the page that
    asked ("" where none did), `subprotocols` are in the client's order, `headers` have names in
    lower case. Answer it with `accept`, or with the bytes of `portal.wire.http.refuse`.
    """

    path: str
    query: str
    host: str
    origin: str
    subprotocols: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    _engine: wsproto.WSConnection = field(repr=False, compare=False)

    def header(self, name: str) -> str:
        """Return all values of a header, joined by commas as HTTP allows; "" without one."""
        return ", ".join(value for each, value in self.headers if each == name)

    def accept(self, subprotocol: str | None = None) -> bytes:
        """Write the answer that opens the websocket; `subprotocol` must be one that was offered.

        No extension is accepted: compression would cost 300 KB for each connection.
        """
        return self._engine.send(AcceptConnection(subprotocol=subprotocol))


def read_upgrade(head: bytes) -> Upgrade:
    """Read the head of a request that `read_head` has passed.

    Raises RemoteProtocolError for one that is no proper handshake; its `name` is the status of
    the answer (400 or 426) and its `text` what is wrong.
    """
    engine = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        engine.receive_data(head)
        request = next(iter(engine.events()), None)
    except wsproto.utilities.RemoteProtocolError as error:
        status = getattr(error.event_hint, "status_code", 400)
        text = ONLY_13 if status == 426 else str(error)  # wsproto calls it missing
        raise RemoteProtocolError(str(status), text) from error
    except ValueError as error:  # names of hosts and tokens that are no text
        raise RemoteProtocolError("400", "Bad HTTP message") from error
    if not isinstance(request, Request):
        raise RemoteProtocolError("400", "Bad HTTP message")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.extra_headers
    )
    path, _, query = request.target.partition("?")
    upgrade = Upgrade(
        path=path,
        query=query,
        host=request.host,
        origin=next((value for name, value in headers if name == "origin"), ""),
        subprotocols=tuple(request.subprotocols),
        headers=headers,
        _engine=engine,
    )
    if not _KEY.fullmatch(upgrade.header("sec-websocket-key")):
        raise RemoteProtocolError("400", "The Sec-WebSocket-Key is no 16 bytes in base64.")
    return upgrade
