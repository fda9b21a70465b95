"""The answering half of a link: commands in, answers out.

Each command that asks (`_ask`) gets exactly one box back: its answer or an error. What happens
when a responder fails is decided by the command's declaration:

    error                       box sent back              the connection
    declared (`errors`)         its code, its text         stays
    fatal (`fatal_errors`)      its code, its text         is closed
    any other, or a response    UNKNOWN, "Unknown Error"   is closed
      that does not fit
    arguments that do not fit   UNKNOWN, "Unknown Error"   is closed
    a packed message that       EXCEPTION                  stays
      cannot be read
    no such command, or one     UNHANDLED                  stays
      that `allow` refuses

A command that does not ask gets nothing back in any of these cases; it is logged.
Source: `twisted.protocols.amp`, BoxDispatcher and CommandLocator.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from portal.amp.boxes import PLAIN, READ, Box, encode_answer, encode_answers, encode_box
from portal.amp.commands import UNHANDLED, UNKNOWN, Command, PackedCommand
from portal.amp.payload import loads
from portal.errors import LocalProtocolError, NotBegun, PortalError, RemoteProtocolError

if TYPE_CHECKING:
    import trio

    from portal.amp.link import Link

log = structlog.get_logger(__name__)

Responder = Callable[..., Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None]
PackedResponder = Callable[["Link", Any, dict[Any, Any]], None]
PackedItem = tuple[bytes, bytes | None, Any, int, str]

# Asynchronous responders of one link at once; more are answered BUSY. It is people who ask these.
RUNNING_RESPONDERS = 256
MAX_DESCRIPTION = 1000  # characters of an error's text on the wire
MAX_NOTED = 100  # combinations of class names that are logged, once each


class DeferredAnswer:
    """An answer that a responder gives later; give it exactly once.

    Made by `Link.defer_answer`. If the link is lost by then the answer goes nowhere.
    """

    __slots__ = ("_ask", "_command", "_responders", "done")

    def __init__(self, responders: "Responders", command: type[Command], ask: bytes | None) -> None:
        self._responders = responders
        self._command = command
        self._ask = ask
        self.done = False

    def answer(self, response: Mapping[str, Any] | None = None) -> None:
        """Answer with the command's response. Raises LocalProtocolError the second time."""
        self._finish()
        self._responders.answer(self._command, self._ask, response)

    def fail(self, error: Exception) -> None:
        """Answer with an error as if the responder had raised it; else as `answer`."""
        self._finish()
        self._responders.answer_error(self._command, self._ask, error)

    def _finish(self) -> None:
        if self.done:
            raise LocalProtocolError(f"{self._command.__name__} was answered already")
        self.done = True


class TextResponder(NamedTuple):
    """A packed function that takes a text for a message that is nothing else.

    Of `{"text": [[text], {"options": {}}]}`, which is nearly every message, it gets the text
    alone; every other comes as it is, and so may this one when its pickle is unusual.
    """

    function: Callable[["Link", Any, dict[Any, Any] | str], None]


PackedFunctions = Mapping[type[PackedCommand], PackedResponder | TextResponder]


class _Entry(NamedTuple):
    command: type[Command]
    function: Responder
    waits: bool


