"""What a request and its answer become when they are passed on (RFC 9110, section 7.6), sans-IO.

The game's own web server believes what stands in X-Forwarded-For, since the request comes from
this machine. So nothing of a client's gets into the fields that tell who it is: they are written
anew, and X-Forwarded-For names one address, the player's. (Evennia takes the first of a list, which
is the one that a client can make up.)
"""

from collections.abc import Iterable, Sequence

from portal.errors import RemoteProtocolError

Field = tuple[bytes, bytes]

# For one hop only, besides those that Connection names.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# A Connection that names these would change the request, and not its hop.
NEVER_HOP_BY_HOP = frozenset({b"host", b"content-length"})
# Who the client is, and how it came: written anew, since anybody can send them. Leave to send a
# body (Expect) has been given by then.
WRITTEN_ANEW = frozenset(
    {b"expect", b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-server", b"x-real-ip"}
)
# What a trusted proxy in front tells besides, and nobody else may.
OF_PROXIES = frozenset(
    {
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-ssl",
    }
)
VIA = b"1.1 portal"

NO_TARGET = "This is nothing that can be asked for here."


def check_target(method: bytes, target: bytes) -> None:
    """Raise RemoteProtocolError for what is no path: it asks for another host, or a tunnel."""
    if not target.startswith(b"/") and (method, target) != (b"OPTIONS", b"*"):
        raise RemoteProtocolError("400", NO_TARGET)


def pass_request_on(
    fields: Iterable[Field], *, client: bytes, trusted: bool, scheme: bytes, host: bytes
) -> list[Field]:
    """Return the fields of a request as the game's web server gets them.

    `fields` have names in lower case, `client` is the player's address (b"" where it has none),
    `trusted` tells whether the peer is a proxy whose word counts. `host` is the server's own, for a
    request without a Host. Everything else stays as it was, in its order.
    """
    fields = list(fields)
    dropped = _name_hops(fields) | WRITTEN_ANEW
    if not trusted:
        dropped |= OF_PROXIES
    # CGI and WSGI make one name of X-Real-Ip and X_Real_Ip, so these are no others.
    passed = [field for field in fields if field[0] not in dropped and b"_" not in field[0]]
    names = {name for name, _ in passed}
    if any(name == b"transfer-encoding" for name, _ in fields):
        passed.append((b"transfer-encoding", b"chunked"))
    found = next((value for name, value in fields if name == b"host"), b"")
    if b"host" not in names:
        passed.insert(0, (b"host", host))
    hops = [value for name, value in fields if name == b"via"]
    passed.append((b"via", b", ".join([*hops, VIA])))
    if client:
        passed.append((b"x-forwarded-for", client))
    if b"x-forwarded-proto" not in names:
        passed.append((b"x-forwarded-proto", scheme))
    if found and b"x-forwarded-host" not in names:
        passed.append((b"x-forwarded-host", found))
    return passed


def pass_answer_back(fields: Sequence[Field]) -> list[Field]:
    """Return the fields of an answer as the client gets them; `fields` have names in lower case."""
    dropped = _name_hops(fields)
    if any(name == b"transfer-encoding" for name, _ in fields):
        dropped |= {b"content-length"}  # which counts for nothing then (RFC 9112, section 6.3)
    return [field for field in fields if field[0] not in dropped]


def is_for_eyes(method: bytes, fields: Iterable[Field]) -> bool:
    """Whether somebody looks at what comes: a page that is opened, and no part of one.

    Browsers tell (Sec-Fetch-Mode); of others it is whoever takes HTML.
    """
    told = dict(fields)
    mode = told.get(b"sec-fetch-mode")
    if mode is not None and mode != b"navigate":
        return False
    if told.get(b"x-requested-with", b"").lower() == b"xmlhttprequest":
        return False
    return method in {b"GET", b"HEAD", b"POST"} and b"text/html" in told.get(b"accept", b"")


def _name_hops(fields: Iterable[Field]) -> frozenset[bytes]:
    named = {
        token.strip().lower()
        for name, value in fields
        if name == b"connection"
        for token in value.split(b",")
    }
    return HOP_BY_HOP | (named - NEVER_HOP_BY_HOP)
