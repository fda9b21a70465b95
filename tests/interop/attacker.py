"""Attacks on the ports for browsers, each as a program of its own.

`python attacker.py NAME HOST PORT` does one of them and prints what it met with, as JSON. It is a
process of its own so that its work takes no time from the player whose round trips are measured.
"""

import base64
import json
import os
import resource
import socket
import sys
from collections import Counter
from contextlib import suppress

import trio

GONE = (trio.BrokenResourceError, OSError)
PAGE = b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT, BINARY, CLOSE, PING, PONG, MORE = 0x81, 0x82, 0x88, 0x89, 0x8A, 0x00
MASK = b"\0\0\0\0"


def tell(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def handshake():
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def frame(first, payload=b"", size=None):
    """A client's frame; `size` is what its header announces, if not what there is."""
    size = len(payload) if size is None else size
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + MASK + payload


def say(line):
    return frame(TEXT, json.dumps(["text", [line], {}]).encode())


async def read_all(stream):
    """Everything up to the end, whatever end that is."""
    data = b""
    with suppress(*GONE):
        async for piece in stream:
            data += piece
    return data


def outcome(data):
    """What an answer was: the status of HTTP, or the code of a close."""
    if data.startswith(b"HTTP/1.1 101"):
        found = data.rfind(bytes([CLOSE]))
        return int.from_bytes(data[found + 2 : found + 4], "big") if found > 0 else "open"
    return int(data.split()[1]) if data.startswith(b"HTTP/1.1 ") else "nothing"


async def times(number, attack, *args):
    """Run an attack so many times side by side; returns how often each outcome was met with."""
    met = Counter()

    async def run():
        try:
            met[str(await attack(*args))] += 1
        except GONE:
            met["gone"] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(run)
    return dict(met)


# ---- before there is a request


async def send_slowly(address, data):
    async with await trio.open_tcp_stream(*address) as stream:
        answer = []

        async def read():
            answer.append(await read_all(stream))
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for start in range(len(data)):
                with suppress(*GONE):
                    await stream.send_all(data[start : start + 1])
                await trio.sleep(0.5)
        return outcome(answer[0])


async def slow_pages(address):
    return await times(500, send_slowly, address, PAGE)


async def slow_handshakes(address):
    return await times(500, send_slowly, address, handshake())


async def send_endlessly(address, first, more):
    async with await trio.open_tcp_stream(*address) as stream:
        with suppress(*GONE):
            await stream.send_all(first)
            for _ in range(1000):
                await stream.send_all(more)
        return outcome(await read_all(stream))


async def endless_heads(address):
    """Most are cut off while they still send, and do not see their answer."""
    return await times(50, send_endlessly, address, b"GET / HTTP/1.1\r\nA: ", b"x" * 16384)


async def send_once(address, data):
    async with await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(data)
        return outcome(await read_all(stream))


async def no_http(address):
    met = Counter()
    for _ in range(40):
        met.update(await times(50, send_once, address, b"\x16\x03\x01"))
    return dict(met)


async def half_open(address, number=10_000):
    """So many connections that ask for nothing, from all over the loopback network."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams = []
    for at in range(number):
        source = f"127.0.{1 + at // 250}.{1 + at % 250}"
        streams.append(await trio.open_tcp_stream(*address, local_address=source))
        await streams[-1].send_all(b"GET / HT")
    tell(len(streams))
    sys.stdin.readline()  # they stay until the test has looked


# ---- websockets


async def open_websocket(address):
    stream = await trio.open_tcp_stream(*address)
    await stream.send_all(handshake())
    return stream


async def send_frames(address, data):
    stream = await open_websocket(address)
    with suppress(*GONE):
        await stream.send_all(data)
    return outcome(await read_all(stream))


async def huge_frames(address):
    return await times(100, send_frames, address, frame(TEXT, b"x" * 1000, size=1 << 62))


async def unfinished_frames(address):
    """All but the last byte of the largest message, on two hundred connections at once."""
    streams = []
    for _ in range(200):
        stream = await open_websocket(address)
        await stream.send_all(frame(BINARY, b"x" * 65_000, size=65_001))
        streams.append(stream)
    tell(len(streams))
    sys.stdin.readline()


async def fragments(address):
    """A message in fragments of one byte, beyond its limit."""
    data = frame(0x01, b"x") + frame(MORE, b"x") * 70_000
    return await times(10, send_frames, address, data)


async def empty_fragments(address):
    return await times(50, send_frames, address, frame(0x01) + frame(MORE) * 100_000)


async def wrong_text(address):
    return await times(200, send_frames, address, frame(TEXT, b"\xc3\x28" * 20_000))


async def malformed(address):
    return await times(100, send_frames, address, frame(TEXT, b"[" * 100) * 1000)


async def flood(address, data, seconds):
    stream = await open_websocket(address)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all, stream)
            while True:
                await stream.send_all(data)
    return "open"


async def pings(address):
    return await times(10, flood, address, frame(PING, b"x" * 125) * 100, 4)


async def pongs(address):
    return await times(10, flood, address, frame(PONG, b"x" * 125) * 100, 4)


async def never_read(address):
    """Have the game say much, and take none of it."""
    stream = await open_websocket(address)
    while True:
        await stream.send_all(say("much"))
        await trio.sleep(0.05)


async def deaf_players(address):
    return await times(5, never_read, address)


# ---- pages


async def never_read_pages(address):
    async with await trio.open_tcp_stream(*address) as stream:
        # Else the kernel takes megabytes for each, before the Portal has anything to keep.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        while True:
            await stream.send_all(PAGE * 1000)


async def deaf_browsers(address):
    return await times(10, never_read_pages, address)


async def ask_and_ask(address, seconds, answers):
    async with await trio.open_tcp_stream(*address) as stream:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:

                async def read():
                    async for data in stream:
                        answers[0] += data.count(b"HTTP/1.1 200")

                nursery.start_soon(read)
                while True:
                    await stream.send_all(PAGE.replace(b"index.html", b"healthz") * 20)


async def pages(address):
    answers = [0]
    await times(50, ask_and_ask, address, 4, answers)
    return answers[0]


async def main(name, host, port):
    met = await globals()[name]((host, int(port)))
    if met is not None:
        tell(met)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
