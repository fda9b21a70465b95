"""The Portal's markup beside Evennia's own: the same is seen, but for what docs/markup.md lists."""

import ast
import json
import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import MarkupConfig
from portal.markup import ANSI, MXP, TRUECOLOR, XTERM256, Markup

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "markup.md"
VERSIONS = ("5.0.1", "6.1.0")
LOOKS = {
    "16 colours": (ANSI, (False, False)),
    "256 colours": (ANSI | XTERM256, (True, False)),
    "truecolour": (ANSI | XTERM256 | TRUECOLOR, (True, True)),
}
COLOURS = [
    "r",
    "g",
    "y",
    "b",
    "m",
    "c",
    "w",
    "x",
    "R",
    "G",
    "Y",
    "B",
    "M",
    "C",
    "W",
    "X",
    "[R",
    "[G",
    "[Y",
    "[B",
    "[M",
    "[C",
    "[W",
    "[X",
    "[r",
    "[g",
    "[y",
    "[b",
    "[m",
    "[c",
    "[w",
    "[x",
    "!R",
    "!G",
    "!Y",
    "!B",
    "!M",
    "!C",
    "!W",
    "!X",
    "500",
    "050",
    "005",
    "123",
    "345",
    "[500",
    "[010",
    "[123",
    "[555",
    "=a",
    "=b",
    "=k",
    "=y",
    "=z",
    "[=a",
    "[=m",
    "[=z",
    "#ff0000",
    "#f00",
    "#123456",
    "#AbC",
    "[#00ff00",
    "[#0f0",
    "[#FEDCBA",
    "h",
    "H",
    "n",
    "n",
    "n",
]
STYLES = ["u", "*", "^"]  # those that its HTML knows
MORE_STYLES = ["U", "i", "I", "s", "S"]
SPACES = ["/", "-", "_", ">"]
WORDS = [
    "a",
    "go north",
    "<b>",
    "&amp;",
    '"it\'s"',
    "é 😀",
    "\n",
    "  ",
    "[500",
    "500",
    "{",
    "\\",
    "{{",
]
LINKS = ["|lclook|ltthe door|le", "|lcsay hi|lt|rred|n|le", "|luhttp://a.example/|ltout|le"]


