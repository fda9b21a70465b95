"""Which sessions are live, and what the log says of their coming and going."""

import socket
import struct

import pytest
import trio
from structlog.testing import capture_logs

from portal.app import Portal
from portal.config import AmpConfig, Config, HttpConfig, LimitsConfig, TelnetConfig, WebSocketConfig
from portal.metrics import Metrics
from portal.roster import IT_LEFT, Roster
from portal.session import Session

PATIENCE = 30


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def roster(clock):
    return Roster(Metrics(), clock)


def make_session(address="192.0.2.1"):
    session = Session()
    session.init_session("telnet", address, None)
    return session


def test_numbers_are_never_used_twice(roster):
    first, second, third = (make_session() for _ in range(3))
    assert first not in roster
    roster.enter(first)
    roster.enter(second)
    roster.leave(second)
    roster.enter(third)
    assert roster.sessions == {1: first, 3: third}
    assert second not in roster
    assert third in roster
    assert (roster.metrics.sessions_opened, roster.metrics.sessions_closed) == (3, 1)


def test_times(roster):
    session = make_session()
    roster.enter(session)
    assert session.conn_time == session.cmd_last == session.cmd_last_visible == 1000.0


def test_the_log_of_a_session(roster, clock):
    session = make_session()
    with capture_logs() as logs:
        roster.enter(session)
        clock.now += 5.26
        session.uname = "Anna"
        roster.note_login(session)
        clock.now += 60
        session.cmd_total = 12
        roster.leave(session)
    who = {"sessid": 1, "address": "192.0.2.1", "log_level": "info"}
    assert logs == [
        {"event": "session_opened", "protocol": "telnet", **who},
        {"event": "session_logged_in", "uname": "Anna", "seconds": 5.3, **who},
        {
            "event": "session_closed",
            "protocol": "telnet",
            "uname": "Anna",
            "seconds": 65.3,
            "commands": 12,
            "reason": IT_LEFT,
            **who,
        },
    ]


@pytest.mark.parametrize(("without", "puid"), [(True, None), (False, 5)])
def test_the_sessions_that_a_server_knows(roster, without, puid):
    for acknowledged in (True, False):
        session = make_session()
        session.puid, session.acknowledged = 5, acknowledged
        roster.enter(session)
    known = roster.find_acknowledged(without_puid=without)
    assert [(session.sessid, session.puid) for session in known] == [(1, puid)]
    assert roster.sessions[2].puid == 5


def test_a_roster_written_down_and_read_back(roster, clock):
    for name in ("gone", "Anna", "Bert"):
        session = make_session()
        session.uname = name
        roster.enter(session)
    roster.leave(roster.sessions[1])
    roster.sessions[2].input_paused = True
    paused = []

    class Restored(Session):
        def pause_input(self):
            paused.append(self.sessid)

    def restore(state):
        session = Restored()
        session.init_session("telnet", "", None)
        session.set_state(state)
        return session

    other = Roster(Metrics(), clock)
    other.enter(make_session())
    other.set_state(roster.get_state(), restore, LimitsConfig())
    assert [session.uname for session in other.sessions.values()] == ["Anna", "Bert"]
    assert paused == [2]
    newcomer = make_session()
    other.enter(newcomer)
    assert newcomer.sessid == 4
    assert other.metrics.sessions_opened == 2, "those that were read back were counted before"


# ---- why a session ended, with everything real


@pytest.fixture
async def portal(nursery):
    portal = Portal(
        Config(
            telnet=TelnetConfig(port=0),
            websocket=WebSocketConfig(port=0),
            http=HttpConfig(enabled=False),
            amp=AmpConfig(port=0),
        )
    )
    await nursery.start(portal.run)
    yield portal
    portal.stop()


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: game\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def leave(_portal, sock):
    sock.close()


def reset(_portal, sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def drop_by_sync(portal, _sock):
    portal.sessionhandler.sessions[1].acknowledged = True
    portal.sessionhandler.server_session_sync({})


def be_sent_away(portal, _sock):
    portal.sessionhandler.server_disconnect(portal.sessionhandler.sessions[1], "Anna says: go!")


def stop(portal, _sock):
    portal.stop()


def be_slow(portal, _sock):
    portal.sessionhandler.sessions[1].connection.abort("read too slowly: it took nothing")


def break_the_protocol(_portal, sock):
    sock.send(b"\x81\x01a")  # not masked


@pytest.mark.parametrize(
    ("way", "end", "reason"),
    [
        ("telnet", leave, IT_LEFT),
        ("telnet", reset, "Connection reset by peer"),
        ("telnet", drop_by_sync, "the game did not know it any more"),
        ("telnet", be_sent_away, "the game ended it"),
        ("websocket", be_sent_away, "the game ended it"),
        ("telnet", stop, "the Portal stopped"),
        ("telnet", be_slow, "read too slowly: it took nothing"),
        ("websocket", leave, "it left without closing"),
        ("websocket", break_the_protocol, "it broke the protocol"),
    ],
)
async def test_why_a_session_ended(portal, way, end, reason):
    sock = socket.create_connection(portal.addresses()[way][0])
    with capture_logs() as logs, sock, trio.fail_after(PATIENCE):
        sock.setblocking(False)
        if way == "websocket":
            sock.send(HANDSHAKE)
        while not portal.sessionhandler.sessions:
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.wait_readable(sock)
        sock.recv(1000)  # what was not read would make a reset of an end
        end(portal, sock)
        while portal.sessionhandler.sessions:
            await trio.lowlevel.checkpoint()
    (closed,) = (entry for entry in logs if entry["event"] == "session_closed")
    assert closed["reason"] == reason
    assert "Anna" not in str(logs)
