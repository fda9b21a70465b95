"""Evennia's page without websockets: what it asks, in which order, and what it is answered."""

import json
from urllib.parse import urlencode

import pytest
import structlog.testing
import trio
import trio.testing

from portal.config import HttpConfig, HubConfig, LimitsConfig, WebSocketConfig
from portal.protocols.ajax import (
    BUSY,
    INPUT_SECONDS,
    KEEPALIVE_SECONDS,
    LARGE,
    MAX_FIELDS,
    NO_FORM,
    NO_PAGE,
    PARTING_SECONDS,
    AjaxProtocol,
)
from portal.protocols.ajax_box import TOO_SLOW
from portal.protocols.http import measure_requests
from portal.protocols.http_request import STREAM
from portal.wire.access_log import AccessLog

KEY = "abcdefghijklmnopqrstuvwxyz012345"
PAGE = "p1"
OTHER = "other67890"


class Lost:
    """The stream of a request whose client is gone before it has its answer."""

    lost = True


class World:
    def __init__(self, nursery, surroundings, website=None):
        self.nursery = nursery
        self.hub = surroundings.hub
        self.handler = surroundings.handler
        self.metrics = surroundings.metrics
        self.site = website
        self.websocket = surroundings.make_websocket(website)
        self.protocol = AjaxProtocol(self.websocket, self.hub)
        self.answers = {}
        self.scopes = {}

    async def post(self, form, *, client="192.0.2.7", peer=None, stream=None, **fields):
        """Ask for something; returns the status and the body."""
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        fields = {"host": "game.example:4001", **fields}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/webclientdata",
            "query_string": b"",
            "headers": [
                (name.replace("_", "-").lower().encode(), value.encode())
                for name, value in fields.items()
            ],
            "client": (client, 4711),
            "portal.peer": peer or client,
            STREAM: stream,
        }
        pieces = [body[:3], body[3:]]
        sent = []

        async def receive():
            await trio.lowlevel.checkpoint()
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message):
            await trio.lowlevel.checkpoint()
            sent.append(message)

        await self.protocol(scope, receive, send)
        start, *parts = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        return start["status"], b"".join(part["body"] for part in parts)

    async def ask(self, mode, page=PAGE, csessid=KEY, **more):
        fields = {name: more.pop(name) for name in ("data", "browserstr") if name in more}
        return await self.post({"mode": mode, "csessid": csessid, "cuid": page, **fields}, **more)

    async def init(self, page=PAGE, **more):
        answer = await self.ask("init", page, **more)
        assert answer[0] == 200
        return self.handler.sessions[-1]

    async def say(self, *message, page=PAGE):
        return await self.ask("input", page, data=json.dumps(message))

    async def begin(self, name, mode, *more, **options):
        """Ask for something that may take its time; see `answers`."""
        scope = self.scopes[name] = trio.CancelScope()

        async def ask():
            with scope:
                self.answers[name] = await self.ask(mode, *more, **options)

        self.nursery.start_soon(ask)
        await self.settle()

    async def settle(self):
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()

    def hear(self):
        return self.handler.take()

    def is_empty(self):
        protocol = self.protocol
        return (
            len(protocol.sessions)
            == protocol.unsent
            == len(protocol.alive)
            == len(protocol.parting)
            == protocol.admission.total
            == 0
        )


def message(*parts):
    return 200, json.dumps(parts, separators=(",", ":")).encode()


NOTHING = (200, b'""')


@pytest.fixture
def make_world(nursery, make_surroundings):
    return lambda website=None, **sections: World(nursery, make_surroundings(**sections), website)


@pytest.fixture
def world(make_world):
    return make_world()


@pytest.fixture
def evennia(make_world, website):
    return make_world(website)


# ---- over real sockets


