"""The way in for browsers without websockets: Evennia's page, which asks for each message (comet).

Everything is a POST to /webclientdata: a form with these fields, and with `csessid` and `cuid`,
which are the browser's session on the website and a number that the page has made up.

    mode=init       browserstr    a session begins: {"msg": "Name (host)", "csessid": ...}
    mode=receive                  the next message, as soon as there is one
    mode=input      data          a message to the game, in JSON; the answer is ""
    mode=keepalive                what the page says to the message ["ajax_keepalive",[],{}]
    mode=close                    the page is closed

A page that is heard of no more is asked after KEEPALIVE_SECONDS whether it is there, and given up
after as many again. All answers are text/plain: the page reads the JSON by itself, and expects to.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
import structlog
import trio
from starlette.requests import Request
from starlette.responses import Response

from portal.protocols.ajax_box import TOO_SLOW, Box
from portal.protocols.ajax_session import AjaxSession
from portal.protocols.http import QUIET
from portal.protocols.http_request import STREAM
from portal.protocols.websocket import WRONG_ORIGIN, WebSocketProtocol
from portal.wire.browser_query import BrowserQuery, is_own_page, make_query

if TYPE_CHECKING:
    from portal.hub.hub import Hub
    from portal.protocols.browser import Page

log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 30.0  # as in Evennia; its page gives up a request after 60
PARTING_SECONDS = 60.0  # to fetch the last messages of a session that has ended
INPUT_SECONDS = 20.0  # what a page sends may wait so long; it gives up after 30
MAX_FIELDS = 16  # Evennia's page sends five
FORM_BYTES = 4096  # of a body, beside the message in it
ESCAPED_BYTES = 3  # what a byte of a message may become in a form

NOTHING = b'""'
NO_PAGE = b"This is for the page of the game, which says which one it is.\n"
NO_FORM = b"This takes a form of few fields.\n"
GONE = b"This session has ended. Load the page anew.\n"
NEWER = b"The page has asked again.\n"
BUSY = b"The game does not keep up. Please try again.\n"
LARGE = b"That is too long.\n"

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page is answered; `box` is where the message in it came from."""

    status: int
    body: bytes
    box: Box | None = None


