"""Dialling out to sockets that are there, that are not, and that never answer."""

import errno
import socket

import pytest
import trio
import trio.testing

from portal.hub.dialler import dial_tcp, dial_unix


class Resolver(trio.abc.HostnameResolver):
    """Gives a name the addresses that a test wants."""

    def __init__(self, *addresses):
        self.addresses = addresses

    async def getaddrinfo(self, *question):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]

    async def getnameinfo(self, *question):
        raise AssertionError("dialling asks for addresses, never for names")


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def dead():
    """An address where nobody listens, kept from others for the length of the test."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


@pytest.mark.parametrize(("family", "host"), [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")])
async def test_a_host(family, host):
    with socket.create_server((host, 0), family=getattr(socket, family)) as server:
        sock = await dial_tcp(host, server.getsockname()[1])
        with sock:
            accepted, peer = server.accept()
            accepted.close()
            assert peer == sock.getsockname()
            assert not sock.getblocking()


async def test_each_address_is_tried(server, dead):
    trio.socket.set_custom_hostname_resolver(Resolver(dead, dead, server.getsockname()))
    with await dial_tcp("a.name", 1) as sock:
        assert sock.getpeername() == server.getsockname()


@pytest.mark.parametrize("count", [1, 3])
async def test_nobody_listens(dead, count):
    trio.socket.set_custom_hostname_resolver(Resolver(*[dead] * count))
    with pytest.raises(ConnectionRefusedError):
        await dial_tcp("a.name", 1)


async def test_a_name_without_addresses():
    trio.socket.set_custom_hostname_resolver(Resolver())
    with pytest.raises(OSError, match=r"a\.name has no address"):
        await dial_tcp("a.name", 1)


async def test_a_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        with await dial_unix(path) as sock:
            assert sock.getpeername() == path


async def test_a_unix_socket_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        await dial_unix(str(tmp_path / "nothing"))


async def test_a_unix_socket_whose_backlog_is_full(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        with await dial_unix(path), pytest.raises(BlockingIOError):
            await dial_unix(path)


async def test_cancelling_leaves_nothing_open(monkeypatch):
    made = []

    class Silent(socket.socket):
        """A socket whose peer never answers."""

        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

        def connect(self, address):
            raise BlockingIOError(errno.EINPROGRESS, "in progress")

    never = trio.Event()
    monkeypatch.setattr(socket, "socket", Silent)
    monkeypatch.setattr(trio.lowlevel, "wait_writable", lambda _: never.wait())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial_tcp, "127.0.0.1", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert made[-1].fileno() >= 0
        nursery.cancel_scope.cancel()
    assert made[-1].fileno() == -1
