"""An application as hypercorn calls it, for one request of a connection after the other.

Between the two stands what an application should not have to know: its body comes when it is asked
for, and what the application leaves of it is read, so that the connection can be kept.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import trio

from portal.protocols.http_stream import HttpStream

Message = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

STREAM = "portal.stream"
"""Where an application finds the `HttpStream` of its request, in the request's scope."""

# A longer rest of a body is not read: the connection ends with the answer.
REST_BYTES = 64 * 1024


class Requests:
    """The requests of one connection, each handed to the application; hypercorn calls it.

    The application gets the body of a request through `receive`, a piece each time, and need not
    read it. What is too large, too slow or cut short is answered in its place, and it is cancelled.
    For that an answer begins with the first message of its body, an empty one too.
    """

    def __init__(self, application: Application, stream: HttpStream) -> None:
        self._application = application
        self._stream = stream

    async def __call__(
        self, scope: Message, receive: Receive, send: Send, *_threads: Callable[..., Any]
    ) -> None:
        """Answer one request."""
        scope[STREAM] = self._stream
        request = _Request(self._stream, receive, send)
        await self._application(scope, request.receive, request.send)


class _Request:
    """One request, between hypercorn and the application."""

    __slots__ = ("_ended", "_reading", "_receive", "_send", "_start", "_stream")

    def __init__(self, stream: HttpStream, receive: Receive, send: Send) -> None:
        self._stream = stream
        self._receive = receive
        self._send = send
        self._reading = trio.Lock()
        self._ended = False  # all of the body was read
        self._start: Message | None = None  # of an answer of which there is no more yet

    async def receive(self) -> Message:
        """Return the next piece of the body; behind its end, that the client has gone."""
        async with self._reading:
            return await self._read()

    async def send(self, message: Message) -> None:
        """Send a part of the answer, and before its end read what is left of the body."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if not message.get("more_body"):
            await self._read_rest()
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        await self._send(message)

    async def _read(self) -> Message:
        if not self._ended:
            self._stream.want_body()
        message = await self._receive()
        self._ended = not message.get("more_body")
        return message

    async def _read_rest(self) -> None:
        left = REST_BYTES
        while not self._ended and left > 0:
            async with self._reading:  # the application may be reading too, to hear of the end
                if not self._ended:
                    left -= len((await self._read()).get("body", b""))
