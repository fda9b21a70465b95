"""The benches' own machinery, and a short run of each program that they measure."""

import importlib
import json
import socket
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
    command = [sys.executable, BENCHES / script]
    with processes.running(command, processes.cores()[0]) as child:
        ports = child.read()
        with socket.create_connection(("127.0.0.1", ports["telnet_port"]), 10) as player:
            assert player.recv(1)
        with socket.create_connection(("127.0.0.1", ports["amp_port"]), 10):
            pass


def test_the_floor_echoes(processes):
    with (
        processes.floor("peers/epoll_echo.c") as (_child, port),
        socket.create_connection(("127.0.0.1", port), 10) as player,
    ):
        assert player.recv(100) == b"Welcome.\r\n"
        player.sendall(b"a line")
        assert player.recv(100) == b"a line"


@pytest.fixture
def latest():
    return json.loads((BENCHES / "results/latest.json").read_text())


def test_the_pages_can_be_written_from_the_latest_figures(results, latest):
    run = importlib.import_module("run")
    for name, section in run.SECTIONS.items():
        section.report(latest[name])
        assert (results.RESULTS / f"{name}.md").read_text().startswith("# ")


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