class Responders:
    """Everything that one link answers, by command; made and fed by the link."""

    __slots__ = (
        "_answers",
        "_ask",
        "_command",
        "_deferred",
        "_link",
        "_noted",
        "_nursery",
        "_packed",
        "_running",
        "_table",
        "_texts",
    )

    def __init__(
        self,
        link: "Link",
        responders: Mapping[type[Command], Responder],
        packed: PackedFunctions,
        nursery: "trio.Nursery | None",
    ) -> None:
        self._link = link
        self._nursery = nursery
        self._packed: dict[bytes, tuple[type[PackedCommand], Callable[..., None]]] = {}
        self._texts: list[bytes] = []
        for kind, respond in packed.items():
            if isinstance(respond, TextResponder):
                self._texts.append(kind.name)
                self._packed[kind.name] = (kind, respond.function)
            else:
                self._packed[kind.name] = (kind, respond)
        self._table: dict[bytes, _Entry] = {}
        self._running = 0
        self._answers: list[bytes] = []  # tags of the packed messages of this read
        self._noted: set[str] = set()
        # The command that is being handled just now, and what was deferred in it.
        self._command: type[Command] | None = None
        self._ask: bytes | None = None
        self._deferred: DeferredAnswer | None = None
        for command, function in responders.items():
            self.add(command, function)

    def add(self, command: type[Command], function: Responder) -> None:
        """Answer one more command, or another way from now on.

        Raises LocalProtocolError for a command that is refused by this implementation, and for an
        asynchronous responder of a link that has no nursery.
        """
        if command.refused:
            raise LocalProtocolError(f"{command.__name__} is not supported: {command.refused}")
        waits = inspect.iscoroutinefunction(function)
        if waits and self._nursery is None:
            raise LocalProtocolError(f"{command.__name__}: an async responder needs a nursery")
        self._table[command.name] = _Entry(command, function, waits)

    def compressed(self) -> dict[bytes, bytes]:
        """Name the commands whose payload the decoder puts together, and the argument of each."""
        return {name: command.key for name, (command, _) in self._packed.items()}

    def texts(self) -> list[bytes]:
        """Name those of them whose function takes a text alone."""
        return self._texts

    def receive_packed(self, item: PackedItem) -> None:
        """Read one packed message and hand it to its function; nothing is raised."""
        name, ask, payload, verdict, reason = item
        link = self._link
        if link.allow is not None and not link.allow(link, name):
            self._unhandled(name, ask)
            return
        command, function = self._packed[name]
        if verdict == READ:
            sessid, kwargs = payload
        else:
            try:
                sessid, kwargs = loads(payload, verdict)
            except RemoteProtocolError as error:
                link.metrics.amp_rejected_payloads += 1
                log.warning("amp_payload_rejected", link=link.name, reason=reason or error.text)
                self.answer_error(command, ask, error)
                return
            if verdict != PLAIN:
                self._note_stand_ins(command, reason)
        self._command = command
        self._ask = ask
        try:
            function(link, sessid, kwargs)
        except Exception as error:  # noqa: BLE001 - the barrier between a message and the link
            self._fail(command, error)
        else:
            if self._deferred is None and ask is not None:
                self._answers.append(ask)
        self._command = self._deferred = None

    def write_answers(self) -> None:
        """Write the answers to the packed messages of a read so far.

        They wait for its end, or for what must not overtake them: many at once cost little more
        than one.
        """
        if self._answers:
            self._link.connection.write(encode_answers(self._answers))
            self._answers.clear()

    def receive_command(self, box: Box) -> None:
        """Run the responder of a command, or start it when it is asynchronous."""
        name = box[b"_command"]
        ask = box.get(b"_ask")
        link = self._link
        entry = self._table.get(name)
        if entry is None or (link.allow is not None and not link.allow(link, name)):
            self._unhandled(name, ask)
            return
        try:
            arguments = entry.command.decode_arguments(box)
        except RemoteProtocolError as error:
            self._send_error(entry.command, ask, error, UNKNOWN, fatal=True)
            return
        if entry.waits:
            self._start(entry, ask, arguments)
            return
        self._command = entry.command
        self._ask = ask
        try:
            response: Any = entry.function(**arguments)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(entry.command, error)
        else:
            if self._deferred is None:
                self.answer(entry.command, ask, response)
        self._command = self._deferred = None

    def defer(self) -> DeferredAnswer:
        """Take over the answer of the command that is being handled; see `Link.defer_answer`."""
        if self._command is None or self._deferred is not None:
            raise LocalProtocolError("an answer is deferred once, by the responder that owes it")
        self._deferred = DeferredAnswer(self, self._command, self._ask)
        return self._deferred

    def answer(
        self, command: type[Command], ask: bytes | None, response: Mapping[str, Any] | None
    ) -> None:
        """Send the answer to an ask; one that does not fit the command becomes an error."""
        if ask is None:
            return
        if not response and not command.response:
            self._link.connection.write(encode_answer(ask))
            return
        try:
            box = command.encode_response(response)
            box[b"_answer"] = ask
            data = encode_box(box)
        except LocalProtocolError as error:
            self.answer_error(command, ask, error)
            return
        self._link.connection.write(data)

    def answer_error(self, command: type[Command], ask: bytes | None, error: Exception) -> None:
        """Send the error that stands for an exception, and close the link where it is fatal."""
        code, fatal = command.error_to_code(error)
        self._send_error(command, ask, error, code, fatal=fatal)

    def _send_error(
        self,
        command: type[Command],
        ask: bytes | None,
        error: Exception,
        code: str,
        *,
        fatal: bool,
    ) -> None:
        link = self._link
        link.metrics.amp_errors += 1
        ours = isinstance(error, PortalError)  # its text says enough, and holds no player's words
        unforeseen = not ours and (code == UNKNOWN or Exception in command.errors)
        note = log.info if isinstance(error, NotBegun) else log.warning
        note(
            "amp_responder_failed",
            link=link.name,
            command=command.__name__,
            code=code,
            reason=str(error) if ours else type(error).__name__,
            exc_info=error if unforeseen else None,
        )
        self._write_error(ask, code, "Unknown Error" if code == UNKNOWN else str(error))
        if fatal:
            link.close(f"{command.__name__} failed with {code}")

    def _write_error(self, ask: bytes | None, code: str, description: str) -> None:
        if ask is None:
            return
        text = description[:MAX_DESCRIPTION].encode("utf-8", "replace")
        box = {b"_error": ask, b"_error_code": code.encode("ascii"), b"_error_description": text}
        self.write_answers()
        self._link.connection.write(encode_box(box))

    def _unhandled(self, name: bytes, ask: bytes | None) -> None:
        log.info("amp_command_unhandled", link=self._link.name, command=name[:100])
        self._write_error(ask, UNHANDLED, f"Unhandled Command: {name[:100]!r}")

    def _fail(self, command: type[Command], error: Exception) -> None:
        """Answer that the responder raised, unless it had deferred its answer and given it."""
        deferred = self._deferred
        if deferred is None or not deferred.done:
            if deferred is not None:
                deferred.done = True
            self.answer_error(command, self._ask, error)

    def _start(self, entry: _Entry, ask: bytes | None, arguments: dict[str, Any]) -> None:
        if self._nursery is None or self._running >= RUNNING_RESPONDERS:
            log.warning("amp_link_busy", link=self._link.name, command=entry.command.__name__)
            self._write_error(ask, "BUSY", "Too many commands run at once")
            return
        self._running += 1
        self._nursery.start_soon(self._run, entry, ask, arguments)

    async def _run(self, entry: _Entry, ask: bytes | None, arguments: dict[str, Any]) -> None:
        try:
            response: Any = await entry.function(**arguments)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - one command's failure is not its neighbours'
            self.answer_error(entry.command, ask, error)
        else:
            self.answer(entry.command, ask, response)
        finally:
            self._running -= 1

    def _note_stand_ins(self, command: type[Command], classes: str) -> None:
        self._link.metrics.amp_stand_in_payloads += 1
        if classes not in self._noted and len(self._noted) < MAX_NOTED:
            self._noted.add(classes)
            log.info(
                "amp_payload_classes_replaced",
                link=self._link.name,
                command=command.__name__,
                classes=classes,
            )
