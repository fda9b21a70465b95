"""The counters: each from zero, each with its text, none shared; and what is looked up."""

import re
from pathlib import Path

import portal
from portal.metrics import Gauge, Metrics, help_texts, look_up


def test_every_counter_begins_at_zero():
    counters = Metrics().as_dict()
    assert set(counters.values()) == {0}
    assert "messages_in" in counters


def test_every_counter_says_what_it_counts():
    texts = help_texts()
    assert texts.keys() == Metrics().as_dict().keys()
    assert all(text.endswith(".") and text[0].isupper() for text in texts.values())


def test_two_portals_count_apart():
    one, other = Metrics(), Metrics()
    one.messages_in += 2
    assert one.as_dict()["messages_in"] == 2
    assert other.as_dict()["messages_in"] == 0


def test_a_misspelt_counter_is_an_error():
    try:
        Metrics().mesages_in = 1
    except AttributeError:
        return
    raise AssertionError("it was taken")


def test_every_counter_is_counted_somewhere():
    sources = [path.read_text() for path in Path(portal.__file__).parent.rglob("*.py")]
    counted = {name for text in sources for name in re.findall(r"metrics\.(\w+) \+= ", text)}
    assert Metrics().as_dict().keys() == counted


def test_gauges_are_looked_up():
    figures = {"one": 1, "by_name": {"a": 2.5}, "unknown": None}
    gauges = [Gauge(name, "Text.", lambda name=name: figures[name]) for name in figures]
    assert look_up(gauges) == {"one": 1, "by_name": {"a": 2.5}}
