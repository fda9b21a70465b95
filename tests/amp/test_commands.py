"""Declarations: names, schemas, errors with their inheritance; the commands that exist."""

from typing import ClassVar

import pytest

from portal.amp import commands
from portal.amp.arguments import Compressed, Integer, String, Unicode
from portal.amp.commands import (
    AdminPortal2Server,
    Command,
    EvenniaCommand,
    FunctionCall,
    MsgLauncher2Portal,
    MsgPortal2Server,
    MsgStatus,
    Operation,
    PackedCommand,
    PortalQuery,
    ProtocolSwitchCommand,
    StartTLS,
)
from portal.errors import (
    LocalProtocolError,
    NotBegun,
    RemoteAMPError,
    RemoteProtocolError,
    UnhandledCommand,
)


class NearError(ZeroDivisionError):
    pass


class Sum(Command):
    arguments: ClassVar = {"a": Integer(), "b": Integer()}
    response: ClassVar = {"total": Integer()}
    errors: ClassVar = {ZeroDivisionError: "ZERO_DIVISION"}


class Longer(Sum):
    name = b"longer-sum"
    errors: ClassVar = {KeyError: "KEY"}
    fatal_errors: ClassVar = {OSError: "SYSTEM"}


class Longest(Longer):
    errors: ClassVar = {KeyError: "KEY_2"}


def test_names():
    assert Sum.name == b"Sum"
    assert Longer.name == b"longer-sum"
    assert Longest.name == b"Longest"


def test_errors_are_inherited():
    assert Sum.errors == {ZeroDivisionError: "ZERO_DIVISION"}
    assert Longest.errors == {ZeroDivisionError: "ZERO_DIVISION", KeyError: "KEY_2"}
    assert Longest.fatal_errors == {OSError: "SYSTEM"}


@pytest.mark.parametrize(
    ("command", "error", "expected"),
    [
        (Sum, ZeroDivisionError(), ("ZERO_DIVISION", False)),
        (Sum, NearError(), ("ZERO_DIVISION", False)),
        (Sum, KeyError(), ("UNKNOWN", True)),
        (Longer, KeyError(), ("KEY", False)),
        (Longest, KeyError(), ("KEY_2", False)),
        (Longer, FileNotFoundError(), ("SYSTEM", True)),
        (MsgStatus, ValueError(), ("EXCEPTION", False)),
        (MsgPortal2Server, NotBegun(), ("NOT_BEGUN", False)),
    ],
)
def test_error_to_code(command, error, expected):
    assert command.error_to_code(error) == expected


def test_the_nearest_declaration_counts():
    class Both(EvenniaCommand):
        errors: ClassVar = {LookupError: "LOOKUP"}

    assert Both.error_to_code(KeyError()) == ("LOOKUP", False)
    assert Both.error_to_code(ValueError()) == ("EXCEPTION", False)


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        (Sum, "ZERO_DIVISION", ZeroDivisionError),
        (Longer, "SYSTEM", OSError),
        (Sum, "UNHANDLED", UnhandledCommand),
        (Sum, "UNKNOWN", RemoteAMPError),
        (Sum, "KEY", RemoteAMPError),
        (MsgStatus, "EXCEPTION", RemoteAMPError),
        (MsgPortal2Server, "NOT_BEGUN", NotBegun),
    ],
)
def test_code_to_error(command, code, expected):
    error = command.code_to_error(code, "why")
    assert type(error) is expected
    assert "why" in str(error)


def test_arguments_and_response():
    box = Sum.encode_arguments({"a": 13, "b": 81})
    assert box == {b"_command": b"Sum", b"a": b"13", b"b": b"81"}
    assert Sum.decode_arguments(box) == {"a": 13, "b": 81}
    assert Sum.encode_response({"total": 94}) == {b"total": b"94"}
    assert Sum.decode_response({b"_answer": b"1", b"total": b"94"}) == {"total": 94}
    assert EvenniaCommand.encode_response(None) == {}


