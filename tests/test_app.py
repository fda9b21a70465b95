"""The Portal put together: what it opens, and in which order it ends."""

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
import trio
import trio.testing
import trio_websocket

from portal import app
from portal.amp.commands import AdminPortal2Server, AdminServer2Portal, Operation, PortalQuery
from portal.amp.link import Link
from portal.app import Portal
from portal.config import (
    AmpConfig,
    Config,
    HttpConfig,
    LimitsConfig,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
)
from portal.errors import ConfigError, ServiceError
from portal.game import GameServer
from portal.holding import Reason
from portal.lifecycle import State
from portal.metrics import Metrics
from portal.session import Session

PATIENCE = 30


def make_config(**settings):
    defaults = {
        "telnet": TelnetConfig(port=0),
        "websocket": WebSocketConfig(port=0),
        "http": HttpConfig(port=0),
        "amp": AmpConfig(port=0),
    }
    return Config(**defaults | settings)


@pytest.fixture
async def running(nursery):
    """Start Portals; what is given back has stopped or is stopped at the end."""
    made = []

    async def running(config=None):
        portal = Portal(config or make_config())
        made.append(portal)
        info = await nursery.start(portal.run)
        return portal, info

    yield running
    for portal in made:
        portal.stop()


async def read_all(stream):
    data = b""
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):
            async for part in stream:
                data += part
    return data


# ---- a Portal


async def test_players_and_the_command_line_find_it(running):
    portal, info = await running()
    assert info == portal.info()
    assert info["portal_pid"] == os.getpid()
    assert info["server_pid"] is None
    assert info["telnet"][0][0] == "127.0.0.1"
    for address in (info["telnet"][0], info["amp"]):
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream(*address):
                pass
    portal.supervisor.server_connected(4242)
    assert portal.info()["server_pid"] is None, "it is no child of this Portal"


async def test_players_are_told_when_it_stops(running, nursery):
    portal, info = await running()
    with trio.fail_after(PATIENCE):
        player = await trio.open_tcp_stream(*info["telnet"][0])
        assert await player.receive_some()  # the offers of the telnet port
        assert not portal.stopping
        portal.stop()
        portal.stop()
        assert portal.stopping
        assert app.GOODBYE.encode() in await read_all(player)
        for address in (info["telnet"][0], info["amp"]):
            with pytest.raises(OSError, match=r"."):
                await trio.open_tcp_stream(*address)


async def get(stream, path):
    """Ask for a page on a connection that is kept; returns the status of the answer."""
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some()
    head, _, body = data.partition(b"\r\n\r\n")
    (size,) = re.findall(rb"content-length: (\d+)", head)
    while len(body) < int(size):
        body += await stream.receive_some()
    return int(head.split()[1])


@pytest.mark.parametrize("port", ["websocket", "http"])
async def test_websockets_come_in_by_two_ports(running, port):
    portal, info = await running()
    with trio.fail_after(PATIENCE):
        where = "ws://{}:{}/play?status=1".format(*info[port][0])
        async with trio_websocket.open_websocket_url(where) as websocket:
            state = await websocket.get_message()
            assert json.loads(state) == ["portal_status", ["starting"], {}]
            (session,) = portal.sessionhandler.sessions.values()
            assert (session.path, session.protocol_key) == ("/play", "websocket")


async def test_pages_tell_whether_the_game_is_there(running):
    portal, info = await running()
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(*info["http"][0]) as stream:
            assert await get(stream, "/healthz") == 200
            assert await get(stream, "/") == 200
            assert await get(stream, "/readyz") == 503
            assert await get(stream, "/metrics") == 200
            await dial_as_disobedient_server(portal)
            assert await get(stream, "/readyz") == 200


async def test_the_websockets_own_port_has_no_pages(running):
    _, info = await running()
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(*info["websocket"][0]) as stream:
            assert await get_refused(stream) == 426


async def get_refused(stream):
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return int((await read_all(stream)).split()[1])


@pytest.mark.parametrize("port", ["telnet", "websocket", "http"])
async def test_whoever_finds_no_room_is_told_so_in_the_words_of_the_port(running, port):
    _, info = await running(make_config(limits=LimitsConfig(connections=1)))
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(*info["telnet"][0]) as player:
            assert await player.receive_some()
            told = await read_all(await trio.open_tcp_stream(*info[port][0]))
    if port == "telnet":
        assert told.startswith(b"The game is full")
    else:
        assert told.startswith(b"HTTP/1.1 503 ")
        assert app.NO_ROOM.encode() in told


