"""Hostile peers against a Portal in a process of its own, while somebody else goes on playing.

Each attack has a bounded cost (memory and time of the Portal's process), a clear line in the log
that names it, and costs the bystander nothing.
"""

import pickle
import struct
import zlib

import pytest
import trio

pytestmark = pytest.mark.interop

MIB = 1024 * 1024


def box(**fields):
    out = b""
    for key, value in sorted(fields.items()):
        name = key.encode()
        out += struct.pack("!H", len(name)) + name + struct.pack("!H", len(value)) + value
    return out + b"\0\0"


def packed(payload, command=b"AdminServer2Portal", chunks=1):
    fields = {"packed_data" + (f".{n}" if n > 1 else ""): payload for n in range(1, chunks + 1)}
    return box(_ask=b"1", _command=command, **fields)


async def read_all(stream, limit=10 * MIB):
    data = b""
    with trio.fail_after(15):
        while len(data) < limit:
            try:
                more = await stream.receive_some(65536)
            except trio.BrokenResourceError:
                break
            if not more:
                break
            data += more
    return data


async def test_a_line_without_an_end(demo, watch):
    with watch:
        attacker = await demo.connect()
        await attacker.expect("name")
        await attacker.stream.send_all(b"x" * MIB)
        await attacker.expect("too long")
        await watch.plays_on()
        await attacker.stream.send_all(b"\r\nCarla\r\n")
        await attacker.expect("Carla")
        await watch.logged("line_too_long")
        assert await watch.counter("lines_too_long") == 1


async def test_bytes_that_are_no_text(demo, watch):
    with watch:
        attacker = await demo.connect()
        await attacker.expect("name")
        await attacker.stream.send_all(bytes(range(128, 250)) * 20 + b"\xc3\x28\r\n")
        await attacker.stream.send_all(b"Carla\r\n")
        await attacker.expect("Carla")
        await attacker.stream.send_all(b"say \xff\xff\xfe\xc3\r\n")
        await attacker.expect("You say")
        await watch.plays_on()


async def test_a_storm_of_options(demo, watch):
    with watch:
        attacker = await demo.connect()
        await attacker.expect("name")
        storm = b"".join(bytes((255, verb, option)) for verb in (251, 253) for option in range(99))
        for _ in range(100):
            await attacker.stream.send_all(storm)
            await watch.plays_on()
        await attacker.say("Carla")
        await attacker.expect("Carla")
        await watch.logged("negotiations_throttled")
        assert await watch.counter("negotiations_throttled") > 1000


async def test_a_client_that_never_reads(demo, watch):
    with watch:
        async with await trio.open_tcp_stream(*demo.telnet) as attacker:
            await attacker.send_all(b"Carla\r\n")
            with trio.move_on_after(3):
                while True:
                    await attacker.send_all(b"look\r\n" * 200)
            await watch.plays_on()


@pytest.mark.parametrize("port", ["telnet", "amp"])
async def test_http_where_there_is_none(demo, watch, port):
    with watch:
        async with await trio.open_tcp_stream(*getattr(demo, port)) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await read_all(stream)
        await watch.plays_on()
        assert b"HTTP" in answer or b"telnet" in answer
        await watch.logged("amp_http_request" if port == "amp" else "http_on_telnet")
        counter = "amp_http_requests" if port == "amp" else "http_on_telnet"
        assert await watch.counter(counter) == 1


async def ask(demo, data):
    stream = await trio.open_tcp_stream(*demo.amp)
    await stream.send_all(data)
    with trio.fail_after(15):
        answer = b""
        while b"\0\0\0" not in answer[-3:] and not answer.endswith(b"\0\0"):
            more = await stream.receive_some(65536)
            if not more:
                break
            answer += more
    return stream, answer


def zlib_bomb():
    """66 MB of zeros in 64 KB, in each of the two chunks of a box."""
    return zlib.compress(bytes(64 * MIB), 9)[:65535]


NINE_BYTES = b"\x80\x05Nr" + struct.pack("<I", 1 << 26) + b"."


@pytest.mark.parametrize(
    ("name", "payload", "chunks"),
    [
        ("zlib bomb", zlib_bomb(), 3),
        ("nine-byte pickle bomb", zlib.compress(NINE_BYTES), 1),
        ("deep nest", zlib.compress(b"\x80\x05" + b"N" + b"\x85" * 1_000_000 + b"."), 1),
        ("code", zlib.compress(b"cos\nsystem\n(S'touch /tmp/pwned'\ntR."), 1),
        ("empty sets", zlib.compress(b"\x80\x05(" + b"\x8f" * (8 * MIB) + b"t."), 1),
        ("not zlib", b"this is no stream", 1),
        ("not a message", zlib.compress(pickle.dumps("hello", 5)), 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_payloads_that_mean_harm(demo, watch, name, payload, chunks):
    with watch:
        stream, answer = await ask(demo, packed(payload, chunks=chunks))
        assert b"EXCEPTION" in answer, name
        await watch.plays_on()
        await watch.logged("amp_responder_failed")
        # It cost that message, not the connection.
        await stream.send_all(box(_ask=b"2", _command=b"MsgStatus", status=b""))
        with trio.fail_after(10):
            assert b"_answer" in await stream.receive_some(65536)
        await stream.aclose()


async def test_a_box_that_never_ends(demo, watch):
    with watch:
        async with await trio.open_tcp_stream(*demo.amp) as stream:
            with pytest.raises(trio.BrokenResourceError), trio.fail_after(15):
                for number in range(100_000):
                    key = f"k{number:07}".encode()
                    await stream.send_all(struct.pack("!H", 8) + key + b"\xff\xff" + b"v" * 65535)
        await watch.plays_on()
        await watch.logged("amp_link_refused")


async def test_keys_longer_than_a_box_allows(demo, watch):
    with watch:
        async with await trio.open_tcp_stream(*demo.amp) as stream:
            await stream.send_all(b"\0\x01a\xff\xff" + b"v" * 65535 + b"\x7f\xff" + b"k" * 100)
            assert await read_all(stream) == b""
        await watch.plays_on()
        await watch.logged("amp_link_refused")
