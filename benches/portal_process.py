"""A Portal as the benches run it: any free ports, no Server of its own, limits out of the way.

The limits are raised and not taken out, so that the checking of them is measured too.

    python portal_process.py    prints {"telnet_port": ..., "amp_port": ...} and serves
"""

import json
import sys

from portal.config import AmpConfig, Config, LimitsConfig, LogConfig, TelnetConfig
from portal.process import run_process

CONFIG = Config(
    telnet=TelnetConfig(port=0),
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
    ports = {"telnet_port": info["telnet"][0][1], "amp_port": info["amp"][1]}
    print(json.dumps(ports), flush=True)


if __name__ == "__main__":
    sys.exit(run_process(CONFIG, tell))