async def test_browsers_are_told_when_it_stops():
    portal = Portal(make_config())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            info = await nursery.start(portal.run)
            page = await trio.open_tcp_stream(*info["http"][0])
            assert await get(page, "/healthz") == 200
            # It leaves a stream open that the other side has closed: this one is ours.
            async with await trio.open_tcp_stream(*info["websocket"][0]) as stream:
                websocket = await trio_websocket.wrap_client_stream(nursery, stream, "x", "/")
                await websocket.get_message()
                portal.stop()
                assert app.GOODBYE in await websocket.get_message()
                with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                    await websocket.get_message()
                assert closed.value.reason.code == 1000
            assert await read_all(page) == b""


def test_without_an_http_port_its_libraries_are_spared():
    """They cost memory and start-up time, and are nobody's business then."""
    program = (
        "import sys\n"
        "from portal.app import Portal\n"
        "from portal.config import Config, HttpConfig\n"
        "Portal(Config(http=HttpConfig({})))\n"
        "libraries = {{'hypercorn', 'starlette', 'anyio', 'h2', 'portal.protocols.proxy'}}\n"
        "print(*sorted(libraries & set(sys.modules)))\n"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program.format(settings)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for settings in ("enabled=False", "", "upstream='http://127.0.0.1:1'")
    ]
    libraries = ["anyio", "h2", "hypercorn", "starlette"]
    proxy = sorted([*libraries, "portal.protocols.proxy"])
    assert found == [[], libraries, proxy]


async def test_stopped_it_returns_and_closes_everything():
    portal = Portal(make_config())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(portal.run)
            portal.stop()
    assert [sock.fileno() for each in portal._listeners() for sock in each._sockets] == [-1] * 4


async def test_cancelled_it_ends_too():
    portal = Portal(make_config())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            info = await nursery.start(portal.run)
            player = await trio.open_tcp_stream(*info["telnet"][0])
            nursery.cancel_scope.cancel()
    with trio.fail_after(PATIENCE):
        await read_all(player)


async def test_told_to_stop_and_cancelled_in_one_moment():
    portal = Portal(make_config())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(portal.run)
            await dial_as_disobedient_server(portal)
            portal.stop()
            nursery.cancel_scope.cancel()
    assert portal.supervisor.restart_mode is None, "it was told nothing any more"


async def test_an_order_of_the_game_stops_it(running):
    portal, _ = await running()
    portal.supervisor.on_stop()
    assert portal.stopping
    assert portal.supervisor.on_order == portal.amp_server.server.forward_order


async def test_players_hear_of_the_end_and_that_nothing_is_kept_any_more():
    shown = []

    class Player(Session):
        def send_text(self, text, **_):
            shown.append(text)

    portal = Portal(make_config())
    player = Player()
    player.init_session("telnet", "192.0.2.1", portal.sessionhandler)
    portal.sessionhandler.connect(player)
    shown.clear()
    portal.stop()
    portal.stop()
    assert shown == [app.GOODBYE]
    player.data_in(text="look")
    portal.supervisor.on_absence(Reason.GIVEN_UP)
    player.data_in(text="look")
    assert shown == [app.GOODBYE, Reason.CLOSING]
    assert portal.metrics.inputs_refused == 2


async def dial_as_disobedient_server(portal):
    """Come to the AMP port as a Server that answers every order and follows none."""
    connection = await portal.hub.connect_tcp(
        *portal.addresses()["amp"],
        lambda connection: Link(
            connection,
            AmpConfig(),
            Metrics(),
            responders={},
            packed={AdminPortal2Server: lambda *_: None},
        ),
    )
    introduction = {"operation": Operation.PSYNC, "spid": None, "info_dict": {}}
    connection.protocol.send_packed(AdminServer2Portal, 0, introduction)
    await portal.supervisor.connected()


async def test_a_server_that_leaves_on_no_order_delays_the_end_by_little():
    portal = Portal(make_config(server=ServerConfig(stranger_stop_seconds=0.1, stop_seconds=1000)))
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(portal.run)
            await dial_as_disobedient_server(portal)
            portal.stop()
    assert portal.supervisor.state is State.DOWN


