"""Ports that a configuration names: opened, or refused in one line."""

import socket
from pathlib import Path

import pytest

from portal.config import AmpConfig, HttpConfig, TelnetConfig
from portal.errors import ServiceError
from portal.ports import find_dialled, limit_amp, open_amp_port, open_player_port


def test_a_port_for_players_is_the_same_on_all_of_its_hosts():
    sockets = open_player_port("telnet", TelnetConfig(hosts=("127.0.0.1", "127.0.0.2"), port=0), 16)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1", "127.0.0.2"]
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize("kind", [TelnetConfig, HttpConfig])
def test_more_ports_come_behind_it(kind):
    hosts = ("127.0.0.1", "127.0.0.2")
    sockets = open_player_port("telnet", kind(hosts=hosts, port=0, more_ports=(0, 0)), 16)
    try:
        found = [sock.getsockname() for sock in sockets]
        assert [host for host, _ in found] == [*hosts] * 3
        ports = [port for _, port in found]
        assert ports[::2] == ports[1::2]
        assert len(set(ports)) == 3
    finally:
        for sock in sockets:
            sock.close()


def test_of_several_ports_the_one_that_is_taken_is_named_and_none_stays_open():
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        first, port = other.getsockname()[1], taken.getsockname()[1]
        other.close()
        config = HttpConfig(port=first, more_ports=(port,))
        with pytest.raises(ServiceError, match=f"^http: cannot listen at 127.0.0.1 port {port}: "):
            open_player_port("http", config, 16)
        (sock,) = open_player_port("http", HttpConfig(port=first), 16)
        sock.close()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"^http: cannot listen at 127.0.0.1 port {port}: "):
            open_player_port("http", HttpConfig(port=port), 16)
        with pytest.raises(ServiceError, match=f"^amp: cannot listen at 127.0.0.1 port {port}: "):
            open_amp_port(AmpConfig(port=port), 16)


def test_the_amp_port_is_a_port_or_a_unix_socket(tmp_path):
    (sock,) = open_amp_port(AmpConfig(port=0), 16)
    with sock:
        assert sock.getsockname()[0] == "127.0.0.1"
    path = str(tmp_path / "amp")
    (sock,) = open_amp_port(AmpConfig(socket=path), 16)
    with sock:
        assert sock.getsockname() == path
        with pytest.raises(ServiceError, match=r"^amp: cannot listen at "):
            open_amp_port(AmpConfig(socket=path), 16)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("0.0.0.0", 1), ("127.0.0.1", 1)),
        (("::", 1), ("::1", 1)),
        (("192.0.2.1", 1), ("192.0.2.1", 1)),
        ("amp", str(Path("amp").absolute())),
    ],
)
def test_where_to_dial(address, expected):
    assert find_dialled(address) == expected


def test_the_amp_port_has_one_limit():
    limits = limit_amp(7)
    assert limits.connections == limits.connections_per_address == limits.connection_burst == 7
