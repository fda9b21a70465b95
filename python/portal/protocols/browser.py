"""Browsers: the pages of one browser share a login, with each other and with the game's website.

A browser is known by the key of its session on the website (`csessid`). Who it is logged in as
stands there, and is asked of `Logins` before a player of one of its pages is announced to the
game; the game then logs the player in at once. It is written when the game logs a player in, and
taken away when the player leaves for good:

    the game sends the player away (quit) ... logged out, unless another page plays on
    the page is closed ...................... the same, LEAVING_SECONDS later: it may be loaded anew
    the connection breaks ................... still logged in: the page will connect again

A page that connects again takes the place of its older connection, which may not know yet that it
is dead; other pages of the same browser are left alone.
"""

from collections.abc import Callable
from typing import Protocol

import structlog

from portal.hub.hub import Hub
from portal.metrics import Metrics
from portal.session import Session
from portal.wire.browser_query import BrowserQuery

log = structlog.get_logger(__name__)

OPENING_SECONDS = 5.0  # a player who is not known by then begins as a stranger
LEAVING_SECONDS = 10.0  # a page that is loaded anew is back by then

CLIENT = "Evennia Webclient"


class Logins(Protocol):
    """Who browsers are logged in as; nothing here waits, and every answer may be that of a failure.

    Questions of the same browser are carried out in their order.
    """

    def read(self, csessid: str, answered: Callable[[int | None, int | None], None]) -> None:
        """Find out the uid of the account, and the number of the newest page view (`nonce`)."""
        ...

    def log_in(self, csessid: str, uid: int, answered: Callable[[int | None], None]) -> None:
        """Note that the browser is logged in; answers the nonce."""
        ...

    def log_out(self, csessid: str, uid: int, nonce: int | None) -> None:
        """Log the browser out, unless it is logged in as another, or a newer page was viewed."""
        ...


class Browser:
    """One browser: its pages that are connected, the oldest first, and who has left a page."""

    __slots__ = ("csessid", "left", "nonce", "pages")

    def __init__(self, csessid: str) -> None:
        self.csessid = csessid
        self.nonce: int | None = None  # the newest that we know of
        self.pages: list[Page] = []
        self.left: set[int] = set()  # uids of those who closed a page a moment ago

    def plays(self, uid: int) -> bool:
        """Whether somebody plays with an account, or may in a moment."""
        return any(page.is_opening or page.session.uid == uid for page in self.pages)


class Page:
    """One connection of a page, from its opening to its end."""

    __slots__ = ("_browsers", "_give_way", "_open", "browser", "known_uid", "number", "session")

    def __init__(
        self,
        browsers: "Browsers",
        browser: Browser,
        query: BrowserQuery,
        session: Session,
        give_way: Callable[[], None],
    ) -> None:
        self._browsers = browsers
        self._give_way = give_way
        self._open: Callable[[], None] | None = None  # what is to be done when it is open
        self.browser = browser
        self.number = query.page
        self.session = session
        self.known_uid: int | None = None  # what the website has

    @property
    def is_opening(self) -> bool:
        """Whether it still waits to hear who it is."""
        return self._open is not None

    def open(self, uid: int | None = None, nonce: int | None = None) -> None:
        """Go on with the opening: it is logged in as `uid`, or nobody knows."""
        opened, self._open = self._open, None
        self._browsers.opening.cancel(self)
        if opened is None or self not in self.browser.pages:
            return
        if nonce is not None:
            self.browser.nonce = nonce
        if uid is not None:
            self.known_uid = self.session.uid = uid
            self.session.logged_in = True
        self._replace_older()
        opened()

    def begin(self, opened: Callable[[], None]) -> None:
        """Find out who it is, then call `opened()`; at once, or within OPENING_SECONDS."""
        self._open = opened
        self._browsers.opening.start(self)
        self._browsers.logins.read(self.browser.csessid, self.open)

    def at_login(self) -> None:
        """Note on the website that the game has logged the player in."""
        uid = self.session.uid
        if uid is not None and uid != self.known_uid:
            self.known_uid = uid
            self._browsers.logins.log_in(self.browser.csessid, uid, self._note)

    def at_logout(self) -> None:
        """Take note that the game sends the player away."""
        if self._leave():
            if self._uid is not None:
                self._browsers.log_out(self.browser, self._uid)
            self._browsers.forget(self.browser)

    def at_close(self) -> None:
        """Take note that the player has closed the page."""
        if self._leave():
            if self._uid is not None:
                self.browser.left.add(self._uid)
                self._browsers.leaving.start(self.browser)
            self._browsers.forget(self.browser)

    def at_loss(self) -> None:
        """Take note that the connection has ended, by whatever."""
        if self._leave():
            self._browsers.forget(self.browser)

    # ---- parts of the above

    @property
    def _uid(self) -> int | None:
        return self.session.uid if self.session.logged_in else None

    def _note(self, nonce: int | None) -> None:
        if nonce is not None:
            self.browser.nonce = nonce

    def _leave(self) -> bool:
        """Be a page of the browser no more; returns whether it was one."""
        self._browsers.opening.cancel(self)
        if self not in self.browser.pages:
            return False
        self.browser.pages.remove(self)
        return True

    def _replace_older(self) -> None:
        pages = self.browser.pages
        older = pages[: pages.index(self)]
        for page in older:
            if page.number and page.number == self.number:
                pages.remove(page)
                self._browsers.replace(page)
                page._give_way()


