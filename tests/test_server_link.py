"""The way to the game: windows, orders, and the order of things when a Server comes or goes."""

import pickle

import pytest

from portal.amp.commands import AdminPortal2Server, MsgPortal2Server, Operation
from portal.amp.payload import dumps
from portal.config import AmpConfig, Config
from portal.errors import (
    ConnectionLost,
    RemoteAMPError,
    RemoteProtocolError,
    ServerUnavailable,
    ServiceError,
)
from portal.holding import Reason
from portal.metrics import Metrics
from portal.server_link import BOX_OVERHEAD, LinkedServer
from portal.session import Session
from portal.sessionhandler import PortalSessionHandler


class FakeLink:
    """A link that remembers what was sent, and is answered by hand."""

    def __init__(self, server, name="amp test"):
        self.server = server
        self.name = name
        self.sent = []
        self.asks = []
        self.closed = ""
        self.max_payload = 0
        self.preferred = False

    @property
    def unanswered(self):
        return len(self.asks)

    @property
    def unanswered_bytes(self):
        return sum(size for _, _, size in self.asks)

    @staticmethod
    def encode_packed(sessid, kwargs):
        return dumps(sessid, kwargs)

    def send_payload(self, command, payload, answered=None, context=None):
        self.sent.append((command, *pickle.loads(payload)))
        self.asks.append((answered, context, len(payload)))

    def prefer(self):
        self.preferred = True

    def answer(self, error=None):
        answered, context, _ = self.asks.pop(0)
        if answered is not None:
            answered(context, error)

    def answer_all(self):
        while self.asks:
            self.answer()

    def lose(self):
        while self.asks:
            self.answer(ConnectionLost("lost"))
        self.server.lost(self)

    def close(self, reason):
        self.closed = reason
        self.lose()

    @property
    def operations(self):
        return [kwargs["operation"] for command, _, kwargs in self.sent if is_admin(command)]

    @property
    def texts(self):
        return [
            kwargs["text"][0][0] for command, _, kwargs in self.sent if command is MsgPortal2Server
        ]


def is_admin(command):
    return command is AdminPortal2Server


class FakeSupervisor:
    def __init__(self):
        self.calls = []
        self.restart_mode = "shutdown"

    def order(self, operation):
        self.calls.append(operation)

    def server_connected(self, pid):
        self.calls.append(("connected", pid))

    def server_synced_out(self):
        self.calls.append(("synced out",))

    def link_lost(self):
        self.calls.append(("lost",))


class ShownSession(Session):
    """A session that remembers what its player was shown."""

    __slots__ = ("ended", "shown")

    def __init__(self):
        self.shown = []
        self.ended = None

    def send_text(self, text, **kwargs):
        self.shown.append(text)

    def disconnect(self, reason=""):
        super().disconnect(reason)
        self.ended = reason


class House:
    """A sessionhandler with its way to the game."""

    def __init__(self, **amp):
        config = Config(amp=AmpConfig(**amp))
        self.handler = PortalSessionHandler(config, Metrics(), now=lambda: 0.0, wall=lambda: 1.0)
        self.supervisor = FakeSupervisor()
        self.changes = 0
        self.server = LinkedServer(config.amp, self.handler, self.supervisor, self.changed)

    def changed(self):
        self.changes += 1

    def player(self):
        session = ShownSession()
        session.init_session("telnet", "192.0.2.1", self.handler)
        self.handler.connect(session)
        session.logged_in = True
        return session

    def psync(self, link=None, **info):
        link = link or FakeLink(self.server)
        kwargs = {"operation": Operation.PSYNC, "spid": 42, "info_dict": info}
        self.server.admin(link, 0, kwargs)
        return link

    def connected(self, **info):
        link = self.psync(**info)
        link.answer_all()
        return link


