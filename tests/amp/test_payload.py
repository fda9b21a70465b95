"""Packed messages, there and back, and what is refused; pickle's own ways to fail."""

import collections
import datetime as dt
import pickle
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal._native import OBJECTS, PLAIN, REJECT, scan_pickle
from portal.amp import payload, stand_ins
from portal.errors import LocalProtocolError, RemoteProtocolError

MESSAGES = [
    (1, {"text": [["look"], {"options": {}}]}),
    (0, {"operation": "\x03", "sessiondata": {1: {"uid": None, "conn_time": 1.5}}}),
    ([1, 2, 3], {"text": [["hello all"], {}]}),
    ([], {}),
    (2**70, {"b": b"\0", "t": (1, 2), "s": {1}, "f": frozenset({2})}),
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(("sessid", "kwargs"), MESSAGES)
def test_both_ways(sessid, kwargs):
    data = payload.dumps(sessid, kwargs)
    verdict, reason = scan_pickle(data)
    assert (verdict, reason) == (PLAIN, "")
    assert payload.loads(data, verdict) == (sessid, kwargs)
    # The unpickler of stand-ins reads the same where there is nothing to stand in for.
    assert payload.loads(data, OBJECTS) == (sessid, kwargs)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_any_plain_message(kwargs):
    data = payload.dumps(7, kwargs)
    assert payload.loads(data, PLAIN) == (7, kwargs)
    assert payload.loads(data, OBJECTS) == (7, kwargs)


@pytest.mark.parametrize("text", ["look", "", "\ud800", "x" * 70_000])
def test_a_text_alone_is_sent_as_its_message(text):
    data = payload.dumps(7, text)
    assert pickle.loads(data) == (7, {"text": [[text], {"options": {}}]})
    assert payload.loads(data, PLAIN) == pickle.loads(data)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"text": [["look"], {}]},  # the codec pickles it
        {"set": {1}, "number": 2**70, "surrogate": "\ud800"},
        {"long": "x" * 100_000},
        {"many": [None] * 5000},
        collections.OrderedDict(a=1),
    ],
    ids=["plain", "rare", "long", "many", "class"],
)
def test_whoever_pickles_it_the_message_is_the_same(kwargs):
    assert pickle.loads(payload.dumps(1, kwargs)) == (1, kwargs)


def test_a_message_that_holds_itself():
    kwargs = {}
    kwargs["self"] = [kwargs]
    _, read = pickle.loads(payload.dumps(1, kwargs))
    assert read["self"][0] is read


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_foreign_pickler(protocol):
    data = pickle.dumps((3, {"text": [["x"], {}]}), protocol)
    assert payload.loads(data, scan_pickle(data)[0]) == (3, {"text": [["x"], {}]})


def test_classes_are_replaced():
    when = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    data = pickle.dumps((3, {"when": when}), 5)
    verdict, reason = scan_pickle(data)
    assert verdict == OBJECTS
    assert "datetime.datetime" in reason
    assert payload.loads(data, verdict) == (3, {"when": "2026-11-21T00:00:00+00:00"})


@pytest.mark.parametrize(
    "value",
    [None, 1, (1,), (1, {}, 2), [1, {}], ("1", {}), (None, {}), (1, []), (["1"], {}), ((1,), {})],
)
def test_another_shape(value):
    with pytest.raises(RemoteProtocolError) as caught:
        payload.loads(pickle.dumps(value), PLAIN)
    assert caught.value.name == "NotAMessage"


BROKEN = [b"", b"\x80\x05", b"\x80\x05K", b"\x80\x05\x8c\x01\xff.", b"\x80\x05(K\x01\x86.", b"."]


@pytest.mark.parametrize("verdict", [PLAIN, OBJECTS])
@pytest.mark.parametrize("data", [*BROKEN, b"\x80\x05}]K\x01s.", b"\x80\x05h\x07."])
def test_broken_pickles(data, verdict):
    with pytest.raises(RemoteProtocolError) as caught:
        payload.loads(data, verdict)
    assert caught.value.name == "BadPickle"


def test_what_the_scan_rejects_meets_no_unpickler(monkeypatch):
    monkeypatch.setattr(payload, "pickle", SimpleNamespace())
    with pytest.raises(RemoteProtocolError) as caught:
        payload.loads(b"\x80\x02r\xff\xff\xff\x04.", REJECT)
    assert caught.value.name == "Rejected"


def test_persistent_objects_are_refused_even_so():
    for data in (b"\x80\x02K\x01Q.", b"Pid\n."):
        with pytest.raises(RemoteProtocolError, match="BadPickle"):
            payload.loads(data, OBJECTS)


def test_building_onto_a_class_is_refused():
    with pytest.raises(RemoteProtocolError, match="BadPickle"):
        payload.loads(b"\x80\x02cm\nC\n}b.", OBJECTS)


@pytest.mark.parametrize("value", [lambda: None, (x for x in ()), memoryview(b"x")])
def test_what_cannot_be_pickled(value):
    with pytest.raises(LocalProtocolError, match="cannot be pickled"):
        payload.dumps(1, {"x": value})


@pytest.mark.parametrize(
    "value", [[], {}, ["twistd", "--python=x"], (True, False, 1, None, {"servername": "x"}, {})]
)
@pytest.mark.parametrize("protocol", [4, 5])
def test_values_of_the_launcher(value, protocol):
    assert payload.load_value(payload.dump_value(value)) == value
    assert payload.load_value(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", "Rejected"), (b"\x80\x04K\x01Q.", "Rejected"), (b"not a pickle", "Rejected")],
)
def test_values_that_are_refused(data, name):
    with pytest.raises(RemoteProtocolError) as caught:
        payload.load_value(data)
    assert caught.value.name == name


def test_values_with_classes():
    assert payload.load_value(pickle.dumps(len)) == "<builtins.len>"


def test_a_value_that_cannot_be_pickled():
    with pytest.raises(LocalProtocolError):
        payload.dump_value(lambda: None)


def test_a_copy_is_what_the_other_side_would_get(monkeypatch):
    value = {"a": [1, (2, {3})], 4: b"5", "class": len}
    copied = payload.copy_value(value)
    assert copied == value | {"class": "<builtins.len>"}
    assert copied["a"] is not value["a"]
    with pytest.raises(LocalProtocolError, match="cannot be pickled"):
        payload.copy_value(lambda: None)
    monkeypatch.setattr(stand_ins, "MAX_CLASSES", 0)
    with pytest.raises(LocalProtocolError, match="cannot be sent: TooManyObjects"):
        payload.copy_value(len)
