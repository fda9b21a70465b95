"""Tabs of browsers: what each order of events does to the login that they share.

A story is a list of steps. `open A`, `B` ... are pages of one browser, `A2` is page A connecting
once more; `other` stands for another browser. What the website has is `site`, and what happens to
it is seen at the end, and by whoever opens a page.
"""

import pytest
import structlog.testing

from portal.metrics import Metrics
from portal.protocols.browser import LEAVING_SECONDS, OPENING_SECONDS, Browsers
from portal.session import Session
from portal.wire.browser_query import BrowserQuery


class World:
    """One browser with its pages; `ended` are those whose connection was replaced."""

    def __init__(self, hub, website):
        self.hub = hub
        self.site = website
        self.metrics = Metrics()
        self.browsers = Browsers(self.site, self.metrics, hub)
        self.pages = {}
        self.opened = []
        self.ended = []

    def open(self, name, csessid="key-of-one"):
        session = Session()
        session.init_session("websocket", "192.0.2.7", None)
        query = BrowserQuery(csessid, name[0] if name[0].isupper() else "", "chrome")
        page = self.browsers.enter(query, session, lambda: self.ended.append(name))
        self.pages[name] = page
        page.begin(lambda: self.opened.append(name))
        return page

    def run(self, story):
        for step in story:
            what, *words = step.split()
            getattr(self, f"do_{what}")(*words)

    def do_view(self):
        self.site.view_page()

    def do_open(self, name):
        self.open(name)

    def do_load(self, name):
        """A page is viewed and connects, as browsers do it."""
        self.site.view_page()
        self.open(name)

    def do_login(self, name, uid="3"):
        session = self.pages[name].session
        session.uid, session.logged_in = int(uid), True
        self.pages[name].at_login()

    def do_quit(self, name):
        self.pages[name].at_logout()
        self.pages[name].at_loss()

    def do_close(self, name):
        self.pages[name].at_close()
        self.pages[name].at_loss()

    def do_crash(self, name):
        self.pages[name].at_loss()

    def do_wait(self, seconds=LEAVING_SECONDS):
        self.hub.pass_time(float(seconds))

    def do_slow(self):
        self.site.slow = True

    def do_broken(self):
        self.site.broken = True

    def do_answer(self):
        self.site.answer()

    def uids(self):
        return {name: page.session.uid for name, page in self.pages.items()}


@pytest.fixture
def world(make_surroundings, website):
    return World(make_surroundings().hub, website)