def test_psync_is_answered_with_the_sessions_a_server_has_acknowledged():
    house = House()
    player = house.player()
    first = house.connected(library="portal.game")
    assert first.operations == [Operation.PSYNC, Operation.PCONN]
    assert first.sent[0][2]["sessiondata"] == {}
    assert first.sent[0][2]["server_restart_mode"] == "shutdown"
    assert first.preferred
    assert house.supervisor.calls == [("connected", 42)]
    first.answer_all()
    first.lose()
    assert house.supervisor.calls[-1] == ("lost",)
    second = house.connected()
    assert list(second.sent[0][2]["sessiondata"]) == [player.sessid]
    assert second.operations == [Operation.PSYNC]
    assert house.changes == 3


def test_what_is_typed_while_the_server_is_away_arrives_once_behind_the_greeting():
    house = House()
    player = house.player()
    player.data_in("look")
    link = house.connected()
    assert [each[0] for each in link.sent[1:]] == [AdminPortal2Server, MsgPortal2Server]
    assert link.texts == ["look"]


def test_unanswered_messages_of_a_dead_server_are_reported_and_not_sent_again():
    house = House()
    player = house.player()
    first = house.connected()
    first.answer_all()
    player.data_in("done")
    first.answer()
    player.data_in("open door")
    first.lose()
    assert any("open door" in text for text in player.shown)
    assert not any("done" in text for text in player.shown)
    assert house.connected().texts == []


def test_a_stock_server_that_died_gets_no_line_for_a_character_that_is_gone():
    house = House()
    player = house.player()
    house.connected().answer_all()
    house.server.link.lose()
    player.data_in("north")
    assert house.connected().texts == []
    assert player.shown[-1].endswith("north")


def test_beyond_the_window_messages_wait_in_order_and_follow_the_answers():
    house = House(window_bytes=1000)
    player = house.player()
    link = house.connected()
    link.answer_all()
    for number in range(6):
        player.data_in(f"{number}" + "x" * 300)
    assert [text[0] for text in link.texts] == ["0", "1"]
    assert link.unanswered_bytes + BOX_OVERHEAD <= 1000
    link.answer()
    assert [text[0] for text in link.texts] == ["0", "1", "2"]
    link.answer_all()
    assert [text[0] for text in link.texts] == ["0", "1", "2", "3", "4", "5"]


def test_a_message_larger_than_the_window_goes_by_itself():
    house = House(window_bytes=1000)
    player = house.player()
    link = house.connected()
    link.answer_all()
    player.data_in("x" * 5000)
    player.data_in("y")
    assert len(link.texts) == 1
    link.answer()
    assert link.texts[1] == "y"


def test_a_server_of_our_own_gets_a_wider_window():
    house = House(window_bytes=150, own_window_bytes=100_000)
    player = house.player()
    link = house.connected(library="portal.game")
    link.answer_all()
    for number in range(6):
        player.data_in(str(number))
    assert len(link.texts) == 6


def test_the_window_counts_messages_too():
    house = House(window_messages=2)
    player = house.player()
    link = house.connected()
    link.answer_all()
    for number in range(3):
        player.data_in(str(number))
    assert link.texts == ["0", "1"]


def test_what_waited_for_the_window_is_kept_when_the_server_goes():
    house = House(window_messages=2)
    player = house.player()
    first = house.connected()
    first.answer_all()
    for number in range(5):
        player.data_in(f"line {number}")
    player.protocol_flags["X"] = 1
    house.handler.sync(player)  # waits with them, and is in the next sync anyway
    first.lose()
    reported = [text for text in player.shown if "not confirmed" in text]
    assert len(reported) == 2
    second = house.connected(library="portal.game")
    assert second.texts == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize(
    ("order", "sent", "mode"),
    [
        (Operation.SRELOAD, Operation.SRELOAD, "reload"),
        (Operation.SRESET, Operation.SRESET, "reset"),
        (Operation.SSHUTD, Operation.SSHUTD, "shutdown"),
        (Operation.PSHUTD, Operation.SSHUTD, "shutdown"),
    ],
)
def test_from_the_moment_of_an_order_input_is_held(order, sent, mode):
    house = House()
    player = house.player()
    link = house.connected()
    link.answer_all()
    house.server.forward_order(order)
    assert link.sent[-1][2] == {"operation": sent, "server_restart_mode": mode}
    player.data_in("later")
    assert link.texts == []
    link.answer_all()
    link.lose()
    assert house.connected(library="portal.game").texts == ["later"]


