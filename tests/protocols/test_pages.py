from importlib import resources
from pathlib import Path

import pytest

from portal.config import HttpConfig
from portal.metrics import Metrics
from portal.protocols import pages as module
from portal.protocols.http import measure_requests
from portal.protocols.pages import AJAX, CACHE, Pages
from portal.wire.access_log import AccessLog

WEB = Path(str(resources.files("portal").joinpath("web")))
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())


class Site:
    """The pages, asked without any server; `ready` is whether the game is there."""

    def __init__(self, **http):
        self.ready = True
        self.accepted = []
        self.pages = Pages(
            HttpConfig(**http), is_ready=lambda: self.ready, render_metrics=self.render
        )
        self.application = measure_requests(
            self.pages.make_application(), Metrics(), self.pages.find_address, AccessLog()
        )

    def render(self, accept):
        self.accepted.append(accept)
        return b"figures", "text/plain; version=1"

    async def ask(self, path, method="GET", client=("192.0.2.7", 4711), **fields):
        """Return status, headers and body of the answer."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [
                (name.replace("_", "-").lower().encode(), value.encode())
                for name, value in fields.items()
            ],
            "client": client,
            "server": None,
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await self.application(scope, receive, send)
        start, *parts = sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(part["body"] for part in parts)


@pytest.fixture
def site():
    return Site()


# ---- the client


@pytest.mark.parametrize("path", ["/", *(f"/{name}" for name in FILES)])
async def test_the_files_of_the_client(site, path):
    status, headers, body = await site.ask(path)
    assert status == 200
    assert body == (WEB / (path[1:] or "index.html")).read_bytes()
    assert headers["content-length"] == str(len(body))
    assert headers["cache-control"] == CACHE
    assert await site.ask(path) == (status, headers, body)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.nobody-knows", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
        ("deep/er/a.css", "text/css; charset=utf-8"),
    ],
)
async def test_types(tmp_path, monkeypatch, name, content_type):
    path = tmp_path / "web" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    status, headers, body = await Site().ask(f"/{name}")
    assert (status, headers["content-type"], body) == (200, content_type, b"content")
    assert (await Site().ask("/"))[0] == 404


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        ('"other", {tag}', 304),
        ('"other" , W/{tag} , "more"', 304),
        ("*", 200),
        ('"other"', 200),
        ("", 200),
    ],
)
async def test_what_the_browser_has_is_not_sent_again(site, known, status):
    tag = (await site.ask("/"))[1]["etag"]
    found, headers, body = await site.ask("/", If_None_Match=known.format(tag=tag))
    assert found == status
    assert headers["etag"] == tag
    assert (body == b"") is (status == 304)


async def test_tags_differ_with_the_content(tmp_path, monkeypatch):
    (tmp_path / "web").mkdir()
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    tags = set()
    for text in ("one", "two", "one"):
        (tmp_path / "web" / "a.js").write_text(text)
        tags.add((await Site().ask("/a.js"))[1]["etag"])
    assert len(tags) == 2


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
async def test_heads_are_those_of_the_page(site, path):
    client = ("127.0.0.1", 4711)
    status, headers, _ = await site.ask(path, client=client)
    assert (await site.ask(path, "HEAD", client=client))[:2] == (status, headers)


@pytest.mark.parametrize("path", ["/", "/index.html", "/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
async def test_nothing_can_be_done_but_read(site, path, method):
    status, headers, _ = await site.ask(path, method)
    assert status == 405
    assert headers["allow"] == "GET, HEAD" or headers["allow"] == "HEAD, GET"


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/healthz/",
        "/index.html/",
        "//",
        "/../pyproject.toml",
        "/..%2fapp.py",
        "/%2e%2e/app.py",
        "/web/index.html",
        "*",
        "x:443",
        "",
    ],
)
async def test_nothing_else_is_there(site, path):
    assert (await site.ask(path))[0] == 404


# ---- health


async def test_health(site):
    site.ready = False
    status, headers, body = await site.ask("/healthz")
    assert (status, body) == (200, b"alive\n")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("ready", "expected"),
    [(True, (200, b"the game is connected\n")), (False, (503, b"no game is connected\n"))],
)
async def test_readiness(site, ready, expected):
    site.ready = ready
    status, headers, body = await site.ask("/readyz")
    assert (status, body) == expected
    assert headers["cache-control"] == "no-store"


# ---- figures


async def test_the_figures(site):
    answer = await site.ask("/metrics", client=("127.0.0.1", 1), Accept="text/x")
    status, headers, body = answer
    assert (status, body) == (200, b"figures")
    assert headers["content-type"] == "text/plain; version=1"
    assert headers["cache-control"] == "no-store"
    await site.ask("/metrics", client=("::1", 1))
    assert site.accepted == ["text/x", ""]


TRUSTED = {"trusted_proxies": ("127.0.0.1", "10.0.0.0/8")}


@pytest.mark.parametrize(
    ("http", "client", "fields", "status"),
    [
        ({}, ("127.0.0.1", 1), {}, 200),
        ({}, ("127.9.9.9", 1), {}, 200),
        ({}, ("::1", 1), {}, 200),
        ({}, ("192.0.2.7", 1), {}, 403),
        ({}, ("::ffff:127.0.0.1", 1), {}, 200),
        ({}, None, {}, 200),  # a UNIX socket
        ({"metrics_networks": ("192.0.2.0/24",)}, ("192.0.2.7", 1), {}, 200),
        ({"metrics_networks": ("192.0.2.0/24",)}, ("127.0.0.1", 1), {}, 403),
        ({"metrics_networks": ()}, ("127.0.0.1", 1), {}, 403),
        # Behind a proxy on this machine the whole world would be on loopback.
        ({}, ("127.0.0.1", 1), {"X_Forwarded_For": "127.0.0.1"}, 403),
        ({}, ("127.0.0.1", 1), {"X_Forwarded_Proto": "https"}, 403),
        ({}, ("127.0.0.1", 1), {"Forwarded": "for=127.0.0.1"}, 403),
        ({}, ("127.0.0.1", 1), {"X_Real_IP": "127.0.0.1"}, 403),
        ({}, ("127.0.0.1", 1), {"Via": "1.1 proxy"}, 403),
        ({}, None, {"Via": "1.1 proxy"}, 403),
        # Who is behind a trusted one is known.
        (TRUSTED, ("127.0.0.1", 1), {"X_Forwarded_For": "192.0.2.7"}, 403),
        (TRUSTED, ("127.0.0.1", 1), {"X_Forwarded_For": "127.0.0.1, 192.0.2.7"}, 403),
        (TRUSTED, ("10.0.0.1", 1), {"X_Forwarded_For": "127.0.0.2"}, 200),
        (TRUSTED, ("127.0.0.1", 1), {}, 200),
        # Unless it does not say.
        (TRUSTED, ("127.0.0.1", 1), {"X_Forwarded_For": "unknown"}, 403),
        (TRUSTED, ("127.0.0.1", 1), {"Forwarded": "for=127.0.0.2"}, 403),
        (TRUSTED, ("127.0.0.1", 1), {"Via": "1.1 proxy"}, 403),
        (TRUSTED, ("10.0.0.1", 1), {}, 403),
    ],
)
async def test_who_may_see_the_figures(http, client, fields, status):
    site = Site(**http)
    found, _, body = await site.ask("/metrics", client=client, **fields)
    assert found == status
    assert (body == b"figures") is (status == 200)
    assert len(site.accepted) == (status == 200)


async def test_other_networks_count_from_now_on(site):
    site.pages.reconfigure(HttpConfig(metrics_networks=("192.0.2.0/24",), **TRUSTED))
    assert (await site.ask("/metrics", client=("127.0.0.1", 1)))[0] == 403
    behind = {"client": ("10.0.0.1", 1), "X_Forwarded_For": "192.0.2.7"}
    assert (await site.ask("/metrics", **behind))[0] == 200


# ---- pages without websockets


async def test_what_answers_them_is_given(site):
    assert (await site.ask(AJAX, method="POST"))[0] == 404

    class Ajax:
        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

    pages = Pages(HttpConfig(), is_ready=None, render_metrics=None, ajax=Ajax())
    for client in (True, False):
        site.application = measure_requests(
            pages.make_application(client=client), Metrics(), pages.find_address, AccessLog()
        )
        assert (await site.ask(AJAX, method="POST"))[::2] == (200, b"hello")
        assert (await site.ask(AJAX))[0] == 405