async def test_a_message_for_a_connection_that_is_gone_is_for_the_next(site):
    protocol = AjaxProtocol(site.websocket, site.hub)
    site.http._application = measure_requests(
        protocol, site.metrics, lambda scope: scope["client"][0], AccessLog()
    )

    async def post(browser, mode, answered=True):
        body = urlencode({"mode": mode, "csessid": KEY, "cuid": PAGE}).encode()
        head = b"POST /webclientdata HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        await browser.send(head % len(body) + body)
        return await browser.read() if answered else None

    first = site.connect()
    status, headers, body = await post(first, "init")
    assert (status, json.loads(body)["csessid"]) == (200, KEY)
    assert headers["content-type"] == "text/plain; charset=utf-8"
    (session,) = protocol.sessions.values()
    await post(first, "receive", answered=False)
    await site.until(lambda: session.box._asked)
    await trio.aclose_forcefully(first.stream)
    await site.until(lambda: not site.http.connections)
    session.send_text("hello")
    second = site.connect()
    assert (await post(second, "receive"))[::2] == message("text", ["hello"], {})
    assert (await post(second, "close"))[::2] == NOTHING
    assert site.sessions.sessions == []


# ---- one page


async def test_a_session_from_its_beginning_to_its_end(world):
    status, body = await world.ask("init", browserstr="firefox")
    assert (status, json.loads(body)) == (
        200,
        {"msg": "Portal (game.example:4001)", "csessid": KEY},
    )
    assert world.hear() == ["connect"]
    (session,) = world.handler.sessions
    assert (session.protocol_key, session.address) == ("ajax/comet", "192.0.2.7")
    session.send_text("|rred|n & co")
    session.send_prompt("> ")
    session.send_default("map", 1, zoom=2)
    first = await world.ask("receive")
    assert first[1].startswith(b'["text",["<span class=\\"color-009\\">red</span> &amp; co"')
    assert await world.ask("receive") == message("prompt", ["&gt; "], {})
    assert await world.ask("receive") == message("map", [1], {"zoom": 2})
    assert await world.say("text", ["look"], {}) == NOTHING
    assert await world.say("client_options", [], {"screenwidth": 90}) == NOTHING
    assert world.hear() == ["look", "sync", {"client_options": [[], {"screenwidth": 90}]}]
    assert session.protocol_flags["SCREENWIDTH"] == {0: 90}
    assert await world.ask("keepalive", data='""') == NOTHING
    assert await world.ask("close") == NOTHING
    assert world.hear() == ["disconnect"]
    assert session.close_reason == "its page was closed"
    assert (await world.ask("receive"))[0] == 410
    assert world.is_empty()


async def test_the_next_message_is_waited_for(world):
    session = await world.init()
    await world.begin("poll", "receive")
    assert world.answers == {}
    session.send_text("hello")
    await world.settle()
    assert world.answers == {"poll": message("text", ["hello"], {})}


async def test_a_page_that_asks_again_is_answered_once(world):
    session = await world.init()
    await world.begin("one", "receive")
    await world.begin("two", "receive")
    assert world.answers["one"][0] == 409
    session.send_text("hello")
    await world.settle()
    assert world.answers["two"] == message("text", ["hello"], {})


@pytest.mark.parametrize("how", ["lost", "cancelled"])
async def test_what_does_not_arrive_is_given_again(world, how):
    session = await world.init()
    session.send_text("one")
    session.send_text("two")
    if how == "lost":
        await world.ask("receive", stream=Lost())
    else:
        with trio.move_on_after(0):
            await world.ask("receive")
    assert await world.ask("receive") == message("text", ["one"], {})
    assert await world.ask("receive") == message("text", ["two"], {})


async def test_a_poll_that_breaks_off_loses_nothing(world):
    session = await world.init()
    await world.begin("poll", "receive")
    world.scopes["poll"].cancel()
    await world.settle()
    session.send_text("hello")
    assert await world.ask("receive") == message("text", ["hello"], {})


async def test_the_game_ends_it(world):
    session = await world.init()
    await world.begin("poll", "receive")
    session.disconnect("Be |rgone|n.")
    await world.settle()
    assert b"gone" in world.answers["poll"][1]
    assert world.hear()[:2] == ["connect", "disconnect"]
    # Evennia's page then closes by itself, and tells its player.
    assert (await world.ask("receive"))[0] == 410
    assert await world.ask("close") == NOTHING
    assert world.is_empty()


async def test_the_last_messages_are_kept_for_a_while(world):
    session = await world.init()
    session.disconnect("Be gone.")
    world.hub.pass_time(PARTING_SECONDS - 1)
    assert len(world.protocol.sessions) == 1
    assert (await world.say("text", ["look"], {}))[0] == 410
    assert world.hear() == ["connect", "disconnect"]
    world.hub.pass_time(1)
    assert world.is_empty()


