"""What a page may say about its browser, and which pages may say it."""

import pytest

from portal.wire.browser_query import LONGEST_NAME, BrowserQuery, is_own_page, read_query

KEY = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"{KEY}&p1&chrome", BrowserQuery(KEY, "p1", "chrome")),
        (f"{KEY}&p1", BrowserQuery(KEY, "p1", "")),
        (KEY, BrowserQuery(KEY, "", "")),
        (f"{KEY}&&", BrowserQuery(KEY, "", "")),
        (f"{KEY}&p1&chrome&status=1", BrowserQuery(KEY, "p1", "chrome")),
        (
            f"{KEY}&p1&chromium%20based%20edge%20(dev%20or%20canary)",
            BrowserQuery(KEY, "p1", "chromium based edge (dev or canary)"),
        ),
        (f"{KEY}&p1&a%0Ab%00c", BrowserQuery(KEY, "p1", "abc")),
        (f"{KEY}&p1&{'x' * 500}", BrowserQuery(KEY, "p1", "x" * LONGEST_NAME)),
        # A page without a proper number is one that nothing is known of.
        (f"{KEY}&../p1&chrome", BrowserQuery(KEY, "", "chrome")),
        (f"{KEY}&{'x' * 65}&chrome", BrowserQuery(KEY, "", "chrome")),
        ("A_b-4567&p", BrowserQuery("A_b-4567", "p", "")),
        # What is no key of a session at all.
        ("", None),
        ("status=1", None),
        ("false&p1&chrome", None),
        ("None&p1&chrome", None),
        ("short&p1&chrome", None),
        ("x" * 129, None),
        (f"{KEY}/..&p1", None),
        (f"{KEY}%20&p1", None),
        (f"{KEY}\n", None),
    ],
)
def test_queries(query, expected):
    assert read_query(query) == expected


@pytest.mark.parametrize(
    ("origin", "hosts", "own"),
    [
        ("http://game.example:4001", ["game.example:4002"], True),
        ("https://game.example", ["game.example"], True),
        ("https://Game.Example", ["GAME.example:443"], True),
        ("http://127.0.0.1:4001", ["127.0.0.1:4002"], True),
        ("http://[::1]:4001", ["[::1]:4002"], True),
        ("https://game.example", ["10.0.0.1:4002", " game.example"], True),
        ("http://localhost:4001", ["127.0.0.1:4002"], False),
        ("https://evil.example", ["game.example"], False),
        ("https://game.example.evil", ["game.example"], False),
        ("https://evilgame.example", ["game.example"], False),
        ("https://game.example@evil.example", ["game.example"], False),
        ("https://evil.example/game.example", ["game.example"], False),
        ("http://[::1]:4001", ["[::2]:4002"], False),
        ("null", ["game.example"], False),
        ("file://game.example", ["game.example"], False),
        ("", [""], False),
        ("https://", [""], False),
        ("https://game.example", [], False),
        ("https://game.example", ["game.example/"], False),
    ],
)
def test_pages(origin, hosts, own):
    assert is_own_page(origin, hosts) is own
