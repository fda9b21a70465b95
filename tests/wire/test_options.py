import itertools
import random

import msgspec
import pytest

from portal.wire import options
from portal.wire.events import OptionDisabled, OptionEnabled, OptionRefused, WindowSize
from portal.wire.options import (
    DO,
    DONT,
    ECHO,
    OFFERS,
    OPTIONS,
    RECEIVED,
    REQUESTED,
    ROWS,
    SGA,
    TIMING_MARK,
    WILL,
    WONT,
    OptionNegotiator,
)

CHARSET, NAWS, TTYPE, UNKNOWN = 42, 31, 24, 200
QUESTION = bytes.fromhex("ff fa 18 01 ff f0")


def say(verb, option):
    return bytes([255, verb, option])


def test_the_offers():
    assert say(DO, TTYPE) + say(DO, NAWS) + say(WILL, CHARSET) == OFFERS


def test_rows_have_one_code_each():
    assert len(ROWS) == len(OPTIONS)
    assert len({row.name for row in OPTIONS}) == len(OPTIONS)


def test_every_state_and_word_has_its_cell():
    states = range(7)
    assert set(RECEIVED) == set(itertools.product(states, range(3)))
    assert set(REQUESTED) == set(itertools.product(states, (True, False)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # What was asked: the answer is not answered.
        ([(WILL, NAWS)], [OptionEnabled(NAWS, local=False)]),
        ([(WONT, NAWS)], [OptionRefused(NAWS, local=False)]),
        ([(WILL, NAWS), (WILL, NAWS)], [OptionEnabled(NAWS, local=False)]),
        (
            [(WILL, NAWS), (WONT, NAWS)],
            [OptionEnabled(NAWS, local=False), say(DONT, NAWS), OptionDisabled(NAWS, local=False)],
        ),
        ([(WILL, TTYPE)], [OptionEnabled(TTYPE, local=False), QUESTION]),
        # What was not asked, and is welcome.
        ([(DO, SGA)], [say(WILL, SGA), OptionEnabled(SGA, local=True)]),
        ([(WILL, SGA)], [say(DO, SGA), OptionEnabled(SGA, local=False)]),
        (
            [(DO, SGA), (DONT, SGA)],
            [
                say(WILL, SGA),
                OptionEnabled(SGA, local=True),
                say(WONT, SGA),
                OptionDisabled(SGA, local=True),
            ],
        ),
        # A refusal of what nobody offered is no word to answer, but it is heard.
        ([(DONT, SGA)], [OptionRefused(SGA, local=True)]),
        # What is not welcome is refused once for each change.
        ([(DO, ECHO), (DO, ECHO)], [say(WONT, ECHO)]),
        ([(WILL, ECHO), (WILL, ECHO)], [say(DONT, ECHO)]),
        ([(DO, UNKNOWN)] * 3, [say(WONT, UNKNOWN)]),
        ([(WILL, UNKNOWN)] * 3, [say(DONT, UNKNOWN)]),
        ([(DO, UNKNOWN), (WILL, UNKNOWN)], [say(WONT, UNKNOWN), say(DONT, UNKNOWN)]),
        ([(DO, UNKNOWN), (DONT, UNKNOWN), (DO, UNKNOWN)], [say(WONT, UNKNOWN)] * 2),
        ([(DONT, UNKNOWN), (WONT, UNKNOWN)], []),
        # Each mark is answered, and nothing is remembered.
        ([(DO, TIMING_MARK)] * 2, [say(WILL, TIMING_MARK)] * 2),
        ([(DONT, TIMING_MARK), (WILL, TIMING_MARK), (WONT, TIMING_MARK)], []),
    ],
)
def test_words(words, expected):
    negotiator = OptionNegotiator()
    assert [each for word in words for each in negotiator.receive(*word)] == expected