async def test_the_game_closes_a_page_that_waits(world):
    session = await world.init()
    await world.begin("poll", "receive")
    session.box.close("bye")
    await world.settle()
    assert world.answers["poll"][0] == 410
    assert world.is_empty()


@pytest.mark.parametrize(
    ("mode", "status"),
    [("receive", 410), ("input", 410), ("keepalive", 410), ("close", 200), ("sing", 410)],
)
async def test_nobody_knows_the_page(world, mode, status):
    await world.init()
    assert (await world.ask(mode, page="p2"))[0] == status
    assert (await world.ask(mode, csessid=OTHER))[0] == status
    assert len(world.protocol.sessions) == 1


async def test_what_nobody_asks_for_is_answered_as_evennia_does(world):
    await world.init()
    assert await world.ask("sing") == NOTHING


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (b"", (400, NO_PAGE)),
        (b"mode=init", (400, NO_PAGE)),
        (b"mode=init&cuid=", (400, NO_PAGE)),
        (b"mode=init&cuid=..%2F", (400, NO_PAGE)),
        (b"\xff\xfe", (400, NO_PAGE)),
        (b"&".join([b"cuid=p1"] * (MAX_FIELDS + 1)), (400, NO_FORM)),
        (b"cuid=p1&data=" + b"x" * 300_000, (413, LARGE)),
    ],
)
async def test_what_is_no_request_of_a_page(world, form, answer):
    assert await world.post(form) == answer
    assert world.is_empty()


@pytest.mark.parametrize("csessid", ["false", "", "None", "short"])
async def test_a_page_without_a_session_on_the_website_plays_all_the_same(evennia, csessid):
    status, body = await evennia.ask("init", csessid=csessid)
    assert (status, json.loads(body)["csessid"]) == (200, "")
    await evennia.ask("input", csessid=csessid, data='["text",["look"],{}]')
    assert evennia.hear() == ["connect", "look"]
    assert evennia.site.asked == []


# ---- what it sends


@pytest.mark.parametrize(
    "data", ["", '""', "no JSON", "[1]", '["text",["a","b"],{}]', '["_x",[],{}]']
)
async def test_what_cannot_be_read_is_said(world, data):
    await world.init()
    assert await world.ask("input", data=data) == NOTHING
    assert world.hear() == ["connect"]
    assert (await world.ask("receive"))[1].startswith(b'["error",["')
    assert world.metrics.websocket_messages_malformed == 1


async def test_lines_have_the_limit_of_telnet(make_world):
    world = make_world(limits=LimitsConfig(line_bytes=10))
    await world.init()
    await world.say("text", ["x" * 11], {})
    assert world.hear() == ["connect"]
    assert b"too long" in (await world.ask("receive"))[1]


async def test_messages_have_the_limit_of_others(make_world):
    world = make_world(limits=LimitsConfig(subnegotiation_bytes=100))
    await world.init()
    assert await world.ask("input", data="x" * 101) == (413, LARGE)
    assert (await world.ask("input", data="x" * 100))[0] == 200


async def test_while_it_is_not_read_what_it_sends_waits_in_its_order(world):
    session = await world.init()
    session.pause_input()
    for number in range(20):
        await world.begin(number, "input", data=json.dumps(["text", [str(number)], {}]))
    assert (world.answers, world.hear()) == ({}, ["connect"])
    session.resume_input()
    await world.settle()
    assert world.hear() == [str(number) for number in range(20)]
    assert set(world.answers.values()) == {NOTHING}


async def test_a_flood_is_not_read_for_a_moment(world):
    session = await world.init()
    session.at_throttled()
    await world.begin("input", "input", data='["text",["look"],{}]')
    assert world.hear() == ["connect"]
    world.hub.pass_time(0.25)
    await world.settle()
    assert world.hear() == ["look"]


async def test_what_has_to_wait_too_long_is_refused(world, autojump_clock):
    session = await world.init()
    session.pause_input()
    began = trio.current_time()
    assert await world.say("text", ["look"], {}) == (503, BUSY)
    assert trio.current_time() - began == pytest.approx(INPUT_SECONDS)
    session.resume_input()
    assert world.hear() == ["connect"]
    assert await world.say("text", ["look"], {}) == NOTHING


