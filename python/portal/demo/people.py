"""Who is in the town just now, and who hears what."""

from collections.abc import Iterable, Iterator

from portal.demo.words import fold_name
from portal.demo.world import Room
from portal.game import ServerSession, ServerSessionHandler


class Person:
    """A player who is here: a name in a room, and the session it is played from."""

    __slots__ = ("name", "room", "session", "uid")

    def __init__(self, session: ServerSession, uid: int, name: str, room: Room) -> None:
        self.session = session
        self.uid = uid
        self.name = name
        self.room = room

    def tell(self, text: str) -> None:
        """Show a text with markup to this one."""
        self.session.msg(text)


class People:
    """Everybody who is here, by name; a name is here once."""

    def __init__(self, sessions: ServerSessionHandler) -> None:
        self._sessions = sessions
        self._here: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(sorted(self._here.values(), key=lambda person: fold_name(person.name)))

    def add(self, person: Person) -> Person | None:
        """Let somebody in; returns whom they replace, the same name from another session."""
        key = fold_name(person.name)
        older = self._here.get(key)
        self._here[key] = person
        return older

    def remove(self, person: Person) -> bool:
        """Let somebody go; returns False for one whose place has been taken already."""
        key = fold_name(person.name)
        if self._here.get(key) is not person:
            return False
        del self._here[key]
        return True

    def of_session(self, session: ServerSession) -> Person | None:
        """Return who is played from a session."""
        person = self._here.get(fold_name(session.uname or ""))
        return person if person is not None and person.session is session else None

    def find(self, name: str) -> Person | None:
        """Return who has that name, or the only one whose name begins so."""
        wanted = fold_name(name)
        exact = self._here.get(wanted)
        if exact is not None or not wanted:
            return exact
        begun = [person for key, person in self._here.items() if key.startswith(wanted)]
        return begun[0] if len(begun) == 1 else None

    def in_room(self, room: Room, but: Person | None = None) -> list[Person]:
        """Return who is in a room, by name."""
        return [person for person in self if person.room is room and person is not but]

    def tell_room(self, room: Room, text: str, but: Person | None = None) -> None:
        """Show a text with markup to a room: it crosses to the Portal once."""
        self._tell(self.in_room(room, but), text)

    def _tell(self, people: Iterable[Person], text: str) -> None:
        self._sessions.msg((person.session for person in people), text)
