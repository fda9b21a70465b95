"""SIGHUP: what a running Portal takes over, what it says about it, and what a mistake does."""

import functools
import ipaddress
import json
import types
from collections import deque
from pathlib import Path

import msgspec
import pytest
import structlog
import trio
from structlog.testing import capture_logs

from portal import logs
from portal.app import Portal
from portal.config import (
    LIVE,
    NEEDS_RESTART,
    AmpConfig,
    Config,
    HttpConfig,
    LimitsConfig,
    LogConfig,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
    load,
)
from portal.config.layers import Layer
from portal.config.sections import Section
from portal.config.settings import list_settings, list_tables
from portal.errors import ConfigError
from portal.holding import REDELIVERED, UNCERTAIN, Reason
from portal.protocols.telnet import TelnetSession
from portal.protocols.websocket_session import WebSocketSession
from portal.reconfiguration import Reconfiguration
from portal.session import Session

# ---- every setting


class FakeConnection:
    """A connection that goes nowhere."""

    address = "192.0.2.7"
    close_reason = ""

    def __init__(self):
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def close(self, reason=""):
        pass


def mark(run):
    """A configuration in which each setting has a value that occurs nowhere else."""
    values = {}
    for number, (key, setting) in enumerate(list_settings().items(), start=1000 * run):
        default = setting.default
        if key.endswith(("networks", "proxies")):
            values[key] = (f"10.{run}.{number % 250}.0/24",)
        elif isinstance(default, bool):
            values[key] = not default if run > 1 else default
        elif isinstance(default, int):
            values[key] = 1_000_003 + number
        elif isinstance(default, float):
            values[key] = 1_000_003.25 + number
        elif key in {"markup.codes", "markup.bright_backgrounds"}:
            values[key] = ((f"marked {number}", "x"),)
        elif isinstance(default, tuple):
            values[key] = (f"marked {number}",)
        else:
            values[key] = f"marked {number}"
    # Part of the wiring, not values: two that must be what they are, and one that no Portal has.
    values |= {"http.enabled": True, "amp.host": "127.0.0.1", "log.json": None}
    values["telnet.encoding"] = f"cp125{run}"
    values["http.forwarded_header"] = ("x-forwarded-for", "forwarded")[run - 1]
    tables = {
        table: section(**{name: values[f"{table}.{name}"] for name in section.__struct_fields__})
        for table, section in list_tables().items()
    }
    top = {key: value for key, value in values.items() if "." not in key}
    return Config(**top, **tables), values


def find_fields(thing):
    names = set(getattr(thing, "__dict__", ()))
    for each in type(thing).__mro__:
        slots = each.__dict__.get("__slots__", ())
        names |= {slots} if isinstance(slots, str) else set(slots)
    names.discard("tokens")  # what a bucket holds at the moment is no setting
    return [(name, getattr(thing, name)) for name in names if hasattr(thing, name)]


def look_into(thing):
    """The things in a thing, by name; nothing in what is neither ours nor a container."""
    if isinstance(thing, Section):
        return [(name, getattr(thing, name)) for name in thing.__struct_fields__]
    if isinstance(thing, dict):
        return thing.items()
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return enumerate(thing)
    if isinstance(thing, types.MethodType):
        return [("self", thing.__self__)]
    if isinstance(thing, functools.partial):
        return [("args", thing.args), ("keywords", thing.keywords), ("func", thing.func)]
    if isinstance(thing, types.FunctionType):
        return [(n, cell.cell_contents) for n, cell in enumerate(thing.__closure__ or ())]
    if type(thing).__module__.partition(".")[0] in {"portal", "hypercorn", "starlette"}:
        return find_fields(thing)
    return ()


def walk(root):
    """Every value that can be reached from a Portal, by its path, and every section."""
    values, sections, seen, rest = {}, {}, set(), [((), root)]
    while rest:
        path, thing = rest.pop()
        if isinstance(thing, int | float | str):
            values[path] = thing
        elif isinstance(thing, ipaddress.IPv4Network):
            values[path] = str(thing)
        elif not isinstance(thing, type | types.ModuleType) and id(thing) not in seen:
            if isinstance(thing, Section):
                sections[path] = thing
            elif not isinstance(thing, tuple):  # of a value and a section each holder counts
                seen.add(id(thing))
            rest += [((*path, name), each) for name, each in look_into(thing)]
    return values, sections