# Each: the steps, who plays as whom at the end, and as whom the browser is logged in.
STORIES = {
    "a stranger": (["load A"], {"A": None}, None),
    "a login": (["load A", "login A"], {"A": 3}, 3),
    "a second tab is logged in": (["load A", "login A", "load B"], {"A": 3, "B": 3}, 3),
    "a refresh": (["load A", "login A", "close A", "load B", "wait"], {"A": 3, "B": 3}, 3),
    "a refresh whose page comes first": (
        ["load A", "login A", "view", "close A", "wait", "open B"],
        {"A": 3, "B": 3},
        3,
    ),
    "a refresh that takes its time": (
        ["load A", "login A", "close A", "wait 5", "view", "wait 20", "open B"],
        {"A": 3, "B": 3},
        3,
    ),
    "the last tab is closed": (["load A", "login A", "close A", "wait"], {"A": 3}, None),
    "not yet": (["load A", "login A", "close A", "wait 9"], {"A": 3}, 3),
    "two tabs, one closed": (
        ["load A", "login A", "load B", "close A", "wait"],
        {"A": 3, "B": 3},
        3,
    ),
    "two tabs, the newer closed": (
        ["load A", "login A", "load B", "close B", "wait"],
        {"A": 3, "B": 3},
        3,
    ),
    "two tabs, both closed": (
        ["load A", "login A", "load B", "close B", "close A", "wait"],
        {"A": 3, "B": 3},
        None,
    ),
    "two tabs, both closed, slowly": (
        ["load A", "login A", "load B", "close A", "wait", "close B", "wait"],
        {"A": 3, "B": 3},
        None,
    ),
    "two tabs closed, another page on its way": (
        ["load A", "login A", "load B", "close A", "close B", "view", "wait", "open C"],
        {"A": 3, "B": 3, "C": 3},
        3,
    ),
    "quit": (["load A", "login A", "quit A"], {"A": 3}, None),
    "quit in one of two": (["load A", "login A", "load B", "quit A"], {"A": 3, "B": 3}, 3),
    "quit in the newer of two": (["load A", "login A", "load B", "quit B"], {"A": 3, "B": 3}, 3),
    "quit in both": (
        ["load A", "login A", "load B", "quit B", "quit A"],
        {"A": 3, "B": 3},
        None,
    ),
    "quit in one, then the other is closed": (
        ["load A", "login A", "load B", "quit A", "close B", "wait"],
        {"A": 3, "B": 3},
        None,
    ),
    "quit while another page is on its way": (
        ["load A", "login A", "view", "quit A", "open B"],
        {"A": 3, "B": 3},
        3,
    ),
    "quit, and a new page is a stranger": (
        ["load A", "login A", "quit A", "load B"],
        {"A": 3, "B": None},
        None,
    ),
    # The game sends the older one away when an account may play once only.
    "one session only": (
        ["load A", "login A", "load B", "quit A", "login B"],
        {"A": 3, "B": 3},
        3,
    ),
    "one session only, logged in by hand": (
        ["load A", "load B", "login A", "login B", "quit A"],
        {"A": 3, "B": 3},
        3,
    ),
    "a crash": (["load A", "login A", "crash A", "wait"], {"A": 3}, 3),
    "a crash, and the page is loaded anew": (
        ["load A", "login A", "crash A", "load B"],
        {"A": 3, "B": 3},
        3,
    ),
    "a crash, and the page connects anew": (
        ["load A", "login A", "crash A", "open A2"],
        {"A": 3, "A2": 3},
        3,
    ),
    "connecting anew before the old one is dead": (
        ["load A", "login A", "open A2"],
        {"A": 3, "A2": 3},
        3,
    ),
    "the replaced one dies later": (
        ["load A", "login A", "open A2", "close A", "wait", "crash A"],
        {"A": 3, "A2": 3},
        3,
    ),
    "quit after connecting anew": (
        ["load A", "login A", "open A2", "quit A2"],
        {"A": 3, "A2": 3},
        None,
    ),
    "two accounts": (
        ["load A", "login A", "load B", "login B 4"],
        {"A": 3, "B": 4},
        4,
    ),
    "two accounts, the first quits": (
        ["load A", "login A", "load B", "login B 4", "quit A"],
        {"A": 3, "B": 4},
        4,
    ),
    "two accounts, the second quits": (
        ["load A", "login A", "load B", "login B 4", "quit B"],
        {"A": 3, "B": 4},
        None,
    ),
    "a login that is known late": (
        ["load A", "login A", "crash A", "slow", "open B", "answer", "close B", "wait"],
        {"A": 3, "B": 3},
        None,
    ),
    "pages without a number never replace each other": (
        ["open a", "login a", "open b"],
        {"a": 3, "b": 3},
        3,
    ),
    "the website does not answer": (
        ["load A", "login A", "slow", "load B", f"wait {OPENING_SECONDS}"],
        {"A": 3, "B": None},
        3,
    ),
    "it answers too late": (
        ["load A", "login A", "slow", "load B", f"wait {OPENING_SECONDS}", "answer"],
        {"A": 3, "B": None},
        3,
    ),
    "a page is closed before the answer": (
        ["load A", "login A", "slow", "load B", "close B", "answer", "wait"],
        {"A": 3, "B": None},
        3,
    ),
    "another page may be logged in in a moment": (
        ["load A", "login A", "slow", "load B", "quit A", "answer"],
        {"A": 3, "B": 3},
        3,
    ),
    "the website is broken": (["broken", "load A", "login A", "quit A"], {"A": 3}, None),
    "the first answer is lost": (
        ["slow", "load A", f"wait {OPENING_SECONDS}", "login A", "answer", "quit A"],
        {"A": 3},
        None,
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_stories(world, name):
    story, players, login = STORIES[name]
    world.run(story)
    assert world.uids() == players
    assert world.site.uid == login


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_left_when_all_have_gone(world, name):
    world.run([*STORIES[name][0], "answer"])
    for page in world.pages:
        world.run([f"crash {page}"])
    world.run(["wait", f"wait {OPENING_SECONDS}"])
    assert len(world.browsers) == len(world.browsers.opening) == len(world.browsers.leaving) == 0


def test_a_page_takes_the_place_of_its_older_connection_only(world):
    world.run(["load A", "login A", "load B"])
    world.open("A", csessid="key-of-another")
    assert world.ended == []
    with structlog.testing.capture_logs() as logs:
        world.run(["open A2"])
    assert world.ended == ["A"]
    assert [entry["event"] for entry in logs] == ["browser_page_replaced"]
    assert world.metrics.browser_pages_replaced == 1


def test_the_older_one_gives_way_before_the_newer_begins(world):
    order = []
    world.run(["slow", "open A", "answer"])
    world.pages["A"]._give_way = lambda: order.append("end")
    session = Session()
    session.init_session("websocket", "192.0.2.7", None)
    page = world.browsers.enter(BrowserQuery("key-of-one", "A", ""), session, None)
    page.begin(lambda: order.append("begin"))
    assert order == []
    world.run(["answer"])
    assert order == ["end", "begin"]


def test_of_two_that_wait_the_newer_is_kept(world):
    world.run(["slow", "open A", "open A2"])
    late, world.site.late = world.site.late, []
    late[1]()
    assert (world.opened, world.ended) == (["A2"], ["A"])
    late[0]()
    world.run([f"wait {OPENING_SECONDS}"])
    assert world.opened == ["A2"]
    assert world.metrics.browser_logins_unknown == 0


def test_a_login_is_written_once(world):
    world.run(["load A", "login A", "login A", "load B", "login B", "login B 4"])
    assert world.site.asked == ["read", "log_in 3", "read", "log_in 4"]


def test_who_is_not_known_in_time_begins_as_a_stranger(world):
    world.run(["slow", "load A", f"wait {OPENING_SECONDS - 0.1}"])
    assert world.opened == []
    assert world.pages["A"].is_opening
    with structlog.testing.capture_logs() as logs:
        world.run(["wait 0.1"])
    assert world.opened == ["A"]
    assert not world.pages["A"].session.logged_in
    assert [entry["event"] for entry in logs] == ["browser_login_unknown"]
    assert "key-of-one" not in str(logs)
    assert world.metrics.browser_logins_unknown == 1


@pytest.mark.parametrize(
    ("query", "name", "csessid"),
    [
        (None, "Evennia Webclient (websocket)", None),
        (BrowserQuery("key-of-one", "", ""), "Evennia Webclient (websocket)", "key-of-one"),
        (BrowserQuery("key", "p", "chrome"), "Evennia Webclient (websocket:chrome)", "key"),
    ],
)
def test_the_game_is_told_what_it_is_used_to(world, query, name, csessid):
    session = Session()
    session.init_session("websocket", "192.0.2.7", None)
    world.browsers.describe(session, "websocket", query)
    assert session.protocol_flags["CLIENTNAME"] == name
    assert session.protocol_flags["TRUECOLOR"] is True
    assert session.csessid == csessid
