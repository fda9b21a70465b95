"""The proxies in `examples/proxies`, as they stand there but for their ports and certificates."""

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from portal.app import Portal
from portal.config import AmpConfig, Config, HttpConfig, TelnetConfig, WebSocketConfig

pytestmark = pytest.mark.interop

EXAMPLES = Path(__file__).parents[2] / "examples/proxies"
PATIENCE = 30
PROGRAMS = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PLAYER = "127.0.0.2"  # on this machine too, but not where the proxy is
CLAIM = "X-Forwarded-For: 203.0.113.9\r\n"  # what a client says of itself


def fit(name, changes):
    """Read an example and put what the test has in place of what it names."""
    text = (EXAMPLES / name).read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def nginx(folder, port, portal):
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "    listen [::]:443 ssl;\n": "",
        "127.0.0.1:4001": portal,
        **{f"    {line}\n": "" for line in re.findall("ssl_certificate.*", read_nginx())},
    }
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{path}_temp_path {folder}/{path};" for path in paths)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{fit('nginx.conf', changes)} }}"
    )
    return ["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]


def read_nginx():
    return (EXAMPLES / "nginx.conf").read_text()


def haproxy(folder, port, portal):
    bind = "bind :443 ssl crt /etc/haproxy/game.example.pem"
    changes = {bind: f"bind 127.0.0.1:{port}", "127.0.0.1:4001": portal}
    (folder / "haproxy.cfg").write_text(fit("haproxy.cfg", changes))
    return ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"]


def caddy(folder, port, portal):
    site = f"http://:{port} {{\n\tbind 127.0.0.1"
    changes = {"game.example {": site, "127.0.0.1:4001": portal}
    text = fit("Caddyfile", changes)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{text}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


def free_port():
    """Find a port that nobody has; one of a connection that has just ended would not do."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Proxy:
    """A proxy that runs, or says why not."""

    def __init__(self, line, port, home):
        self.port = port
        self.log = home / "proxy.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                line, env={"HOME": str(home), "PATH": PROGRAMS}, stdout=log, stderr=log
            )

    async def connect(self):
        """Connect as the player, as soon as the proxy is there."""
        with trio.fail_after(PATIENCE):
            while True:
                assert self.process.poll() is None, self.log.read_text()
                sock = trio.socket.socket()
                try:
                    await sock.bind((PLAYER, 0))
                    await sock.connect(("127.0.0.1", self.port))
                except ConnectionRefusedError:
                    sock.close()
                except BaseException:
                    sock.close()
                    raise
                else:
                    return trio.SocketStream(sock)

    async def ask(self, path, headers=""):
        """Send a request; return its status, what came first, and the connection."""
        stream = await self.connect()
        head = f"GET {path} HTTP/1.1\r\nHost: game.example\r\n{headers}{CLAIM}\r\n"
        await stream.send_all(head.encode())
        data = b""
        with trio.fail_after(PATIENCE):
            while b"\r\n\r\n" not in data:
                piece = await stream.receive_some()
                assert piece, data
                data += piece
        return int(data.split()[1]), data, stream


@pytest.fixture
async def portal(nursery):
    portal = Portal(
        Config(
            telnet=TelnetConfig(port=0),
            websocket=WebSocketConfig(enabled=False),
            http=HttpConfig(port=0, trusted_proxies=("127.0.0.1",)),
            amp=AmpConfig(port=0),
        )
    )
    await nursery.start(portal.run)
    yield portal
    portal.stop()


@pytest.fixture(params=[nginx, haproxy, caddy])
async def proxy(request, portal, tmp_path):
    """A proxy in front of the Portal."""
    program = request.param.__name__
    if shutil.which(program, path=PROGRAMS) is None:
        pytest.skip(f"no {program}")
    host, port = portal.addresses()["http"][0]
    proxied = free_port()
    line = request.param(tmp_path, proxied, f"{host}:{port}")
    proxy = Proxy(line, proxied, tmp_path)
    with proxy.process:
        yield proxy
        proxy.process.terminate()


async def test_pages(proxy):
    """And nobody beyond the proxy sees the figures."""
    with capture_logs() as logs:
        for path, status, text in (
            ("/", 200, b"text/html"),
            ("/healthz", 200, b""),
            ("/metrics", 403, b""),
        ):
            got, head, stream = await proxy.ask(path)
            assert (got, text in head) == (status, True)
            await stream.aclose()
    asked = [
        (entry["path"], entry["address"]) for entry in logs if entry["event"] == "http_request"
    ]
    assert asked == [("/", PLAYER), ("/healthz", PLAYER)]


async def test_a_websocket(proxy, portal):
    handshake = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    status, data, stream = await proxy.ask("/", handshake)
    assert status == 101
    with trio.fail_after(PATIENCE):
        while b"The game is starting" not in data:
            data += await stream.receive_some()
    (session,) = portal.sessionhandler.sessions.values()
    assert session.address == PLAYER
    await stream.aclose()
    with trio.fail_after(PATIENCE):
        while portal.sessionhandler.sessions:
            await trio.lowlevel.checkpoint()