def test_an_order_without_a_server_goes_nowhere():
    house = House()
    house.server.forward_order(Operation.SRELOAD)
    with pytest.raises(ServerUnavailable):
        house.server.send_admin(Operation.PDISCONN, 1)


NOT_BEGUN = RemoteAMPError("NOT_BEGUN", "it leaves")


def test_what_a_server_did_not_begin_is_kept_in_front_of_what_came_later():
    house = House()
    player = house.player()
    link = house.connected(library="portal.game")
    link.answer_all()
    for number in range(4):
        player.data_in(f"line {number}")
    house.server.forward_order(Operation.SRELOAD)
    player.data_in("line 4")
    running = link.asks.pop(0)
    for _ in range(3):
        link.answer(NOT_BEGUN)
    player.data_in("line 5")
    link.asks.append(running)
    link.lose()
    assert [text for text in player.shown if "not confirmed" in text] == [
        "Your line was not confirmed and may not have been carried out: line 0"
    ]
    assert player.unanswered == 0
    assert house.connected(library="portal.game").texts == [
        f"line {number}" for number in range(1, 6)
    ]


def test_a_server_that_gives_a_message_back_is_sent_no_more():
    """It leaves without an order, and knows before its link drops that it begins nothing."""
    house = House(window_messages=2)
    player = house.player()
    link = house.connected()
    link.answer_all()
    for number in range(4):
        player.data_in(f"line {number}")
    link.answer(NOT_BEGUN)
    player.data_in("line 4")
    link.answer(NOT_BEGUN)
    assert link.texts == ["line 0", "line 1"]
    assert any("what you type is kept" in text for text in player.shown)
    link.lose()
    assert not any("not confirmed" in text for text in player.shown)
    assert house.connected(library="portal.game").texts == [f"line {number}" for number in range(5)]


def test_a_second_psync_replaces_the_older_server():
    house = House()
    player = house.player()
    old = house.connected()
    old.answer_all()
    player.data_in("unanswered")
    new = house.psync()
    assert old.closed
    assert old.operations[-1] == Operation.SSHUTD
    assert any("unanswered" in text for text in player.shown)
    new.answer_all()
    assert house.server.link is new
    with pytest.raises(ServerUnavailable):
        house.server.data(old, player.sessid, {"text": [["stale"], {}]})
    with pytest.raises(ServerUnavailable):
        house.server.admin(old, 0, {"operation": Operation.SSYNC})
    assert "stale" not in player.shown


@pytest.mark.parametrize("wrong", [{"info_dict": "me"}, {"spid": "seven"}])
def test_an_introduction_that_makes_no_sense_changes_nothing(wrong):
    house = House()
    link = house.connected()
    kwargs = {"operation": Operation.PSYNC, "spid": 42, "info_dict": {}} | wrong
    with pytest.raises(RemoteProtocolError, match="BadIntroduction"):
        house.server.admin(FakeLink(house.server), 0, kwargs)
    assert house.server.link is link


def test_a_server_that_is_lost_before_it_has_synchronised_was_never_there():
    house = House()
    link = house.psync()
    link.lose()
    assert ("connected", 42) not in house.supervisor.calls
    assert house.server.link is None


def test_a_server_that_fails_in_its_sync_is_up_all_the_same():
    house = House()
    link = house.psync()
    link.answer(RemoteAMPError("EXCEPTION", "DoesNotExist"))
    assert house.supervisor.calls == [("connected", 42)]


def test_a_refused_message_counts_as_answered():
    house = House()
    player = house.player()
    link = house.connected()
    link.answer_all()
    player.data_in("boom")
    link.answer(RemoteAMPError("EXCEPTION", "ValueError"))
    assert player.unanswered == 0
    house.server.send_admin(Operation.PCONNSYNC, player.sessid, sessiondata={})
    link.answer(RemoteAMPError("EXCEPTION", "KeyError"))
    assert not link.asks


