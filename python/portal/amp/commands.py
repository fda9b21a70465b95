"""AMP's commands: what can be asked over a link, as classes with typed arguments.

A command is declared by subclassing `Command`; it is never instantiated. Twelve of them stand
here: the seven that Evennia's Portal, Server and launcher speak, one of our own for the command
line, and what AMP has but this implementation refuses. (Authentication brings its own two.)

Operations are the single letters inside the two Admin commands and the launcher's.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from portal.amp.arguments import (
    Compressed,
    Schema,
    String,
    Unicode,
    decode_fields,
    encode_fields,
    wire_names,
)
from portal.amp.boxes import Box
from portal.errors import LocalProtocolError, NotBegun, RemoteAMPError, UnhandledCommand

UNKNOWN = "UNKNOWN"
UNHANDLED = "UNHANDLED"
NOT_BEGUN = "NOT_BEGUN"


class Command:
    """What one end asks of the other; subclass it and fill in the class variables.

    `name` is the name on the wire (default: the class's own), `arguments` and `response` are the
    schemas. `errors` are the exceptions that a responder may raise and their codes on the wire,
    `fatal_errors` those after which the connection is closed; both add to those of the base
    class. With `requires_answer` off a caller does not wait. Nothing here touches a connection.

    Raises LocalProtocolError at declaration for names that the wire cannot carry.
    """

    name: ClassVar[bytes] = b""
    arguments: ClassVar[Schema] = {}
    response: ClassVar[Schema] = {}
    errors: ClassVar[Mapping[type[Exception], str]] = {}
    fatal_errors: ClassVar[Mapping[type[Exception], str]] = {}
    requires_answer: ClassVar[bool] = True
    refused: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.encode("ascii")
        if not 0 < len(cls.name) <= 65535:
            raise LocalProtocolError(f"{cls.__name__}: a command's name has 1 to 65535 bytes")
        wire_names(cls.arguments)
        wire_names(cls.response)
        bases = [base for base in reversed(cls.__mro__[1:]) if issubclass(base, Command)]
        for declared in ("errors", "fatal_errors"):
            merged: dict[type[Exception], str] = {}
            for source in (*bases, cls):
                merged |= source.__dict__.get(declared, {})
            setattr(cls, declared, merged)

    @classmethod
    def encode_arguments(cls, values: Mapping[str, Any]) -> Box:
        """Make the box that asks this command, without its tag.

        Raises LocalProtocolError for unknown, missing and wrong arguments, and when the command
        is one that this implementation refuses.
        """
        if cls.refused:
            raise LocalProtocolError(f"{cls.__name__} is not supported: {cls.refused}")
        box = encode_fields(cls.arguments, values)
        box[b"_command"] = cls.name
        return box

    @classmethod
    def decode_arguments(cls, box: Box) -> dict[str, Any]:
        """Read the arguments of an ask. Raises RemoteProtocolError when they do not fit."""
        return decode_fields(cls.arguments, box)

    @classmethod
    def encode_response(cls, values: Mapping[str, Any] | None) -> Box:
        """Make the box that answers, without its tag; None stands for no values.

        Raises LocalProtocolError when the values do not fit the response's schema.
        """
        return encode_fields(cls.response, {} if values is None else values)

    @classmethod
    def decode_response(cls, box: Box) -> dict[str, Any]:
        """Read the values of an answer. Raises RemoteProtocolError when they do not fit."""
        return decode_fields(cls.response, box)

    @classmethod
    def error_to_code(cls, error: Exception) -> tuple[str, bool]:
        """Find the code that answers an exception, and whether the connection ends.

        The nearest declared class counts. An undeclared one is (UNKNOWN, True).
        """
        for kind in type(error).__mro__:
            if kind in cls.fatal_errors:
                return cls.fatal_errors[kind], True
            if kind in cls.errors:
                return cls.errors[kind], False
        return UNKNOWN, True

    @classmethod
    def code_to_error(cls, code: str, description: str) -> Exception:
        """Make the exception that an error box stands for at the caller's end.

        UNHANDLED is UnhandledCommand, a declared code its class made with the description, and
        everything else RemoteAMPError; so is a code declared for Exception itself, which nobody
        could catch on its own.
        """
        if code == UNHANDLED:
            return UnhandledCommand(code, description)
        for declared in (cls.errors, cls.fatal_errors):
            for kind, known in declared.items():
                if known == code and kind is not Exception:
                    return kind(description)
        return RemoteAMPError(code, description)


class StartTLS(Command):
    """AMP's own change to TLS: refused; the port is local or authenticated."""

    refused = "a link does not change its layers while it runs"


class ProtocolSwitchCommand(Command):
    """AMP's own change to another protocol: refused, with every command declared from it."""

    refused = "a link speaks AMP from its first byte to its last"


class EvenniaCommand(Command):
    """What Evennia's commands share: any failure is answered EXCEPTION and ends nothing."""

    errors: ClassVar[Mapping[type[Exception], str]] = {Exception: "EXCEPTION"}


class PackedCommand(EvenniaCommand):
    """A session's number with a dict, pickled and compressed into one argument.

    A Link sends these by `send_packed` and hands them to its `packed` functions unpickled.
    """

    key: ClassVar[bytes] = b"packed_data"
    arguments: ClassVar[Schema] = {"packed_data": Compressed()}


class MsgPortal2Server(PackedCommand):
    """Messages of one session to the game.

    A game that leaves answers NOT_BEGUN to those that it has not begun to carry out. A Server of
    Evennia's never does, and its Portal takes it for any failure.
    """

    errors: ClassVar[Mapping[type[Exception], str]] = {NotBegun: NOT_BEGUN}


class MsgServer2Portal(PackedCommand):
    """Messages of the game to one session, or to a list of them."""


class AdminPortal2Server(PackedCommand):
    """An operation with a session or with all, ordered by the Portal."""


class AdminServer2Portal(PackedCommand):
    """An operation with a session or with all, ordered by the game."""


class MsgLauncher2Portal(EvenniaCommand):
    """The launcher's order: an operation's letter and a pickled list or dict."""

    arguments: ClassVar[Schema] = {"operation": String(), "arguments": String()}


class MsgStatus(EvenniaCommand):
    """The state of Portal and Server, as a pickled tuple; asked by the launcher and told to it."""

    arguments: ClassVar[Schema] = {"status": String()}
    response: ClassVar[Schema] = {"status": String()}


class FunctionCall(EvenniaCommand):
    """A function called by name, with pickled arguments and result.

    Answer it for names in an explicit registry only: anything more hands the process over.
    """

    arguments: ClassVar[Schema] = {
        "module": String(),
        "function": String(),
        "args": String(),
        "kwargs": String(),
    }
    response: ClassVar[Schema] = {"result": String()}


class PortalQuery(EvenniaCommand):
    """A question of the command line; `arguments` and `result` are JSON in UTF-8."""

    arguments: ClassVar[Schema] = {"query": Unicode(), "arguments": Compressed()}
    response: ClassVar[Schema] = {"result": Compressed()}


class Operation:
    """The letters that say what an Admin command or the launcher wants; plain text on purpose.

    An enum would be pickled as an import of our module, which no other Server has.
    """

    PCONN = "\x01"  # a session has come
    PDISCONN = "\x02"  # a session is gone
    PSYNC = "\x03"  # a Server introduces itself; the Portal answers with its sessions
    SLOGIN = "\x04"  # a session has logged in
    SDISCONN = "\x05"  # let a session go
    SDISCONNALL = "\x06"  # let all of them go
    SSYNC = "\x08"  # the Server's view of its sessions
    SCONN = "\x0b"  # start a bot
    PCONNSYNC = "\x0c"  # what is known of a session's client has changed
    PDISCONNALL = "\x0d"  # every session is gone, the Portal ends
    SRELOAD = "\x0e"  # restart the Server, keep its state
    SSTART = "\x0f"  # start the Server
    PSHUTD = "\x10"  # end the Portal
    SSHUTD = "\x11"  # end the Server
    PSTATUS = "\x12"  # never on the wire
    SRESET = "\x13"  # restart the Server from cold
