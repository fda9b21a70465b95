"""The two dialogues that are no commands: coming in by name, and choosing a password.

What is asked just now is in the session's `server_data` (`asking`), and is written down at the
Portal before the question is shown: a password that is typed while the game restarts must find the
next game waiting for a password, or it would be taken for a command. Passwords themselves are
never written down but as hashes.
"""

from collections.abc import Callable

import structlog

from portal.demo.people import Person
from portal.demo.players import Passwords, Player, PlayerStore
from portal.demo.words import choose_name, fold_name
from portal.demo.world import START
from portal.game import ServerSession

log = structlog.get_logger(__name__)

ASKING = "asking"
PASSWORD = "password"  # noqa: S105 - what is asked, not an answer
NEW_PASSWORD = "new password"  # noqa: S105 - as above
NAME = "name"
FAILURES = "failures"
FIRST_ENTRY = "first entry"  # in `memory`, for the moment until it is typed again

LEAVING = frozenset({"quit", "exit"})
MAX_FAILURES = 5
PASSWORD_LENGTHS = range(6, 201)  # characters; longer ones only cost time
BAD_LENGTH = "A password has 6 to 200 characters. Please type another."
WELCOME = (
    "|wWelcome to the harbour town.|n\n"
    "This is the demonstration game of Portal: talk, walk about, and let it be restarted "
    "while you play.\n"
    "What is your name?"
)


class Login:
    """Brings sessions from their first line to `enter(session, player)`.

    `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        store: PlayerStore,
        passwords: Passwords,
        *,
        enter: Callable[[ServerSession, Player], None],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._enter = enter
        self._now = now

    def greet(self, session: ServerSession) -> None:
        """Welcome somebody new and ask for the name."""
        session.msg(WELCOME)

    def resume(self, session: ServerSession) -> None:
        """Ask again what was asked when the game was restarted, if anything was."""
        asking = session.server_data.get(ASKING)
        if asking == PASSWORD:
            self._ask(session, PASSWORD, f"Password for {session.server_data.get(NAME)}:")
        elif asking == NEW_PASSWORD:
            self._ask(session, NEW_PASSWORD, "You were choosing a password. Please type it now.")
        elif not session.logged_in:
            session.msg("What is your name?")

    def is_asking(self, session: ServerSession) -> bool:
        """Whether the next line of a session answers a question, and is no command."""
        return ASKING in session.server_data

    async def answer(self, session: ServerSession, line: str) -> None:
        """Take a line of somebody who is not in yet: a name, or a password."""
        if self.is_asking(session):
            await self._take_password(session, line.rstrip("\r\n"))
        else:
            self._take_name(session, line)

    def begin_password(self, person: Person) -> None:
        """Ask for a new password."""
        text = (
            f"Type the password that shall protect the name {person.name}. It is not shown, and "
            "an empty line leaves everything as it is."
        )
        self._ask(person.session, NEW_PASSWORD, text)

    async def choose_password(self, person: Person, line: str) -> None:
        """Take a line of somebody who is choosing a password: typed once, or once more."""
        session = person.session
        entry = line.rstrip("\r\n")
        first = session.memory.pop(FIRST_ENTRY, None)
        if not entry:
            self._finish(session, "Nothing was changed.")
        elif first is None and len(entry) not in PASSWORD_LENGTHS:
            self._ask(session, NEW_PASSWORD, BAD_LENGTH)
        elif first is None:
            session.memory[FIRST_ENTRY] = entry
            self._ask(session, NEW_PASSWORD, "Please type it once more.")
        elif first != entry:
            self._finish(session, "The two were not the same, so nothing was changed.")
        else:
            hashed = await self._passwords.hash(entry)
            if session.connected:  # else somebody else may have taken the name over meanwhile
                self._store.protect(person.uid, hashed)
                self._finish(session, f"The name {person.name} is protected now.")

    def _take_name(self, session: ServerSession, line: str) -> None:
        if fold_name(line.strip()) in LEAVING:
            session.disconnect("Goodbye.")
            return
        try:
            name = choose_name(line)
        except ValueError as error:
            session.msg(f"{error} What is your name?")
            return
        player = self._store.find(name)
        if player is None or player.password is None:
            self._enter(session, self._store.visit(name, START, self._now()))
        else:
            session.server_data[NAME] = player.name
            self._ask(session, PASSWORD, f"Password for {player.name}:")

    async def _take_password(self, session: ServerSession, entry: str) -> None:
        name = str(session.server_data.get(NAME))
        player = self._store.find(name)
        if not entry or player is None:
            self._finish(session, "What is your name?")
            return
        if player.password is not None and not await self._passwords.check(player.password, entry):
            self._count_failure(session)
            return
        if session.connected:
            self._finish(session, "")
            self._enter(session, self._store.visit(player.name, START, self._now()))

    def _count_failure(self, session: ServerSession) -> None:
        failures = int(session.server_data.get(FAILURES, 0)) + 1
        session.server_data[FAILURES] = failures
        log.info("password_wrong", sessid=session.sessid, address=session.address, times=failures)
        if failures >= MAX_FAILURES:
            session.disconnect("That was the wrong password too often. Goodbye.")
        else:
            self._finish(session, "That is not the password. What is your name?")

    def _ask(self, session: ServerSession, asking: str, text: str) -> None:
        """Ask with echo hidden; written down first, for the answer may find another process."""
        session.server_data[ASKING] = asking
        session.save()
        session.msg(text, options={"echo": False})

    def _finish(self, session: ServerSession, text: str) -> None:
        session.server_data.pop(ASKING, None)
        session.server_data.pop(NAME, None)
        session.save()
        session.msg(text, options={"echo": True})