def play(steps, option):
    """Let `+-` be wishes of this side and `yn` words of the client.

    Returns `+-` for words that are sent, and E, D, R for what happened.
    """
    negotiator = OptionNegotiator()
    names = {OptionEnabled: "E", OptionDisabled: "D", OptionRefused: "R"}
    words = {say(WILL, option): "+", say(WONT, option): "-", b"": ""}
    found = ""
    for step in steps:
        if step in "+-":
            outputs = [negotiator.request(option, wished=step == "+", local=True)]
        else:
            outputs = negotiator.receive(DO if step == "y" else DONT, option)
        for output in outputs:
            found += words[output] if isinstance(output, bytes) else names[type(output)]
    return found


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("+", "+"),
        ("++", "+"),
        ("-", ""),
        ("+y", "+E"),
        ("+n", "+R"),
        ("+n+", "+R+"),
        ("+y-", "+E-"),
        ("+y--", "+E-"),
        ("+y-n", "+E-D"),
        ("+y-n+", "+E-D+"),
        # A change of mind waits for the answer.
        ("+-y", "+-"),
        ("+-yn", "+-D"),
        ("+-n", "+R"),
        ("+--n", "+R"),
        ("+-+y", "+E"),
        ("+y-+n", "+E-+D"),
        ("+y-++ny", "+E-+DE"),
        ("+y-+-n", "+E-D"),
        # A no answered by a yes.
        ("+y-y", "+E-D"),
        ("+y-+y", "+E-"),
    ],
)
def test_the_queue(steps, expected):
    assert play(steps, SGA) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # A client that obeys and never answers.
        ("+-+-", "+-+-"),
        # One that answers each change.
        ("+y-n+y-n", "+E-D+E-D"),
        # One that answers late: the old answers are old news.
        ("+-yn", "+-D"),
        ("+y-+ny", "+E-+E"),
        ("+-+yny", "+-+E"),
        # One that cannot hide.
        ("+n-+n", "+R+R"),
        # One that asks for it unasked is refused; during a password it has its way already.
        ("y", "-"),
        ("+yy", "+E"),
        # One that says no in the middle of it.
        ("+yn", "+E-D"),
    ],
)
def test_echo_never_waits(steps, expected):
    assert play(steps, ECHO) == expected


class Client:
    """A client that keeps the rules: it answers what changes something, in time."""

    def __init__(self, willing):
        self.willing = willing
        self.on = False
        self.inbox = []

    def take(self, data):
        self.inbox.extend(data[at + 1] for at in range(0, len(data), 3))

    def answer(self):
        wanted = self.inbox.pop(0) == WILL
        if wanted == self.on:
            return None
        self.on = wanted and self.willing
        return DO if self.on else DONT


def words_of(outputs):
    return b"".join(output for output in outputs if isinstance(output, bytes))


@pytest.mark.parametrize("option", [ECHO, SGA])
@pytest.mark.parametrize("willing", [True, False])
def test_two_sides_always_agree_in_the_end(option, willing):
    source = random.Random(option)
    for _ in range(300):
        negotiator, client, wished = OptionNegotiator(), Client(willing), False
        to_us, said = [], 0
        for _ in range(source.randrange(1, 12)):
            move = source.randrange(3)
            if move == 0:
                wished = not wished
                client.take(negotiator.request(option, wished=wished, local=True))
            elif move == 1 and client.inbox:
                to_us.append(client.answer())
            elif to_us and (verb := to_us.pop(0)):
                client.take(words_of(negotiator.receive(verb, option)))
        while client.inbox or to_us:
            said += 1
            assert said < 60, "they go on answering each other"
            if client.inbox:
                to_us.append(client.answer())
            elif verb := to_us.pop(0):
                client.take(words_of(negotiator.receive(verb, option)))
        assert client.on == (wished and willing)


