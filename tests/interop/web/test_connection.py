"""Whether a browser tells the truth of the connection and of the game, and comes back."""

import re

import pytest

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

STATES = [
    ("starting", "The game is starting. What you type is kept."),
    ("connected", "Connected."),
    ("restarting", "The game is restarting. What you type is kept."),
    ("connected", "Connected. The game is back."),
    ("lost", "The game has stopped answering. What you type is kept until it is back."),
    ("stopped", "The game has been stopped. What you type is kept until it is started again."),
    (
        "given_up",
        "The game does not start, and does not come back by itself. What you type is kept.",
    ),
    ("closing", "The game is shutting down. What you type is not kept."),
]


def status(page):
    return page.get_by_role("status")


def stop_the_clock(page):
    """Timers run only where the test lets them."""
    page.clock.install(time=0)


@pytest.fixture
def still(open_page, stub):
    """A page that is connected, and whose clock stands still from then on."""
    page = open_page(stub.url, prepare=stop_the_clock)
    stub.wait_for_browsers()
    expect(status(page)).to_have_text("Connected.")
    page.clock.pause_at(60_000)
    return page


def lose(stub, page):
    stub.down = True
    stub.cut()
    expect(status(page)).to_have_text("Disconnected: the Portal does not answer.")


def come_back(stub, page, *, opened=True):
    stub.down = False
    page.clock.run_for(30_000)
    stub.wait_for_browsers()
    expect(status(page)).to_have_text("Connected again." if opened else "Connected.")


def test_the_states_of_the_game(page, stub):
    expect(status(page)).to_have_text("Connected.")
    for state, words in STATES:
        stub.send("portal_status", state)
        expect(status(page)).to_have_text(words)
    expect(page.get_by_role("button", name="Reconnect now")).not_to_be_visible()


def test_while_it_connects(open_page, stub):
    stub.hold()
    page = open_page(stub.url)
    expect(status(page)).to_have_text("Connecting…")
    stub.let_in()
    expect(status(page)).to_have_text("Connected.")


def test_below_a_path_behind_a_proxy(open_page, stub_below, wait_for_text):
    page = open_page(stub_below.url)
    stub_below.wait_for_browsers()
    stub_below.send("text", "hello")
    wait_for_text(page, "hello")
    assert all(path.startswith(stub_below.prefix) for path in stub_below.requests)


def test_a_websocket_at_another_address(open_page, stub, stub_below):
    page_source = (stub.web / "index.html").read_text()
    here = '<meta name="portal-websocket" content="">'
    assert here in page_source
    there = here.replace('""', f'"{stub_below.url}websocket"')
    stub.files["index.html"] = page_source.replace(here, there).encode()
    open_page(stub.url)
    stub_below.wait_for_browsers()
    assert stub.connections == []


@pytest.mark.parametrize("end", ["cut", "close"])
def test_a_portal_that_is_gone_and_comes_back(still, stub, shown, end):
    page = still
    stub.down = True
    getattr(stub, end)()
    expect(status(page)).to_have_text("Disconnected: the Portal does not answer.")
    expect(page.locator("#seconds")).to_have_text(re.compile(r"^Next try in [12] s$"))
    page.keyboard.type("north")
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    line = page.get_by_role("textbox", name="Command")
    expect(alert).to_have_text("Not sent: there is no connection. What you typed stays here.")
    expect(line).to_have_value("north")
    come_back(stub, page)
    expect(page.locator("#seconds")).to_be_empty()
    expect(alert).to_have_text("Connected: press Enter to send what you typed.")
    page.clock.resume()
    expect(page.locator(".notice")).to_have_text(
        ["Disconnected.", "Connected again. A new session has begun."]
    )
    page.keyboard.press("Enter")
    stub.wait_for_lines("north")
    expect(alert).to_be_empty()


