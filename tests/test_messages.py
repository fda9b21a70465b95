"""Every way of writing a message, and what it becomes."""

import enum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import LocalProtocolError
from portal.messages import (
    MAX_DEPTH,
    has_longer_text,
    is_normal,
    normalise,
    text_to_message,
)


class Colour(enum.IntEnum):
    RED = 1


class Marked(str):
    __slots__ = ()


class Ratio(float):
    pass


class Thing:
    def __str__(self):
        return "a thing"


def kwargs(**own):
    return {**own, "options": own.get("options", {})}


FORMS = [
    ("a text", {"text": "x"}, {"text": [["x"], kwargs()]}),
    ("an empty line", {"text": ""}, {"text": [[""], kwargs()]}),
    ("no text", {"text": None}, {}),
    ("no text in a list", {"text": []}, {}),
    ("no text in a mapping", {"text": {}}, {}),
    ("a text among others", {"text": "x", "hp": 1}, {"text": [["x"], kwargs()], "hp": [[1], kwargs()]}),
    ("bytes", {"text": b"gr\xc3\xbc\xff"}, {"text": [["gr\u00fc\ufffd"], kwargs()]}),
    ("a number", {"hp": 3}, {"hp": [[3], kwargs()]}),
    ("zero is a value", {"hp": 0}, {"hp": [[0], kwargs()]}),
    ("nothing", {"ping": None}, {"ping": [[], kwargs()]}),
    ("an empty tuple", {"ping": ()}, {"ping": [[], kwargs()]}),
    ("args", {"hp": [1, 2]}, {"hp": [[1, 2], kwargs()]}),
    ("args from a set", {"hp": {1}}, {"hp": [[1], kwargs()]}),
    ("args from an iterator", {"hp": iter([1, 2])}, {"hp": [[1, 2], kwargs()]}),
    ("an iterator of nothing", {"hp": iter([])}, {"hp": [[], kwargs()]}),
    ("kwargs", {"hp": {"now": 1}}, {"hp": [[], kwargs(now=1)]}),
    ("any mapping", {"hp": MappingProxyType({"now": 1})}, {"hp": [[], kwargs(now=1)]}),
    ("one arg and kwargs", {"text": ("x", {"echo": False})}, {"text": [["x"], kwargs(echo=False)]}),
    ("args and kwargs", {"text": (["x"], {})}, {"text": [["x"], kwargs()]}),
    ("a text is no list of letters", {"hp": ("ab", {})}, {"hp": [["ab"], kwargs()]}),
    ("two mappings", {"hp": ({"a": 1}, {"b": 2})}, {"hp": [[{"a": 1}], kwargs(b=2)]}),
    ("kwargs alone in a list", {"hp": [{"b": 2}]}, {"hp": [[], kwargs(b=2)]}),
    ("args before kwargs", {"hp": (1, 2, {"b": 2})}, {"hp": [[1, 2], kwargs(b=2)]}),
    ("names of kwargs are text", {"hp": {1: 2}}, {"hp": [[], {"1": 2, "options": {}}]}),
    ("numbers stay numbers as inner keys", {"hp": [{0: 80}, 1]}, {"hp": [[{0: 80}, 1], kwargs()]}),
    ("other inner keys become text", {"hp": [{(1,): 80}, 1]}, {"hp": [[{"(1,)": 80}, 1], kwargs()]}),
    ("options for all", {"text": "x", "hp": 1, "options": {"raw": True}},
     {"text": [["x"], kwargs(options={"raw": True})], "hp": [[1], kwargs(options={"raw": True})]}),
    ("own options win", {"hp": ([1], {"options": {"raw": False, "a": 1}}), "options": {"raw": True, "b": 2}},
     {"hp": [[1], {"options": {"raw": False, "a": 1, "b": 2}}]}),
    ("options that are none", {"hp": ([1], {"options": 7}), "options": [1]}, {"hp": [[1], kwargs()]}),
    ("only options", {"options": {"raw": True}}, {}),
    ("prompt last", {"prompt": ">", "text": "x"}, {"text": [["x"], kwargs()], "prompt": [[">"], kwargs()]}),
    ("an enum", {"hp": Colour.RED}, {"hp": [[1], kwargs()]}),
    ("marked text", {"text": Marked("x")}, {"text": [["x"], kwargs()]}),
    ("a float of its own", {"hp": Ratio(0.5)}, {"hp": [[0.5], kwargs()]}),
    ("any object", {"text": ("x", Thing())}, {"text": [["x", "a thing"], kwargs()]}),
    ("nothing at all", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS]
)
def test_every_form(message, expected):
    result = normalise(message)
    assert result == expected
    assert list(result) == list(expected)
    assert is_normal(result)
    assert types_of(result) <= {str, int, float, bool, type(None), list, dict}
    assert normalise(result) == result


def types_of(value):
    inner = list(value) + list(value.values()) if isinstance(value, dict) else value
    below = set().union(*map(types_of, inner)) if isinstance(value, dict | list) else set()
    return {type(value)} | below


def test_nothing_is_shared_with_the_caller():
    inner, options = [1], {"raw": True}
    result = normalise({"hp": (inner, {"deep": inner}), "mp": 1, "options": options})
    inner.append(2)
    options["raw"] = False
    assert result["hp"] == [[1], {"deep": [1], "options": {"raw": True}}]
    result["hp"][1]["options"]["raw"] = None
    assert result["mp"][1]["options"] == {"raw": True}


def test_depth_is_bounded():
    value = []
    for _ in range(MAX_DEPTH):
        value = [value]
    assert normalise({"deep": ([value], {})})
    endless = []
    endless.append(endless)
    for deeper in ([[value, 1], 1], endless, {"a": [endless]}):
        with pytest.raises(LocalProtocolError, match="nested deeper"):
            normalise({"deep": deeper})


@pytest.mark.parametrize(
    "message",
    [
        {"text": "x"},
        {"text": ["x"]},
        {"text": ("x", {})},
        {"text": [["x"]]},
        {"text": [("x",), {}]},
        {"text": [["x"], None]},
        {"text": [["x"], {}, 1]},
        {"prompt": [[">"], {}], "text": [["x"], {}]},
    ],
)
def test_what_is_not_normal(message):
    assert not is_normal(message)


def test_what_is_normal():
    assert is_normal({})
    assert is_normal({"text": [["x"], {}], "prompt": [[">"], {}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_normalising_twice_changes_nothing(message):
    once = normalise(message)
    assert is_normal(once)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("message", "longer"),
    [
        ({"text": [["12345"], {}]}, False),
        ({"text": [["123456"], {}]}, True),
        ({"text": [["\N{SNOWMAN}" * 5], {}]}, False),
        ({"text": [["1", "123456"], {}]}, True),
        ({"text": [[], {}]}, False),
        ({"text": [[1234567, ["123456"]], {}]}, False),
        ({"gmcp": [["123456"], {}]}, False),
        ({"gmcp": [["1"], {}], "text": [["123456"], {}]}, True),
    ],
)
def test_a_text_that_is_longer(message, longer):
    assert has_longer_text(message, 5) is longer


def test_a_text_alone():
    assert text_to_message("x") == normalise({"text": "x"}) == {"text": [["x"], {"options": {}}]}
    message = {"hp": [[1], {"options": {}}]}
    assert text_to_message(message) is message
    assert [has_longer_text(text, 5) for text in ("", "12345", "123456")] == [False, False, True]
