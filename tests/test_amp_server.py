"""Who dials in at the AMP port, and what each of them is answered."""

import pickle

import msgspec
import pytest
import trio

from portal.amp.authentication import authenticate
from portal.amp.commands import (
    AdminPortal2Server,
    AdminServer2Portal,
    FunctionCall,
    MsgLauncher2Portal,
    MsgServer2Portal,
    MsgStatus,
    Operation,
    PortalQuery,
)
from portal.amp.link import Link
from portal.amp_server import AmpServer
from portal.config import AmpConfig, Config
from portal.errors import ConnectionLost, RemoteAMPError, UnhandledCommand
from portal.hub.poller import PLAYER
from portal.lifecycle import State
from portal.metrics import Metrics
from portal.sessionhandler import PortalSessionHandler


class Pipe:
    """One end of a connection that exists in memory only; writing is reading at the other end."""

    def __init__(self, address):
        self.address = address
        self.peer = (address, 1) if address else "socket"
        self.is_local = address in ("", "127.0.0.1")
        self.rank = PLAYER
        self.closed = False
        self.other = None
        self.protocol = None

    def write(self, data):
        if not self.closed and not self.other.closed:
            self.other.protocol.receive_data(data)

    def close(self, reason=""):
        if not self.closed:
            self.closed = True
            if self.protocol is not None:  # else it is being made: its maker tells it
                self.protocol.connection_lost(None)
            self.other.close(reason)

    abort = close


class NoDeadlines:
    """Deadlines that never expire: the queue has tests of its own."""

    def start(self, item): ...

    def restart(self, item): ...

    def cancel(self, item): ...


class FakeHub:
    def deadlines(self, seconds, expired):
        return NoDeadlines()


class FakeSupervisor:
    def __init__(self):
        self.calls = []
        self.restart_mode = None
        self.state = State.CONNECTED
        self.server_pid = 77

    def start(self, command=()):
        self.calls.append("start")

    def order(self, operation, *, by_launcher=False):
        self.calls.append(operation)

    def server_connected(self, pid):
        self.calls.append(("connected", pid))

    def server_synced_out(self):
        self.calls.append("synced out")

    def link_lost(self):
        self.calls.append("lost")


async def echo(arguments):
    return {"asked": arguments}


class Port:
    """An AMP port, and peers that dial in."""

    def __init__(self, nursery, functions=None, **amp):
        self.config = Config(name="test", amp=AmpConfig(**amp))
        self.metrics = Metrics()
        self.supervisor = FakeSupervisor()
        self.handler = PortalSessionHandler(
            self.config, self.metrics, now=lambda: 0.0, wall=lambda: 0.0
        )
        self.server = AmpServer(
            self.config,
            self.metrics,
            hub=FakeHub(),
            sessionhandler=self.handler,
            supervisor=self.supervisor,
            queries={"stop": echo},
            functions=functions,
            addresses=lambda: {"telnet": [("127.0.0.1", 4000)], "amp": ("127.0.0.1", 4006)},
        )
        self.nursery = nursery
        self.heard = []

    def dial(self, address="127.0.0.1"):
        near, far = Pipe(address), Pipe(address)
        near.other, far.other = far, near
        packed = {AdminPortal2Server: self.hear}
        near.protocol = Link(
            near,
            AmpConfig(),
            Metrics(),
            responders={MsgStatus: self.hear_status},
            packed=packed,
        )
        far.protocol = self.server.make_protocol(far)
        if far.closed:
            far.protocol.connection_lost(None)
        return near.protocol

    def hear(self, link, sessid, kwargs):
        self.heard.append(kwargs["operation"])

    def hear_status(self, status):
        self.heard.append(pickle.loads(status))
        return {"status": b""}

    def become_server(self, link):
        link.send_packed(AdminServer2Portal, 0, {"operation": Operation.PSYNC, "spid": 9})


@pytest.fixture
async def port():
    async with trio.open_nursery() as nursery:

        async def make(**options):
            port = Port(nursery, **options)
            await nursery.start(port.server.run)
            return port

        yield make
        nursery.cancel_scope.cancel()


async def test_status_is_what_the_launcher_formats(port):
    port = await port()
    link = port.dial()
    up, connected, _, server_pid, info, server_info = pickle.loads(
        (await link.call(MsgStatus, status=b""))["status"]
    )
    assert (up, connected, server_pid, server_info) == (True, False, 77, {})
    assert info["servername"] == "test"
    assert "4000" in info["telnet"][0]
    assert info["amp"] == "amp: 4006"
    names = "version errors info lockdown_mode telnet_ssl ssh webclient webserver_proxy"
    assert set(names.split()) < set(info)


async def test_a_query_is_answered_in_json(port):
    port = await port()
    result = await port.dial().call(PortalQuery, query="stop", arguments=b'{"now": true}')
    assert msgspec.json.decode(result["result"]) == {"asked": {"now": True}}


