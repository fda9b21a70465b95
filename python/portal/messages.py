"""Messages: what travels between a player and the game, always as `name: [args, kwargs]`.

Nearly every message is a text and nothing else. It goes most of its way as that `str`, and becomes
a message (`text_to_message`) where it is kept or looked into. Callers may write a message in
several short ways; `normalise` turns each of them into the one form that goes over the wire (rules
of Evennia's `clean_senddata`):

| written                                | normalised                                         |
|----------------------------------------|----------------------------------------------------|
| `text="x"`                             | `{"text": [["x"], {"options": {}}]}`               |
| `text=("x", {"echo": False})`          | `{"text": [["x"], {"echo": False, "options": {}}]}`|
| `text=(["x"], {})`                     | `{"text": [["x"], {"options": {}}]}`               |
| `hp=[1, 2]`                            | `{"hp": [[1, 2], {"options": {}}]}`                |
| `hp={"now": 1}`                        | `{"hp": [[], {"now": 1, "options": {}}]}`          |
| `ping=None`                            | `{"ping": [[], {"options": {}}]}`                  |
| `text="x", options={"raw": True}`      | `{"text": [["x"], {"options": {"raw": True}}]}`    |
"""

from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Any, TypeGuard

from portal.errors import LocalProtocolError

Message = dict[str, list[Any]]
"""One or more commands by name, in the order of sending: `{name: [args: list, kwargs: dict]}`."""

AnyMessage = Message | str
"""A message, or the text that is all of one."""

# Deeper than any client's data; a value that holds itself would never end.
MAX_DEPTH = 64

_PLAIN = frozenset({str, int, float, bool, type(None)})

# Of a subclass (an enum, a marked-up string) only the plain value crosses.
_CONVERSIONS: tuple[tuple[type | UnionType, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int),
    (float, float),
    (bytes | bytearray, lambda value: value.decode("utf-8", "replace")),
)


def text_to_message(message: AnyMessage) -> Message:
    """Make the message of a text that goes alone; what is a message already is returned."""
    return {"text": [[message], {"options": {}}]} if isinstance(message, str) else message


def normalise(message: Mapping[str, Any]) -> Message:
    """Bring a message into the form `{name: [args, kwargs]}`; see the table of this module.

    `options` is no command but belongs to all of them: it is merged into the `options` of each
    one's kwargs, which every kwargs has afterwards; a command's own options win. `prompt` is
    moved to the end. A `text` of None or of an empty list is left out; `text=""` is an empty line.
    Values become plain data (str, int, float, bool, None, list, dict); what is none of these is
    replaced by its `str()`. The argument is not changed, and nothing of it is shared with the
    result but immutable values. Normalising twice changes nothing.

    Raises LocalProtocolError for values nested deeper than 64.
    """
    if len(message) == 1:
        text = message.get("text")
        if type(text) is str:  # nearly every message
            return text_to_message(text)
    options = message.get("options")
    shared = _clean_mapping(options, 0) if isinstance(options, Mapping) else {}
    result: Message = {}
    for name, value in message.items():
        if name == "options" or (name == "text" and _is_nothing(value)):
            continue
        args, kwargs = _split(value)
        own = kwargs.get("options")
        kwargs["options"] = {**shared, **own} if isinstance(own, dict) else dict(shared)
        result[name] = [args, kwargs]
    if "prompt" in result:
        result["prompt"] = result.pop("prompt")
    return result


def is_normal(message: Mapping[str, Any]) -> bool:
    """Whether a message has the normalised form already; values inside args are not looked at."""
    if len(message) == 1:  # nearly every message
        (command,) = message.values()
        return (
            type(command) is list
            and len(command) == 2
            and type(command[0]) is list
            and type(command[1]) is dict
        )
    name = ""
    for name, command in message.items():  # noqa: B007 - the last name is looked at below
        if (
            type(command) is not list
            or len(command) != 2
            or type(command[0]) is not list
            or type(command[1]) is not dict
        ):
            return False
    return name == "prompt" or "prompt" not in message


def has_longer_text(message: AnyMessage, limit: int) -> bool:
    """Whether a normalised message holds a text of the player with more than `limit` characters."""
    if isinstance(message, str):
        return len(message) > limit
    text = message.get("text")
    if text is None:
        return False
    return any(isinstance(each, str) and len(each) > limit for each in text[0])


def _is_nothing(value: object) -> bool:
    return value is None or (
        isinstance(value, list | tuple | set | frozenset | Mapping) and not value
    )


def _split(value: object) -> tuple[list[Any], dict[str, Any]]:
    if _is_nothing(value):
        return [], {}
    if isinstance(value, Mapping):
        return [], _clean_mapping(value, 0)
    if not _is_list(value):
        return [_clean(value, 0)], {}
    items = list(value)
    if not items or not isinstance(items[-1], Mapping):
        return [_clean(item, 0) for item in items], {}
    if len(items) == 2 and _is_list(items[0]):
        return [_clean(item, 0) for item in items[0]], _clean_mapping(items[1], 0)
    return [_clean(item, 0) for item in items[:-1]], _clean_mapping(items[-1], 0)


def _is_list(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether a value stands for several: any iterable but text and mappings."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping)


def _clean(value: object, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if depth > MAX_DEPTH:
        raise LocalProtocolError(f"a message is nested deeper than {MAX_DEPTH}")
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    if isinstance(value, Mapping):
        return {
            key if type(key) in _PLAIN else str(key): _clean(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, Iterable):
        return [_clean(item, depth + 1) for item in value]
    return str(value)


def _clean_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """Clean what becomes keyword arguments or options: their names are text."""
    return {str(key): _clean(item, depth + 1) for key, item in value.items()}
