"""What is kept, in which order, how much of it, and the rule for what is uncertain."""

import msgspec
import pytest

from portal.holding import (
    HELD_TOO_MUCH,
    REPORT_LENGTH,
    UNCERTAIN,
    UNCERTAIN_UNNAMED,
    Absence,
    Holding,
    Reason,
    Verdict,
    extract_text,
    judge,
    measure,
    present,
)


def line(text, **options):
    return {"text": [[text], {"options": options}]}


def take_all(holding):
    taken = []
    while (kept := holding.take()) is not None:
        taken.append(kept)
    return taken


def test_what_is_kept_comes_out_once_in_order():
    holding = Holding(10, 1000)
    assert holding.take() is None
    for sessid, text, secret in [(2, "a", False), (1, "b", True), (2, "c", False)]:
        assert holding.keep(sessid, line(text), secret)
    assert holding.total == 3
    assert holding.total_bytes == 3 * measure(line("a"))
    assert take_all(holding) == [
        (2, line("a"), False),
        (2, line("c"), False),
        (1, line("b"), True),
    ]
    assert (holding.total, holding.total_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("lines", "size", "texts", "accepted"),
    [
        (2, 1000, ["a", "b", "c"], [True, True, False]),
        (0, 1000, ["a"], [False]),
        (9, 2 * measure(line("aaaa")), ["aaaa", "aaaa", ""], [True, True, False]),
        (9, measure(line("aaaa")), ["aaaaa", "aaaa"], [False, True]),
        (9, measure(line("\u00fc\u00fc")), ["\u00fc\u00fc\u00fc", "aaaaa", "aaaa"], [False, False, True]),
    ],
    ids=["lines", "nothing", "bytes", "one line too big", "bytes, not characters"],
)  # fmt: skip
def test_bounds_are_for_each_session(lines, size, texts, accepted):
    holding = Holding(lines, size)
    for sessid in (1, 2):
        assert [holding.keep(sessid, line(text), False) for text in texts] == accepted
    assert holding.total == 2 * sum(accepted)


def test_room_comes_back_when_something_is_taken():
    holding = Holding(2, 2 * measure(line("aa")))
    assert [holding.keep(1, line("aa"), False) for _ in range(3)] == [True, True, False]
    holding.take()
    assert [holding.keep(1, line("aa"), False) for _ in range(2)] == [True, False]
    take_all(holding)
    assert [holding.keep(1, line("aa"), False) for _ in range(3)] == [True, True, False]


def test_what_was_accepted_before_has_room_in_any_case():
    holding = Holding(1, 1000)
    holding.keep(1, line("c"), False)
    holding.restore(1, [(line("a"), True), (line("b"), False)], first=True)
    holding.restore(1, [(line("d"), False)])
    holding.restore(2, [])
    assert holding.total == 4
    assert not holding.keep(1, line("e"), False)
    assert [extract_text(message) for _, message, _ in take_all(holding)] == ["a", "b", "c", "d"]
    assert holding.keep(1, line("e"), False)


def test_whether_a_line_is_kept():
    holding = Holding(9, 999)
    holding.keep(1, GMCP, False)
    assert not holding.has_text(1)
    assert not holding.has_text(2)
    holding.keep(1, line("a"), True)
    assert holding.has_text(1)


def test_a_session_that_is_gone_leaves_nothing():
    holding = Holding(2, 1000)
    holding.keep(1, line("a"), False)
    holding.keep(2, line("b"), False)
    assert list(holding.drop(1)) == [(line("a"), False)]
    assert list(holding.drop(3)) == []
    assert holding.total == 1
    assert take_all(holding) == [(2, line("b"), False)]


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack], ids=["json", "msgpack"])
def test_holding_is_written_down_and_read_back(codec):
    holding = Holding(2, 1000)
    for sessid, text, secret in [(2, "a", False), (1, "b", True), (2, "c", False)]:
        holding.keep(sessid, line(text), secret)
    state = codec.decode(codec.encode(holding.get_state()))
    other = Holding(2, 1000)
    other.keep(5, line("of before"), False)
    other.set_state(state)
    assert other.get_state() == holding.get_state()
    assert other.total == 3
    assert not other.keep(2, line("d"), False)
    assert take_all(other) == take_all(holding)