def test_tries_come_later_and_later_and_the_seconds_are_counted(still, stub):
    page = still
    lose(stub, page)
    seconds = page.locator("#seconds")
    bounds = [(1, 2), (2, 4), (4, 8), (8, 16), (15, 30), (15, 30)]
    for least, most in bounds:
        expect(seconds).to_have_text(re.compile(r"^Next try in \d+ s$"))
        wait = int(re.search(r"\d+", seconds.text_content())[0])
        assert least <= wait <= most
        for left in range(wait - 1, 0, -1):
            page.clock.run_for(1000)
            expect(seconds).to_have_text(f"Next try in {left} s")
        tries = stub.refused
        page.clock.run_for(1000)
        stub.wait_for(lambda tries=tries: stub.refused > tries)
    come_back(stub, page)


@pytest.mark.parametrize(
    "event",
    [
        "dispatchEvent(new Event('online'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
        "document.querySelector('#connect').click()",
    ],
)
def test_at_once_when_there_is_reason_to(still, stub, event):
    page = still
    lose(stub, page)
    stub.down = False
    page.evaluate(event)  # the clock stands still: nothing else would bring it back
    stub.wait_for_browsers()
    expect(status(page)).to_have_text("Connected again.")
    page.evaluate(event)
    assert len(stub.connections) == 1


def test_without_a_network(still, stub):
    page = still
    lose(stub, page)
    page.context.set_offline(True)
    expect(status(page)).to_have_text("Disconnected: no network.")
    stub.down = False
    page.context.set_offline(False)
    stub.wait_for_browsers()


def test_a_line_that_nobody_answered_is_told_of(page, stub, wait_for_text):
    page.keyboard.type("north")
    page.keyboard.press("Enter")
    stub.wait_for_lines("north")
    stub.send("text", "You go north.")
    wait_for_text(page, "You go north.")
    notices = page.locator(".notice")
    stub.cut()
    expect(notices).to_have_text(["Disconnected.", "Connected again. A new session has begun."])
    page.keyboard.type("south")
    page.keyboard.press("Enter")
    stub.wait_for_lines("north", "south")
    stub.cut()
    expect(notices.nth(3)).to_have_text("Your last line may not have arrived.")


def test_who_leaves_stays_away_until_they_come_back(still, stub):
    page = still
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Leave the game").click()
    expect(status(page)).to_have_text("Leaving…")
    stub.wait_for(lambda: ["websocket_close", [], {}] in stub.received)
    stub.close(1000)
    expect(status(page)).to_have_text("The session has ended.")
    page.clock.run_for(120_000)
    assert stub.connections == []
    page.get_by_role("button", name="Connect again").click()
    stub.wait_for_browsers()


def test_a_game_that_lets_the_player_go(still, stub):
    page = still
    stub.close(1000)
    expect(status(page)).to_have_text("The session has ended.")
    expect(page.locator("#seconds")).to_be_empty()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.clock.run_for(120_000)
    assert stub.connections == []


def test_a_portal_that_shuts_down_is_waited_for(still, stub):
    page = still
    stub.send("portal_status", "closing")
    expect(status(page)).to_have_text(re.compile("shutting down"))
    page.keyboard.type("north")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Not sent: the game is shutting down")
    stub.close(1000)
    expect(status(page)).to_have_text("Disconnected: the Portal does not answer.")
    come_back(stub, page)
    expect(page.get_by_role("textbox", name="Command")).to_have_value("north")


def test_a_portal_that_was_never_there(open_page, stub):
    stub.refusing = True
    page = open_page(stub.url, prepare=stop_the_clock)
    expect(status(page)).to_have_text("Disconnected: the Portal does not answer.")
    expect(page.locator(".notice")).to_have_count(0)
    stub.refusing = False
    come_back(stub, page, opened=False)


def test_lines_that_come_while_nobody_looks_are_counted_in_the_title(page, stub):
    hide = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s })"
    page.evaluate(hide % "true")
    stub.send("text", "one")
    stub.send("text", "two")
    expect(page).to_have_title("(2) Portal")
    page.evaluate(hide % "false")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("Portal")
