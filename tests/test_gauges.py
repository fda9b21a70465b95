"""What can be looked up about a Portal: every figure, and that it follows what it is of."""

import re
from types import SimpleNamespace

import pytest
import trio

from portal import __version__
from portal.amp.commands import AdminPortal2Server, AdminServer2Portal, MsgPortal2Server, Operation
from portal.amp.link import Link
from portal.app import Portal
from portal.config import AmpConfig, Config, HttpConfig, LimitsConfig, TelnetConfig, WebSocketConfig
from portal.gauges import describe_pages
from portal.lifecycle import State
from portal.metrics import Metrics, look_up

PATIENCE = 30

CONFIG = Config(
    telnet=TelnetConfig(port=0),
    websocket=WebSocketConfig(port=0),
    http=HttpConfig(port=0, half_open=5, connections=6),
    amp=AmpConfig(port=0, window_messages=7),
    limits=LimitsConfig(connections=3, unanswered_messages=1),
)


@pytest.fixture
async def portal(nursery):
    portal = Portal(CONFIG)
    await nursery.start(portal.run)
    yield portal
    portal.stop()


async def until(condition):
    with trio.fail_after(PATIENCE):
        while not condition():
            await trio.lowlevel.checkpoint()


async def connect(portal, name):
    return await trio.open_tcp_stream(*portal.addresses()[name][0])


def figures(portal):
    return look_up(portal.gauges)


def test_names_and_texts():
    """As Prometheus wants them: base units last, no `_total`, a sentence for each."""
    gauges = Portal(CONFIG).gauges
    names = [gauge.name for gauge in gauges]
    assert len(set(names)) == len(names)
    for gauge in gauges:
        assert re.fullmatch("[a-z]+(_[a-z]+)*", gauge.name)
        assert not gauge.name.endswith("_total")
        assert gauge.help[0].isupper()
        assert gauge.help.endswith(".")
        if gauge.name.endswith("_limit_bytes"):
            assert gauge.name.replace("_limit", "") in names or gauge.name == "memory_limit_bytes"
        elif gauge.name.endswith("_limit"):
            assert gauge.name.removesuffix("_limit") in names


def test_before_it_runs():
    found = figures(Portal(CONFIG))
    assert found["info"] == {__version__: 1.0}
    assert found["connections"] == 0
    assert found["sessions"] == {}
    assert found["server_state"] == {state: float(state is State.DOWN) for state in State}
    assert "server_connected_seconds" not in found


async def test_of_the_process(portal):
    found = figures(portal)
    assert 0 < found["process_open_fds"] <= found["process_max_fds"]
    assert found["process_resident_memory_bytes"] > 0
    assert found["process_cpu_seconds"] > 0
    assert found["uptime_seconds"] >= 0


async def test_of_sockets(portal):
    streams = []
    for number, name in enumerate(("telnet", "websocket", "http", "telnet"), 1):
        streams.append(await connect(portal, name))
        await until(lambda number=number: portal.metrics.connections_accepted == number)
    found = figures(portal)
    assert (found["player_connections"], found["player_connections_limit"]) == (3, 3)
    assert (found["connections"], found["refusals_lingering"]) == (4, 1)
    assert found["refusals_lingering_limit"] == CONFIG.hub.refusals
    assert (found["half_open_connections"], found["half_open_connections_limit"]) == (2, 5)
    assert (found["http_connections"], found["http_connections_limit"]) == (0, 6)
    assert found["unsent_bytes"] == 0
    assert found["unsent_limit_bytes"] == CONFIG.hub.unsent_total_bytes
    assert found["loop_lag_seconds"] >= 0
    for stream in streams:
        await stream.aclose()
    await until(lambda: figures(portal)["connections"] == 0)
    assert figures(portal)["player_connections"] == 0


async def test_without_http():
    found = figures(Portal(Config(http=HttpConfig(enabled=False))))
    assert found["http_connections"] == 0


def test_of_pages_and_what_they_wait_for():
    found = figures(Portal(CONFIG))
    assert found["ajax_unsent_bytes"] == found["worker_questions_waiting"] == 0
    assert found["ajax_unsent_limit_bytes"] == CONFIG.hub.unsent_total_bytes
    assert found["worker_questions_waiting_limit"] == 0
    ajax = SimpleNamespace(unsent=7)
    worker = SimpleNamespace(waiting=8, most_waiting=9)
    gauges = describe_pages(lambda: CONFIG, ajax, worker)
    assert [gauge.read() for gauge in gauges] == [7, CONFIG.hub.unsent_total_bytes, 8, 9]


async def test_of_sessions_and_what_is_kept(portal):
    async with await connect(portal, "telnet") as player:
        await until(lambda: figures(portal)["sessions"] == {"telnet": 1})
        assert figures(portal)["sessions_logged_in"] == 0
        await player.send_all(b"kept\r\n")
        await until(lambda: figures(portal)["held_messages"] == 1)
        assert figures(portal)["held_bytes"] > 4
        portal.sessionhandler.sessions[1].logged_in = True
        assert figures(portal)["sessions_logged_in"] == 1


async def test_of_the_server(portal):
    answers = []

    def take(link, _sessid, kwargs):
        if kwargs.get("operation") != Operation.PSYNC:
            answers.append(link.defer_answer())

    def make_link(connection):
        packed = dict.fromkeys((AdminPortal2Server, MsgPortal2Server), take)
        return Link(connection, AmpConfig(), Metrics(), responders={}, packed=packed)

    async with await connect(portal, "telnet") as player:
        await until(lambda: figures(portal)["sessions"] == {"telnet": 1})
        game = await portal.hub.connect_tcp(*portal.addresses()["amp"], make_link)
        await until(lambda: figures(portal)["amp_links"] == 1)
        game.protocol.send_packed(AdminServer2Portal, 0, {"operation": Operation.PSYNC, "spid": 1})
        await until(lambda: figures(portal)["server_state"][State.CONNECTED])
        assert figures(portal)["server_connected_seconds"] >= 0
        await until(lambda: answers)  # PCONN is not answered
        before = figures(portal)
        await player.send_all(b"look\r\n")
        await until(lambda: len(answers) == 2)
        found = figures(portal)
        assert found["server_unanswered_messages"] == before["server_unanswered_messages"] + 1
        assert found["server_unanswered_bytes"] > before["server_unanswered_bytes"]
        assert found["server_unanswered_messages_limit"] == 7
        assert (found["amp_links"], found["amp_links_limit"]) == (1, CONFIG.amp.connections)
        assert found["server_unanswered_limit_bytes"] == CONFIG.amp.window_bytes
        assert found["server_waiting_messages"] == 0
        assert found["sessions_paused"] == 1