class Browsers:
    """Every browser with a page that is connected, by its `csessid`."""

    def __init__(self, logins: Logins, metrics: Metrics, hub: Hub) -> None:
        self.logins = logins
        self.metrics = metrics
        self._browsers: dict[str, Browser] = {}
        self.opening = hub.deadlines(OPENING_SECONDS, self._open_unknown)
        self.leaving = hub.deadlines(LEAVING_SECONDS, self._part)

    def __len__(self) -> int:
        return len(self._browsers)

    def enter(self, query: BrowserQuery, session: Session, give_way: Callable[[], None]) -> Page:
        """Take in the session of a page; `give_way()` ends it when the page connects again.

        Follow it up with `Page.begin`.
        """
        browser = self._browsers.get(query.csessid)
        if browser is None:
            browser = self._browsers[query.csessid] = Browser(query.csessid)
        page = Page(self, browser, query, session, give_way)
        page.known_uid = session.uid if session.logged_in else None
        browser.pages.append(page)
        return page

    def describe(self, session: Session, kind: str, query: BrowserQuery | None) -> None:
        """Say in the protocol flags what Evennia's own Portal says of its web client."""
        name = f":{query.name}" if query is not None and query.name else ""
        session.protocol_flags["CLIENTNAME"] = f"{CLIENT} ({kind}{name})"
        session.protocol_flags["TRUECOLOR"] = True
        if query is not None:
            session.csessid = query.csessid

    def log_out(self, browser: Browser, uid: int) -> None:
        """Log a browser out on the website, unless another page plays on."""
        if not browser.plays(uid):
            self.logins.log_out(browser.csessid, uid, browser.nonce)

    def forget(self, browser: Browser) -> None:
        """Forget a browser of which nothing is left."""
        if not browser.pages and not browser.left:
            self._browsers.pop(browser.csessid, None)

    def replace(self, page: Page) -> None:
        """Count a connection whose page has another one."""
        self.opening.cancel(page)
        self.metrics.browser_pages_replaced += 1
        log.info("browser_page_replaced", sessid=page.session.sessid)

    def _open_unknown(self, page: Page) -> None:
        self.metrics.browser_logins_unknown += 1
        log.warning("browser_login_unknown", address=page.session.address)
        page.open()

    def _part(self, browser: Browser) -> None:
        left, browser.left = browser.left, set()
        for uid in left:
            self.log_out(browser, uid)
        self.forget(browser)