def meet_players(portal):
    """One player of each kind, who has made everything that is made when it is first needed."""
    telnet = portal.telnet.make_protocol(FakeConnection())
    websocket = WebSocketSession(portal.websocket, FakeConnection(), "192.0.2.7")
    portal.sessionhandler.connect(websocket)
    websocket._refuse("it cannot be read")
    for session in (telnet, websocket):
        session.data_in(text="look")
        session.admit()
    assert portal.admission.admit("192.0.2.1", 0.0) == ""
    return telnet, websocket


def first(value):
    return first(value[0]) if isinstance(value, tuple) else value


async def test_every_live_setting_is_read_afresh_and_every_other_stays():
    """Each value is looked for in all that hangs on a Portal: before, and after a change of all."""
    before, old = mark(1)
    after, new = mark(2)
    portal = Portal(before)
    meet_players(portal)
    places, _ = walk(portal)
    changes = portal.reconfigure(after)
    assert set(changes.applied) | {"log.json"} == LIVE
    # The two of them that could not be marked.
    assert set(changes.needs_restart) | {"http.enabled", "amp.host"} == NEEDS_RESTART
    values, sections = walk(portal)

    # A session keeps the encoding that it has; see tests/protocols/test_telnet.py.
    marked = [
        key for key in old if not isinstance(old[key], bool | None) and key != "telnet.encoding"
    ]
    for key in marked:
        expected = new if key in LIVE else old
        held = [path for path, value in places.items() if value == first(old[key])]
        # The log is the process's; all else goes somewhere beside the configuration as a whole.
        if key in LIVE - {"log.level", "log.path"}:
            assert [path for path in held if path[0] != "config"], f"{key} goes nowhere"
        for path in held:
            assert values.get(path) == first(expected[key]), f"{key} at {path}"
        if key in LIVE:
            assert first(old[key]) not in values.values(), key

    # Whoever keeps a section has the new one, for the sake of what cannot be marked.
    current = [portal.config, *(getattr(portal.config, table) for table in list_tables())]
    for path, section in sections.items():
        assert any(section is each for each in current), path


async def test_a_setting_that_nobody_has_changed_is_not_told():
    portal = Portal(Config(amp=AmpConfig(port=0)))
    changes = portal.reconfigure(Config(amp=AmpConfig(port=0), name="new"))
    assert (changes.applied, changes.needs_restart) == (("name",), ())
    assert portal.info()["name"] == portal.queries.name == "new"
    assert (await portal.queries.status({}))["name"] == "new"


# ---- a Portal that runs, group by group


def make_config(**sections):
    ports = {
        "telnet": TelnetConfig(port=0),
        "websocket": WebSocketConfig(port=0),
        "http": HttpConfig(port=0),
        "amp": AmpConfig(port=0),
    }
    return Config(**ports | sections)


PATIENCE = 30


@pytest.fixture
async def running(nursery):
    """A Portal that runs, and a way to connect to one of its ports."""
    portal = Portal(make_config())
    await nursery.start(portal.run)
    streams = []

    async def dial(name):
        stream = await trio.open_tcp_stream(*portal.addresses()[name][0])
        streams.append(stream)
        return stream

    with trio.fail_after(PATIENCE):
        yield portal, dial
        for stream in streams:
            await trio.aclose_forcefully(stream)
        portal.stop()


async def read_until(stream, text):
    data = b""
    while text not in data:
        part = await stream.receive_some()
        assert part, data
        data += part
    return data


async def ask(stream, request):
    await stream.send_all(request.replace("\n", "\r\n").encode())
    return (await read_until(stream, b"\r\n\r\n")).decode("latin-1")


GET = "GET {} HTTP/1.1\nHost: x\nConnection: close\n{}\n"
UPGRADE = """GET / HTTP/1.1
Host: x
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
{}
"""


async def test_limits_of_a_player_who_is_there(running):
    portal, dial = running
    player = await dial("telnet")
    await player.send_all(b"one\r\n")
    await read_until(player, b"what you type is kept")
    limits = LimitsConfig(line_bytes=5, held_lines=1)
    portal.reconfigure(make_config(limits=limits))
    await player.send_all(b"two\r\nthree four\r\n")
    data = await read_until(player, b"may have 5 bytes.")
    assert b"No more can be kept" in data


async def test_limits_on_who_may_come(running):
    portal, dial = running
    await read_until(await dial("telnet"), b"kept")
    portal.reconfigure(make_config(limits=LimitsConfig(connections=1)))
    await read_until(await dial("telnet"), b"The game is full")
    portal.reconfigure(make_config())
    await read_until(await dial("telnet"), b"kept")


