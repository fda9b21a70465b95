"""The link to the Portal: dialled, proved, introduced, lost, dialled again, and left in order."""

import os
from itertools import pairwise

import pytest
import trio

from portal.amp.authentication import Authenticator
from portal.amp.commands import Operation
from portal.config import AmpConfig, HubConfig
from portal.game.amp_client import (
    CONNECT_SECONDS,
    FIRST_PAUSE,
    JITTER,
    LONGEST_PAUSE,
    AmpClient,
)
from portal.hub.hub import Hub
from portal.hub.listener import open_unix_socket
from portal.metrics import Metrics

# Loopback is as quick as a call, so the clock can jump over every pause. (The plugin takes a clock
# only from the arguments of the test itself.)


@pytest.fixture
async def make_client(nursery, side, portal, deadline):
    """Make a client of the fake Portal over a hub of its own; nothing runs yet."""
    side.handler.portal = None
    hub = Hub(HubConfig(), Metrics())
    await nursery.start(hub.run)

    def make(address=portal.address, **config):
        return AmpClient(
            address,
            AmpConfig(**config),
            Metrics(),
            hub=hub,
            sessionhandler=side.handler,
            info={"servername": "test", "library": "portal.game"},
        )

    with deadline:
        yield make


async def until_synchronised(side, times=1):
    while side.synchronised < times:
        await side.news.wait()


async def test_it_introduces_itself_and_takes_the_sessions(
    autojump_clock, nursery, make_client, portal, side, make_session_data
):
    portal.sessiondata = {4: make_session_data(4, uname="Anna", logged_in=True)}
    await nursery.start(make_client().run)
    _, sessid, kwargs = await portal.until_operation(Operation.PSYNC)
    assert sessid == 0
    assert kwargs == {
        "spid": os.getpid(),
        "info_dict": {"servername": "test", "library": "portal.game"},
    }
    await portal.until(lambda: portal.answers)
    assert portal.answers == [(Operation.PSYNC, None)]
    assert side.handler.get(4).uname == "Anna"
    side.handler.get(4).msg("hello")
    await portal.until(lambda: portal.messages)
    assert portal.texts() == [(4, "hello")]


async def test_a_unix_socket(autojump_clock, nursery, make_client, portal, side, tmp_path):
    path = str(tmp_path / "amp.sock")
    await nursery.start(portal.listen, open_unix_socket(path, 5))
    await nursery.start(make_client(path).run)
    await until_synchronised(side)
    assert side.handler.portal is not None


