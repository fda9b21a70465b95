"""The town: rooms and the ways between them, as one table. Nothing here changes while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DIRECTIONS: Mapping[str, str] = {
    "n": "north",
    "e": "east",
    "s": "south",
    "w": "west",
    "u": "up",
    "d": "down",
}
START = "square"
SHORTEST_NAME = 3  # letters of a room's name; fewer are rather a typing mistake


@dataclass(frozen=True, slots=True)
class Room:
    """A place; `exits` leads from a direction to the key of another room."""

    key: str
    name: str
    description: str
    exits: Mapping[str, str] = field(default_factory=dict)


_ROOMS = (
    Room(
        "square",
        "Market Square",
        "Old lime trees stand around a fountain, and the stalls below them smell of bread and "
        "oranges. Somebody has left a chair in the sun. All the streets of the town begin here.",
        {"north": "library", "east": "teahouse", "south": "quay", "west": "garden"},
    ),
    Room(
        "library",
        "The Library",
        "Shelves go up into the dark, with a ladder on rails for those who dare. At the long "
        "table every lamp is lit. A sign asks for silence, and nobody here has ever kept it.",
        {"south": "square"},
    ),
    Room(
        "teahouse",
        "The Blue Kettle",
        "A low room full of steam and talk. The benches are worn smooth, the window looks out "
        "on the square, and there is always one cup more on the table than there are guests.",
        {"west": "square"},
    ),
    Room(
        "garden",
        "The Walled Garden",
        "Pear trees are tied to the warm brick, and bees go in and out of the lavender. A path "
        "of white gravel leads once around a pond, where a heron pretends to be a statue.",
        {"east": "square"},
    ),
    Room(
        "quay",
        "The Quay",
        "Ropes creak, gulls complain, and the boats knock softly against each other. It smells "
        "of tar and salt. At the end of the mole, to the east, stands the lighthouse.",
        {"north": "square", "east": "lighthouse"},
    ),
    Room(
        "lighthouse",
        "Foot of the Lighthouse",
        "The white tower leans a little into the wind. Its door stands open, and inside an iron "
        "stair winds up along the wall, each step polished by two hundred years of boots.",
        {"west": "quay", "up": "lamp"},
    ),
    Room(
        "lamp",
        "The Lamp Room",
        "Behind thick glass the great lamp turns without a sound. Below lie the roofs of the "
        "town, and on the other side there is only the sea, and now and then a sail.",
        {"down": "lighthouse"},
    ),
)
ROOMS: Mapping[str, Room] = {room.key: room for room in _ROOMS}


def find_room(key: str) -> Room:
    """Return a room, or the one to start in where there is none of that key any more."""
    return ROOMS.get(key, ROOMS[START])


def find_exit(room: Room, words: str) -> str | None:
    """Return the direction that is meant by "n", "north" or the beginning of a room's name."""
    wanted = words.casefold()
    direction = DIRECTIONS.get(wanted, wanted)
    if direction in room.exits:
        return direction
    wanted = wanted.removeprefix("the ")
    for known, key in room.exits.items():
        name = ROOMS[key].name.casefold().removeprefix("the ")
        if len(wanted) >= SHORTEST_NAME and name.startswith(wanted):
            return known
    return None


def describe_exits(room: Room) -> str:
    """Say where one can go from a room, in one sentence."""
    ways = [f"|y{direction}|n to {ROOMS[key].name}" for direction, key in room.exits.items()]
    if len(ways) == 1:
        return f"You can go {ways[0]}."
    return f"You can go {', '.join(ways[:-1])} or {ways[-1]}."