async def test_a_server_that_does_not_reload_may_dial_in_again(running):
    portal, _ = await running(make_config(server=ServerConfig(stop_seconds=0.1)))
    with trio.fail_after(PATIENCE):
        await dial_as_disobedient_server(portal)
        async with trio.open_nursery() as reloading:
            reloading.start_soon(portal.supervisor.reload)
            while portal.supervisor.state is not State.DOWN:
                await portal.supervisor.changed.wait()
            assert portal.sessionhandler.link is None
            await dial_as_disobedient_server(portal)
    assert portal.supervisor.state is State.CONNECTED


async def test_several_addresses_have_one_port(running):
    _, info = await running(make_config(telnet=TelnetConfig(hosts=("127.0.0.1", "::1"), port=0)))
    (first, port), (second, other) = info["telnet"]
    assert (first, second) == ("127.0.0.1", "::1")
    assert port == other != 0


async def test_more_ports_are_told_behind_the_first(running):
    settings = {"port": 0, "more_ports": (0, 0)}
    portal, info = await running(
        make_config(telnet=TelnetConfig(**settings), http=HttpConfig(**settings))
    )
    assert portal.addresses().items() <= info.items()
    assert len({port for _, port in [*info["telnet"], *info["http"]]}) == 6
    with trio.fail_after(PATIENCE):
        for address in info["http"]:
            async with await trio.open_tcp_stream(*address) as stream:
                assert await get(stream, "/healthz") == 200
        for address in info["telnet"]:
            async with await trio.open_tcp_stream(*address) as player:
                assert await player.receive_some()


async def test_a_portal_without_telnet(running):
    _, info = await running(make_config(telnet=TelnetConfig(enabled=False, port=0)))
    assert info["telnet"] == []
    assert info["websocket"]


async def test_a_portal_without_any_port_for_players_is_opened_once(running):
    off = {
        "telnet": TelnetConfig(enabled=False),
        "websocket": WebSocketConfig(enabled=False),
        "http": HttpConfig(enabled=False),
    }
    portal = Portal(make_config(**off))
    portal.open()
    before = portal.addresses()["amp"]
    async with trio.open_nursery() as nursery:
        info = await nursery.start(portal.run)
        assert info["amp"] == before
        portal.stop()


def test_an_evennia_game_says_who_connects_bots_and_what_the_launcher_shows():
    asked = []
    game = SimpleNamespace(
        directory="/game",
        environment={"PYTHONPATH": "/game"},
        status={"ssh": ["ssh: 4004"]},
        connect_bot=lambda *words: asked.append(words),
    )
    portal = Portal(make_config(), evennia=game)
    portal.sessionhandler.server_connect("a.Bot", {"uid": 3})
    assert asked == [("a.Bot", {"uid": 3})]
    assert portal.environment["PYTHONPATH"] == "/game"
    assert portal.amp_server.launcher.game is game


async def test_in_front_of_a_web_server_that_is_not_there(running):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        upstream = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        portal, info = await running(
            make_config(name="Harbour", http=HttpConfig(port=0, upstream=upstream))
        )
        with trio.fail_after(PATIENCE):
            stream = await trio.open_tcp_stream(*info["http"][0])
            await stream.send_all(b"GET / HTTP/1.0\r\nHost: x\r\nAccept: text/html\r\n\r\n")
            page = (await read_all(stream)).decode()
            assert page.startswith("HTTP/1.1 503 ")
            assert "The game is starting." in page
            assert "<h1>Harbour</h1>" in page
            await dial_as_disobedient_server(portal)
            portal.reconfigure(make_config(name="Haven", http=portal.config.http))
            stream = await trio.open_tcp_stream(*info["http"][0])
            await stream.send_all(b"GET / HTTP/1.0\r\nHost: x\r\nAccept: text/html\r\n\r\n")
            page = (await read_all(stream)).decode()
            assert "The pages of the game are not there at the moment." in page
            assert "<h1>Haven</h1>" in page


async def test_a_unix_socket(running, tmp_path):
    path = tmp_path / "amp"
    portal, info = await running(make_config(amp=AmpConfig(socket=str(path))))
    assert info["amp"] == str(path)
    assert stat.S_IMODE((await trio.Path(path).stat()).st_mode) == 0o600
    assert portal.environment["PORTAL_AMP"] == f"unix:{path}"
    with trio.fail_after(PATIENCE):
        async with await trio.open_unix_socket(str(path)):
            pass