@pytest.mark.parametrize(
    ("query", "arguments", "text"),
    [
        ("what", b"", "none of stop"),
        ("stop", b"{", "BadArguments"),
        ("stop", b"[]", "BadArguments"),
    ],
)
async def test_a_query_that_makes_no_sense_says_why(port, query, arguments, text):
    port = await port()
    with pytest.raises(RemoteAMPError, match=text):
        await port.dial().call(PortalQuery, query=query, arguments=arguments)


async def test_queries_are_for_this_machine(port):
    port = await port(trusted_networks=("192.0.2.0/24",))
    with pytest.raises(UnhandledCommand):
        await port.dial("192.0.2.7").call(PortalQuery, query="stop", arguments=b"")


async def test_functions_are_called_by_the_registry_only(port):
    port = await port(functions={"game.add": lambda a, b=0: a + b})
    link = port.dial()
    answer = await link.call(
        FunctionCall,
        module=b"game",
        function=b"add",
        args=pickle.dumps([1]),
        kwargs=pickle.dumps({"b": 2}),
    )
    assert pickle.loads(answer["result"]) == 3
    with pytest.raises(RemoteAMPError, match="not registered"):
        await link.call(
            FunctionCall, module=b"os", function=b"system", args=b"(lp0\n.", kwargs=b"(dp0\n."
        )


async def test_without_a_registry_no_function_is_called(port):
    port = await port()
    with pytest.raises(UnhandledCommand):
        await port.dial().call(FunctionCall, module=b"os", function=b"abort", args=b"", kwargs=b"")


async def order(link, operation):
    await link.call(
        MsgLauncher2Portal, operation=operation.encode("latin-1"), arguments=pickle.dumps([])
    )


async def test_the_launcher_hears_when_the_server_has_come_and_when_it_is_gone(port):
    port = await port()
    launcher, server = port.dial(), port.dial()
    await order(launcher, Operation.SSTART)
    assert port.supervisor.calls == ["start"]
    assert port.heard == []
    port.become_server(server)
    assert port.heard[0] == Operation.PSYNC
    assert port.heard[1][1] is True
    await order(launcher, Operation.SSTART)
    assert "start" not in port.supervisor.calls[1:]
    await order(launcher, Operation.SRELOAD)
    assert port.supervisor.calls[-1] == Operation.SRELOAD
    server.close()
    assert port.heard[-1][1] is False


async def test_a_launcher_that_hangs_up_is_forgotten(port):
    port = await port()
    launcher, server = port.dial(), port.dial()
    await order(launcher, Operation.SSTART)
    launcher.close()
    port.become_server(server)
    assert port.heard == [Operation.PSYNC]


async def test_the_portal_can_be_shut_down_at_any_time(port):
    port = await port()
    await order(port.dial(), Operation.PSHUTD)
    assert port.supervisor.calls == [Operation.PSHUTD]


async def test_an_order_of_no_letters_harms_nobody(port):
    port = await port()
    with pytest.raises(RemoteAMPError):
        await order(port.dial(), "")
    assert port.supervisor.calls == []


async def test_only_the_server_speaks_for_the_game(port):
    port = await port()
    stranger = port.dial()
    errors = []
    stranger.send_packed(
        MsgServer2Portal,
        1,
        {"text": [["hi"], {}]},
        answered=lambda _, error: errors.append(error),
    )
    assert isinstance(errors[0], RemoteAMPError)
    assert not stranger.closed


async def test_strangers_from_elsewhere_are_refused(port):
    port = await port()
    link = port.dial("192.0.2.7")
    assert link.closed
    assert port.metrics.amp_connections_refused == 1
    with pytest.raises(ConnectionLost):
        await link.call(MsgStatus, status=b"")


@pytest.mark.parametrize("address", ["192.0.2.7", "127.0.0.1"])
async def test_who_knows_the_secret_is_answered(port, address):
    port = await port(host="0.0.0.0", secret="xyzzy")
    link = port.dial(address)
    with pytest.raises(UnhandledCommand):
        await link.call(MsgStatus, status=b"")
    await authenticate(link, "xyzzy")
    assert (await link.call(MsgStatus, status=b""))["status"]


async def test_a_question_needs_the_proof_too(port):
    port = await port(host="0.0.0.0", secret="xyzzy")
    link = port.dial()
    with pytest.raises(UnhandledCommand):
        await link.call(PortalQuery, query="stop", arguments=b"")
    await authenticate(link, "xyzzy")
    assert (await link.call(PortalQuery, query="stop", arguments=b""))["result"]


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "")])
async def test_at_a_local_port_the_secret_is_answered_and_not_demanded(port, host, address):
    port = await port(host=host, secret="xyzzy")
    link = port.dial(address)
    assert (await link.call(MsgStatus, status=b""))["status"]
    await authenticate(link, "xyzzy")


async def test_a_broadcast_reaches_every_link(port):
    port = await port()
    for _ in range(3):
        port.dial()
    port.server.broadcast(AdminPortal2Server, 0, {"operation": Operation.PDISCONNALL})
    assert port.heard == [Operation.PDISCONNALL] * 3