@pytest.mark.parametrize(
    ("words", "payloads", "settled"),
    [
        ([], [], False),
        ([(WONT, TTYPE), (WONT, NAWS)], [], True),
        ([(WONT, TTYPE), (WILL, NAWS)], [], False),
        ([(WONT, TTYPE), (WILL, NAWS)], [(NAWS, b"\0\x50\0\x18")], True),
        ([(WONT, TTYPE)], [(NAWS, b"\0\x50\0\x18")], False),
        ([(WILL, TTYPE), (WONT, NAWS)], [], False),
        ([(WILL, TTYPE), (WONT, NAWS)], [(TTYPE, b"\0a")], False),
        ([(WILL, TTYPE), (WONT, NAWS)], [(TTYPE, b"\0a"), (TTYPE, b"\0a")], True),
        ([(WILL, TTYPE), (WONT, NAWS), (WONT, TTYPE)], [], True),
    ],
)
def test_settled(words, payloads, settled):
    negotiator = OptionNegotiator()
    for word in words:
        negotiator.receive(*word)
    for payload in payloads:
        negotiator.receive_subnegotiation(*payload)
    assert negotiator.settled is settled


def test_an_awaited_option_without_a_handler_is_settled_when_it_is_answered(monkeypatch):
    row = options.Option(code=NAWS, name="X", ask=True, may_ask=True, awaited=True)
    monkeypatch.setattr(options, "_AWAITED", (row,))
    negotiator = OptionNegotiator()
    assert not negotiator.settled
    negotiator.receive(WILL, NAWS)
    assert negotiator.settled


@pytest.mark.parametrize(
    ("option", "payload", "expected"),
    [
        (NAWS, b"\0\x50\0\xff", [WindowSize(80, 255)]),
        (SGA, b"x", []),
        (UNKNOWN, b"x", []),
        (CHARSET, b"\x01;nonsense", [bytes.fromhex("ff fa 2a 03 ff f0")]),
        (CHARSET, b"\x01\xffUTF-8", None),
    ],
)
def test_subnegotiations(option, payload, expected):
    outputs = OptionNegotiator().receive_subnegotiation(option, payload)
    if expected is not None:
        assert outputs == expected
    for output in outputs:
        if isinstance(output, bytes):
            assert output.startswith(bytes([255, 250, option]))
            assert output.endswith(b"\xff\xf0")


def test_enabled():
    negotiator = OptionNegotiator()
    assert not negotiator.is_enabled(SGA, local=True)
    negotiator.receive(DO, SGA)
    assert negotiator.is_enabled(SGA, local=True)
    assert not negotiator.is_enabled(SGA, local=False)


def test_state_survives_json():
    negotiator = OptionNegotiator()
    for wished in (True, False, True):
        negotiator.request(ECHO, wished=wished, local=True)
    negotiator.receive(WILL, TTYPE)
    negotiator.receive_subnegotiation(TTYPE, b"\0A")
    negotiator.receive(DO, UNKNOWN)
    other = OptionNegotiator()
    other.set_state(msgspec.json.decode(msgspec.json.encode(negotiator.get_state())))
    assert other.get_state() == negotiator.get_state()
    for each in (negotiator, other):
        assert each.receive(DO, UNKNOWN) == []
        assert [each.receive(verb, ECHO) for verb in (DO, DONT)] == [[], []]
        assert each.receive(DO, ECHO) == [OptionEnabled(ECHO, local=True)]
        assert not each.settled
    assert other.get_state() == negotiator.get_state()


def test_a_state_of_handlers_that_are_gone_is_passed_over():
    negotiator = OptionNegotiator()
    state = negotiator.get_state()
    state["handlers"] = [[SGA, None], [UNKNOWN, None]]
    negotiator.set_state(state)
    assert negotiator.get_state()["handlers"] == []


def test_a_silent_client_costs_nothing():
    first, second = OptionNegotiator(), OptionNegotiator()
    assert first._states is second._states
    first.receive(WILL, NAWS)
    assert first._states is not second._states
    assert not second.is_enabled(NAWS, local=False)


def test_handlers_are_kept_while_they_remember_something():
    negotiator = OptionNegotiator()
    negotiator.receive(WILL, NAWS)
    assert negotiator.get_state()["handlers"] == [[NAWS, True]]
    negotiator.receive_subnegotiation(NAWS, b"\0\x50\0\x18")
    assert negotiator.get_state()["handlers"] == []