class TestAbsence:
    def test_the_server_is_away_from_the_start(self):
        absence = Absence()
        assert absence.away
        assert absence.reason is Reason.STARTING

    @pytest.mark.parametrize(
        ("first", "then", "expected"),
        [
            (Reason.RESTARTING, Reason.LOST, Reason.RESTARTING),
            (Reason.LOST, Reason.RESTARTING, Reason.LOST),
            (Reason.RESTARTING, Reason.STOPPED, Reason.STOPPED),
            (Reason.STOPPED, Reason.LOST, Reason.STOPPED),
            (Reason.STOPPED, Reason.STARTING, Reason.STARTING),
            (Reason.LOST, Reason.GIVEN_UP, Reason.GIVEN_UP),
            (Reason.GIVEN_UP, Reason.STARTING, Reason.STARTING),
            (Reason.GIVEN_UP, Reason.GIVEN_UP, Reason.GIVEN_UP),
            (Reason.LOST, Reason.CLOSING, Reason.CLOSING),
            (Reason.CLOSING, Reason.STOPPED, Reason.CLOSING),
        ],
    )
    @pytest.mark.parametrize("method", ["begin", "explain"])
    def test_which_reason_is_told(self, first, then, expected, method):
        absence = Absence()
        absence.end()
        absence.begin(first)
        assert absence.must_tell(1)
        absence.offer([1])
        getattr(absence, method)(then)
        assert absence.reason is expected
        assert absence.must_tell(1) is (expected is not first)
        assert absence.recalled is (method == "begin")

    def test_without_an_absence_there_is_nothing_to_explain(self):
        absence = Absence()
        absence.end()
        absence.explain(Reason.GIVEN_UP)
        assert not absence.away
        absence.begin(Reason.LOST)
        assert absence.reason is Reason.LOST

    @pytest.mark.parametrize("method", ["must_tell", "refuse"])
    def test_each_is_told_once_in_an_absence(self, method):
        absence = Absence()
        ask = getattr(absence, method)
        assert [ask(1), ask(2), ask(1)] == [True, True, False]
        absence.begin(Reason.RESTARTING)
        assert not ask(1)
        absence.end()
        absence.begin(Reason.RESTARTING)
        assert ask(1)
        absence.forget(1)
        assert ask(1)

    def test_who_was_refused_is_accepted_in_the_next_absence(self):
        absence = Absence()
        absence.refuse(1)
        assert [absence.accepts(1), absence.accepts(2)] == [False, True]
        absence.end()
        absence.begin(Reason.LOST)
        assert absence.accepts(1)
        absence.begin(Reason.CLOSING)
        assert not absence.keeps
        assert not absence.accepts(1)
        assert not absence.refuse(1)

    def test_a_server_may_be_recalled_before_it_is_ready(self):
        absence = Absence()
        absence.offer([1])
        assert not absence.recalled
        absence.begin(Reason.RESTARTING)
        assert absence.recalled
        absence.offer([1])
        assert not absence.recalled

    def test_what_happens_to_offered_sessions_is_remembered(self):
        absence = Absence()
        absence.offer([1, 2])
        absence.changed.add(1)
        for sessid in (2, 3):
            absence.note_end(sessid)
        assert (absence.ended, absence.changed) == ([2], {1})
        absence.offer([1])
        assert (absence.ended, absence.changed, absence.offered) == ([], set(), {1})
        absence.end()
        assert absence.offered == set()

    @pytest.mark.parametrize("away", [True, False])
    def test_absence_is_written_down_and_read_back(self, away):
        absence = Absence()
        absence.end()
        if away:
            absence.begin(Reason.LOST)
            absence.must_tell(1)
            absence.refuse(2)
        other = Absence()
        other.set_state(msgspec.json.decode(msgspec.json.encode(absence.get_state())))
        assert other.away, "the link to the Server is not written down"
        assert other.reason is (Reason.LOST if away else Reason.RESTARTING)
        assert other.must_tell(1) is not away
        assert other.refuse(2) is not away
        assert other.must_tell(2)


GMCP = {"gmcp": [["Core.Ping"], {"options": {}}]}
SEEN = line("look", redelivered=True)
RULE = [
    ("a line", line("look"), False, False, Verdict(report=UNCERTAIN + "look")),
    ("a secret line", line("xyzzy"), True, False, Verdict(report=UNCERTAIN_UNNAMED)),
    ("no line", GMCP, False, False, Verdict()),
    ("a secret message without line", GMCP, True, False, Verdict()),
    ("a line, resent", line("look"), False, True, Verdict(resend=SEEN)),
    ("a secret line, resent", line("xyzzy"), True, True, Verdict(resend=line("xyzzy", redelivered=True))),
    ("no line, resent", GMCP, False, True, Verdict(resend={"gmcp": [["Core.Ping"], {"options": {"redelivered": True}}]})),
    ("resent before", SEEN, False, True, Verdict(report=UNCERTAIN + "look")),
    ("resent before, secret", SEEN, True, True, Verdict(report=UNCERTAIN_UNNAMED)),
    ("without options", {"text": [["look"], {"a": 1}]}, False, True,
     Verdict(resend={"text": [["look"], {"a": 1, "options": {"redelivered": True}}]})),
]  # fmt: skip


@pytest.mark.parametrize(("message", "secret", "resend", "verdict"), [row[1:] for row in RULE], ids=[row[0] for row in RULE])  # fmt: skip
def test_the_rule_for_the_uncertain(message, secret, resend, verdict):
    before = msgspec.json.encode(message)
    assert judge(message, secret, resend) == verdict
    assert msgspec.json.encode(message) == before, "the message is not changed"


def test_a_secret_never_shows():
    assert "xyzzy" not in repr(judge(line("xyzzy"), True, False))
    assert "xyzzy" not in HELD_TOO_MUCH


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("look", "look"),
        ("|rred|n", "||rred||n"),
        ("{{a {b", "{{{{a {{b"),
        ("  look \r\n", "look"),
        ("a\x1b[2Jb\x00c\x85d\u2028e\udc80f", "a [2Jb c d e f"),
        ("\u00fcber \U0001f600", "\u00fcber \U0001f600"),
        ("x" * REPORT_LENGTH, "x" * REPORT_LENGTH),
        ("x" * (REPORT_LENGTH + 1), "x" * REPORT_LENGTH + "..."),
        ("|" * (REPORT_LENGTH + 1), "||" * REPORT_LENGTH + "..."),
        ("", ""),
    ],
)
def test_a_line_is_shown_disarmed(text, shown):
    assert present(text) == shown


@pytest.mark.parametrize(
    ("message", "text"),
    [(line("a"), "a"), (line(""), ""), ({"text": [[], {}]}, ""), ({"text": [[5], {}]}, "5"), (GMCP, None), ({}, None)],
)  # fmt: skip
def test_the_text_of_a_message(message, text):
    assert extract_text(message) == text


@pytest.mark.parametrize(
    ("value", "size"),
    [("abc", 3), ("\u00fc", 2), ("\ud800", 3), (1, 8), (None, 8), (["ab", 1], 10), (("a",), 1), ({"a": "b", 1: []}, 10)],
)  # fmt: skip
def test_measure(value, size):
    assert measure(value) == size