async def test_telnet(running):
    portal, dial = running
    portal.reconfigure(make_config(telnet=TelnetConfig(port=0, keepalive_seconds=0.01)))
    await read_until(await dial("telnet"), b"\xff\xf1")


async def test_origins_of_websockets(running):
    portal, dial = running
    request = UPGRADE.format("Origin: https://strange.example\n")
    assert (await ask(await dial("websocket"), request)).startswith("HTTP/1.1 101")
    config = WebSocketConfig(port=0, origins=("https://game.example",))
    portal.reconfigure(make_config(websocket=config))
    for port in ("websocket", "http"):
        assert (await ask(await dial(port), request)).startswith("HTTP/1.1 403")
    own = UPGRADE.format("Origin: https://game.example\n")
    assert (await ask(await dial("http"), own)).startswith("HTTP/1.1 101")


async def test_pings_of_websockets(running):
    portal, dial = running
    stream = await dial("websocket")
    await ask(stream, UPGRADE.format(""))
    portal.reconfigure(make_config(websocket=WebSocketConfig(port=0, ping_seconds=0.01)))
    await read_until(stream, b"\x89\x00")


async def test_who_may_see_the_figures(running):
    portal, dial = running
    request = GET.format("/metrics", "")
    assert (await ask(await dial("http"), request)).startswith("HTTP/1.1 200")
    http = HttpConfig(port=0, metrics_networks=("192.0.2.0/24",))
    portal.reconfigure(make_config(http=http))
    assert (await ask(await dial("http"), request)).startswith("HTTP/1.1 403")
    proxied = GET.format("/metrics", "X-Forwarded-For: 192.0.2.9\n")
    assert (await ask(await dial("http"), proxied)).startswith("HTTP/1.1 403")
    trusting = msgspec.structs.replace(http, trusted_proxies=("127.0.0.1",))
    portal.reconfigure(make_config(http=trusting))
    assert (await ask(await dial("http"), proxied)).startswith("HTTP/1.1 200")


async def test_the_address_of_a_player_behind_a_proxy(running):
    portal, dial = running
    config = make_config(http=HttpConfig(port=0, trusted_proxies=("127.0.0.0/8",)))
    request = UPGRADE.format("X-Forwarded-For: 192.0.2.9\n")
    await ask(await dial("websocket"), request)
    portal.reconfigure(config)
    await ask(await dial("websocket"), request)
    sessions = portal.sessionhandler.sessions.values()
    assert [session.address for session in sessions] == ["127.0.0.1", "192.0.2.9"]


