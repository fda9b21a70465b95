"""A town without sockets: real sessions on a sessionhandler, and a Portal that notes what it gets."""

import re
from dataclasses import dataclass, field

import pytest

from portal.config import AmpConfig
from portal.demo.game import Demo
from portal.demo.players import Passwords, PlayerStore
from portal.game import GameServer

MARKUP = re.compile(r"\|\[?[a-zA-Z]")


@dataclass
class RecordingPortal:
    """Stands in for the link to the Portal: notes what is sent, in order."""

    sent: list = field(default_factory=list)
    admin: list = field(default_factory=list)

    def send_message(self, sessid, message):
        self.sent.append((sessid, message))

    def send_admin(self, operation, sessid=0, **kwargs):
        self.admin.append((operation, sessid, kwargs))

    def take(self, sessid):
        """Return the texts that a session was sent since the last time, without colours."""
        return [MARKUP.sub("", text) for text in self.take_raw(sessid)]

    def take_raw(self, sessid):
        taken, rest = [], []
        for receivers, message in self.sent:
            numbers = [receivers] if isinstance(receivers, int) else receivers
            if sessid in numbers:
                taken.append(message["text"][0][0])
            others = [number for number in numbers if number != sessid]
            if others:
                rest.append((others, message))
        self.sent = rest
        return taken

    def take_echo(self, sessid):
        """Return how the last text told the Portal to treat echo; None: not at all."""
        own = [message for number, message in self.sent if number in (sessid, [sessid])]
        return own[-1]["text"][1]["options"].get("echo")


class Town:
    """The demo with its store, its players and the time."""

    def __init__(self, store):
        self.store = store
        self.time = 1_000_000.0
        self.portal = RecordingPortal()
        self.start()

    def start(self):
        """Begin a process of the game."""
        self.server = GameServer("town", amp=("127.0.0.1", 1), config=AmpConfig())
        self.demo = Demo(
            self.server,
            self.store,
            passwords=Passwords(memory_kib=8, passes=1),
            now=lambda: self.time,
        )
        self.sessions = self.server.sessions
        self.sessions.portal = self.portal
        self.people = self.demo.people

    def restart(self):
        """End the process as a crash does, and begin the next with what the Portal kept."""
        data = {
            session.sessid: {
                "sessid": session.sessid,
                "address": session.address,
                **session.get_sync_data(),
            }
            for session in self.sessions
        }
        self.start()
        self.sessions.portal_sessions_sync(data, 1.0)

    def connect(self, sessid, address="192.0.2.7"):
        return self.sessions.portal_connect(
            {"sessid": sessid, "address": address, "cmd_last": self.time}
        )

    async def type(self, session, *lines):
        for line in lines:
            await self.demo.text(session, line, options={})

    async def enter(self, sessid, name, **kwargs):
        """Let a player without a password in; what they were told is taken already."""
        session = self.connect(sessid, **kwargs)
        await self.type(session, name)
        self.portal.take(sessid)
        return session

    def person(self, session):
        return self.people.of_session(session)


@pytest.fixture
def store(tmp_path):
    opened = PlayerStore(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def town(store):
    return Town(store)


@pytest.fixture
async def anna(town):
    """Somebody from the Portal's own machine."""
    return await town.enter(1, "Anna", address="127.0.0.1")


@pytest.fixture
async def bert(town, anna):
    session = await town.enter(2, "Bert")
    town.portal.take(1)
    return session