# ---- whether it is there


async def test_a_page_is_asked_whether_it_is_there(world):
    await world.init()
    await world.begin("poll", "receive")
    world.hub.pass_time(KEEPALIVE_SECONDS - 1)
    await world.settle()
    assert world.answers == {}
    world.hub.pass_time(1)
    await world.settle()
    assert world.answers["poll"] == message("ajax_keepalive", [], {})


@pytest.mark.parametrize("mode", ["receive", "input", "keepalive"])
async def test_one_that_asks_for_anything_is_there(world, mode):
    await world.init()
    for _ in range(5):
        world.hub.pass_time(KEEPALIVE_SECONDS)
        await world.ask(mode, data='["text",["idle"],{}]')
    assert len(world.protocol.sessions) == 1


async def test_one_that_does_not_is_given_up(world):
    session = await world.init()
    world.hub.pass_time(KEEPALIVE_SECONDS)
    world.hub.pass_time(KEEPALIVE_SECONDS - 1)
    assert world.hear() == ["connect"]
    with structlog.testing.capture_logs() as logs:
        world.hub.pass_time(1)
    assert world.hear() == ["disconnect"]
    assert [entry["event"] for entry in logs] == ["ajax_page_lost"]
    assert world.metrics.ajax_pages_lost == 1
    assert "does not ask" in session.close_reason
    assert world.is_empty()


async def test_a_page_that_fetches_nothing_is_cut(make_world):
    world = make_world(hub=HubConfig(unsent_hard_bytes=1000))
    session = await world.init()
    with structlog.testing.capture_logs() as logs:
        while not session.box.ended:
            session.send_text("x" * 100)
    assert world.hear() == ["connect", "disconnect"]
    assert [entry["event"] for entry in logs] == ["slow_reader_cut"]
    assert world.metrics.slow_readers_cut == 1
    assert world.is_empty()


async def test_of_all_together_the_one_that_has_most(make_world):
    world = make_world(hub=HubConfig(unsent_total_bytes=2000))
    sessions = [await world.init(page) for page in ("p1", "p2", "p3")]
    sessions[1].send_text("x" * 1000)
    sessions[0].send_text("x" * 500)
    assert world.metrics.slow_readers_cut == 0
    sessions[2].send_text("x" * 600)
    assert [each.close_reason for each in sessions] == ["", TOO_SLOW, ""]


# ---- who may come


@pytest.mark.parametrize(
    ("origin", "fields", "taken"),
    [
        (None, {}, True),
        ("http://game.example:4001", {}, True),
        ("https://game.example", {}, True),
        ("https://evil.example", {}, False),
        ("null", {}, False),
        ("https://play.example", {"x_forwarded_host": "play.example"}, False),
        ("https://play.example", {"x_forwarded_host": "play.example", "peer": "10.0.0.1"}, True),
    ],
)
async def test_pages_of_other_hosts_are_refused(make_world, origin, fields, taken):
    world = make_world(http=HttpConfig(trusted_proxies=("10.0.0.1",)))
    if origin is not None:
        fields = {**fields, "origin": origin}
    with structlog.testing.capture_logs() as logs:
        status, _ = await world.ask("init", **fields)
    assert status == (200 if taken else 403)
    assert [entry["event"] for entry in logs] == ([] if taken else ["origin_refused"])
    assert KEY not in str(logs)


@pytest.mark.parametrize(
    ("origin", "status"), [("https://play.example", 200), ("http://game.example:4001", 403)]
)
async def test_where_origins_are_named_these_count(make_world, origin, status):
    world = make_world(websocket=WebSocketConfig(origins=("https://play.example",)))
    assert (await world.ask("init", origin=origin))[0] == status


async def test_they_have_the_limits_of_connections(make_world):
    world = make_world(limits=LimitsConfig(connections=3, connections_per_address=2))
    await world.init("p1")
    await world.init("p2")
    with structlog.testing.capture_logs() as logs:
        assert (await world.ask("init", "p3"))[0] == 503
    assert [entry["event"] for entry in logs] == ["client_refused"]
    await world.init("p3", client="192.0.2.8")
    assert (await world.ask("init", "p4", client="192.0.2.9"))[0] == 503
    await world.ask("close", "p1")
    await world.init("p4")


# ---- browsers and their pages