async def test_bounds_of_requests(running):
    portal, dial = running
    portal.reconfigure(make_config(http=HttpConfig(port=0, head_bytes=100)))
    request = GET.format("/", f"X: {'x' * 100}\n")
    for port in ("http", "websocket"):
        assert (await ask(await dial(port), request)).startswith("HTTP/1.1 431")
    portal.reconfigure(make_config(http=HttpConfig(port=0, head_seconds=0.01)))
    stream = await dial("http")
    await stream.send_all(b"GET / HTTP")
    assert (await read_until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 408")


async def test_the_game_at_its_next_start(running):
    portal, _ = running
    server = ServerConfig(command=("/no/such/game",), restart_seconds=0.0, failed_starts=1)
    portal.reconfigure(make_config(server=server))
    with capture_logs() as events:
        portal.supervisor.start()
        while not any(each["event"] == "server_given_up" for each in events):
            await portal.supervisor.changed.wait()
    failed = next(each for each in events if each["event"] == "server_not_started")
    assert failed["command"] == "/no/such/game"


async def test_uncertain_lines(running):
    portal, _ = running
    shown = []

    class Player(Session):
        def send_text(self, text, **_):
            shown.append(text)

    player = Player()
    player.init_session("telnet", "192.0.2.1", portal.sessionhandler)
    portal.sessionhandler.connect(player)
    line = {"text": [["look"], {"options": {}}]}
    handler = portal.sessionhandler
    handler.begin_holding(Reason.LOST)
    handler.server_lost([(player.sessid, line, False)])
    assert shown[-1] == UNCERTAIN + "look"
    portal.reconfigure(make_config(server=ServerConfig(resend_uncertain=True)))
    handler.server_lost([(player.sessid, line, False)])
    _, message, _ = handler.delivery.holding.take()
    assert message["text"][1]["options"][REDELIVERED] is True


async def test_bounds_of_the_hub(running):
    portal, dial = running
    hub = msgspec.structs.replace(portal.config.hub, receive_bytes=5)
    portal.reconfigure(make_config(hub=hub))
    player = await dial("telnet")
    await read_until(player, b"kept")
    (session,) = portal.sessionhandler.sessions.values()
    parts = []
    session.connection.protocol = types.SimpleNamespace(
        receive_data=parts.append, connection_lost=lambda _: None, receive_eof=lambda: None
    )
    await player.send_all(b"0123456789ab")
    while b"".join(parts) != b"0123456789ab":
        await trio.lowlevel.checkpoint()
    assert parts[0] == b"01234"
    session.connection.protocol = session


async def test_networks_that_are_trusted_at_the_amp_port():
    portal = Portal(make_config(amp=AmpConfig(port=0, trusted_networks=("10.0.0.0/8",))))
    portal.reconfigure(make_config(amp=AmpConfig(port=0, trusted_networks=("192.0.2.0/24",))))
    assert portal.amp_server.config.amp.trusted_networks == ("192.0.2.0/24",)


async def test_a_portal_without_http_has_nothing_there_to_change():
    portal = Portal(make_config(http=HttpConfig(enabled=False)))
    changes = portal.reconfigure(make_config(http=HttpConfig(enabled=False, head_bytes=1)))
    assert changes.applied == ("http.head_bytes",)


async def test_a_command_is_refused_where_the_game_could_not_dial_in():
    portal = Portal(make_config(), amp=False)
    before = portal.config
    with pytest.raises(ConfigError, match=r"server\.command"):
        portal.reconfigure(make_config(name="new", server=ServerConfig(command=("game",))))
    assert portal.config is before
    assert portal.reconfigure(make_config(name="new")).applied == ("name",)


async def test_players_who_are_there_are_told_by_their_kind():
    portal = Portal(make_config())
    telnet, websocket = meet_players(portal)
    assert (type(telnet), type(websocket)) == (TelnetSession, WebSocketSession)
    limits = LimitsConfig(subnegotiation_bytes=3)
    portal.reconfigure(make_config(limits=limits))
    telnet.receive_data(b"\xff\xfa\xc8abcdef\xff\xf0")
    assert portal.metrics.subnegotiations_too_long == 1
    websocket.receive_data(b"\x82\x84\0\0\0\0abcd")
    assert portal.metrics.websocket_protocol_errors == 1


# ---- what SIGHUP does


class World:
    """A process that is a Portal, as far as SIGHUP is concerned."""

    def __init__(self, tmp_path, **sections):
        self.path = tmp_path / "portal.log"
        self.wanted = make_config(log=LogConfig(path=str(self.path)), **sections)
        self.portal = Portal(self.wanted)
        self.reconfiguration = Reconfiguration(self.wanted.log, self.reread)

    def reread(self):
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted

    def hang_up(self, wanted):
        """The events that are logged, with what is in them beside time and level."""
        if isinstance(wanted, dict):
            wanted = msgspec.structs.replace(self.reread(), **wanted)
        self.wanted = wanted
        self.reconfiguration.hang_up(self.portal)
        return self.take_events()

    def take_events(self):
        path = self.reconfiguration._log.path
        with Path(path).open("r+") as file:
            events = [json.loads(line) for line in file]
            file.truncate(0)
        for event in events:
            del event["time"], event["logger"]
        return events


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.reconfiguration.close()
    structlog.reset_defaults()


def applied(*settings):
    return {"level": "info", "event": "config_applied", "settings": list(settings)}


async def test_nothing_new(world):
    assert world.hang_up({}) == [applied()]


async def test_what_is_taken_over_is_named(world):
    limits = LimitsConfig(held_lines=7, line_bytes=9)
    assert world.hang_up({"limits": limits, "name": "new"}) == [
        applied("name", "limits.line_bytes", "limits.held_lines")
    ]
    assert world.portal.config.limits == limits
    assert world.hang_up({"limits": limits, "name": "new"}) == [applied()]


async def test_what_needs_another_start_is_named_until_there_is_one(world):
    for _ in range(2):
        assert world.hang_up({"telnet": TelnetConfig(port=5, hosts=("::1",))}) == [
            applied(),
            {
                "level": "warning",
                "event": "config_unchanged",
                "settings": ["telnet.hosts", "telnet.port"],
                "reason": "these need another start of the Portal",
            },
        ]
    assert world.portal.config.telnet.port == 0


async def test_no_secret_comes_into_the_log(world):
    world.hang_up({"amp": AmpConfig(port=0, secret="xyzzy")})
    assert "xyzzy" not in world.path.read_text()


async def test_a_mistake_changes_nothing_and_every_one_is_logged(world):
    before = world.portal.config
    with pytest.raises(ConfigError) as raised:
        load(Layer("portal.toml", {"telnet.port": 70000, "limits.held_lines": -1}))
    assert world.hang_up(raised.value) == [
        {
            "level": "error",
            "event": "config_refused",
            "path": "portal.toml",
            "key": key,
            "expected": expected,
        }
        for key, expected in (
            ("telnet.port", "expected 0 to 65535, got 70000"),
            ("limits.held_lines", "expected at least 0, got -1"),
        )
    ]
    assert world.portal.config is before


async def test_the_log_file_is_opened_anew_also_by_a_mistake(world):
    moved = world.path.rename(world.path.with_suffix(".1"))
    (event,) = world.hang_up(ConfigError("portal.toml", "file", "cannot be read"))
    assert event["event"] == "config_refused"
    assert moved.read_text() == ""


async def test_another_level(world):
    log = structlog.get_logger("portal.test")
    log.debug("before")
    level = LogConfig(level="debug", path=str(world.path))
    assert world.hang_up({"log": level}) == [applied("log.level")]
    log.debug("after")
    assert [event["event"] for event in world.take_events()] == ["after"]


async def test_another_file(world, tmp_path):
    new = tmp_path / "new.log"
    assert world.hang_up({"log": LogConfig(path=str(new))}) == [applied("log.path")]
    assert world.path.read_text() == ""
    world.reconfiguration.hang_up(world.portal)
    assert world.take_events() == [applied()]


async def test_standard_error_and_back(world, capsys):
    world.wanted = make_config()
    world.reconfiguration.hang_up(world.portal)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["settings"] == ["log.path"]
    assert world.hang_up({"log": LogConfig(path=str(world.path))}) == [applied("log.path")]


async def test_a_log_that_cannot_be_written_is_refused_and_the_old_one_stays(world, tmp_path):
    before = world.portal.config
    broken = LogConfig(path=str(tmp_path / "none" / "portal.log"))
    (event,) = world.hang_up({"log": broken, "name": "new"})
    assert (event["event"], event["key"]) == ("config_refused", "log.path")
    assert world.portal.config is before


async def test_requests_are_written_where_the_configuration_says(world, tmp_path):
    world.reconfiguration.begin(world.portal)
    assert world.portal.web.access_log.write is None
    path = tmp_path / "http.log"
    log = LogConfig(path=str(world.path), http_path=str(path))
    assert world.hang_up({"log": log}) == [applied("log.http_path")]
    world.portal.web.access_log.write("one")
    moved = path.rename(tmp_path / "http.log.1")
    world.reconfiguration.hang_up(world.portal)
    world.portal.web.access_log.write("two")
    assert (moved.read_text(), path.read_text()) == ("one\n", "two\n")
    broken = LogConfig(path=str(tmp_path / "none" / "a"), http_path=str(tmp_path / "other.log"))
    world.take_events()
    (event,) = world.hang_up({"log": broken})
    assert event["key"] == "log.path"
    broken = LogConfig(path=str(world.path), http_path=str(tmp_path / "none" / "a"))
    (event,) = world.hang_up({"log": broken})
    assert event["key"] == "log.http_path"
    world.portal.web.access_log.write("three")
    assert path.read_text() == "two\nthree\n"
    assert world.hang_up({"log": LogConfig(path=str(world.path))}) == [applied("log.http_path")]
    assert world.portal.web.access_log.write is None


async def test_without_a_way_to_read_again_only_the_log_is_opened(tmp_path):
    path = tmp_path / "portal.log"
    reconfiguration = Reconfiguration(LogConfig(path=str(path)))
    try:
        moved = path.rename(tmp_path / "portal.log.1")
        reconfiguration.hang_up(Portal(make_config()))
        assert path.exists()
        assert moved.read_text() == path.read_text() == ""
    finally:
        reconfiguration.close()
        structlog.reset_defaults()


def test_a_log_that_cannot_be_written_at_the_start(tmp_path):
    with pytest.raises(ConfigError, match=r"log\.path"):
        Reconfiguration(LogConfig(path=str(tmp_path)))
    assert logs.LEVELS
