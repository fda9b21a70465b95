"""What games really pickle, read without its classes; and what an attacker would pickle.

The classes live in modules that exist while they are pickled and are gone when they are read.
"""

import collections
import datetime as dt
import enum
import io
import pickle
import sys
import types
import zoneinfo

import pytest

from portal.amp import stand_ins
from portal.amp.stand_ins import Budget, Normaliser, StandIn
from portal.errors import RemoteProtocolError

UTC = dt.UTC
SAVERS = ["_SaverDict", "_SaverOrderedDict", "_SaverDefaultDict"]


class Reader(pickle.Unpickler):
    """The least that makes stand-ins of a pickle."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.budget = Budget()

    def find_class(self, module, name):
        return self.budget.make_class(module, name)


def read(data):
    return Normaliser().to_plain(Reader(data).load(), 0)


def pickled(value, protocol=5):
    return pickle.dumps(value, protocol)


@pytest.fixture
def foreign(monkeypatch):
    """Make a class of a module that is not there."""

    def make(module, name, *bases, **namespace):
        kind = type(name, bases, {"__module__": module, "__qualname__": name, **namespace})
        folders = module.split(".")
        for depth in range(len(folders)):
            path = ".".join(folders[: depth + 1])
            if path not in sys.modules:
                monkeypatch.setitem(sys.modules, path, types.ModuleType(path))
        monkeypatch.setattr(sys.modules[module], name, kind, raising=False)
        return kind

    return make


def called(name, *arguments):
    """The pickle of a call of something by its dotted name."""
    target = "\n".join(name.rsplit(".", 1)).encode()
    return b"\x80\x03c" + target + b"\n" + pickle.dumps(arguments, 3)[2:-1] + b"R."


def with_state(kind, *arguments, **state):
    made = kind(*arguments)
    made.__dict__.update(state)
    return made


@pytest.mark.parametrize("name", [*SAVERS, "_SaverList", "_SaverDeque", "_SaverSet"])
def test_evennias_savers_are_what_they_hold(foreign, name):
    saver = foreign("evennia.utils.dbserialize", name)
    row = foreign("evennia.typeclasses.attributes", "Attribute")
    data = {"SCREENWIDTH": {0: 100}} if name in SAVERS else [1, 2]
    inner = with_state(saver, _data=data, _parent=None, _db_obj=None)
    outer = with_state(
        saver, _data={"flags": inner}, _db_obj=with_state(row, lock="edit:perm(Admin)")
    )
    assert read(pickled({"protocol_flags": outer})) == {"protocol_flags": {"flags": data}}


def test_a_saver_without_its_data_is_a_text(foreign):
    saver = foreign("evennia.utils.dbserialize", "_SaverDict")
    expected = "<evennia.utils.dbserialize._SaverDict>"
    assert read(pickled(with_state(saver, other=1))) == expected
    assert read(pickled(saver())) == expected


def test_an_ansi_string_is_its_raw_text(foreign):
    ansi = foreign("evennia.utils.ansi", "ANSIString", str)
    parser = foreign("evennia.utils.ansi", "ANSIParser")
    text = with_state(ansi, "red", _raw_string="|rred|n", parser=parser())
    assert read(pickled({"reason": text})) == {"reason": "|rred|n"}
    assert read(pickled(ansi("plain"))) == "plain"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.date(2026, 11, 21), "2026-11-21"),
        (dt.time(1, 2, 3, 4), "01:02:03.000004"),
        (dt.time(1, 2, tzinfo=UTC), "01:02:00+00:00"),
        (dt.datetime(2026, 11, 21, 1, 2, 3, 70000), "2026-11-21T01:02:03.070000"),  # noqa: DTZ001
        (dt.datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00"),
        (dt.datetime(2026, 11, 21, fold=1, tzinfo=UTC), "2026-11-21T00:00:00+00:00"),
        (
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(-dt.timedelta(hours=9.5))),
            "2026-01-01T00:00:00-09:30",
        ),
        (
            dt.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
            "2026-01-01T00:00:00",
        ),
        (dt.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
        (UTC, "<datetime.timezone>"),
    ],
)
def test_moments_become_text(value, text):
    assert read(pickled(value)) == text


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("datetime", (b"\x07\xea\x0d\x01\0\0\0\0\0\0",)),  # month 13
        ("datetime", (b"short",)),
        ("date", ("text",)),
        ("date", (b"",)),
        ("time", (b"\x1f\0\0\0\0\0",)),  # hour 31
        ("time", ()),
        ("timedelta", (10**12, 0, 0)),
        ("timedelta", ("x",)),
    ],
)
def test_a_moment_that_is_none_costs_itself_only(name, arguments):
    assert read(called(f"datetime.{name}", *arguments)) == f"<datetime.{name}>"


def test_a_zone_that_cannot_be_told_is_left_out():
    start = b"\x07\xea\x01\x01\0\0\0\0\0\0"
    assert read(called("datetime.datetime", start, "somewhere")) == "2026-01-01T00:00:00"
    zone = b"cdatetime\ntimezone\ncdatetime\ntimedelta\n)R\x85R"
    data = b"\x80\x03cdatetime\ndatetime\nC\x0a" + start + zone + b"\x86R."
    assert read(data) == "2026-01-01T00:00:00"


def a_cyclic_dict():
    value = {"a": 1}
    value["self"] = value
    return value


def a_default_dict():
    value = collections.defaultdict(list)
    value["a"] = [1]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.OrderedDict(), {}),
        (a_default_dict(), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.deque([1, 2], 5), [1, 2]),
        (collections.deque(), []),
    ],
)
def test_containers_of_the_library(value, expected):
    plain = read(pickled([value, value]))
    assert plain == [expected, expected]
    assert type(plain[0]) is type(expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        frozenset({3}),
        set(),
        b"bytes \xff",
        b"",
        bytearray(b"x"),
        bytearray(),
        {"k": [None, True, 1.5]},
    ],
)
def test_plain_values_of_every_protocol(protocol, value):
    assert read(pickled(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize(
    ("base", "value"), [(str, "text"), (int, 7), (float, 0.5), (dict, {"a": 1}), (list, [1])]
)
def test_subclasses_of_plain_types(foreign, base, value, protocol):
    kind = foreign("world.types", "Mine", base)
    assert read(pickled({"v": kind(value)}, protocol)) == {"v": value}


@pytest.mark.parametrize("value", ["text", 7])
def test_reconstructed_objects_of_old_protocols(foreign, value):
    kind = foreign("world.types", "Mine", type(value))
    assert read(pickled(kind(value), 1)) == value


def test_an_old_object_without_a_value_is_a_text(foreign):
    kind = foreign("world.types", "Thing")
    assert read(pickled(kind(), 1)) == "<world.types.Thing>"
    assert read(b"\x80\x02ccopyreg\n_reconstructor\n)R.") == "<copyreg._reconstructor>"


class Colour(enum.StrEnum):
    RED = "r"


def test_an_enum_is_its_value(monkeypatch):
    monkeypatch.setitem(sys.modules, "world", types.SimpleNamespace(Colour=Colour))
    monkeypatch.setattr(Colour, "__module__", "world")
    assert read(pickled([Colour.RED])) == ["r"]


def test_whatever_else_is_named(foreign):
    thing = foreign("world.things", "Thing")
    made = [with_state(thing, a=1), thing, len, {thing(): 1}, (thing(),)]
    name = "<world.things.Thing>"
    assert read(pickled(made)) == [name, name, "<builtins.len>", {name: 1}, (name,)]


@pytest.mark.parametrize(("value", "protocol"), [({"a": b"x"}, 2), ("x", 2)])
def test_codecs_encode_is_bytes(value, protocol):
    assert read(pickled(value, protocol)) == value


def test_bytes_of_another_kind_are_named():
    assert read(called("builtins.bytearray", "text", "latin1")) == "<builtins.bytearray>"


def test_another_codec_is_named():
    data = b"\x80\x02c_codecs\nencode\nX\x01\0\0\0xX\x05\0\0\0rot13\x86R."
    assert read(data) == "<_codecs.encode>"


def test_a_key_that_is_no_key_any_more():
    holder = collections.deque

    class Hashable(holder):
        def __hash__(self):
            return 1

    Hashable.__module__, Hashable.__qualname__ = "collections", "deque"
    original, collections.deque = collections.deque, Hashable
    try:
        data = pickled({Hashable([1]): 1, (Hashable([2]),): 2})
    finally:
        collections.deque = original
    assert read(data) == {"<collections.deque>": 1, "<tuple>": 2}


def test_what_is_referred_to_twice_is_turned_once():
    shared = [collections.OrderedDict(a=1)]
    plain = read(pickled({"x": shared, "y": shared}))
    assert plain == {"x": [{"a": 1}], "y": [{"a": 1}]}
    assert plain["x"] is plain["y"]


def test_references_do_not_multiply():
    value = [collections.OrderedDict(a=1)]
    for _ in range(60):
        value = [value, value]
    plain = read(pickled(value))  # 2**60 lists, had each reference been followed
    for _ in range(60):
        plain = plain[0]
    assert plain == [{"a": 1}]


def test_cycles_end():
    value = a_cyclic_dict()
    value["list"] = [value]
    value["class"] = collections.OrderedDict(up=value)
    assert read(pickled(value)) == {
        "a": 1,
        "self": "<cycle>",
        "list": ["<cycle>"],
        "class": {"up": "<cycle>"},
    }


def test_depth_ends():
    value = []
    for _ in range(150):
        value = [value]
    text = repr(read(pickled(value)))
    assert "too deep" in text
    assert text.count("[") == stand_ins.MAX_DEPTH + 1


def test_objects_are_counted(monkeypatch):
    monkeypatch.setattr(stand_ins, "MAX_OBJECTS", 10)
    assert len(read(pickled([collections.OrderedDict() for _ in range(10)]))) == 10
    with pytest.raises(RemoteProtocolError, match="TooManyObjects"):
        read(pickled([collections.OrderedDict() for _ in range(11)]))


def test_classes_are_counted():
    one = b"ca\nb\n0"
    assert read(b"\x80\x02" + one * stand_ins.MAX_CLASSES + b"N.") is None
    with pytest.raises(RemoteProtocolError, match="TooManyObjects"):
        read(b"\x80\x02" + one * (stand_ins.MAX_CLASSES + 1) + b"N.")


def test_nothing_is_imported_or_called():
    before = set(sys.modules)
    data = b"\x80\x04\x8c\x04this\x8c\x01s\x93\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R\x86."
    assert read(data) == ("<this.s>", "id")
    assert set(sys.modules) == before


def test_each_occurrence_is_a_class_of_its_own():
    budget = Budget()
    first, second = budget.make_class("os", "system"), budget.make_class("os", "system")
    assert first is not second
    assert issubclass(first, StandIn)
    with pytest.raises(AttributeError):
        first().anything = 1


def test_names_are_bounded():
    kind = Budget().make_class("m" * 1000, "n")
    assert len(kind.qualified_name) == stand_ins.MAX_NAME


def test_a_stand_in_takes_what_a_pickle_does():
    made = Budget().make_class("a", "b")(x=1)
    assert made.arguments == (1,)
    again = made("y")
    assert again.qualified_name == "a.b"
    assert again.arguments == ("y",)
    again.add(1)
    assert again.values == [1]


def test_an_unknown_type_is_named():
    assert Normaliser().to_plain(range(3), 0) == "<range>"
