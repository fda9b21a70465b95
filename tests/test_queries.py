"""What the command line is told about a running Portal."""

import os

import pytest

from portal.config import Config
from portal.lifecycle import State
from portal.metrics import Gauge, Metrics
from portal.queries import Queries
from portal.session import Session
from portal.sessionhandler import PortalSessionHandler


class FakeSupervisor:
    state = State.CONNECTED
    server_pid = 77
    reloads = 0

    async def reload(self):
        self.reloads += 1


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queries(clock):
    metrics = Metrics()
    handler = PortalSessionHandler(Config(), metrics, now=clock, wall=clock)
    queries = Queries(
        "test",
        metrics,
        handler,
        FakeSupervisor(),
        gauges=[Gauge("lag_seconds", "Lag.", lambda: 0.5), Gauge("none", "None.", lambda: None)],
        wall=clock,
        addresses=lambda: {"amp": ["127.0.0.1", 4006]},
        server_info=lambda: {"servername": "game"},
        stop=lambda: stopped.append(True),
    )
    stopped = queries.stopped = []
    return queries


def connect(queries, uname=None):
    session = Session()
    session.init_session("telnet", "192.0.2.1", queries.sessionhandler)
    queries.sessionhandler.connect(session)
    session.uname = uname
    session.logged_in = uname is not None
    return session


async def test_status(queries, clock):
    connect(queries)
    connect(queries, "Anna")
    clock.now += 60
    status = await queries.by_name()["status"]({})
    assert status["uptime"] == 60
    assert status["pid"] == os.getpid()
    assert status["sessions"] == {"telnet": 2}
    assert status["server"] == {"state": "CONNECTED", "pid": 77, "info": {"servername": "game"}}
    assert status["counters"]["sessions_opened"] == 2
    assert status["gauges"] == {"lag_seconds": 0.5}
    assert status["addresses"] == {"amp": ["127.0.0.1", 4006]}


async def test_sessions(queries, clock):
    connect(queries, "Anna")
    connect(queries)
    clock.now += 5
    anna, stranger = (await queries.by_name()["sessions"]({}))["sessions"]
    assert anna == {
        "sessid": 1,
        "protocol_key": "telnet",
        "address": "192.0.2.1",
        "uname": "Anna",
        "logged_in": True,
        "conn_time": 1000.0,
        "idle": 5.0,
    }
    assert (stranger["uname"], stranger["logged_in"]) == (None, False)


async def test_reload_waits_for_the_new_server(queries):
    answer = await queries.by_name()["reload"]({})
    assert answer == {"state": "CONNECTED", "seconds": 0.0}
    assert queries.supervisor.reloads == 1


async def test_stop(queries):
    assert await queries.by_name()["stop"]({}) == {}
    assert queries.stopped == [True]
