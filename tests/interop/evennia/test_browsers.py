"""Browsers of a real game: what pages and the website know of each other's logins."""

import pytest

from evennia_browser import AjaxPage, Browser, crash, leave, make_number
from evennia_game import FRIENDS, PASSWORD

pytestmark = pytest.mark.interop

LOGIN = "connect <username>"
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


async def log_in(player, name):
    await player.expect(LOGIN)
    await player.say(f"connect {name} {PASSWORD}")
    await player.expect(f"You become {name}")


async def test_pages_share_a_login(game):
    """A story: a login, a second page, a page loaded anew, a crash, quitting."""
    async with game.players() as doors:
        browser = Browser(game, doors)
        name = FRIENDS[0]
        first = await browser.open()
        await log_in(first, name)

        # A second page is logged in at once; this game lets an account play once only.
        second = await browser.open()
        await second.expect(f"You become {name}")
        await first.expect("Logged in from elsewhere")
        await first.until_closed()

        # Loaded anew: the old page closes, the new one is as before.
        csessid = await browser.view()
        await leave(second)
        third = await browser.connect(csessid, make_number())
        await third.expect(f"You become {name}")

        # The page connects anew before anybody noticed that its connection is dead.
        fourth = await browser.connect(csessid, third.number)
        await fourth.expect(f"You become {name}")
        await third.until_closed()
        assert third.reason.reason == "this page has connected anew"

        # Out of reach, and back on another page.
        await crash(fourth)
        fifth = await browser.open()
        await fifth.expect(f"You become {name}")

        # Another browser is nobody.
        stranger = await Browser(game, doors).open()
        await stranger.expect(LOGIN)

        await fifth.say("look")
        await fifth.expect("Limbo")
        await fifth.say("quit")
        await fifth.until_closed()
    # Quitting has logged the page out, and not the website, which remembers its own login.
    key = game.events("browser_page_replaced")
    assert len(key) == 1


async def test_a_reload_of_the_game_changes_nothing(game):
    async with game.players() as doors:
        browser = Browser(game, doors)
        player = await browser.open()
        await log_in(player, FRIENDS[1])
        await game.launcher("reload")
        await player.say("look")
        await player.expect("Limbo")
        again = await browser.open()
        await again.expect(f"You become {FRIENDS[1]}")
        await again.say("quit")
        await again.until_closed()


async def test_without_websockets(game):
    async with game.players() as doors:
        browser = Browser(game, doors)
        name = FRIENDS[2]
        page = await browser.open_without_websockets()
        await log_in(page, name)
        await page.say("say Good evening!")
        await page.expect("Good evening!")
        # The two ways share the login.
        other = await browser.open()
        await other.expect(f"You become {name}")
        await page.until_ended()
        again = await browser.open_without_websockets()
        await again.expect(f"You become {name}")
        await other.until_closed()
        await again.say("quit")
        await again.until_ended()


async def test_who_closes_the_last_page_is_logged_out(game):
    """What the pages know only: the website's own login would bring it back."""
    async with game.players() as doors:
        browser = Browser(game, doors)
        csessid = await browser.view()
        player = await browser.connect(csessid, make_number())
        await log_in(player, FRIENDS[0])
        await leave(player)
        back = await browser.connect(csessid, make_number())
        await back.expect(f"You become {FRIENDS[0]}")
        await leave(back)
        asked = browser.count_questions()
        await game.until(lambda: browser.count_questions() > asked, "the end of the login")
        late = await browser.connect(csessid, make_number())
        await late.expect(LOGIN)


async def test_strange_pages_are_kept_out(game):
    async with game.players() as doors:
        browser = Browser(game, doors)
        csessid = await browser.view()
        browser.origin = "https://evil.example"
        for port in (game.websocket, game.web):
            asked = f"/?{csessid}&page&chrome"
            headers = HANDSHAKE | {"Origin": browser.origin}
            assert browser.request("GET", asked, port=port, **headers)[0] == 403
        assert (await AjaxPage(browser, csessid, "page").post("init"))[0] == 403
        assert csessid not in game.log("portal") + game.log("foreground")