@pytest.mark.parametrize("response", [None, {}, {"total": "x"}, {"total": 1, "more": 2}, 7])
def test_a_response_that_does_not_fit(response):
    with pytest.raises(LocalProtocolError):
        Sum.encode_response(response)


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": "2"}])
def test_arguments_that_do_not_fit(values):
    with pytest.raises(LocalProtocolError):
        Sum.encode_arguments(values)


def test_a_box_that_does_not_fit():
    for decode in (Sum.decode_arguments, Sum.decode_response):
        with pytest.raises(RemoteProtocolError):
            decode({b"a": b"1"})


@pytest.mark.parametrize(
    "declaration",
    [
        {"arguments": {"_ask": Integer()}},
        {"response": {"x" * 256: Integer()}},
        {"name": b""},
        {"name": b"x" * 65536},
    ],
)
def test_a_declaration_that_the_wire_cannot_carry(declaration):
    with pytest.raises(LocalProtocolError):
        type("Bad", (Command,), declaration)


@pytest.mark.parametrize("command", [StartTLS, ProtocolSwitchCommand])
def test_what_is_refused(command):
    derived = type("Derived", (command,), {})
    for refused in (command, derived):
        with pytest.raises(LocalProtocolError, match="is not supported"):
            refused.encode_arguments({})


PACKED = {"packed_data": Compressed}


@pytest.mark.parametrize(
    ("name", "arguments", "response"),
    [
        ("MsgPortal2Server", PACKED, {}),
        ("MsgServer2Portal", PACKED, {}),
        ("AdminPortal2Server", PACKED, {}),
        ("AdminServer2Portal", PACKED, {}),
        ("MsgLauncher2Portal", {"operation": String, "arguments": String}, {}),
        ("MsgStatus", {"status": String}, {"status": String}),
        (
            "FunctionCall",
            dict.fromkeys(("module", "function", "args", "kwargs"), String),
            {"result": String},
        ),
        ("PortalQuery", {"query": Unicode, "arguments": Compressed}, {"result": Compressed}),
    ],
)
def test_the_commands_of_the_game(name, arguments, response):
    command = getattr(commands, name)
    assert command.name == name.encode()
    assert {key: type(value) for key, value in command.arguments.items()} == arguments
    assert {key: type(value) for key, value in command.response.items()} == response
    own = {NotBegun: "NOT_BEGUN"} if command is MsgPortal2Server else {}
    assert command.errors == {Exception: "EXCEPTION", **own}
    assert command.fatal_errors == {}
    assert command.requires_answer
    assert issubclass(command, PackedCommand) is (arguments is PACKED)
    assert (getattr(command, "key", None) == b"packed_data") is (arguments is PACKED)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (MsgPortal2Server, {"packed_data": b"x" * 100_000}),
        (AdminPortal2Server, {"packed_data": b""}),
        (MsgLauncher2Portal, {"operation": b"\x0e", "arguments": b"\x80\x04]."}),
        (MsgStatus, {"status": b""}),
        (FunctionCall, {"module": b"m", "function": b"f", "args": b"a", "kwargs": b"k"}),
        (PortalQuery, {"query": "status", "arguments": b"{}"}),
    ],
)
def test_they_travel(command, values):
    assert command.decode_arguments(command.encode_arguments(values)) == values


def test_operations_are_plain_letters():
    letters = {name: value for name, value in vars(Operation).items() if name.isupper()}
    assert all(type(value) is str and len(value) == 1 for value in letters.values())
    assert {name: ord(value) for name, value in letters.items()} == {
        "PCONN": 1,
        "PDISCONN": 2,
        "PSYNC": 3,
        "SLOGIN": 4,
        "SDISCONN": 5,
        "SDISCONNALL": 6,
        "SSYNC": 8,
        "SCONN": 11,
        "PCONNSYNC": 12,
        "PDISCONNALL": 13,
        "SRELOAD": 14,
        "SSTART": 15,
        "PSHUTD": 16,
        "SSHUTD": 17,
        "PSTATUS": 18,
        "SRESET": 19,
    }
