"""A peer of the edge's bench: an echo on picows and uvloop, with callbacks instead of tasks.

python websocket_picows.py    prints {"websocket_port": ...} and serves until killed
"""

import json

import uvloop
from picows import WSListener, WSMsgType, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def main():
    server = await ws_create_server(lambda _request: Echo(), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"websocket_port": port}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
