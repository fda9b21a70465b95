"""What players can do: one table of commands, and what becomes of a line.

A command is a function of the town (`Play`), the person and the words behind its name. What the
person typed is clean text by then; it is escaped where it becomes part of a text with markup.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal.demo.people import People, Person
from portal.demo.players import PlayerStore
from portal.demo.words import clean_line, escape_markup
from portal.demo.world import DIRECTIONS, ROOMS, describe_exits, find_exit

COLOURS: Mapping[str, str] = {
    "r": "red",
    "g": "green",
    "y": "yellow",
    "b": "blue",
    "m": "magenta",
    "c": "cyan",
    "w": "white",
    "x": "black",
}
SHORTCUTS: Mapping[str, str] = {"'": "say", '"': "say", ":": "emote", ";": "emote"}


@dataclass(frozen=True, slots=True)
class Play:
    """All that commands work on; the last four are what a restart and a dialogue are begun with."""

    people: People
    store: PlayerStore
    now: Callable[[], float]
    begin_password: Callable[[Person], None]
    reload: Callable[[], None]
    crash: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its names (the first is the full one), how to write it, and what it does."""

    names: tuple[str, ...]
    usage: str
    text: str
    function: Callable[[Play, Person, str], None]
    local: bool = False  # for players on the Portal's own machine only


def obey(play: Play, person: Person, line: str) -> None:
    """Do what a line says: a command, a way to go, or an answer that is kind about neither."""
    line = clean_line(line)
    if not line:
        return
    shortcut = SHORTCUTS.get(line[0])
    name, _, words = (shortcut, "", line[1:]) if shortcut else line.partition(" ")
    command = TABLE.get(name.casefold())
    if command is not None and (not command.local or is_local(person)):
        command.function(play, person, words.strip())
    elif find_exit(person.room, line) is not None:
        go(play, person, line)
    elif name.casefold() in (*DIRECTIONS, *DIRECTIONS.values()):
        person.tell("There is no way in that direction. " + describe_exits(person.room))
    else:
        person.tell(_suggest(name))


def is_local(person: Person) -> bool:
    """Whether somebody plays from the machine on which the Portal runs."""
    address = person.session.address.removeprefix("::ffff:")
    return address in ("", "::1") or address.startswith("127.")


def _suggest(name: str) -> str:
    known = [name for command in COMMANDS if not command.local for name in command.names]
    close = difflib.get_close_matches(name.casefold(), known, 1)
    hint = f"Did you mean |w{close[0]}|n? " if close else ""
    return f'I do not know "{escape_markup(name[:40])}". {hint}|whelp|n lists what you can do.'


def describe_room(play: Play, person: Person) -> str:
    """Say what somebody sees where they are: the place, the ways out and the others."""
    room = person.room
    parts = [f"|w{room.name}|n", room.description, describe_exits(room)]
    others = [f"|c{other.name}|n" for other in play.people.in_room(room, but=person)]
    if others:
        parts.append(f"{_enumerate(others)} {'is' if len(others) == 1 else 'are'} here.")
    return "\n".join(parts)


def look(play: Play, person: Person, words: str) -> None:
    """Show the room, or somebody in it."""
    if not words:
        person.tell(describe_room(play, person))
        return
    other = play.people.find(words.removeprefix("at "))
    if other is None or other.room is not person.room:
        person.tell(f'You see no "{escape_markup(words)}" here.')
    elif other is person:
        person.tell("You look at yourself. Not bad at all.")
    else:
        person.tell(f"|c{other.name}|n looks back at you.")
        other.tell(f"|c{person.name}|n looks at you.")


def say(play: Play, person: Person, words: str) -> None:
    """Say something to the room."""
    if not words:
        person.tell("Say what? Write for example: say hello")
        return
    words = escape_markup(words)
    person.tell(f'You say, "{words}"')
    play.people.tell_room(person.room, f'|c{person.name}|n says, "{words}"', but=person)


def tell(play: Play, person: Person, words: str) -> None:
    """Say something to one person, wherever they are."""
    name, _, message = words.partition(" ")
    message = escape_markup(message.strip())
    other = play.people.find(name.rstrip(",:"))
    if not message:
        person.tell("Tell whom what? Write for example: tell anna hello")
    elif other is None:
        person.tell(f'Nobody called "{escape_markup(name)}" is here. |wwho|n shows who is.')
    elif other is person:
        person.tell("You talk to yourself for a while.")
    else:
        person.tell(f'You tell |c{other.name}|n, "{message}"')
        other.tell(f'|c{person.name}|n tells you, "{message}"')


