"""A peer of the edge's bench: an echo on websockets, one asyncio task for each connection.

python websocket_asyncio.py    prints {"websocket_port": ...} and serves until killed
"""

import asyncio
import contextlib
import json

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    with contextlib.suppress(ConnectionClosed):  # the load leaves without a word
        async for message in socket:
            await socket.send(message)


async def main():
    # Without compression, as all the others.
    async with serve(echo, "127.0.0.1", 0, compression=None, backlog=4096) as server:
        port = server.sockets[0].getsockname()[1]
        print(json.dumps({"websocket_port": port}), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
