"""A link: AMP over one connection of the hub, the same at the Portal's end and the Server's.

What comes in, in the order of `receive_data`:

    bytes -> AmpDecoder -> bare answer     -> its ask's `answered(context, None)`
                           packed message  -> unpickled -> `packed[command](link, sessid, kwargs)`
                           any other box   -> answer or error of an ask, or a responder's command

What goes out: `send_packed` (the hot path), `call`, `notify`, and the answers. A link numbers its
own asks from 1, in hexadecimal; the tags of the peer's asks are opaque and are echoed. Answers may
come in any order. When the connection is lost every ask that is left fails with ConnectionLost.

The rules are those of `twisted.protocols.amp`; where this differs from it:
- the first byte of the connection alone tells HTTP from AMP, whose first byte is always NUL;
- an answer that nobody asked for is counted, and only many of them end the connection;
- a packed message that cannot be read is answered EXCEPTION and costs nothing but itself;
- a command without a tag that is unknown, or fails as declared, ends nothing.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
import trio

from portal.amp.boxes import AmpDecoder, Box, encode_box, encode_message
from portal.amp.commands import Command, PackedCommand
from portal.amp.payload import dumps
from portal.amp.responders import DeferredAnswer, PackedFunctions, Responder, Responders
from portal.errors import ConnectionLost, RemoteAMPError
from portal.hub.poller import LINK

if TYPE_CHECKING:
    from portal.config import AmpConfig
    from portal.hub.connection import Connection
    from portal.hub.timers import DeadlineQueue
    from portal.metrics import Metrics

log = structlog.get_logger(__name__)

# Called once for an ask: with None when it was answered, with RemoteAMPError for an error box,
# with ConnectionLost when no answer can come any more.
Answered = Callable[[Any, Exception | None], None]

HTTP_BODY = b"This port speaks AMP with the game's own processes. There is no web page here.\n"
HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(HTTP_BODY), HTTP_BODY)
)


class _Call:
    """A task's wait for one answer."""

    __slots__ = ("box", "error", "finished")

    def __init__(self) -> None:
        self.finished = trio.Event()
        self.box: Box = {}
        self.error: Exception | None = None


