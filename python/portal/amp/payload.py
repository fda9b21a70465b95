"""Pickled payloads: written plainly, and read without ever importing a thing.

A packed message is the pickle of `(sessid, kwargs)`. The codec writes and reads most of them by
itself. What is too large or too rare for that, pickle writes and reads here; the codec's scan has
judged its bytes before they come, and this module trusts that judgement:

- PLAIN: nothing but None, numbers, text, bytes and containers; C's unpickler reads it.
- OBJECTS: classes occur. An unpickler that knows only inert stand-ins reads it, and what comes out
  is turned into plain values (`Normaliser`): game code puts its own classes into sync data and
  messages, and one unknown class must not log everybody out at the next reload.
- REJECT: no unpickler sees it.

READ is none of this module's business: the codec hands out the values. Nothing else in the program
imports pickle.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

from portal._native import OBJECTS, PLAIN, dump_packed, scan_pickle
from portal.amp.stand_ins import Budget, Normaliser
from portal.errors import LocalProtocolError, RemoteProtocolError
from portal.messages import text_to_message

PROTOCOL = 5
# What picklers raise for values of classes that cannot be pickled.
UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError, RecursionError)
# What unpicklers raise for bytes that are no pickle, or one that does not fit together.
UNREADABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
Packed = tuple[int | list[int], dict[Any, Any]]


def dumps(sessid: int | list[int], kwargs: Mapping[str, Any] | str) -> bytes:
    """Pickle the number of a session (or several numbers) with a message or an operation.

    A text in place of them is a message that is nothing else.
    Give it plain values only: a class of ours would be an import on the other side.
    Raises LocalProtocolError when something in it cannot be pickled.
    """
    if (data := dump_packed(sessid, kwargs)) is not None:
        return data
    try:
        message = text_to_message(kwargs) if isinstance(kwargs, str) else kwargs
        return pickle.dumps((sessid, message), PROTOCOL)
    except UNPICKLABLE as error:
        raise LocalProtocolError(f"the message cannot be pickled: {error}") from error


def loads(data: bytes, verdict: int) -> Packed:
    """Read a packed message; `verdict` is what the codec's scan said of `data`.

    Returns the session's number, or a list of them, and the dict. In an OBJECTS payload every
    object has become a plain value.
    Raises RemoteProtocolError: "Rejected" for a payload that the scan refused, "BadPickle" for one
    that cannot be read, "TooManyObjects", or "NotAMessage" for another shape.
    """
    value = _load(data, verdict)
    if isinstance(value, tuple) and len(value) == 2:
        sessid, kwargs = value
        if isinstance(kwargs, dict) and (isinstance(sessid, int) or _is_numbers(sessid)):
            return sessid, kwargs
    raise RemoteProtocolError("NotAMessage", f"the payload is a {type(value).__name__}")


def dump_value(value: object) -> bytes:
    """Pickle any plain value: a status, a launcher's argument, the result of a function.

    Raises LocalProtocolError when it cannot be pickled.
    """
    try:
        return pickle.dumps(value, PROTOCOL)
    except UNPICKLABLE as error:
        raise LocalProtocolError(f"the value cannot be pickled: {error}") from error


def load_value(data: bytes) -> Any:
    """Scan and read any pickled value, such as a launcher's argument.

    Raises RemoteProtocolError as `loads` does, but for "NotAMessage".
    """
    verdict, _ = scan_pickle(data)
    return _load(data, verdict)


def copy_value(value: object) -> Any:
    """Copy any value as if it had been sent: what comes out is plain, and shares nothing with it.

    Raises LocalProtocolError when it cannot be sent.
    """
    try:
        return load_value(dump_value(value))
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"the value cannot be sent: {error}") from error


def _load(data: bytes, verdict: int) -> Any:
    if verdict not in (PLAIN, OBJECTS):
        raise RemoteProtocolError("Rejected", "the payload was not unpickled")
    try:
        if verdict == PLAIN:
            return pickle.loads(data)  # noqa: S301 - the scan found no opcode that imports
        return Normaliser().to_plain(_StandInUnpickler(data).load(), 0)
    except UNREADABLE as error:
        raise RemoteProtocolError("BadPickle", type(error).__name__) from error


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(number, int) for number in value)


class _StandInUnpickler(pickle.Unpickler):
    """An unpickler whose every class is a stand-in."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._budget = Budget()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Make a class of that name; import nothing."""
        return self._budget.make_class(module_name, global_name)

    def persistent_load(self, pid: Any) -> Any:
        """Refuse: a payload is all there is of it."""
        raise pickle.UnpicklingError(f"a persistent {type(pid).__name__} in a payload")
