"""The benches' own machinery, and a short run of each program that they measure."""

import contextlib
import importlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[1] / "benches"


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHES)


@pytest.fixture
def results(monkeypatch, tmp_path):
    module = importlib.import_module("results")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


@pytest.fixture
def processes():
    return importlib.import_module("processes")


@pytest.mark.parametrize(
    ("value", "limit", "least", "verdict"),
    [
        (12.0, 13, False, "met"),
        (13.0, 13, False, "met"),
        (26.0, 13, False, "**missed** by 100%"),
        (30.0, 30, True, "met"),
        (15.0, 30, True, "**missed** by 50%"),
    ],
)
def test_an_aim_says_by_how_much_it_is_missed(results, value, limit, least, verdict):
    assert results.Aim("speed", value, limit, "us", least).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("peer", "peer"), (3, "3"), (0.12345, "0.123"), (12.34, "12.3"), (123.4, "123")],
)
def test_numbers_keep_the_digits_that_mean_something(results, value, text):
    assert results.number(value) == text


def test_a_page_holds_machine_method_and_table(results):
    results.write(
        "page", "A page", {"machine": "One"}, "How.", results.table(["a", "b"], [[1, 2.5]])
    )
    text = (results.RESULTS / "page.md").read_text()
    assert text.startswith("# A page\n\nMachine: One.\n")
    assert "\n\nHow.\n\n| a | b |\n| --- | --- |\n| 1 | 2.5 |\n" in text


def test_a_watch_tells_the_load_of_others_from_its_own(results):
    watch = results.Watch()
    before = results._own_seconds()
    while results._own_seconds() < before + 0.05:
        pass
    assert 0.0 <= watch.others_share() <= 1.5
    line = results.machine(watch)
    assert "other processes took" in line
    assert "CPython" in line


def test_every_side_of_the_telnet_codec_runs():
    telnet_codec = importlib.import_module("telnet_codec")
    for _things, sides in telnet_codec.subjects().values():
        for call in sides.values():
            call()


def test_every_kind_of_markup_is_measured(results, monkeypatch):
    markup_bench = importlib.import_module("markup_bench")
    monkeypatch.setattr(markup_bench.evennia_sides, "find_python", lambda: None)
    assert {len(markup_bench.coloured(number)) for number in (0, 9_999_999)} == {200}
    assert {len(markup_bench.plain(number)) for number in (0, 9_999_999)} == {60}
    figures = markup_bench.run(quick=True)
    aims = markup_bench.report(figures | {"machine": "this one"})
    assert [aim.name for aim in aims] == [
        "coloured to ANSI, 200 bytes",
        "coloured to HTML, 200 bytes",
    ]
    assert "| plain to HTML |" in (results.RESULTS / "markup.md").read_text()


def test_samples_are_added_up_by_function():
    profiling = importlib.import_module("profiling")
    stacks = [
        "<module> (run.py:1);tick (/x/python/portal/hub/hub.py:10);recv (a/site-packages/b.py:3) 6",
        "<module> (run.py:1);tick (/x/python/portal/hub/hub.py:11) 4",
    ]
    assert profiling.add_up(stacks) == [
        ("b.py recv", 0.6, 0.6),
        ("portal/hub/hub.py tick", 0.4, 1.0),
    ]


def test_a_child_is_read_and_ended(processes):
    code = "import json, sys; print(json.dumps({'x': 1}), flush=True); sys.stdin.read()"
    with processes.running([sys.executable, "-c", code], processes.cores()[0]) as child:
        assert child.read() == {"x": 1}
        assert child.memory() > 1024 * 1024
    assert child.process.returncode == 0


def test_a_child_that_says_nothing_is_an_error(processes):
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with (
        processes.running(command, processes.cores()[0]) as child,
        pytest.raises(RuntimeError, match="ended with 3"),
    ):
        child.read()


@pytest.mark.parametrize("script", ["portal_process.py", "peers/twisted_relay.py"])
def test_what_is_measured_starts_and_greets(processes, script):
    with processes.server(script) as (_child, ports):
        assert ports.keys() == {"telnet_port", "amp_port"}
        with socket.create_connection(("127.0.0.1", ports["telnet_port"]), 10) as player:
            assert player.recv(1)
        with socket.create_connection(("127.0.0.1", ports["amp_port"]), 10):
            pass


def test_a_portal_with_browsers_serves_pages_and_websockets(processes):
    http_get = importlib.import_module("http_get")
    with processes.server("portal_process.py", "browsers") as (_child, ports):
        with open_websocket(ports["websocket_port"]):
            pass
        assert http_get.get(ports["http_port"], "/healthz") > 0
        with pytest.raises(RuntimeError, match="404"):
            http_get.get(ports["http_port"], "/no-such-page")
        with http_get.asking(ports["http_port"], "/", 0.05) as child:
            figures = child.read()
    assert figures["count"] > 1
    assert figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]


def test_the_floor_echoes(processes):
    with (
        processes.floor("peers/epoll_echo.c") as (_child, ports),
        socket.create_connection(("127.0.0.1", ports["telnet_port"]), 10) as player,
    ):
        assert player.recv(100) == b"Welcome.\r\n"
        player.sendall(b"a line")
        assert player.recv(100) == b"a line"


REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: bG9hZCBnZW5lcmF0b3IhIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@contextlib.contextmanager
def open_websocket(port):
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(REQUEST)
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        yield client


def echo_a_frame(port):
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(b"a text"))
    with open_websocket(port) as client:
        for _ in range(2):
            client.sendall(b"\x81\x86" + mask + masked)
            assert client.recv(100) == b"\x81\x06a text"


