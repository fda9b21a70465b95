"""A player whose page asks for each message: what is said to it, and its state."""

import json

import pytest

from portal.protocols.ajax import AjaxProtocol
from portal.protocols.ajax_box import Box
from portal.protocols.ajax_session import AjaxSession


class World:
    def __init__(self, surroundings):
        self.protocol = AjaxProtocol(surroundings.make_websocket(), surroundings.hub)
        self.session = self.make()

    def make(self):
        return AjaxSession(self.protocol, Box(self.protocol, "192.0.2.7"), ("key", "page"))

    def read(self):
        return [json.loads(each) for each in self.session.box.get_state()["messages"]]


@pytest.fixture
def world(make_surroundings):
    return World(make_surroundings())


@pytest.mark.parametrize(
    ("args", "options", "expected"),
    [
        (["a|rb"], {}, ["text", ['a<span class="color-009">b</span>'], {}]),
        (["<b>"], {}, ["text", ["&lt;b&gt;"], {}]),
        (["<b>"], {"raw": True, "client_raw": True}, ["text", ["<b>"], {}]),
        (["a|rb"], {"raw": True}, ["text", ["a|rb"], {}]),
        (["|rb"], {"nocolor": True}, ["text", ["b"], {}]),
        (["> "], {"send_prompt": True}, ["prompt", ["&gt; "], {}]),
        (["hi", 1], {}, ["text", ["hi", 1], {}]),
        (["\ud800"], {}, ["text", ["?"], {}]),
    ],
)
def test_texts_are_those_of_a_websocket(world, args, options, expected):
    world.session.send_text(*args, options=options)
    assert world.read() == [expected]


def test_the_reason_is_the_last_message(world):
    session = world.session
    session.send_default("map", 1)
    session.disconnect("Be |rgone|n.")
    session.send_text("late")
    session.disconnect("again")
    first, last = world.read()
    assert first == ["map", [1], {}]
    assert last[0] == "text"
    assert "gone" in last[1][0]


def test_what_is_said_to_many_is_not_mixed_up_with_frames(world):
    """The websockets' own cache of the last text has frames in it."""
    other = world.make()
    for session in (world.session, other):
        session.send_text("hello")
    assert world.session.box.get_state() == other.box.get_state()


def test_it_survives_in_another_process(world):
    session = world.session
    session.uid, session.logged_in = 3, True
    session.send_text("one")
    session.send_default("map", 1)
    state = json.loads(json.dumps(session.get_state()))
    assert state["key"] == ["key", "page"]
    restored = world.make()
    restored.set_state(state)
    assert restored.get_state() == session.get_state()
    restored.send_text("|rthree")
    assert restored.box.get_state()["messages"][-1].startswith('["text"')
