"""The demo put together: a `GameServer`, the town, and who comes and goes."""

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from portal import __version__
from portal.demo.commands import Play, describe_room, obey
from portal.demo.login import Login
from portal.demo.people import People, Person
from portal.demo.players import Passwords, Player, PlayerStore
from portal.demo.world import START, find_room
from portal.game import GameServer, ServerSession

log = structlog.get_logger(__name__)

DATA_VARIABLE = "PORTAL_DEMO_DATA"
DEFAULT_DATA = "portal-demo-data"


class Demo:
    """The demo game on a `GameServer`; it registers everything that it needs there.

    The store is the caller's to close.
    """

    def __init__(
        self,
        server: GameServer,
        store: PlayerStore,
        *,
        passwords: Passwords | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.server = server
        self.store = store
        self.now = now
        self.people = People(server.sessions)
        self.login = Login(store, passwords or Passwords(), enter=self.enter, now=now)
        self.play = Play(
            people=self.people,
            store=store,
            now=now,
            begin_password=self.login.begin_password,
            reload=server.reload,
            crash=kill_this_process,
        )
        server.inputfunc(self.text)
        server.at_connect(self.login.greet)
        server.at_sync(self.resume)
        server.at_disconnect(self.leave)

    async def text(self, session: ServerSession, line: str = "", **_options: object) -> None:
        """Take a line: of somebody at the door, in a dialogue, or in the town."""
        person = self.people.of_session(session)
        if person is None:
            await self.login.answer(session, line)
        elif self.login.is_asking(session):
            await self.login.choose_password(person, line)
        else:
            obey(self.play, person, line)

    def enter(self, session: ServerSession, player: Player) -> None:
        """Let a player in; an older session of the same name has to go."""
        person, replaced = self._admit(session, player)
        session.login(player.uid, player.name)
        hint = "" if player.password else " |wpassword|n keeps your name for you."
        person.tell(f"Welcome, |c{person.name}|n. |whelp|n lists what you can do.{hint}")
        person.tell(describe_room(self.play, person))
        if not replaced:
            text = f"|c{person.name}|n arrives."
            self.people.tell_room(person.room, text, but=person)

    def resume(self, session: ServerSession) -> None:
        """Put somebody back where they were before the game was restarted."""
        if session.logged_in and session.uname:
            player = self.store.visit(session.uname, START, self.now())
            person, _ = self._admit(session, player)
            if session.uid != player.uid:
                session.login(player.uid, player.name)
            person.tell(f"The game is back. You are still here: {person.room.name}.")
        else:
            session.msg("The game is back.")
        self.login.resume(session)

    def _admit(self, session: ServerSession, player: Player) -> tuple[Person, bool]:
        person = Person(session, player.uid, player.name, find_room(player.room))
        older = self.people.add(person)
        if older is None:
            return person, False
        older.session.disconnect("You have come in from somewhere else, so this connection ends.")
        return person, True

    def leave(self, session: ServerSession, _reason: str) -> None:
        """Tell the others of one whose session has ended, unless another took over."""
        person = self.people.of_session(session)
        if person is not None:
            self.people.remove(person)
            self.people.tell_room(person.room, f"|c{person.name}|n has left.")


def kill_this_process() -> None:
    """Die as by `kill -9`: no clean-up, no farewell. It is what the demo demonstrates."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str] | None = None) -> None:
    """Run the demo until its Portal tells it to leave; its files go below `--data`."""
    parser = argparse.ArgumentParser(
        prog="python -m portal.demo",
        description="The demo game of Portal. It dials in at the Portal that PORTAL_AMP names.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get(DATA_VARIABLE) or DEFAULT_DATA),
        metavar="DIR",
        help=f"where names and passwords are kept (default: ${DATA_VARIABLE} or ./{DEFAULT_DATA})",
    )
    directory: Path = parser.parse_args(arguments).data
    server = GameServer("harbour town", version=__version__)
    store = PlayerStore(directory)
    Demo(server, store)

    @server.at_start
    def begin() -> None:
        forgotten = store.forget_guests(time.time())
        log.info("demo_begins", directory=str(directory), forgotten_guests=forgotten)

    server.at_stop(store.close)
    server.run()