def emote(play: Play, person: Person, words: str) -> None:
    """Do something that others see."""
    if not words:
        person.tell("Do what? Write for example: emote waves")
        return
    play.people.tell_room(person.room, f"|c{person.name}|n {escape_markup(words)}")


def who(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - a command's signature
    """List who is here."""
    everybody = list(play.people)
    count = "You are alone" if len(everybody) == 1 else f"{len(everybody)} people are"
    lines = [f"{count} in the town."]
    for other in everybody:
        idle = _describe_idle(play.now() - other.session.cmd_last)
        lines.append(f"|c{other.name}|n: {other.room.name}{idle}")
    person.tell("\n".join(lines))


def _describe_idle(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return ""
    if minutes < 120:
        return f", quiet for {minutes} minute{'s' if minutes > 1 else ''}"
    return f", quiet for {minutes // 60} hours"


def go(play: Play, person: Person, words: str) -> None:
    """Go through an exit."""
    direction = find_exit(person.room, words)
    if direction is None:
        ways = describe_exits(person.room)
        person.tell(f"There is no such way. {ways}" if words else f"Go where? {ways}")
        return
    old, new = person.room, ROOMS[person.room.exits[direction]]
    play.store.move(person.uid, new.key, play.now())
    play.people.tell_room(old, f"|c{person.name}|n leaves for {new.name}.", but=person)
    person.room = new
    play.people.tell_room(new, f"|c{person.name}|n comes in from {old.name}.", but=person)
    person.tell(describe_room(play, person))


def exits(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Say where one can go."""
    person.tell(describe_exits(person.room))


def colours(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Show the colours, each with how it is written."""
    lines = ["Bright, dark and behind the text, each with its code:"]
    lines += [
        f"||{code} |{code}{name}|n, ||{code.upper()} |{code.upper()}dark {name}|n, "
        f"||[{code} |[{code}behind|n"
        for code, name in COLOURS.items()
    ]
    person.tell("\n".join(lines))


def password(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Begin to choose a password; one that stands on the command's own line is not taken."""
    play.begin_password(person)


def show_help(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """List the commands, or tell of one."""
    seen = [command for command in COMMANDS if not command.local or is_local(person)]
    if words:
        seen = [command for command in seen if words.casefold() in command.names]
    if not seen:
        person.tell(f'There is no help on "{escape_markup(words)}". |whelp|n lists everything.')
        return
    person.tell("\n".join(f"|w{command.usage}|n: {command.text}" for command in seen))


def leave(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Go home."""
    person.session.disconnect(f"Goodbye, {person.name}. Your place is kept.")


def restart(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Have the game restarted."""
    person.tell("You ask for a restart of the game.")
    play.reload()


def crash(play: Play, person: Person, words: str) -> None:  # noqa: ARG001 - as above
    """Kill the game as a fault would: at once, and without a word to anybody."""
    play.crash()


def _enumerate(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


COMMANDS = (
    Command(("look", "l"), "look [PERSON]", "see where you are, or who is with you", look),
    Command(("say",), "say WORDS", "say something to the room; 'WORDS does the same", say),
    Command(("tell", "whisper", "t"), "tell PERSON WORDS", "say it to one person only", tell),
    Command(("emote", "pose", "me"), "emote WORDS", "do something; :WORDS does the same", emote),
    Command(("who",), "who", "see who is in the town", who),
    Command(("go", "walk"), "go DIRECTION", "go somewhere; n, e, s, w or a name do as well", go),
    Command(("exits", "ways"), "exits", "hear where you can go", exits),
    Command(("colours", "colors"), "colours", "see the colours there are", colours),
    Command(("password",), "password", "protect your name; what you type is hidden", password),
    Command(("help", "h", "?", "commands"), "help [COMMAND]", "read this", show_help),
    Command(("quit", "exit", "logout"), "quit", "leave; your place is kept", leave),
    Command(("@reload",), "@reload", "restart the game; nobody is dropped", restart, local=True),
    Command(("@crash",), "@crash", "kill the game; nobody is dropped", crash, local=True),
)
TABLE: Mapping[str, Command] = {name: command for command in COMMANDS for name in command.names}
