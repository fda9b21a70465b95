"""One question to a running Portal, asked by a program that has nothing else to do.

The command line is such a program: it dials the AMP port, asks by PortalQuery, and is gone. Where
the environment holds the shared secret (PORTAL_AMP_SECRET) it proves that first.
"""

import contextlib
import json
from typing import TYPE_CHECKING, Any

import trio

from portal.amp.authentication import AuthenticationError, authenticate
from portal.amp.commands import PortalQuery
from portal.amp.link import Link
from portal.config import (
    AMP_SECRET_VARIABLE,
    AmpConfig,
    HubConfig,
    amp_address_to_text,
    amp_secret_from_environment,
)
from portal.errors import (
    ConnectionLost,
    PortalError,
    RemoteAMPError,
    RemoteProtocolError,
    UnhandledCommand,
)
from portal.hub.hub import Hub
from portal.metrics import Metrics

if TYPE_CHECKING:
    from portal.hub.connection import Connection

Address = tuple[str, int] | str
Answer = dict[str, Any]


def ask(query: str, address: Address, seconds: float, *, until_gone: bool = False) -> Answer:
    """Ask, and return the answer; this runs trio itself, so call it from ordinary functions.

    `address` is a host and port or the path of a UNIX socket, `seconds` the bound on all of it.
    With `until_gone` it also waits until the Portal has closed the link.
    Raises ConnectionLost where no Portal answers, and PortalError when it refuses; the text is
    one line for people.
    """
    where = amp_address_to_text(address)
    secret = amp_secret_from_environment()
    try:
        return trio.run(dial_and_ask, query, address, seconds, until_gone, secret)
    except UnhandledCommand:
        hint = "" if secret else f" (it may want the secret: {AMP_SECRET_VARIABLE} is not set)"
        raise ConnectionLost(f"no Portal answers at {where} to this address{hint}") from None
    except AuthenticationError:
        other = f"the Portal at {where} has another secret than {AMP_SECRET_VARIABLE}"
        raise PortalError(other) from None
    except RemoteAMPError as error:
        raise PortalError(f"{query}: {error.description}") from error
    except trio.TooSlowError:
        raise ConnectionLost(f"no Portal answers at {where} within {seconds:g} s") from None
    except (OSError, PortalError) as error:
        raise ConnectionLost(f"no Portal answers at {where}") from error


async def dial_and_ask(
    query: str,
    address: Address,
    seconds: float,
    until_gone: bool,
    secret: str | None = None,
) -> Answer:
    """Do what `ask` does, inside of trio, and with the errors as they come.

    Raises OSError where nothing listens, ConnectionLost when the link ends first, RemoteAMPError
    when the Portal refuses, AuthenticationError when the two have different secrets,
    UnhandledCommand from a peer that knows no questions, and TooSlowError.
    Cancelling closes the link; what was asked for may still be done.
    """
    metrics = Metrics()
    hub = Hub(HubConfig(), metrics)
    gone = trio.Event()
    links: list[Link] = []

    def lost(_link: Link, _error: Exception | None) -> None:
        gone.set()

    def make_link(connection: "Connection") -> Link:
        links.append(Link(connection, AmpConfig(), metrics, responders={}, packed={}, lost=lost))
        return links[0]

    answer: Answer = {}
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        try:
            with trio.fail_after(seconds):
                if isinstance(address, str):
                    await hub.connect_unix(address, make_link)
                else:
                    await hub.connect_tcp(*address, make_link)
                if secret is not None:
                    await _authenticate(links[0], secret)
                response = await links[0].call(PortalQuery, query=query, arguments=b"{}")
                answer = json.loads(response["result"])
                if until_gone:
                    await gone.wait()
        except (OSError, PortalError, trio.TooSlowError) as error:
            failure = error  # raised outside, where no group is wrapped around it
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return answer


async def _authenticate(link: Link, secret: str) -> None:
    # A Portal without a secret says UNHANDLED; it is asked all the same, for nothing is confided.
    with contextlib.suppress(UnhandledCommand):
        try:
            await authenticate(link, secret)
        except RemoteProtocolError as error:
            raise AuthenticationError(error.text) from error