def test_the_floor_echoes_frames(processes):
    with processes.floor("peers/epoll_echo.c", "websocket") as (_child, ports):
        echo_a_frame(ports["websocket_port"])


@pytest.mark.parametrize(
    ("script", "library"),
    [
        ("websocket_echo.py", "wsproto"),
        ("peers/websocket_trio.py", "trio_websocket"),
        ("peers/websocket_asyncio.py", "websockets"),
        ("peers/websocket_picows.py", "picows"),
        ("peers/websocket_twisted.py", "autobahn"),
    ],
)
def test_websocket_servers_echo(processes, script, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} comes with `make bench`")
    with processes.server(script) as (_child, ports):
        echo_a_frame(ports["websocket_port"])


def test_the_relay_takes_websockets(processes):
    if importlib.util.find_spec("autobahn") is None:
        pytest.skip("autobahn comes with `make bench`")
    with (
        processes.server("peers/twisted_relay.py", "websocket") as (_child, ports),
        open_websocket(ports["websocket_port"]),
    ):
        assert ports.keys() == {"websocket_port", "amp_port"}


@pytest.fixture
def load(processes):
    """The load generator, built for the test as `cargo test` builds it."""
    root = BENCHES.parent
    subprocess.run(["cargo", "build", "--quiet", "--package", "load"], cwd=root, check=True)
    processes.LOAD = root / "target/debug/load"
    return processes


@pytest.mark.parametrize("protocol", ["telnet", "websocket"])
def test_the_load_talks_to_a_portal(load, protocol):
    with load.relay("portal_process.py", "browsers") as (child, ports):
        port = ports[f"{protocol}_port"]
        run = {"protocol": protocol, "clients": 3, "seconds": 0.2, "pid": child.pid}
        talk = load.load("talk", port, warmup=0, form="inputfunc", **run)
        assert talk["messages"] > 3
        assert talk["cpu_us_each"] > 0
        assert load.load("connect", port, **run)["connects"] > 3
        with load.idle(port, 3, protocol) as crowd:
            assert crowd.read() == {"open": 3}


@pytest.mark.parametrize("boxes", ["one", "each"])
def test_the_load_sends_to_everybody(load, boxes):
    fanout = importlib.import_module("fanout")
    with load.server(*fanout.PORTAL) as (child, ports):
        figures = load.load(
            "fanout",
            ports["websocket_port"],
            amp_port=ports["amp_port"],
            protocol="websocket",
            boxes=boxes,
            clients=5,
            size=fanout.SIZE,
            seconds=0.1,
            warmup=0,
            pid=child.pid,
        )
    assert figures["messages"] >= 5
    assert figures["messages"] % 5 == 0


@pytest.fixture
def game(load):
    sides = importlib.import_module("evennia_sides")
    python = sides.find_python()
    if python is None:
        pytest.skip("`make bench` installs an Evennia, or `make evennia`")
    with sides.made(python) as game:
        yield game


@pytest.mark.interop
def test_both_portals_stand_in_front_of_one_game(load, game):
    with load.behind(game.portal()) as own, load.behind(game.stock()) as stock:
        for child, ports in (own, stock):
            assert ports.keys() == {"telnet_port", "websocket_port", "amp_port"}
            for protocol in ("telnet", "websocket"):
                run = {"protocol": protocol, "form": "inputfunc", "pid": child.pid}
                port = ports[f"{protocol}_port"]
                talk = load.load("talk", port, clients=3, seconds=0.3, warmup=0, **run)
                assert talk["messages"] >= 3
        stock_port = stock[1]["telnet_port"]
        with load.loading("idle", stock_port, clients=2, compressed="true") as crowd:
            assert crowd.read() == {"open": 2}


@pytest.mark.interop
def test_a_player_looks_around_in_a_real_game(game):
    look = importlib.import_module("evennia_look")
    game.populate()
    figures = look.measure(game, game.portal(), 0.2)
    assert figures["count"] >= 1
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]


def test_a_step_that_fails_says_what_it_said(tmp_path):
    sides = importlib.import_module("evennia_sides")
    game = sides.Game(tmp_path, sys.executable)
    with pytest.raises(RuntimeError, match="ended with 3: heard"):
        game.run(sys.executable, "-c", "print('heard'); raise SystemExit(3)")


@pytest.fixture
def latest():
    return json.loads((BENCHES / "results/latest.json").read_text())


def test_the_pages_can_be_written_from_the_latest_figures(results, latest):
    run = importlib.import_module("run")
    for name, section in run.SECTIONS.items():
        section.report(latest[name])
        assert (results.RESULTS / f"{name}.md").read_text().startswith("# ")


def test_a_quick_run_has_no_real_game(results, latest):
    bench = importlib.import_module("evennia_bench")
    goals = bench.report({**latest["evennia"], "look": {}})
    assert not any("look" in goal.name for goal in goals)
    assert "Left out of a quick run." in (results.RESULTS / "evennia.md").read_text()


def test_the_readme_holds_the_latest_figures(latest, tmp_path):
    readme = importlib.import_module("readme")
    page = tmp_path / "README.md"
    page.write_text((BENCHES.parent / "README.md").read_text())
    before = page.read_text()
    readme.update(page, latest)
    assert page.read_text() == before
    page.write_text(f"a\n{readme.BEGIN}\nold\n{readme.END}\nb\n")
    readme.update(page, latest)
    assert "old" not in page.read_text()
