"""A wheel as somebody gets it who has never seen this repository.

    python smoke.py WHEEL

What has to be in it is in it, and nothing else. It is installed with its dependencies in an
environment of its own, outside of the checkout; there the demo runs on free ports, somebody logs
in by telnet, and a browser finds every file of the client. Ends with 0, with 1 and a traceback, or
with 77 when the dependencies cannot be had. Needs nothing but the standard library.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
import zipfile
from pathlib import Path

PATIENCE = 30
NOT_INSTALLABLE = 77
NEEDED = (
    "portal/__main__.py",
    "portal/_native.abi3.so",
    "portal/_native.pyi",
    "portal/py.typed",
    "portal/demo/__main__.py",
    "portal/web/index.html",
)
SETTINGS = "\n".join(f"[{table}]\nport = 0" for table in ("telnet", "websocket", "http", "amp"))
LINK = re.compile(r"""(?:src|href)="([^"#]+)"|(?:from|import)\s*\(?\s*["'](\./[^"']+)["']""")


def check_content(wheel):
    """Look at what the wheel has; returns the files of the web client."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        files = {
            name.removeprefix("portal/web/"): archive.read(name)
            for name in names
            if name.startswith("portal/web/")
        }
    assert [name for name in NEEDED if name not in names] == []
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")] != []
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"portal"}
    natives = [name for name in names if name.endswith(".so")]
    assert natives == ["portal/_native.abi3.so"], "one for every CPython from 3.11 on"
    assert [name for name in names if "test" in Path(name).name or name.endswith(".pyc")] == []
    return files


def install(wheel, folder):
    """Make an environment with the wheel in it, and return where its commands are."""
    venv.create(folder, with_pip=True)
    commands = folder / "bin"
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-input", str(wheel)]
    if subprocess.run([commands / "python", "-m", "pip", *words], check=False).returncode:
        sys.exit(NOT_INSTALLABLE)
    return commands


def fetch(url):
    """Return the type and the body of a page."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.headers["Content-Type"], answer.read()


def fetch_client(address, files):
    """Get the page and every file that it leads to; they are those of the wheel, and all of them."""
    base = "http://{}:{}/".format(*address)
    to_come, found = [base], {}
    while to_come:
        url = to_come.pop()
        if url in found:
            continue
        kind, body = fetch(url)
        found[url] = body
        links = ["".join(groups) for groups in LINK.findall(body.decode())]
        to_come += [
            there
            for there in (urllib.parse.urljoin(url, link) for link in links)
            if there.startswith(base)
        ]
        if url.endswith(".js"):
            assert kind.startswith("text/javascript"), (url, kind)
    got = {url.removeprefix(base) or "index.html": body for url, body in found.items()}
    assert got == files


def upgrade(address):
    """Ask for a websocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        "GET / HTTP/1.1\r\nHost: game\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    with socket.create_connection(address, timeout=PATIENCE) as sock:
        sock.sendall(head.encode())
        assert sock.recv(12) == b"HTTP/1.1 101"


def read_until(sock, text):
    """Read until a text has come."""
    heard = b""
    while text not in heard:
        piece = sock.recv(4096)
        assert piece, heard
        heard += piece


def log_in(address):
    """Log in by telnet as a guest, and talk."""
    with socket.create_connection(address, timeout=PATIENCE) as sock:
        read_until(sock, b"name")
        sock.sendall(b"Anna\r\n")
        read_until(sock, b"Anna")
        sock.sendall(b"say it works\r\n")
        read_until(sock, b'You say, "it works')


def play(commands, folder, files):
    """Run the demo and use everything in it once."""
    config, data = folder / "portal.toml", folder / "data"
    config.write_text(SETTINGS)
    portal = str(commands / "portal")
    words = ["demo", "--config", str(config), "--data", str(data), "--json"]
    where = {"cwd": folder, "text": True}
    with subprocess.Popen([portal, *words], stdout=subprocess.PIPE, **where) as process:
        try:
            info = json.loads(process.stdout.readline())
            log_in(info["telnet"][0])
            upgrade(info["websocket"][0])
            fetch_client(info["http"][0], files)
            base = "http://{}:{}/".format(*info["http"][0])
            for page, expected in (
                ("healthz", b"alive"),
                ("readyz", b"connected"),
                ("metrics", b"\nportal_sessions_opened_total 2.0\n"),
            ):
                assert expected in fetch(base + page)[1], page
            asked = [portal, "status", "--data", str(data), "--json"]
            answer = subprocess.run(asked, stdout=subprocess.PIPE, check=True, **where)
            assert json.loads(answer.stdout)["server"]["state"] == "CONNECTED"
            subprocess.run([portal, "stop", "--data", str(data)], check=True, **where)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def main(wheel):
    """Do all of it."""
    files = check_content(wheel)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = install(wheel, folder / "venv")
        for words in (["portal", "--help"], ["python", "-m", "portal", "--help"]):
            line = [commands / words[0], *words[1:]]
            subprocess.run(line, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        play(commands, folder, files)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
