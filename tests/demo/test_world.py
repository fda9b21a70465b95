"""The town is whole: every way leads somewhere, and back."""

import pytest

from portal.demo.world import DIRECTIONS, ROOMS, START, describe_exits, find_exit, find_room

OPPOSITE = {"north": "south", "east": "west", "up": "down"}
OPPOSITE |= {there: back for back, there in OPPOSITE.items()}


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_every_way_leads_there_and_back(room):
    assert room.exits
    for direction, key in room.exits.items():
        assert direction in DIRECTIONS.values()
        assert ROOMS[key].exits[OPPOSITE[direction]] == room.key


def test_every_room_can_be_reached():
    found, ahead = set(), [START]
    while ahead:
        key = ahead.pop()
        if key not in found:
            found.add(key)
            ahead.extend(ROOMS[key].exits.values())
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_the_prose_can_be_read_aloud(room):
    text = f"{room.name} {room.description}"
    assert "|" not in text
    assert text.isascii()
    assert room.description.endswith(".")


@pytest.mark.parametrize(
    ("words", "direction"),
    [
        ("n", "north"),
        ("NORTH", "north"),
        ("e", "east"),
        ("library", "north"),
        ("the library", "north"),
        ("The Lib", "north"),
        ("blue kettle", "east"),
        ("quay", "south"),
        ("up", None),
        ("the", None),
        ("li", None),
        ("q", None),
        ("", None),
        ("lighthouse", None),
    ],
)
def test_what_means_an_exit(words, direction):
    assert find_exit(ROOMS[START], words) == direction


def test_a_room_that_is_gone_is_the_first_one():
    assert find_room("quay") is ROOMS["quay"]
    assert find_room("burnt down") is ROOMS[START]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("lamp", "You can go |ydown|n to Foot of the Lighthouse."),
        ("quay", "You can go |ynorth|n to Market Square or |yeast|n to Foot of the Lighthouse."),
    ],
)
def test_exits_are_a_sentence(key, text):
    assert describe_exits(ROOMS[key]) == text
