"""Reading the settings of a game one by one: their types, and what is said where they are wrong."""

import pytest

from portal.evennia.given import MISSING, Given

FILE = "/game/server/conf/settings.py"


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("flag", True, True),
        ("flag", False, False),
        ("flag", 1, True),
        ("flag", 0, False),
        ("flag", None, False),
        ("text", "a", "a"),
        ("text", None, ""),
        ("number", 2, 2.0),
        ("number", 0.5, 0.5),
        ("number", None, 0.0),
        ("whole", 7, 7),
        ("texts", ["a", "b"], ["a", "b"]),
        ("texts", None, []),
        ("ports", [1, 2], [1, 2]),
        ("ports", [], []),
        ("pairs", [[1, 2], [3, 4]], [(1, 2), (3, 4)]),
        ("pairs", [], []),
        ("text_pairs", [["a", "b"]], [["a", "b"]]),
        ("hosts", ["127.0.0.1", "::1"], ["127.0.0.1", "::1"]),
        ("hosts", ["::"], ["::", "0.0.0.0"]),
        ("hosts", ["::", "0.0.0.0"], ["::", "0.0.0.0"]),
        ("hosts", [""], ["0.0.0.0"]),
        ("host", "::", ["::", "0.0.0.0"]),
        ("host", "10.0.0.1", ["10.0.0.1"]),
        ("host", "", []),
    ],
)
def test_values(kind, value, read):
    given = Given(FILE, {"NAME": value})
    assert getattr(given, kind)("NAME") == read
    assert given.problems == []


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("flag", "False", "expected True or False, got 'False'"),
        ("flag", 2, "expected True or False, got 2"),
        ("flag", [], "expected True or False, got []"),
        ("text", 5, "expected a text, got 5"),
        ("text", ["a"], "expected a text, got ['a']"),
        ("number", "2", "expected a number, got '2'"),
        ("number", True, "expected a number, got True"),
        ("number", float("inf"), "expected a number, got inf"),
        ("whole", 2.5, "expected a whole number, got 2.5"),
        ("whole", "4002", "expected a whole number, got '4002'"),
        ("texts", "::1", 'expected a list of texts, as ["one", "two"], got \'::1\''),
        ("texts", [1], 'expected a list of texts, as ["one", "two"], got [1]'),
        ("ports", 4000, "expected a list of whole numbers, as [4000], got 4000"),
        ("ports", ["4000"], "expected a list of whole numbers, as [4000], got ['4000']"),
        ("ports", [True], "expected a list of whole numbers, as [4000], got [True]"),
        ("pairs", [4001, 4005], "expected a list of pairs of whole numbers, as [(4001, 4005)]"),
        ("pairs", [[4001]], "got [[4001]]"),
        ("pairs", {"a": 1}, "got {'a': 1}"),
        ("text_pairs", [["a", 1]], "expected a list of pairs of texts"),
        ("hosts", "0.0.0.0", "got '0.0.0.0'"),
        ("text", {"a": "\x1b" * 99}, "..."),
    ],
)
def test_mistakes(kind, value, expected):
    given = Given(FILE, {"NAME": value})
    read = getattr(given, kind)("NAME")
    assert not read
    (problem,) = given.problems
    assert str(problem).startswith(f"{FILE}: NAME: expected ")
    assert expected in str(problem)
    assert str(problem).isprintable()


@pytest.mark.parametrize("kind", ["flag", "text", "number", "whole", "texts", "ports", "pairs"])
def test_what_is_missing(kind):
    given = Given(FILE, {})
    assert not getattr(given, kind)("NAME")
    assert [str(each) for each in given.problems] == [f"{FILE}: NAME: {MISSING}"]


@pytest.mark.parametrize(("value", "read"), [("a.b", ["a.b"]), ("", []), (["a", "b"], ["a", "b"])])
def test_one_text_in_place_of_a_list(value, read):
    given = Given(FILE, {"NAME": value})
    assert given.texts("NAME", one=True) == read
    assert given.problems == []