async def test_messages_are_answered_and_failures_too(
    autojump_clock, nursery, make_client, portal, side
):
    def text(session, line, **_):
        session.msg(1 // len(line))

    side.functions.add("text", text)
    await nursery.start(make_client().run)
    await portal.until_operation(Operation.PSYNC)
    portal.order(Operation.PCONN, 2, sessiondata={"sessid": 2})
    portal.say(2, "a")
    portal.say(2, "", tag="empty")
    portal.say(2, "b")
    await portal.until(lambda: len(portal.answers) == 5)
    assert portal.answers[1:] == [
        (Operation.PCONN, None),
        ("a", None),
        ("empty", "EXCEPTION"),
        ("b", None),
    ]


async def test_a_slow_function_answers_when_it_is_done(
    autojump_clock, nursery, make_client, portal, running_side
):
    gate = trio.Event()

    async def text(session, line, **_):
        await gate.wait()
        assert line != "bad"

    running_side.functions.add("text", text)
    await nursery.start(make_client().run)
    await portal.until_operation(Operation.PSYNC)
    portal.order(Operation.PCONN, 2, sessiondata={"sessid": 2})
    for line in ("a", "bad", "b"):
        portal.say(2, line)
    await portal.until(lambda: len(portal.answers) == 2)
    gate.set()
    await portal.until(lambda: len(portal.answers) == 5)
    assert portal.answers[2:] == [("a", None), ("bad", "EXCEPTION"), ("b", None)]


async def test_it_dials_for_ever_with_growing_pauses(autojump_clock, nursery, make_client, portal):
    portal.listening.cancel()
    await trio.testing.wait_all_tasks_blocked()
    client = make_client()
    times = []
    connect = client._connect

    async def count():
        times.append(trio.current_time())
        await connect()

    client._connect = count
    with trio.move_on_after(200):
        await client.run()
    pauses = [after - before for before, after in pairwise(times)]
    wanted = FIRST_PAUSE
    for pause in pauses:
        assert wanted * (1 - JITTER) <= pause <= wanted * (1 + JITTER) + 0.01
        wanted = min(wanted * 1.5, LONGEST_PAUSE)
    assert len(pauses) > 15


async def test_a_lost_portal_is_dialled_again(autojump_clock, nursery, make_client, portal, side):
    await nursery.start(make_client().run)
    for times in (1, 2, 3):
        await portal.until_operation(Operation.PSYNC, times)
        await until_synchronised(side, times)
        portal.link.abort("gone")
        await trio.testing.wait_all_tasks_blocked()
        assert side.handler.portal is None
    assert side.synchronised == 3


async def test_links_that_end_at_once_count_as_failed_tries(
    autojump_clock, nursery, make_client, portal, side
):
    client = make_client()
    await nursery.start(client.run)
    times = []
    for number in range(1, 8):
        await portal.until_operation(Operation.PSYNC, number)
        times.append(trio.current_time())
        portal.link.abort("another Server took over")
    assert times[-1] - times[-2] > 5
    # One that lasts makes good for all of them.
    await portal.until_operation(Operation.PSYNC, 8)
    await trio.sleep(20)
    ended = trio.current_time()
    portal.link.abort("gone")
    await portal.until_operation(Operation.PSYNC, 9)
    assert trio.current_time() - ended < 2


async def test_a_portal_that_hangs_up_before_it_was_told_anything(
    autojump_clock, nursery, make_client, portal, side
):
    original = portal.make_link
    refused = []

    def make_link(connection):
        link = original(connection)
        if len(refused) < 2:
            refused.append(link)
            link.abort("not now")
        return link

    portal.make_link = make_link
    await nursery.start(make_client().run)
    await portal.until_operation(Operation.PSYNC)
    assert len(portal.links) == 3


# ---- a Portal that asks for the secret, and one that does not


@pytest.fixture
def guarded(portal):
    """Make the fake Portal demand the secret "sesame"."""
    original = portal.make_link

    def make_link(connection):
        guard = Authenticator("sesame")
        portal.responders, portal.allow = guard.responders, guard.allow
        return original(connection)

    portal.make_link = make_link
    return portal


async def test_the_secret_is_proved(autojump_clock, nursery, make_client, guarded, side):
    await nursery.start(make_client(secret="sesame").run)
    await until_synchronised(side)


async def test_a_portal_that_breaks_the_rules_right_after_the_proof(
    autojump_clock, nursery, make_client, guarded, side
):
    class Babbler:
        """The Portal's link, and a line of no AMP at all in the same packet as its proof."""

        def __init__(self, link):
            self.link = link
            self.receive_eof = link.receive_eof
            self.connection_lost = link.connection_lost

        def receive_data(self, data):
            self.link.receive_data(data)
            if b"AuthenticateFinish" in data:
                self.link.connection.write(b"x" * 100)

    make_link = guarded.make_link
    guarded.make_link = lambda connection: Babbler(make_link(connection))
    await nursery.start(make_client(secret="sesame").run)
    await trio.sleep(30)
    assert side.synchronised == 0
    assert guarded.operations == []
    assert len(guarded.links) > 2


@pytest.mark.parametrize("secret", [None, "wrong"])
async def test_without_the_secret_there_is_no_game(
    autojump_clock, nursery, make_client, guarded, side, secret
):
    await nursery.start(make_client(secret=secret).run)
    await trio.sleep(30)
    assert guarded.operations == []
    assert side.synchronised == 0


async def test_a_portal_on_this_machine_needs_no_proof(
    autojump_clock, nursery, make_client, portal, side
):
    await nursery.start(make_client(secret="sesame").run)
    await until_synchronised(side)


async def test_a_portal_elsewhere_without_the_secret_is_left(
    autojump_clock, nursery, make_client, portal, side, monkeypatch
):
    monkeypatch.setattr("portal.hub.connection.Connection.is_local", False)
    await nursery.start(make_client(secret="sesame").run)
    await trio.sleep(30)
    assert side.synchronised == 0
    assert portal.operations == []
    assert len(portal.links) > 2


async def test_a_portal_that_says_nothing_to_the_proof(
    autojump_clock, nursery, make_client, portal, side
):
    silent = []

    def make_link(connection):
        connection.pause_reading()
        silent.append(connection)
        return portal.__class__.make_link(portal, connection)

    portal.make_link = make_link
    await nursery.start(make_client(secret="sesame").run)
    await trio.sleep(CONNECT_SECONDS + 3)
    assert len(silent) == 2


# ---- leaving


async def test_leaving_writes_everything_down(autojump_clock, nursery, make_client, portal, side):
    client = make_client()
    await nursery.start(client.run)
    await portal.until_operation(Operation.PSYNC)
    portal.order(Operation.PCONN, 2, sessiondata={"sessid": 2})
    await portal.until(lambda: len(portal.answers) == 2)
    side.handler.get(2).server_data["room"] = "quay"
    assert await client.leave(2)
    _, _, kwargs = await portal.until_operation(Operation.SSYNC)
    assert kwargs["clean"]
    assert kwargs["sessiondata"][2]["server_data"] == {"room": "quay"}
    await portal.until(lambda: portal.lost)
    await trio.sleep(30)
    assert len(portal.links) == 1  # it is not dialled again
    client.send_admin(Operation.SLOGIN)
    client.send_message(2, {})
    await trio.testing.wait_all_tasks_blocked()
    assert len(portal.operations) == 2


async def test_what_comes_after_the_last_sync_is_given_back(
    autojump_clock, nursery, make_client, portal, side
):
    side.functions.add("text", lambda *_, **__: pytest.fail("its memory is written down"))
    client = make_client()
    await nursery.start(client.run)
    await portal.until_operation(Operation.PSYNC)
    portal.order(Operation.PCONN, 2, sessiondata={"sessid": 2})
    await portal.until(lambda: len(portal.answers) == 2)
    admin = portal.admin

    def admin_and_talk(link, sessid, kwargs):
        admin(link, sessid, kwargs)
        portal.say(2, "late")

    portal.link._responders._packed[b"AdminServer2Portal"] = (
        portal.link._responders._packed[b"AdminServer2Portal"][0],
        admin_and_talk,
    )
    assert await client.leave(2)
    await portal.until(lambda: len(portal.answers) == 3)
    assert ("late", "NOT_BEGUN") in portal.answers


@pytest.mark.parametrize("refused", [True, False])
async def test_leaving_a_portal_that_does_not_take_it(
    autojump_clock, nursery, make_client, portal, side, refused
):
    client = make_client()
    await nursery.start(client.run)
    await portal.until_operation(Operation.PSYNC)
    await until_synchronised(side)
    if refused:
        portal.refuse.add(Operation.SSYNC)
    else:
        portal.link.connection.pause_reading()
    start = trio.current_time()
    assert not await client.leave(2)
    assert trio.current_time() - start <= 4.5


async def test_leaving_while_the_link_is_lost(autojump_clock, nursery, make_client, portal, side):
    client = make_client()
    await nursery.start(client.run)
    await portal.until_operation(Operation.PSYNC)
    await until_synchronised(side)
    portal.link.abort("gone")
    assert not await client.leave(2)


async def test_leaving_before_the_portal_has_answered_writes_nothing(
    autojump_clock, nursery, make_client, portal, side
):
    portal.silent = True
    client = make_client()
    await nursery.start(client.run)
    await portal.until_operation(Operation.PSYNC)
    assert not await client.leave(2)
    assert portal.count(Operation.SSYNC) == 0


async def test_leaving_without_a_portal(autojump_clock, nursery, make_client, portal):
    portal.listening.cancel()
    await trio.testing.wait_all_tasks_blocked()
    client = make_client()
    await nursery.start(client.run)
    await trio.sleep(0.5)
    start = trio.current_time()
    assert not await client.leave(2)
    assert trio.current_time() == start