class Peer:
    """Evennia's markup in a process of its own."""

    def __init__(self, python, own_settings):
        command = [str(python), str(HERE / "markup_peer.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdin.write(json.dumps(own_settings) + "\n")

    def ask(self, *question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def make_peer(evennia_python):
    peers = []

    def make_peer(version="5.0.1", **own_settings):
        peers.append(peer := Peer(evennia_python(version), own_settings))
        # In a checkout, Evennia adds the commit that it is at: ours.
        if peer.ask("version")[1].split()[0] != version:
            pytest.skip("PORTAL_EVENNIA_PYTHON names another version")
        return peer

    yield make_peer
    for peer in peers:
        peer.close()


@pytest.fixture(scope="module", params=VERSIONS)
def evennia(make_peer, request):
    return make_peer(request.param)


# ---- what is compared


def seen_on_terminal(text):
    """What a terminal makes of a text, but for what is the Portal's on purpose everywhere."""
    text = text.replace("\r\n", "\n")  # telnet writes each line end as CR LF all the same
    # A dark colour of the palette resets all styles in Evennia, the background too.
    text = re.sub(r"\x1b\[0m(?=\x1b\[3[0-7]m)", "\x1b[22m", text)
    # What a text leaves on is reset before its last line ends, and only then.
    ends = re.search(r"(\n|\x1b\[0m)*\Z", text).group()
    return text[: len(text) - len(ends)] + "\n" * ends.count("\n")


class Seen(HTMLParser):
    """The letters of HTML, each with its style and what a click on it does."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.letters = []
        self.style = self.link = ()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "br":
            self.letters.append(("\n", (), ()))
        elif tag == "a":
            self.link = (found["href"], found.get("onclick"), found.get("target"))
        elif tag == "span":
            self.style = read_style(found.get("class") or "", found.get("style") or "")

    def handle_endtag(self, tag):
        if tag == "a":
            self.link = ()
        else:
            self.style = ()

    def handle_data(self, data):
        self.letters += [(letter, self.style, self.link) for letter in data]


def read_style(classes, style):
    names = set(classes.split())
    exact = dict(re.findall(r"(?:^|;)\s*([a-z-]+): (#[0-9a-f]{6})", style))
    for name, prefix in (("color", "color-"), ("background-color", "bgcolor-")):
        if name in exact:
            names = {each for each in names if not each.startswith(prefix)}
            names.add(f"{name}:{exact[name]}")
    # How the page looks anyway; Evennia leaves these out also where a game asks for them.
    return tuple(sorted(names - {"color-007", "bgcolor-000"}))


def seen_in_browser(html):
    page = Seen()
    page.feed(html)
    page.close()
    return page.letters


def assert_same(evennia, text, markup, kinds=("ansi", "strip", "html")):
    """What a player sees of a text is the same by Evennia and by the Portal."""
    if "ansi" in kinds:
        for look, (bits, abilities) in LOOKS.items():
            theirs = evennia.ask("ansi", text, *abilities)[1]
            ours = markup.to_terminal(text, bits)
            assert seen_on_terminal(ours) == seen_on_terminal(theirs), (look, text)
    if "strip" in kinds:
        theirs = evennia.ask("strip", text)[1].replace("\r\n", "\n")
        assert markup.to_plain(text) == theirs, text
    if "mxp" in kinds:
        theirs = evennia.ask("mxp", text)[1]
        ours = markup.to_terminal(text, ANSI | MXP)
        assert seen_on_terminal(ours) == seen_on_terminal(theirs), text
    if "html" in kinds:
        for styled in (True, False):
            theirs = seen_in_browser(evennia.ask("html", text, not styled)[1])
            ours = seen_in_browser(markup.to_html(text, styled=styled))
            assert ours == theirs, text


# What differs on purpose (docs/markup.md) and would be found in texts made at random.
ODD = re.compile(
    r"\|\|\[[rgybmcwx]"  # an escaped | before a bright background
    r"|\|\|l[cutelq]"  # an escaped |, and then what looks like a link
    r"|\|l[cu][^|]*(?:\\|\|(?!lt))"  # a backslash or a code in the target of a link
    r"|\x1b(?!\[[0-9;]+m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)
# The same, of HTML alone.
ODD_HTML = re.compile(
    r"\|[UiIsS]"
    r"|\|\[?#[^|]*\|(?!n)"  # a colour of red, green and blue that is not reset at once
    r"|(?:https?|ftp|www)\W"  # only the first address in a text becomes a link
    r"|\x1b",
    re.DOTALL,
)


# ---- texts made for it

_codes = st.sampled_from(COLOURS + STYLES + MORE_STYLES + SPACES).map("|{}".format)
_pieces = _codes | st.sampled_from(WORDS) | st.sampled_from(["||", *LINKS])
_letters = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=3)
TEXTS = st.lists(_pieces | _letters, max_size=16).map("".join)


@pytest.mark.parametrize("version", VERSIONS)
def test_generated_texts(make_peer, version):
    evennia = make_peer(version)
    markup = Markup()

    @settings(max_examples=400)
    @given(TEXTS)
    def same(text):
        compare(evennia, text, markup, mxp=version == "5.0.1")

    same()


def compare(evennia, text, markup, *, mxp):
    """Compare all that can be compared; says what that was. Evennia 6 escapes nothing for MXP."""
    if ODD.search(text):
        return ()
    kinds = ["ansi", "strip", "mxp"] if mxp else ["ansi", "strip"]
    if not ODD_HTML.search(text):
        kinds.append("html")
    assert_same(evennia, text, markup, kinds)
    return kinds


def test_long_texts_of_a_grammar(evennia):
    choose = random.Random(20)
    markup = Markup()
    compared = []
    for _ in range(100):
        codes = ["|" + code for code in COLOURS + SPACES + STYLES if "#" not in code]
        parts = choose.choices([*codes, *WORDS, *LINKS, "||"], k=60)
        compared += compare(evennia, "".join(parts), markup, mxp=False)
    assert compared.count("html") > 20


def test_every_colour(evennia):
    markup = Markup()
    numbers = [f"{red}{green}{blue}" for red in "012345" for green in "012345" for blue in "012345"]
    greys = ["=" + letter for letter in "abcdefghijklmnopqrstuvwxyz"]
    exact = [f"#{level:02x}{255 - level:02x}{level // 2:02x}" for level in range(256)]
    for code in numbers + greys + exact:
        assert_same(evennia, f"|{code}a|n|[{code}b|n", markup)


def test_real_texts(evennia):
    markup = Markup()
    texts = evennia.ask("texts")[1]
    mxp = evennia.ask("version") == ["text", "5.0.1"]
    compared = [compare(evennia, text, markup, mxp=mxp) for text in texts]
    assert len(texts) > 10_000
    assert sum("ansi" in kinds for kinds in compared) > 0.99 * len(texts)
    assert sum("html" in kinds for kinds in compared) > 0.98 * len(texts)


# ---- the codes of a game

# Evennia's settings, by the Portal's.
RULES = {
    "codes": "COLOR_ANSI_EXTRA_MAP",
    "bright_backgrounds": "COLOR_ANSI_XTERM256_BRIGHT_BG_EXTRA_MAP",
    "foregrounds": "COLOR_XTERM256_EXTRA_FG",
    "backgrounds": "COLOR_XTERM256_EXTRA_BG",
    "grey_foregrounds": "COLOR_XTERM256_EXTRA_GFG",
    "grey_backgrounds": "COLOR_XTERM256_EXTRA_GBG",
}
TAGS = {
    "CURLY": ["{500", "{[050", "{=a", "{[=z", "{9", "{"],
    "MUX": ["%c500", "%c[050", "%c=a", "%c[=z", "%c9", "%", "%ch"],
}


@pytest.mark.parametrize("only_own", [False, True])
@pytest.mark.parametrize("style", ["CURLY", "MUX"])
def test_the_codes_of_a_game(make_peer, style, only_own):
    contrib = make_peer().ask("contrib")[1]
    given = {name: contrib[f"{style}_{evennia}"] for name, evennia in RULES.items()}
    names = {evennia: given[name] for name, evennia in RULES.items()}
    evennia = make_peer(**names, COLOR_NO_DEFAULT=only_own)
    rules = {
        name: tuple(tuple(rule) if isinstance(rule, list) else rule for rule in rules)
        for name, rules in given.items()
    }
    markup = Markup(MarkupConfig(only_own=only_own, **rules))
    tags = [tag for tag, _ in (*given["codes"], *given["bright_backgrounds"])]
    choose = random.Random(style)
    compared = []
    for _ in range(200):
        parts = choose.choices([*tags, *TAGS[style], *WORDS, "|r", "|[500", "||", "|n"], k=20)
        text = "".join(parts)
        if not re.search(r"\{\{|\|[{%]", text):  # escapes before a code of the game
            compared += compare(evennia, text, markup, mxp=False)
    assert compared.count("ansi") > 50
    assert compared.count("html") > 50


# ---- what differs


def read_differences():
    """The rows of the table: kind, text, what Evennia makes of it, and what the Portal makes."""
    page = PAGE.read_text()
    rows = page[page.index("## What differs from Evennia") :].splitlines()
    for row in rows:
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)]
        if len(cells) == 7 and cells[2].startswith("`"):
            yield cells[1], *(ast.literal_eval(cell.strip("`")) for cell in cells[2:5])


@pytest.mark.parametrize(("kind", "text", "theirs", "ours"), list(read_differences()))
def test_differences(make_peer, kind, text, theirs, ours):
    evennia = make_peer()
    markup = Markup()
    if kind in LOOKS:
        bits, abilities = LOOKS[kind]
        answer = evennia.ask("ansi", text, *abilities), markup.to_terminal(text, bits)
    elif kind == "MXP":
        answer = evennia.ask("mxp", text), markup.to_terminal(text, ANSI | MXP)
    elif kind == "HTML":
        answer = evennia.ask("html", text), markup.to_html(text)
    else:
        answer = evennia.ask("strip", text), markup.to_plain(text)
    raised = "error" if theirs.endswith("Error") else "text"
    assert answer == ([raised, theirs], ours)
    assert theirs != ours
