"""One text to everybody: CPU of the Portal for each delivery, on either protocol.

A text of 200 bytes with colours goes to 1000 sessions; no two are alike. The Server sends it in
one message that names all sessions, as `portal.game` does, or in a message for each session, as a
stock Server does. The next one follows when everybody has it.
"""

import processes
import rounds as turns

SESSIONS = 1000
SIZE = 200
PROTOCOLS = ("telnet", "websocket")
BOXES = ("one", "each")
PORTAL = ("portal_process.py", "browsers")
PEER = "peers/twisted_relay.py"


def run(rounds, seconds):
    """Measures: protocol -> boxes -> side -> figures.

    The load is the Server, too: the newest Server is the one, so the sides need none of their own.
    """
    figures = {}
    for protocol in PROTOCOLS:
        with (
            processes.server(*PORTAL) as portal,
            processes.server(PEER, protocol) as peer,
        ):
            sides = {"Portal": portal, "Twisted": peer}
            figures[protocol] = {
                boxes: turns.alternate(sides, rounds, measure(protocol, boxes, seconds))
                for boxes in BOXES
            }
    return figures


def measure(protocol, boxes, seconds, *, clients=SESSIONS, level=0):
    """One round of one side; `level` is how hard the Server deflates."""

    def once(child, ports):
        return processes.load(
            "fanout",
            ports[f"{protocol}_port"],
            amp_port=ports["amp_port"],
            protocol=protocol,
            boxes=boxes,
            level=level,
            clients=clients,
            size=SIZE,
            seconds=seconds,
            warmup=0.5,
            pid=child.pid,
        )

    return once
