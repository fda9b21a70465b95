"""Evennia's own web client in Chromium, on the game's own page: both come through the Portal.

The page has its libraries from servers in the world; here they come from the packages of the same
versions (package.json), and whatever else it wants from there it does not get.
"""

from contextlib import contextmanager
from pathlib import Path

import pytest

from evennia_game import PASSWORD, SUPERUSER

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

PACKAGES = Path(__file__).parents[3] / "node_modules"
# How the page's addresses end, and what stands for them.
LIBRARIES = {
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
    "bootstrap.min.js": "bootstrap/dist/js/bootstrap.min.js",
    "favico-0.3.10.min.js": "favico.js/favico-0.3.10.min.js",
    "goldenlayout.min.js": "golden-layout/dist/goldenlayout.min.js",
    "goldenlayout-base.css": "golden-layout/src/css/goldenlayout-base.css",
    "goldenlayout-dark-theme.css": "golden-layout/src/css/goldenlayout-dark-theme.css",
    "jquery-3.2.1.min.js": "jquery/dist/jquery.min.js",
    "popper.min.js": "popper.js/dist/umd/popper.min.js",
}
LOGIN = "connect <username>"


def answer(route):
    name = route.request.url.rpartition("/")[2]
    if name in LIBRARIES:
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(path=PACKAGES / LIBRARIES[name], headers=headers)
    else:
        route.abort()


class WebClient:
    """Evennia's web client on a page."""

    def __init__(self, page):
        self.page = page
        # Golden Layout makes a window of its own for the texts.
        self.texts = page.locator("#main .content, #messagewindow").first
        self.input = page.locator("textarea.inputfield").first

    def say(self, line):
        self.input.fill(line)
        self.input.press("Enter")

    def expect(self, text):
        expect(self.texts).to_contain_text(text)


@pytest.fixture
def open_client(browser, game):
    """Open the game's page in a browser that nobody has used: `open_client()`."""
    for package in LIBRARIES.values():
        if not (PACKAGES / package).is_file():
            pytest.skip("the libraries of Evennia's page are missing: make web")
    contexts = []

    @contextmanager
    def log_in_first(context):
        page = context.new_page()
        yield page
        page.close()

    def open_client(*, website=False, websockets=True):
        context = browser.new_context()
        contexts.append(context)
        context.route(lambda url: not url.startswith(home), answer)
        if not websockets:
            context.add_init_script("delete window.WebSocket")
        if website:
            with log_in_first(context) as page:
                page.goto(f"{home}/auth/login")
                page.locator("input[name=username]").fill(SUPERUSER)
                page.locator("input[name=password]").fill(PASSWORD)
                page.locator("input[name=password]").press("Enter")
                expect(page.locator("body")).to_contain_text(SUPERUSER)
        page = context.new_page()
        page.goto(f"{home}/webclient/")
        return WebClient(page)

    home = f"http://127.0.0.1:{game.web}"
    yield open_client
    for context in contexts:
        context.close()


def log_in(client):
    client.expect(LOGIN)
    client.say(f"connect {SUPERUSER} {PASSWORD}")
    client.expect(f"You become {SUPERUSER}")


def test_it_plays(open_client):
    client = open_client()
    log_in(client)
    client.say("look")
    client.expect("Welcome to your new Evennia-based game")
    client.say("say <b>bold</b> |rred|n & more")
    client.expect('You say, "<b>bold</b>')
    assert client.texts.locator("b").count() == 0, "what players say is no HTML"
    # The game takes links out of what players type.
    client.say("py me.msg('|500deep |u{0}lcsay linked{0}ltclick here{0}le|n'.format('|'))")
    expect(client.texts.locator(".color-196").first).to_contain_text("deep")
    # A link of the game's is a command of the player's.
    client.texts.locator("#mxplink").last.click()
    client.expect('You say, "linked"')


def test_the_page_loaded_anew_is_logged_in(open_client):
    client = open_client()
    log_in(client)
    client.page.reload()
    client = WebClient(client.page)
    client.expect(f"You become {SUPERUSER}")
    client.say("quit")
    client.expect("Quitting")


def test_who_is_logged_in_on_the_website_is_so_in_the_game(open_client):
    client = open_client(website=True)
    client.expect(f"You become {SUPERUSER}")
    client.say("quit")
    client.expect("Quitting")


def test_a_reload_of_the_game_is_seen_and_survived(open_client, game):
    client = open_client()
    log_in(client)
    client.say("@reload")
    client.expect("Server restarted")
    client.say("say still here")
    client.expect('You say, "still here"')
    client.say("quit")
    client.expect("Quitting")


def test_it_plays_without_websockets(open_client, game):
    client = open_client(websockets=False)
    log_in(client)
    client.say("say by a longer way")
    client.expect('You say, "by a longer way"')
    protocols = [event["protocol"] for event in game.events("session_opened")]
    assert protocols[-1] == "ajax/comet"
    client.say("quit")
    client.expect("Quitting")
