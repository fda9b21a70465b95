"""The real thing: `portal demo`, its game, a telnet player and one in a browser.

What a Portal is for shall hold for both: the game is reloaded, killed and stopped, and nobody is
dropped, and the browser says what is going on.
"""

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

PATIENCE = 30  # seconds until a test that waits in vain gives up
PORTS = "[http]\nport = {http}\n[websocket]\nport = 0\n"
STATES = """() => {
    window.stated = [];
    const status = document.querySelector("[role=status]");
    new MutationObserver(() => stated.push(status.textContent)).observe(status, { childList: true });
}"""
PORTAL = [sys.executable, "-m", "portal"]


class Telnet:
    """A telnet player who reads only when something is expected."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, PATIENCE)
        self.text = ""

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def expect(self, wanted):
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.text:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.01))
            data = self.socket.recv(65536)
            assert data, f"disconnected; last text: {self.text[-500:]!r}"
            self.text += data.decode("utf-8", "replace")
        self.text = self.text[self.text.index(wanted) + len(wanted) :]


class Demo:
    """`portal demo` in a process of its own."""

    def __init__(self, folder, http=0):
        (folder / "portal.toml").write_text(PORTS.format(http=http))
        line = [*PORTAL, "demo", "--json", "--config", str(folder / "portal.toml")]
        line += ["--telnet-port", "0", "--amp-port", "0", "--data", str(folder / "data")]
        self.log = (folder / "portal.log").open("ab")
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=self.log)
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE), "it is not ready"
        self.ready = json.loads(self.process.stdout.readline())
        self.telnets = []

    @property
    def http_port(self):
        return self.ready["http"][0][1]

    @property
    def url(self):
        return "http://{}:{}/".format(*self.ready["http"][0])

    def telnet(self, name):
        player = Telnet(tuple(self.ready["telnet"][0]))
        self.telnets.append(player)
        player.expect("name?")
        player.say(name)
        player.expect(name)
        return player

    def command(self, *words):
        host, port = self.ready["amp"]
        line = [*PORTAL, *words, "--host", host, "--amp-port", str(port)]
        return subprocess.run(
            line, capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout

    def server(self):
        return json.loads(self.command("status", "--json"))["server"]

    def kill_server(self):
        os.kill(self.server()["pid"], signal.SIGKILL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        self.log.close()
        for player in self.telnets:
            player.socket.close()


@pytest.fixture
def start_demo(tmp_path):
    started = []

    def start(**options):
        started.append(Demo(tmp_path, **options))
        return started[-1]

    yield start
    for demo in started:
        demo.close()


@pytest.fixture
def demo(start_demo):
    return start_demo()


def type_line(page, line):
    page.keyboard.type(line)
    page.keyboard.press("Enter")


@pytest.fixture
def enter(open_page):
    """Come in by a browser: `enter(demo, "Bert")`."""

    def enter(demo, name):
        page = open_page(demo.url)
        expect(page.get_by_role("status")).to_have_text("Connected.")
        expect(page.get_by_role("log")).to_contain_text("What is your name?")
        type_line(page, name)
        expect(page.get_by_role("log")).to_contain_text("Quay")
        page.evaluate(STATES)
        return page

    return enter


def until_heard(page, text):
    expect(page.get_by_role("log")).to_contain_text(text, timeout=PATIENCE * 1000)


def until_stated(page, words):
    expect(page.get_by_role("status")).to_have_text(words, timeout=PATIENCE * 1000)


def test_they_talk(demo, enter):
    anna = demo.telnet("Anna")
    page = enter(demo, "Bert")
    anna.expect("Bert")
    type_line(page, 'say <b>hi</b> & "ho" ||r')
    anna.expect('<b>hi</b> & "ho" ||r')
    anna.say("say good <i>evening</i>")
    until_heard(page, "good <i>evening</i>")
    colours = page.locator("#log span[class*=color-]")
    assert colours.count() > 0
    type_line(page, "quit")
    expect(page.get_by_role("button", name="Connect again")).to_be_visible()
    until_stated(page, "The session has ended.")
    page.get_by_role("button", name="Connect again").click()
    until_stated(page, "Connected again.")


def test_a_reload_with_a_browser(demo, enter):
    anna = demo.telnet("Anna")
    page = enter(demo, "Bert")
    before = demo.server()["pid"]
    anna.say("say one")
    until_heard(page, "one")
    demo.command("reload")
    until_stated(page, "Connected. The game is back.")
    assert demo.server()["pid"] != before
    type_line(page, "say two")
    anna.expect("two")
    anna.say("say three")
    until_heard(page, "three")
    assert page.evaluate("stated") == [
        "The game is restarting. What you type is kept.",
        "Connected. The game is back.",
    ]


def test_a_game_that_is_killed_with_a_browser(demo, enter):
    anna = demo.telnet("Anna")
    page = enter(demo, "Bert")
    demo.kill_server()
    expect(page.get_by_role("status")).to_have_text(re.compile("What you type is kept"))
    type_line(page, "say typed meanwhile")
    until_stated(page, "Connected. The game is back.")
    anna.expect("typed meanwhile")
    anna.say("say after it")
    until_heard(page, "after it")
    states = page.evaluate("stated")
    assert states[0] == "The game has stopped answering. What you type is kept until it is back."
    assert states[-1] == "Connected. The game is back."
    expect(page.locator(".notice")).to_have_count(0)


def test_a_password_in_a_browser(demo, enter):
    page = enter(demo, "Bert")
    line = page.get_by_role("textbox", name="Command")
    password = page.get_by_role("textbox", name="Password")
    type_line(page, "password")
    for heard in ("Type the password", "once more"):
        until_heard(page, heard)
        expect(password).to_be_focused()
        type_line(page, "hunter2hunter2")
    until_heard(page, "is protected now")
    expect(line).to_be_focused()
    page.reload()
    until_heard(page, "What is your name?")
    type_line(page, "Bert")
    until_heard(page, "Password for Bert")
    expect(password).to_be_focused()
    type_line(page, "hunter2hunter2")
    until_heard(page, "Quay")
    expect(line).to_be_focused()
    assert "hunter2" not in page.content()
    assert "hunter2" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_portal_that_is_started_anew(demo, start_demo, enter):
    page = enter(demo, "Bert")
    page.keyboard.type("half a line")
    demo.stop()
    until_stated(page, "Disconnected: the Portal does not answer.")
    start_demo(http=demo.http_port)
    until_stated(page, "Connected again.")
    until_heard(page, "A new session has begun")
    expect(page.get_by_role("textbox", name="Command")).to_have_value("half a line")
    page.keyboard.press("Escape")
    type_line(page, "Bert")
    expect(page.get_by_text("What is your name?")).to_have_count(2)


def test_the_page_comes_from_the_package(demo, open_page):
    page = open_page(demo.url)
    expect(page.get_by_role("status")).to_have_text("Connected.")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {name.rsplit(".", 1)[1] for name in loaded} == {"js", "css"}
    assert all(name.startswith(demo.url) for name in loaded)
