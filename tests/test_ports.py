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
