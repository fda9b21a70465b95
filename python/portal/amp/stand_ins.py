"""Objects of classes that are not imported, and what is worth knowing of them.

Games put their own classes into sync data and messages. An unpickler that makes `StandIn` objects
can read them without running anything; a `Normaliser` then turns the whole into plain values:
None, numbers, text, bytes, lists, tuples, dicts and sets. An object whose value cannot be told
becomes a text such as "<module.Class>".
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, ClassVar, Self

from portal.errors import RemoteProtocolError

# A class costs about 1 KB; a sync of everybody names some ten of them, each once.
MAX_CLASSES = 1000
# Five for every session of a full Portal; each costs about 250 bytes.
MAX_OBJECTS = 100_000
# The scan's own bound on nesting; normalising must not recurse further than it.
MAX_DEPTH = 100
MAX_NAME = 200
# Python 2's names, which protocols up to 2 still write.
OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Budget:
    """How many stand-ins one payload may still make."""

    __slots__ = ("classes", "objects")

    def __init__(self) -> None:
        self.classes = MAX_CLASSES
        self.objects = MAX_OBJECTS

    def make_class(self, module: str, name: str) -> type["StandIn"]:
        """Make a fresh class that stands for `module.name`.

        Raises RemoteProtocolError "TooManyObjects" when the payload had enough of them.
        """
        self.classes -= 1
        if self.classes < 0:
            raise RemoteProtocolError("TooManyObjects", f"more than {MAX_CLASSES} classes")
        qualified_name = f"{OLD_MODULES.get(module, module)}.{name}"[:MAX_NAME]
        namespace = {"__slots__": (), "qualified_name": qualified_name, "budget": self}
        return type("StandIn", (StandIn,), namespace)


class StandIn:
    """An object of a class that is not imported: it takes whatever a pickle does to it.

    Each occurrence of a class gets a fresh subclass, so that nothing in a payload can write onto
    one that outlives it.
    """

    __slots__ = ("arguments", "items", "state", "values")
    qualified_name: ClassVar[str] = ""
    budget: ClassVar[Budget]

    arguments: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]
    values: list[Any]

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Take what the class would have been called with."""
        cls.budget.objects -= 1
        if cls.budget.objects < 0:
            raise RemoteProtocolError("TooManyObjects", f"more than {MAX_OBJECTS}")
        self = super().__new__(cls)
        self.arguments = arguments or tuple(keywords.values())
        self.state = None
        self.items = {}
        self.values = []
        return self

    def __call__(self, *arguments: Any) -> Self:
        """Stand for what an object of the class would have returned."""
        return type(self)(*arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def extend(self, values: list[Any]) -> None:
        """Take a batch of a list's elements."""
        self.values.extend(values)

    def append(self, value: Any) -> None:
        """Take one element of a list or a set."""
        self.values.append(value)

    add = append


class Normaliser:
    """Turns what the stand-in unpickler read into plain values.

    Each object is turned once, however often it is referred to, so that the work is linear in the
    payload; an object inside of itself becomes the text "<cycle>".
    """

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._kept: list[Any] = []  # ids are only good while their objects live

    def to_plain(self, value: Any, depth: int) -> Any:
        """Make the plain value that stands for `value`, which lies `depth` containers deep."""
        if value is None or isinstance(value, bool | int | float | str | bytes | bytearray):
            return value
        if id(value) in self._done:
            return self._done[id(value)]
        if depth > MAX_DEPTH:
            return "<too deep>"
        self._kept.append(value)
        self._done[id(value)] = "<cycle>"
        plain = self._done[id(value)] = self._container_to_plain(value, depth + 1)
        return plain

    def _container_to_plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            return type(value)([self.to_plain(entry, depth) for entry in value])
        if isinstance(value, set | frozenset):
            return type(value)([self._key(entry, depth) for entry in value])
        if isinstance(value, StandIn):
            return self._object(value, depth)
        if isinstance(value, type) and issubclass(value, StandIn):
            return f"<{value.qualified_name}>"
        return f"<{type(value).__name__}>"

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        return {self._key(key, depth): self.to_plain(entry, depth) for key, entry in value.items()}

    def _key(self, key: Any, depth: int) -> Any:
        """Make a key, or its text where its plain value can be none."""
        plain = self.to_plain(key, depth)
        try:
            hash(plain)
        except TypeError:
            return f"<{getattr(type(key), 'qualified_name', type(key).__name__)}>"
        return plain

    def _object(self, value: StandIn, depth: int) -> Any:
        convert = KNOWN_CLASSES.get(value.qualified_name, _any_object)
        try:
            plain = convert(value)
        except (ArithmeticError, TypeError, ValueError):
            plain = None  # a month 13 costs that date, not the message
        return f"<{value.qualified_name}>" if plain is None else self.to_plain(plain, depth)


# Below: what is inside a stand-in, or None where that cannot be told.


def _any_object(value: StandIn) -> Any:
    if value.items:
        return value.items
    if value.values:
        return value.values
    if len(value.arguments) == 1 and isinstance(value.arguments[0], bool | int | float | str):
        return value.arguments[0]  # subclasses of text and numbers, and enums by their value
    return None


def _saver(value: StandIn) -> Any:
    return value.state.get("_data") if isinstance(value.state, dict) else None


def _ansi_string(value: StandIn) -> Any:
    raw = value.state.get("_raw_string") if isinstance(value.state, dict) else None
    return raw if isinstance(raw, str) else _any_object(value)


def _mapping_object(value: StandIn) -> dict[Any, Any]:
    given = [entry for entry in value.arguments if isinstance(entry, dict)]
    return value.items or (given[0] if given else {})


def _sequence_object(value: StandIn) -> list[Any]:
    given = [entry for entry in value.arguments if isinstance(entry, list | tuple)]
    return value.values or (list(given[0]) if given else [])


def _set_object(value: StandIn) -> set[Any]:
    return set(_sequence_object(value))


def _reconstructed(value: StandIn) -> Any:
    """`copyreg._reconstructor(cls, base, value)`, which protocols below 2 write."""
    match value.arguments:
        case (_, _, str() | int() | float() as plain):
            return plain
        case (type() as kind, *_):
            return kind
    return None


def _encoded(value: StandIn) -> bytes | None:
    """`_codecs.encode(text, "latin1")`: how protocols below 3 write bytes."""
    match value.arguments:
        case (str(text), "latin1"):
            return text.encode("latin-1")
    return None


def _bytes(value: StandIn) -> Any:
    """`bytes()` and `bytearray(bytes)`: what protocols below 3 and 5 write."""
    match value.arguments:
        case ():
            return b""
        case (bytes() | StandIn() as plain,):
            return plain
    return None


def _date(value: StandIn) -> str | None:
    match value.arguments:
        case (bytes(packed),) if len(packed) == 4:
            return date(packed[0] * 256 + packed[1], packed[2], packed[3]).isoformat()
    return None


def _time(value: StandIn) -> str | None:
    match value.arguments:
        case (bytes(packed), *zone) if len(packed) == 6:
            return _clock(packed, zone).isoformat()
    return None


def _datetime(value: StandIn) -> str | None:
    match value.arguments:
        case (bytes(packed), *zone) if len(packed) == 10:
            year, month = packed[0] * 256 + packed[1], packed[2] % 128  # high bit as below
            day = date(year, month, packed[3])
            return datetime.combine(day, _clock(packed[4:], zone)).isoformat()
    return None


def _timedelta(value: StandIn) -> str | None:
    span = _span(value)
    return None if span is None else str(span)


def _clock(packed: bytes, zone: list[Any]) -> time:
    hour, minute, second = packed[0] % 128, packed[1], packed[2]  # the high bit is `fold`
    return time(hour, minute, second, int.from_bytes(packed[3:], "big"), _zone(zone))


def _zone(arguments: list[Any]) -> timezone | None:
    """Find a fixed offset where there is one: other zones would need their library."""
    match arguments:
        case [StandIn(qualified_name="datetime.timezone", arguments=(StandIn() as span, *_))]:
            offset = _span(span)
            return None if offset is None else timezone(offset)
    return None


def _span(value: StandIn) -> timedelta | None:
    match value.arguments:
        case (int(days), int(seconds), int(micros)):
            return timedelta(days, seconds, micros)
    return None


# Classes that really occur in what games send, each with where its value is.
KNOWN_CLASSES: Mapping[str, Callable[[StandIn], Any]] = {
    "evennia.utils.dbserialize._SaverDict": _saver,
    "evennia.utils.dbserialize._SaverDefaultDict": _saver,
    "evennia.utils.dbserialize._SaverOrderedDict": _saver,
    "evennia.utils.dbserialize._SaverList": _saver,
    "evennia.utils.dbserialize._SaverDeque": _saver,
    "evennia.utils.dbserialize._SaverSet": _saver,
    "evennia.utils.ansi.ANSIString": _ansi_string,
    "collections.OrderedDict": _mapping_object,
    "collections.defaultdict": _mapping_object,
    "collections.Counter": _mapping_object,
    "collections.deque": _sequence_object,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.set": _set_object,
    "builtins.frozenset": _set_object,
    "builtins.list": _sequence_object,
    "copyreg._reconstructor": _reconstructed,
    "_codecs.encode": _encoded,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.datetime": _datetime,
    "datetime.timedelta": _timedelta,
}