class AjaxProtocol(WebSocketProtocol):
    """Makes the sessions of pages that ask for each message; an ASGI application.

    What it has in common with the websockets is that of `websocket`. `sessions` are found by what
    their page calls itself, `unsent` is what waits for all of them.
    """

    def __init__(self, websocket: WebSocketProtocol, hub: "Hub") -> None:
        super().__init__(
            websocket.config,
            websocket.metrics,
            hub,
            websocket.sessionhandler,
            websocket.rendering,
            proxies=websocket.proxies,
            admission=websocket.admission,
            protocol_key="ajax/comet",
        )
        self.browsers = websocket.browsers
        self.sessions: dict[tuple[str, str], AjaxSession] = {}
        self.unsent = 0
        self.alive = hub.deadlines(KEEPALIVE_SECONDS, AjaxSession.check_alive)
        self.parting = hub.deadlines(PARTING_SECONDS, _part)
        self._modes = {
            "receive": self._give_message,
            "input": self._take_input,
            "keepalive": self._take_keepalive,
            "close": self._close,
        }

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request; a message that the page does not get stays in its box."""
        scope[QUIET] = True  # it is two for each line that is typed
        answer = await self._answer(Request(scope, receive))
        headers = {"Cache-Control": "no-store"}
        response = Response(answer.body, answer.status, headers, media_type="text/plain")
        arrived = False
        try:
            await response(scope, receive, send)
            stream = scope.get(STREAM)
            arrived = stream is None or not stream.lost
        finally:
            if answer.box is not None and not arrived:
                answer.box.put_back(answer.body)
            elif answer.box is not None:
                answer.box.settle()

    def restore(self, connection: object, state: Mapping[str, Any]) -> AjaxSession:  # noqa: ARG002
        """Go on with a session that `AjaxSession.get_state` wrote down; it has no connection."""
        csessid, number = state["key"]
        session = AjaxSession(self, Box(self, state["sync"]["address"]), (csessid, number))
        session.set_state(state)
        self.sessions[session.key] = session
        self._enter_page(session, make_query(csessid, number))
        session.note_alive()
        return session

    def release(self, session: Any) -> None:
        """Forget a session that has ended, and let another come in from its address."""
        if session.counted:
            self.admission.release(session.address)
        key = session.key
        if self.sessions.get(key) is session:
            del self.sessions[key]
        self.parting.cancel(session)
        if session.close_reason == TOO_SLOW:
            self.metrics.slow_readers_cut += 1
            log.warning("slow_reader_cut", address=session.address, reason=TOO_SLOW)

    def forget(self, session: Any) -> None:
        """Let no deadline of a session expire any more, but the one for its last messages."""
        super().forget(session)
        self.alive.cancel(session)
        if not session.box.ended:
            self.parting.start(session)

    def note_silent(self, session: AjaxSession) -> None:
        """Count a page that is heard of no more."""
        self.metrics.ajax_pages_lost += 1
        log.info("ajax_page_lost", sessid=session.sessid, address=session.address)

    def note_size(self, change: int) -> None:
        """Take note of what waits; where it is too much, whoever has most of it is cut."""
        self.unsent += change
        if change > 0 and self.unsent > self.config.hub.unsent_total_bytes:
            largest = max(self.sessions.values(), key=lambda session: session.box.unsent)
            largest.box.abort(TOO_SLOW)

    # ---- requests

    async def _answer(self, request: Request) -> Answer:
        if not self._is_own(request):
            return Answer(403, f"{WRONG_ORIGIN}\n".encode())
        form = await self._read_form(request)
        if isinstance(form, Answer):
            return form
        query = make_query(*(form.get(name, "") for name in ("csessid", "cuid", "browserstr")))
        if not query.page:
            return Answer(400, NO_PAGE)
        mode = form.get("mode", "")
        if mode == "init":
            return await self._begin_session(request, query)
        session = self.sessions.get((query.csessid, query.page))
        if session is None:
            return Answer(200, NOTHING) if mode == "close" else Answer(410, GONE)
        act = self._modes.get(mode)
        return Answer(200, NOTHING) if act is None else await act(session, form)

    def _is_own(self, request: Request) -> bool:
        """Whether a page may ask: one of the same host, or one that is named."""
        origin, origins = request.headers.get("origin", ""), self.config.websocket.origins
        if not origin or origin in origins:
            return True
        hosts = self.proxies.find_hosts(
            request.scope["portal.peer"], request.headers.get("host", ""), request.headers.items()
        )
        if not origins and is_own_page(origin, hosts):
            return True
        log.info("origin_refused", address=_address(request), origin=origin[:200])
        return False

    async def _read_form(self, request: Request) -> Form | Answer:
        limit = ESCAPED_BYTES * self.config.limits.subnegotiation_bytes + FORM_BYTES
        body, more = bytearray(), True
        while more:
            message = await request.receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                return Answer(413, LARGE)
        try:
            text = body.decode("utf-8", "replace")
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except ValueError:
            return Answer(400, NO_FORM)

    async def _begin_session(self, request: Request, query: BrowserQuery) -> Answer:
        address = _address(request)
        if reason := self.admission.admit(address, self.now()):
            log.info("client_refused", address=address, reason=reason)
            return Answer(503, f"{reason}\n".encode())
        session = self._make_session(address, query)
        session.counted = True
        try:
            await session.opened.wait()
            if session.box.ended:
                return Answer(410, GONE)
            self.sessionhandler.connect(session)
            session.note_alive()
            if not session.input_paused:
                session.resume_input()
        except BaseException:
            session.box.abort("it did not begin")
            raise
        shown = {
            "msg": f"{self.config.name} ({request.headers.get('host', '')})",
            "csessid": query.csessid,
        }
        return Answer(200, msgspec.json.encode(shown))

    def _make_session(self, address: str, query: BrowserQuery) -> AjaxSession:
        key = (query.csessid, query.page)
        session = AjaxSession(self, Box(self, address), key)
        older = self.sessions.get(key)
        self.sessions[key] = session
        if older is not None:
            older.give_way()
        session.box.pause_reading()
        if self.browsers is not None:
            self.browsers.describe(session, "ajax", query)
        # The game's own code may look for this one.
        session.csessid = query.csessid + query.page
        page = self._enter_page(session, query)
        if page is not None:
            page.begin(session.opened.set)
        else:
            session.opened.set()
        return session

    def _enter_page(self, session: AjaxSession, query: BrowserQuery) -> "Page | None":
        if self.browsers is not None and query.csessid:
            session.page = self.browsers.enter(query, session, session.give_way)
        return session.page

    async def _give_message(self, session: AjaxSession, _form: Form) -> Answer:
        session.note_alive()
        message = await session.box.take()
        if message is not None:
            return Answer(200, message, session.box)
        return Answer(410, GONE) if session.box.closing else Answer(409, NEWER)

    async def _take_input(self, session: AjaxSession, form: Form) -> Answer:
        session.note_alive()
        data = form.get("data", "")
        if len(data.encode("utf-8", "replace")) > self.config.limits.subnegotiation_bytes:
            return Answer(413, LARGE)
        with trio.move_on_after(INPUT_SECONDS):
            async with session.turn:
                await session.box.wait_for_reading()
                if session.box.closing:
                    return Answer(410, GONE)
                session.receive_message(data)
            return Answer(200, NOTHING)
        return Answer(503, BUSY)

    async def _take_keepalive(self, session: AjaxSession, _form: Form) -> Answer:
        await trio.lowlevel.checkpoint()
        session.note_alive()
        return Answer(200, NOTHING)

    async def _close(self, session: AjaxSession, _form: Form) -> Answer:
        await trio.lowlevel.checkpoint()
        session.leave()
        return Answer(200, NOTHING)


def _part(session: AjaxSession) -> None:
    """End a session whose last messages nobody has fetched."""
    session.box.abort()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
