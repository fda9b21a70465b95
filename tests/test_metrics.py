"""The counters: each from zero, each with its text, none shared."""

from portal.metrics import Metrics, help_texts


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
