"""A Portal as the benches run it: any free ports, no Server of its own, limits out of the way.

The limits are raised and not taken out, so that the checking of them is measured too.

    python portal_process.py             prints {"telnet_port": ..., "amp_port": ...} and serves
    python portal_process.py browsers    websockets and HTTP as well, with their ports
"""

import json
import sys

# Tools of development. Where structlog finds them it loads them: some megabytes that a Portal in
# an environment of its own does not have.
for name in ("greenlet", "rich", "twisted"):
    sys.modules[name] = None

from portal.config import (  # noqa: E402
    AmpConfig,
    Config,
    HttpConfig,
    LimitsConfig,
    LogConfig,
    TelnetConfig,
    WebSocketConfig,
)
from portal.process import run_process  # noqa: E402

WAYS_IN = ("telnet", "websocket", "http")


def config(*, browsers):
    """Its configuration, with or without the ports for browsers."""
    return Config(
        telnet=TelnetConfig(port=0),
        websocket=WebSocketConfig(enabled=browsers, port=0),
        http=HttpConfig(enabled=browsers, port=0),
        amp=AmpConfig(port=0),
        limits=LimitsConfig(
            connections=100_000,
            connections_per_address=100_000,
            connections_per_second=1e6,
            connection_burst=1_000_000,
            commands_per_second=1e6,
            command_burst=1_000_000,
        ),
        log=LogConfig(level="warning"),
    )


def tell(info):
    """Says where it listens."""
    ports = {f"{name}_port": info[name][0][1] for name in WAYS_IN if info[name]}
    print(json.dumps({**ports, "amp_port": info["amp"][1]}), flush=True)


if __name__ == "__main__":
    sys.exit(run_process(config(browsers="browsers" in sys.argv[1:]), tell))
