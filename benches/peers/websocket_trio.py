"""A peer of the edge's bench: an echo on trio-websocket, one trio task for each connection.

python websocket_trio.py    prints {"websocket_port": ...} and serves until killed
"""

import contextlib
import json

import trio
from trio_websocket import ConnectionClosed, serve_websocket


async def echo(request):
    socket = await request.accept()
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send_message(await socket.get_message())


async def main():
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, echo, "127.0.0.1", 0, None)
        print(json.dumps({"websocket_port": server.port}), flush=True)


if __name__ == "__main__":
    trio.run(main)