async def test_it_is_logged_in_as_its_browser_is(evennia):
    evennia.site.uid = 3
    session = await evennia.init(browserstr="opera")
    assert (session.uid, session.logged_in, session.csessid) == (3, True, KEY + PAGE)
    assert session.protocol_flags["CLIENTNAME"] == "Evennia Webclient (ajax:opera)"
    session.at_logout()
    assert evennia.site.uid is None


async def test_it_waits_for_the_website(evennia):
    evennia.site.slow = True
    await evennia.begin("init", "init")
    await evennia.begin("input", "input", data='["text",["look"],{}]')
    await evennia.begin("poll", "receive")
    assert (evennia.answers, evennia.hear()) == ({}, [])
    evennia.site.answer()
    await evennia.settle()
    assert evennia.hear() == ["connect", "look"]
    assert sorted(evennia.answers) == ["init", "input"]


async def test_one_that_leaves_before_the_answer_never_was(evennia):
    evennia.site.slow = True
    await evennia.begin("init", "init")
    evennia.scopes["init"].cancel()
    await evennia.settle()
    evennia.site.answer()
    evennia.hear()
    await evennia.settle()
    assert evennia.hear() == []
    assert evennia.is_empty()
    assert len(evennia.protocol.browsers) == 0


@pytest.mark.parametrize("known", [True, False])
async def test_a_page_that_begins_anew_takes_the_place_of_its_session(make_world, website, known):
    world = make_world(website if known else None)
    first = await world.init()
    first.send_text("nobody reads this")
    await world.begin("poll", "receive", "p2")
    other = await world.init("p2")
    second = await world.init()
    assert world.hear() == ["connect", "connect", "disconnect", "connect"]
    assert first.close_reason == "this page has connected anew"
    second.send_text("hello")
    assert await world.ask("receive") == message("text", ["hello"], {})
    assert other.close_reason == ""
    assert len(world.protocol.sessions) == 2


async def test_of_two_that_begin_at_once_the_newer_is_kept(evennia):
    evennia.site.slow = True
    await evennia.begin("one", "init")
    await evennia.begin("two", "init")
    assert evennia.answers["one"][0] == 410
    evennia.site.answer()
    await evennia.settle()
    assert evennia.answers["two"][0] == 200
    assert [each for each in evennia.hear() if each == "connect"] == ["connect"]
    assert len(evennia.protocol.sessions) == 1


@pytest.mark.parametrize("end", ["close", "silence"])
async def test_the_last_page_that_is_closed_logs_the_browser_out(evennia, end):
    session = await evennia.init()
    session.uid, session.logged_in = 3, True
    session.at_login()
    assert evennia.site.uid == 3
    if end == "close":
        await evennia.ask("close")
    else:
        for _ in range(2):
            evennia.hub.pass_time(KEEPALIVE_SECONDS)
    evennia.hub.pass_time(9)
    assert evennia.site.uid == 3
    evennia.hub.pass_time(1)
    assert evennia.site.uid is None


async def test_a_session_that_is_restored_is_a_page_again(evennia):
    session = await evennia.init()
    session.uid, session.logged_in = 3, True
    session.at_login()
    session.send_text("one")
    state = json.loads(json.dumps(session.get_state()))
    session.box.abort()
    restored = evennia.protocol.restore(None, state)
    assert (restored.uid, restored.address, restored.csessid) == (3, "192.0.2.7", KEY + PAGE)
    restored.send_text("two")
    assert await evennia.ask("receive") == message("text", ["one"], {})
    assert await evennia.ask("receive") == message("text", ["two"], {})
    restored.at_logout()
    assert evennia.site.uid is None
    await evennia.ask("close")
    assert evennia.is_empty()


async def test_a_fault_at_the_beginning_leaves_nothing(world):
    def fail(session):
        raise RuntimeError("a bug")

    world.handler.connect = fail
    with pytest.raises(RuntimeError):
        await world.ask("init")
    assert world.is_empty()


async def test_another_configuration_counts_at_once(world):
    session = await world.init()
    config = world.protocol.config
    limits = LimitsConfig(subnegotiation_bytes=10)
    world.protocol.reconfigure(type(config)(limits=limits))
    session.at_reconfigured(world.protocol.config)
    assert (await world.ask("input", data="x" * 11))[0] == 413
