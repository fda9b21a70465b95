"""How long a player of a real game waits for `look`: typed back to back, the whole reply awaited.

The Server is Evennia's own with all that a command does there, behind either Portal.
"""

import contextlib
import socket
import time

from evennia_sides import PLAYER

# The last words of the login screen, and of the first room, which end a reply.
SCREEN = b"will re-show this screen."
END = b"play the demo game."
ENTRY_SECONDS = 60  # a Server that has just been started may let the first attempts wait
ATTEMPT_SECONDS = 5
SETTLE_SECONDS = 2.5  # a client that answers no option is settled after two
WARMUP = 10


def measure(game, side, seconds):
    """One run behind a Portal, `side` being its context: milliseconds and how many they were."""
    with side as (_child, ports), game.server(ports["amp_port"]), enter(ports) as player:
        player.settle()
        for _ in range(WARMUP):
            player.look()
        end = time.monotonic() + seconds
        delays = []
        while time.monotonic() < end:
            delays.append(player.look())
    delays.sort()
    return {
        "count": len(delays),
        "p50_ms": delays[len(delays) // 2] * 1000,
        "p99_ms": delays[len(delays) * 99 // 100] * 1000,
    }


class Player:
    """One who is logged in by telnet."""

    def __init__(self, client):
        self.client = client

    def wait_for(self, words):
        """Reads until they have come."""
        got = b""
        while words not in got:
            part = self.client.recv(65536)
            if not part:
                raise ConnectionError("the game hung up")
            got += part

    def look(self):
        """Seconds from the line to the end of its reply."""
        begun = time.perf_counter()
        self.client.sendall(b"look\r\n")
        self.wait_for(END)
        return time.perf_counter() - begun

    def settle(self):
        """Waits for what follows a login, and throws it away."""
        self.client.settimeout(SETTLE_SECONDS)
        with contextlib.suppress(TimeoutError):
            while self.client.recv(65536):
                pass
        self.client.settimeout(ENTRY_SECONDS)


@contextlib.contextmanager
def enter(ports):
    """A player in the game, as soon as it lets one in; TimeoutError if it does not.

    A stock Portal that hears from its Server while somebody comes in tells of that player twice,
    and the second time logs them out: who has seen the login screen is told of no more.
    """
    end = time.monotonic() + ENTRY_SECONDS
    while True:
        address = ("127.0.0.1", ports["telnet_port"])
        with socket.create_connection(address, ATTEMPT_SECONDS) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            player = Player(client)
            try:
                player.wait_for(SCREEN)
            except TimeoutError:
                if time.monotonic() > end:
                    raise
                continue
            client.sendall(b'connect "%s" "%s"\r\n' % tuple(map(str.encode, PLAYER)))
            player.wait_for(END)
            yield player
            return


def run(game, seconds):
    """Measures behind each Portal in turn: side -> figures."""
    game.populate()
    return {
        "Portal": measure(game, game.portal(), seconds),
        "Evennia": measure(game, game.stock(), seconds),
    }
