"""The web client's files: nothing that its policy forbids, nothing from elsewhere, all explained.

What the files do is tested in a browser (tests/interop/web) and by Node.js (tests/web).
"""

import re
from html.parser import HTMLParser

import pytest

EXPORT = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)
IMPORT = re.compile(r'(?:from|import\() ?"([^"]+)"')
# The only address that is no address: the name of SVG.
NAMESPACE = "http://www.w3.org/2000/svg"


class Page(HTMLParser):
    """Notes what stands in a page."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def web(root):
    return root / "python/portal/web"


@pytest.fixture(scope="module")
def page(web):
    return Page((web / "index.html").read_text())


@pytest.fixture(scope="module")
def scripts(web):
    found = {path.name: path.read_text() for path in sorted(web.glob("*.js"))}
    assert len(found) > 5
    return found


def test_nothing_in_the_page_is_code_or_style(page):
    forbidden = [
        (tag, name)
        for tag, attributes in page.elements
        for name in attributes
        if name.startswith("on") or name == "style"
    ]
    assert forbidden == []
    assert "style" not in {tag for tag, _ in page.elements}
    assert all("src" in attributes for tag, attributes in page.elements if tag == "script")


def test_everything_is_beside_the_page(web, page):
    addresses = [
        attributes[name]
        for _, attributes in page.elements
        for name in ("src", "href")
        if name in attributes and not attributes[name].startswith("data:")
    ]
    assert addresses
    assert [address for address in addresses if not (web / address).is_file()] == []


def test_every_module_is_loaded_at_once(page, scripts):
    # Else the browser learns of a module only when it has read the one that imports it.
    loaded = {
        attributes.get("href") or attributes.get("src")
        for tag, attributes in page.elements
        if tag == "script" or attributes.get("rel") == "modulepreload"
    }
    assert loaded == set(scripts)


def test_modules_import_only_what_is_there(scripts):
    imported = {name for source in scripts.values() for name in IMPORT.findall(source)}
    assert {name.removeprefix("./") for name in imported} == set(scripts) - {"app.js"}


def test_no_address_of_anything_else(web):
    for path in web.iterdir():
        source = path.read_text().replace(NAMESPACE, "")
        assert re.findall(r"(?:https?:)?//\w[\w-]*\.\w", source) == [], path.name


def test_ids_are_those_of_the_page(page, scripts):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = {name for source in scripts.values() for name in re.findall(r'find\("([\w-]+)"', source)}
    assert used <= set(ids)


def undocumented(source):
    """Names that other modules may use, and that no comment explains."""
    for match in EXPORT.finditer(source):
        before = source[: match.start()].rstrip("\n").rsplit("\n", 1)[-1].strip()
        if not before.endswith("*/") and not before.startswith("//"):
            yield match[1]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/** Does it. */\nexport function f() {}\n", []),
        ("/**\n * Is it.\n */\nexport class C {}\n", []),
        ("// The reason.\nexport const A = 1;\n", []),
        ("import x;\n\nexport const A = 1;\n", ["A"]),
        ("/** Does it. */\nfunction f() {}\nexport function g() {}\n", ["g"]),
    ],
)
def test_what_is_found(source, expected):
    assert list(undocumented(source)) == expected


def test_every_module_and_export_is_explained(scripts):
    missing = [f"{name}: {at}" for name, source in scripts.items() for at in undocumented(source)]
    assert missing == []
    assert [name for name, source in scripts.items() if not source.startswith("// ")] == []