class Link:
    """One end of an AMP connection; it is the protocol of a hub connection.

    `responders` answer commands: called with the arguments by keyword, they return the response
    as a mapping (or None), or raise. Asynchronous ones run in `nursery`, several at once, and go
    on when the link is lost. `packed` functions take the packed commands as `(link, sessid,
    kwargs)`; these are answered when the function returns, with EXCEPTION when it raises. Any
    synchronous one may call `defer_answer` and answer later.

    `allow(link, name)` says for every command that comes in whether it is handled at all; what it
    refuses is UNHANDLED. It can be replaced at any time, and so can `name`, the link's name in
    logs. `closing(link)` is called once, when nothing more can come (this side closes the link, or
    it is lost) and every ask has failed; `lost(link, error)` once, when the connection has ended.
    `deadlines` bounds the time of a box that was begun; make it by
    `hub.deadlines(config.box_seconds, Link.expire)`.

    Raises LocalProtocolError for an asynchronous responder without a nursery.
    """

    __slots__ = (
        "_asks",
        "_begun",
        "_box_begun",
        "_closing",
        "_counter",
        "_deadlines",
        "_decoder",
        "_level",
        "_lost",
        "_responders",
        "_unknown_answers",
        "allow",
        "closed",
        "config",
        "connection",
        "metrics",
        "name",
        "unanswered_bytes",
    )

    def __init__(  # noqa: PLR0913 - every part is handed in, by name
        self,
        connection: "Connection",
        config: "AmpConfig",
        metrics: "Metrics",
        *,
        responders: Mapping[type[Command], Responder],
        packed: PackedFunctions,
        nursery: trio.Nursery | None = None,
        closing: Callable[["Link"], None] | None = None,
        lost: Callable[["Link", Exception | None], None] | None = None,
        allow: Callable[["Link", bytes], bool] | None = None,
        deadlines: "DeadlineQueue[Link] | None" = None,
    ) -> None:
        self.connection = connection
        self.config = config
        self.metrics = metrics
        self.allow = allow
        self.name = f"amp {connection.peer}"
        self.closed = False
        self.unanswered_bytes = 0
        self._asks: dict[bytes, tuple[Answered | None, Any, int]] = {}
        self._begun = self._box_begun = False
        self._closing = closing
        self._counter = 0
        self._deadlines = deadlines
        self._level = config.compression
        self._lost = lost
        self._responders = Responders(self, responders, packed, nursery)
        self._unknown_answers = 0
        self._decoder = AmpDecoder(
            self._responders.compressed(),
            texts=self._responders.texts(),
            max_keys=config.box_keys,
            max_box=config.box_bytes,
            max_payload=config.payload_bytes,
        )

    @property
    def unanswered(self) -> int:
        """How many asks have not been answered."""
        return len(self._asks)

    @property
    def max_payload(self) -> int:
        """The bytes that one packed message may inflate to; a longer one is rejected.

        Set it as sessions come and go: a Server's sync grows with them.
        """
        return self._decoder.max_payload

    @max_payload.setter
    def max_payload(self, size: int) -> None:
        self._decoder.max_payload = size

    def prefer(self) -> None:
        """Have it served first in every tick: everybody waits for the game."""
        self.connection.rank = LINK

    def respond(self, command: type[Command], responder: Responder) -> None:
        """Answer one more command from now on, for responders that need the link itself.

        Raises LocalProtocolError for a command that is not supported, and for an asynchronous
        responder without a nursery.
        """
        self._responders.add(command, responder)

    def defer_answer(self) -> DeferredAnswer:
        """Take the answer over; call it from within a synchronous responder, at most once.

        The caller must answer by the object it gets, also when it fails: the peer's window and
        its orders (a reload waits for the answer of its sync) hang on it.
        Raises LocalProtocolError outside of a responder and the second time.
        """
        return self._responders.defer()

    def send_packed(
        self,
        command: type[PackedCommand],
        sessid: int | list[int],
        kwargs: Mapping[str, Any],
        *,
        answered: Answered | None = None,
        context: object = None,
    ) -> None:
        """Send one packed message; `answered(context, error)` is called once.

        On a closed link it is called before this returns. With `answered` left out an error is
        logged and the rest goes unnoticed.
        Raises LocalProtocolError when `kwargs` cannot be pickled; then nothing was sent.
        """
        self.send_payload(command, dumps(sessid, kwargs), answered, context)

    encode_packed = staticmethod(dumps)  # makes the payload for `send_payload`

    def send_payload(
        self,
        command: type[PackedCommand],
        payload: bytes,
        answered: Answered | None = None,
        context: object = None,
    ) -> None:
        """Send a payload that was encoded before, for one more link or after a look at its size."""
        if self.closed:
            if answered is not None:
                answered(context, ConnectionLost(f"{self.name} is closed"))
            return
        self._counter = ask = self._counter + 1
        data = encode_message(command.name, command.key, payload, ask, self._level)
        size = len(data)
        self._asks[b"%x" % ask] = (answered, context, size)
        self.unanswered_bytes += size
        self.metrics.amp_messages_sent += 1
        self.connection.write(data)

    async def call(self, command: type[Command], **arguments: Any) -> dict[str, Any]:
        """Ask, and wait for the response's values.

        A command that requires no answer returns {} at once. Cancelling leaves the ask out there:
        it may be carried out, and its late answer is ignored.
        Raises LocalProtocolError for arguments that do not fit (nothing was sent), the command's
        declared errors, UnhandledCommand, RemoteAMPError for other error boxes,
        RemoteProtocolError for a response that does not fit, and ConnectionLost.
        """
        if not command.requires_answer:
            self.notify(command, **arguments)
            await trio.lowlevel.checkpoint()
            return {}
        box = command.encode_arguments(arguments)
        if self.closed:
            raise ConnectionLost(f"{self.name} is closed")
        self._counter += 1
        tag = box[b"_ask"] = b"%x" % self._counter
        data = encode_box(box)
        call = _Call()
        self._asks[tag] = (_finish_call, call, len(data))
        self.unanswered_bytes += len(data)
        self.metrics.amp_messages_sent += 1
        self.connection.write(data)
        await call.finished.wait()
        if isinstance(call.error, RemoteAMPError):
            raise command.code_to_error(call.error.code, call.error.description)
        if call.error is not None:
            raise call.error
        return command.decode_response(call.box)

    def notify(self, command: type[Command], **arguments: Any) -> None:
        """Send a command that nothing is sent back for; on a closed link nothing happens.

        Raises LocalProtocolError for arguments that do not fit.
        """
        data = encode_box(command.encode_arguments(arguments))
        self.metrics.amp_messages_sent += 1
        self.connection.write(data)

    def receive_data(self, data: bytes) -> None:
        """Take bytes of the stream, in any segmentation, and act on every box they complete."""
        if self.closed or not (self._begun or self._begin(data)):
            return
        asks = self._asks
        items: Any = self._decoder.receive_data(data)
        for item in items:
            if type(item) is bytes:
                entry = asks.pop(item, None)
                if entry is None:
                    self._count_unknown_answer()
                else:
                    answered, context, size = entry
                    self.unanswered_bytes -= size
                    if answered is not None:
                        answered(context, None)
            elif type(item) is tuple:
                self.metrics.amp_messages_received += 1
                self._responders.receive_packed(item)
            else:
                self._receive_box(item)
            if self.closed:
                return
        self._responders.write_answers()
        self._watch_box(completed=bool(items))

    def receive_eof(self) -> None:
        """Flush and close, since the peer sends no more."""
        self.close("the peer closed the link")

    def connection_lost(self, error: Exception | None) -> None:
        """Fail every ask, in the order of asking; then tell `closing` and `lost`."""
        self._stop()
        if self._lost is not None:
            self._lost(self, error)

    def close(self, reason: str = "") -> None:
        """Send what was written, then close; nothing more is read, so every ask fails now."""
        self._stop()
        self.connection.close(reason)

    def abort(self, reason: str = "") -> None:
        """Close at once; what was not sent yet is dropped."""
        self._stop()
        self.connection.abort(reason)

    def expire(self) -> None:
        """End a link whose peer began a box and did not end it: the deadline's callback."""
        reason = "BoxTooSlow: a box was begun and not ended in time"
        self._refuse(reason)
        self.abort(reason)

    def _stop(self) -> None:
        if self.closed:
            return
        self._responders.write_answers()
        self.closed = True
        if self._box_begun and self._deadlines is not None:
            self._deadlines.cancel(self)
        self._box_begun = False
        asks, self._asks = self._asks, {}
        self.unanswered_bytes = 0
        for answered, context, _ in asks.values():
            if answered is None:
                continue
            try:
                answered(context, ConnectionLost(f"{self.name} was lost"))
            except Exception:
                # The barrier between one ask and the next: all of them must hear of it.
                log.exception("amp_answered_failed", link=self.name)
        if self._closing is not None:
            self._closing(self)

    def _begin(self, data: bytes) -> bool:
        """Look at the first byte of the connection: AMP begins with a key's length below 256."""
        self._begun = data[:1] == b"\0"
        if not self._begun and data:
            self.metrics.amp_http_requests += 1
            log.warning("amp_http_request", link=self.name)
            self.connection.write(HTTP_ANSWER)
            self.close("HTTP on the AMP port")
        return self._begun

    def _watch_box(self, *, completed: bool) -> None:
        """After a read: heed what the decoder says of the stream."""
        if self._decoder.error is not None:
            self._refuse(": ".join(self._decoder.error))
        elif self._deadlines is None:
            return
        elif self._decoder.pending:
            if not self._box_begun:
                self._deadlines.start(self)
            elif completed:
                self._deadlines.restart(self)
            self._box_begun = True
        elif self._box_begun:
            self._deadlines.cancel(self)
            self._box_begun = False

    def _receive_box(self, box: Box) -> None:
        """Dispatch by the first of the keys `_answer`, `_error` and `_command` that is there."""
        if b"_answer" in box:
            self._receive_answer(box[b"_answer"], box, None)
        elif b"_error" in box:
            code = box.get(b"_error_code", b"UNKNOWN").decode("ascii", "replace")
            text = box.get(b"_error_description", b"").decode("utf-8", "replace")
            self._receive_answer(box[b"_error"], box, RemoteAMPError(code, text))
        elif b"_command" in box:
            self.metrics.amp_messages_received += 1
            self._responders.receive_command(box)
        else:
            self._refuse("NoEmptyBoxes: a box that neither asks nor answers")

    def _receive_answer(self, tag: bytes, box: Box, error: RemoteAMPError | None) -> None:
        entry = self._asks.pop(tag, None)
        if entry is None:
            self._count_unknown_answer()
            return
        answered, context, size = entry
        self.unanswered_bytes -= size
        if isinstance(context, _Call):
            context.box = box
        if answered is not None:
            answered(context, error)
        elif error is not None:
            log.warning("amp_message_refused", link=self.name, code=error.code)

    def _count_unknown_answer(self) -> None:
        self.metrics.amp_unknown_answers += 1
        self._unknown_answers += 1
        if self._unknown_answers >= self.config.unknown_answers:
            self._refuse("UnknownAnswers: too many answers that nobody asked for")

    def _refuse(self, reason: str) -> None:
        self.metrics.amp_connections_refused += 1
        log.warning("amp_link_refused", link=self.name, reason=reason)
        self.close(reason)


def _finish_call(call: _Call, error: Exception | None) -> None:
    call.error = error
    call.finished.set()