def test_messages_of_the_game_reach_one_session_or_many():
    house = House()
    players = [house.player() for _ in range(3)]
    link = house.connected()
    house.server.data(link, players[0].sessid, {"text": [["one"], {}]})
    house.server.data(link, [each.sessid for each in players], {"text": [["all"], {}]})
    assert [each.shown[-2:] for each in players[1:]] == [each.shown[-2:] for each in players[1:]]
    assert players[0].shown[-2:] == ["one", "all"]
    assert players[2].shown[-1] == "all"


def test_operations_of_the_game():
    house = House()
    player, other = house.player(), house.player()
    link = house.connected()
    admin = house.server.admin
    admin(link, player.sessid, {"operation": Operation.SLOGIN, "sessiondata": {"uid": 7}})
    assert player.uid == 7
    data = {player.sessid: {"uname": "Anna"}}
    admin(link, 0, {"operation": Operation.SSYNC, "sessiondata": data, "clean": False})
    assert player.uname == "Anna"
    assert ("synced out",) not in house.supervisor.calls
    data[other.sessid] = {}
    admin(link, 0, {"operation": Operation.SSYNC, "sessiondata": data})
    assert ("synced out",) in house.supervisor.calls
    admin(link, player.sessid, {"operation": Operation.SDISCONN, "reason": "Bye."})
    assert player.ended == "Bye."
    admin(link, player.sessid, {"operation": Operation.SDISCONN, "reason": "Bye again."})
    admin(link, player.sessid, {"operation": Operation.SLOGIN, "sessiondata": {"uid": 8}})
    admin(link, 0, {"operation": Operation.SDISCONNALL, "reason": "All out."})
    assert other.ended == "All out."


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"operation": "\x7f"}, RemoteProtocolError),
        ({}, RemoteProtocolError),
        ({"operation": Operation.SCONN, "protocol_path": "a.b"}, ServiceError),
    ],
)
def test_operations_that_are_refused(kwargs, error):
    house = House()
    link = house.connected()
    with pytest.raises(error):
        house.server.admin(link, 0, kwargs)


@pytest.mark.parametrize(
    "order", [Operation.SRELOAD, Operation.SRESET, Operation.SSHUTD, Operation.PSHUTD]
)
def test_orders_of_the_game_go_to_the_supervisor(order):
    house = House()
    link = house.connected()
    house.server.admin(link, 0, {"operation": order})
    assert house.supervisor.calls[-1] == order


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Operation.SRELOAD, Reason.RESTARTING),
        (Operation.SRESET, Reason.RESTARTING),
        (Operation.SSHUTD, Reason.STOPPED),
        (None, Reason.LOST),
    ],
)
def test_players_are_told_once_why_there_is_no_game(order, reason):
    house = House()
    player = house.player()
    link = house.connected()
    player.shown.clear()
    if order is not None:
        house.server.forward_order(order)
    link.lose()
    player.data_in("look")
    assert player.shown == [reason]


def test_at_the_end_of_the_portal_only_who_types_is_told():
    house = House()
    player = house.player()
    link = house.connected()
    player.shown.clear()
    house.handler.begin_holding(Reason.CLOSING)
    house.server.forward_order(Operation.SSHUTD)
    link.lose()
    assert player.shown == []
    player.data_in("look")
    player.data_in("look")
    assert player.shown == [Reason.CLOSING]


def test_the_link_of_a_server_that_does_not_leave_is_closed():
    house = House()
    house.server.close()  # there is none
    link = house.connected()
    house.server.close()
    assert link.closed == "it did not leave in time"
    assert house.server.link is None
    assert house.supervisor.calls[-1] == ("lost",)


def test_a_sync_of_everybody_is_let_through():
    house = House()
    link = house.connected()
    before = link.max_payload
    house.player()
    assert link.max_payload == before + house.server.config.payload_bytes_per_session


def test_the_end_of_another_link_changes_nothing():
    house = House()
    link = house.connected()
    house.server.lost(FakeLink(house.server))
    assert house.server.link is link
