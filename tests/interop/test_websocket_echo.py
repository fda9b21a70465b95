"""The websocket codec on the hub, with live wsproto at the other end.

It is what the Autobahn suite is run against by hand; what that is strict about in the order of
answers is kept here.
"""

import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)

pytestmark = pytest.mark.interop

SERVER = Path(__file__).with_name("websocket_echo.py")
PATIENCE = 30
REQUEST = Request(host="localhost", target="/")


@pytest.fixture(scope="module")
def port():
    with subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["port"]
        process.kill()


@asynccontextmanager
async def connect(port, *events):
    """A websocket whose client sends `events` in one segment with the end of its handshake."""
    peer = WSConnection(ConnectionType.CLIENT)
    request = peer.send(REQUEST)
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            # wsproto writes no frame before the handshake is over: another one writes them.
            await stream.send_all(request + write(*events))
            yield stream, peer


def write(*events):
    writer = WSConnection(ConnectionType.CLIENT)
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(writer.send(REQUEST))
    list(server.events())
    writer.receive_data(server.send(AcceptConnection()))
    list(writer.events())
    return b"".join(writer.send(event) for event in events)


async def read_to_the_end(stream, peer):
    """What the server says, as (type, content), until it closes."""
    async for data in stream:
        peer.receive_data(data)
    accepted, *events = peer.events()
    assert isinstance(accepted, AcceptConnection)
    return [content(event) for event in events]


def content(event):
    match event:
        case Pong(payload):
            return Pong, bytes(payload)
        case CloseConnection(code):
            return CloseConnection, code
    return type(event), event.data if isinstance(event.data, str) else bytes(event.data)


CLOSE = CloseConnection(code=1000)
BYE = (CloseConnection, 1000)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([CLOSE], [BYE]),
        (
            [TextMessage("né"), BytesMessage(b"\0\xff"), TextMessage(""), CLOSE],
            [(TextMessage, "né"), (BytesMessage, b"\0\xff"), (TextMessage, ""), BYE],
        ),
        ([Ping(b"1"), Ping(b""), CLOSE], [(Pong, b"1"), (Pong, b""), BYE]),
        ([CloseConnection(code=3000, reason="bye")], [(CloseConnection, 3000)]),
    ],
)
async def test_all_in_one_segment(port, said, expected):
    async with connect(port, *said) as (stream, peer):
        assert await read_to_the_end(stream, peer) == expected


async def test_a_pong_comes_before_the_message_that_its_ping_interrupts(port):
    fragments = [
        TextMessage("frag", message_finished=False),
        Ping(b"1"),
        TextMessage("ment"),
    ]
    async with connect(port, *fragments) as (stream, peer):
        found = []
        while not any(isinstance(event, TextMessage) for event in found):
            peer.receive_data(await stream.receive_some())
            found += peer.events()
        assert [content(event) for event in found[1:]] == [(Pong, b"1"), (TextMessage, "fragment")]


async def test_a_failure_is_told(port):
    async with connect(port) as (stream, peer):
        await stream.send_all(write(TextMessage("x")) + b"\x81\x01x")
        told = await read_to_the_end(stream, peer)
        assert told == [(TextMessage, "x"), (CloseConnection, 1002)]