@pytest.mark.parametrize(
    ("amp", "dialled"),
    [
        (AmpConfig(port=0), "127.0.0.1:"),
        (AmpConfig(host="::1", port=0), "[::1]:"),
        (AmpConfig(host="0.0.0.0", port=0, secret="xyzzy"), "127.0.0.1:"),
        (AmpConfig(host="::", port=0, secret="xyzzy"), "[::1]:"),
    ],
)
async def test_what_the_server_is_told(running, amp, dialled, monkeypatch):
    monkeypatch.delenv("PORTAL_AMP_SECRET", raising=False)
    portal, info = await running(make_config(amp=amp))
    environment = portal.supervisor.environment
    assert environment["PORTAL_AMP"] == f"{dialled}{info['amp'][1]}"
    assert environment.get("PORTAL_AMP_SECRET") == amp.secret
    assert environment["PORTAL_PID"] == str(os.getpid())
    assert environment["PATH"] == os.environ["PATH"]


def test_an_amp_port_for_everybody_is_refused():
    with pytest.raises(ConfigError, match=r"amp\.host"):
        Portal(make_config(amp=AmpConfig(host="0.0.0.0")))


SECTIONS = {
    "telnet": TelnetConfig,
    "websocket": WebSocketConfig,
    "http": HttpConfig,
    "amp": AmpConfig,
}


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("other", ["telnet", "amp"])
def test_a_port_in_use(name, other):
    """The error names it, and what was opened before it is closed again."""
    if name == other:
        return
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("", 0)) as free:
        port, free_port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        ports = {**dict.fromkeys(SECTIONS, 0), name: port, other: free_port}
        config = Config(**{each: make(port=ports[each]) for each, make in SECTIONS.items()})
        with pytest.raises(ServiceError, match=f"^{name}: cannot listen at 127.0.0.1 port {port}"):
            Portal(config).open()
        with socket.create_server(("127.0.0.1", free_port)):
            pass


def test_a_unix_socket_in_use(tmp_path):
    path = str(tmp_path / "amp")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(path)
        taken.listen()
        with pytest.raises(ServiceError, match=f"amp: cannot listen at {path}: Address already"):
            Portal(make_config(amp=AmpConfig(socket=path))).open()


def test_a_name_that_nobody_knows(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServiceError, match=r"telnet: .*: Name or service not known"):
        Portal(make_config(telnet=TelnetConfig(hosts=("nowhere.invalid",)))).open()


# ---- a game of this process (more of it in test_embedding.py)


async def test_without_amp_the_game_is_one_that_is_played(nursery):
    portal = Portal(make_config(amp=AmpConfig(host="0.0.0.0")), amp=False)
    info = await nursery.start(portal.run)
    assert info["amp"] is None
    assert "PORTAL_AMP" not in portal.environment.keys() - os.environ.keys()
    game, ends = GameServer("test", amp=("127.0.0.1", 1)), []

    async def play(*, task_status):
        ends.append(await portal.play(game, task_status=task_status))

    with trio.fail_after(PATIENCE):
        await nursery.start(play)
        assert portal.supervisor.state is State.CONNECTED
        assert portal.supervisor.server_pid == os.getpid()
        portal.stop()
        await portal.stopped()
        await trio.testing.wait_all_tasks_blocked()
        assert ends == ["shutdown"]
        assert await portal.play(GameServer("late", amp=("127.0.0.1", 1))) == "shutdown"


async def test_with_amp_the_command_line_reloads_the_game_of_this_process(running, nursery):
    portal, info = await running()
    ends = []

    async def play(*, task_status=trio.TASK_STATUS_IGNORED):
        game = GameServer("test", amp=("127.0.0.1", 1))
        ends.append(await portal.play(game, task_status=task_status))
        if ends == ["reload"]:
            await play()

    with trio.fail_after(PATIENCE):
        await nursery.start(play)
        connection = await portal.hub.connect_tcp(
            *info["amp"],
            lambda connection: Link(connection, AmpConfig(), Metrics(), responders={}, packed={}),
        )
        answer = await connection.protocol.call(PortalQuery, query="reload", arguments=b"")
        assert b"CONNECTED" in answer["result"]
    assert ends == ["reload"]


def test_a_command_needs_the_port_that_its_game_dials():
    with pytest.raises(ConfigError, match=r"server\.command"):
        Portal(make_config(server=ServerConfig(command=("game",))), amp=False)
