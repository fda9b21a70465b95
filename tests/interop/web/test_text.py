"""The game's text in a browser: colours, links, prompts, and what a hostile game may try."""

import re

import pytest

from portal.markup import Markup

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect


def style_of(locator, name):
    return locator.evaluate(f"element => getComputedStyle(element).{name}")


def test_texts_are_lines_with_their_spaces(page, stub, shown, wait_for_text):
    stub.send("text", "one\n  two   three\n\nfour\n")
    stub.send("text", "")
    stub.send("text", "five &lt;b&gt; &amp;amp; &#x27;six&#x27;")
    wait_for_text(page, "five <b> &amp; 'six'")
    lines = [line.rstrip("\n") for line in shown(page)]
    assert lines == ["one", "  two   three", "", "four", "", "five <b> &amp; 'six'"]
    heights = page.locator(".line").evaluate_all("all => all.map(line => line.offsetHeight)")
    assert len(set(heights)) == 1  # an empty line is as tall as the others


def test_colours(page, stub, wait_for_text):
    stub.send(
        "text",
        '<span class="color-196">red</span> <span class="bgcolor-021">ground</span> '
        '<span class="color-226 bgcolor-001">both</span> plain',
    )
    wait_for_text(page, "red ground both plain")
    spans = page.locator(".line span")
    assert style_of(spans.nth(0), "color") == "rgb(255, 0, 0)"
    assert style_of(spans.nth(1), "backgroundColor") == "rgb(0, 0, 255)"
    assert style_of(spans.nth(1), "color") == "rgb(255, 255, 255)"
    assert style_of(spans.nth(2), "color") == "rgb(255, 255, 0)"
    assert style_of(spans.nth(2), "backgroundColor") == "rgb(128, 0, 0)"


def test_styles_and_colours_without_a_class(page, stub, wait_for_text):
    stub.send(
        "text",
        '<span class="underline blink italic strikethrough inverse">all</span> '
        '<span class="" style="color: #ff8000;">letters</span> '
        '<span class="" style="background-color: #102030;">ground</span> '
        '<span class="" style="color: #0080ff;background-color: #ffffff;">both</span> plain',
    )
    wait_for_text(page, "all letters ground both plain")
    spans = page.locator(".line span")
    assert style_of(spans.nth(0), "textDecorationLine") == "underline line-through"
    assert style_of(spans.nth(0), "fontStyle") == "italic"
    assert style_of(spans.nth(0), "animationName") in {"blink", "none"}
    assert style_of(spans.nth(1), "color").startswith("rgb(")
    assert style_of(spans.nth(2), "backgroundColor") == "rgb(16, 32, 48)"
    assert style_of(spans.nth(2), "color") == "rgb(255, 255, 255)"
    assert style_of(spans.nth(3), "color") == "rgb(0, 128, 255)"
    assert style_of(spans.nth(3), "backgroundColor") == "rgb(255, 255, 255)"


HOSTILE = [
    "<script>hacked = 1</script>",
    "<ScRiPt src='/evil.js'></sCrIpT>",
    "<img src=/evil.png onerror='hacked = 1'>",
    "<svg onload='hacked = 1'><script>hacked = 1</script></svg>",
    "<iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    "<a href='javascript:hacked = 1'>click</a>",
    "<span class='color-001' style='position:fixed;inset:0' onmouseover='hacked = 1'>over</span>",
    "<span class='color-001 chunk line filled'>classes</span>",
    "<form action=/evil><input name=password><button>go</button></form>",
    "<base href='http://evil.example/'><meta http-equiv=refresh content='0;url=/evil'>",
    "<link rel=stylesheet href=/evil.css><style>* { display: none }</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror='hacked = 1'></style></math>",
    "<noscript><p title='</noscript><img src=x onerror=hacked=1>'></noscript>",
    "<!--><img src=x onerror='hacked = 1'>-->",
    "<textarea></textarea><img src=x onerror='hacked = 1'>",
    "<template><script>hacked = 1</script></template>",
    "<video><source onerror='hacked = 1'></video><details open ontoggle='hacked = 1'>",
    "https://good.example/'onmouseover='hacked=1",
    "https://good.example/&quot; onmouseover=&quot;hacked=1",
    "javascript:hacked=1 JaVaScRiPt://%0ahacked=1 data:text/html,x vbscript:x",
    "<div id=log></div><dialog open id=help>x</dialog>",
    "&#60;img src=x onerror='hacked = 1'&#62;",
    "<a href='#' onclick='hacked = 1'>click</a>",
    '<a onclick=\'Evennia.msg("text",["a"],{});return false;hacked = 1\'>click</a>',
    "<span style='color: expression(hacked = 1); background: url(/evil.png)'>style</span>",
]
# Everything that a text may leave in the page: elements, and their attributes.
ALLOWED = {
    "DIV": {"class", "data-size", "style", "aria-live"},
    "SPAN": {"class"},
    "A": {"href", "target", "rel"},
    "BR": set(),
}
ELEMENTS = """all => all.flatMap(root => [...root.querySelectorAll("*")]).map(element =>
    [element.tagName, element.getAttributeNames(), element.className, element.href ?? ""])"""


@pytest.mark.parametrize("name", ["text", "prompt", "error"])
def test_hostile_html_is_inert(page, stub, name):
    before = len(stub.requests)
    for html in HOSTILE:
        stub.send(name, html, code="<b>")
    stub.send("text", "that was it")
    expect(page.locator(".line").last).to_have_text("that was it")
    for link in page.locator("#log a, #prompt a").all():
        link.hover()
    for tag, attributes, classes, href in page.locator("#log, #prompt").evaluate_all(ELEMENTS):
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
        assert not href or re.match("https?://(good|evil).example/", href)
        if tag == "SPAN":
            assert re.fullmatch(r"((bg)?color-\d{3}|filled| )*", classes)
    assert page.evaluate("typeof hacked") == "undefined"
    assert stub.requests[before:] == []
    assert page.url == stub.url
    expect(page.locator("#log")).to_have_count(1)
    expect(page.locator("#help")).not_to_be_visible()


def test_links(page, stub, wait_for_text):
    stub.send("text", 'See <span class="color-012">https://example.org/a?b=1&amp;c=2</span>.')
    stub.send("text", "mailto:anna@example.org, javascript:alert(1)")
    wait_for_text(page, "mailto:anna@example.org, javascript:alert(1)")
    links = page.locator("#log a")
    expect(links).to_have_count(2)
    expect(links.nth(0)).to_have_attribute("href", "https://example.org/a?b=1&c=2")
    expect(links.nth(0)).to_have_attribute("target", "_blank")
    expect(links.nth(0)).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(links.nth(1)).to_have_attribute("href", "mailto:anna@example.org")


def test_a_command_is_sent_by_a_click(page, stub, wait_for_text):
    text = Markup().to_html('go |lcsay "a\\b" <c>|ltnorth|le or |luhttps://example.org/|ltout|le')
    stub.send("text", text)
    wait_for_text(page, "go north or out")
    links = page.locator("#log a")
    expect(links.nth(0)).to_have_attribute("title", 'say "a\\b" <c>')
    expect(links.nth(1)).to_have_attribute("href", "https://example.org/")
    links.nth(0).click()
    stub.wait_for_lines('say "a\\b" <c>')
    stub.send("prompt", Markup().to_html("|lcyes|ltyes?|le"))
    page.locator("#prompt a").click()
    stub.wait_for_lines('say "a\\b" <c>', "yes")
    assert page.url == stub.url


def test_a_prompt_stands_above_the_input_until_the_next(page, stub, shown):
    prompt = page.locator("#prompt")
    expect(prompt).not_to_be_visible()
    stub.send("prompt", '<span class="color-002">HP 10</span> &gt; ')
    expect(prompt).to_have_text("HP 10 >")
    stub.send("prompt", "HP 9 &gt; ")
    expect(prompt).to_have_text("HP 9 >")
    stub.send("prompt", "")
    expect(prompt).not_to_be_visible()
    assert shown(page) == []


def test_an_error_is_plain_text(page, stub):
    stub.send("error", "no <b>such</b> &amp; thing", code="malformed")
    expect(page.locator(".error")).to_have_text("no <b>such</b> &amp; thing")


def test_what_is_not_known_is_an_event_and_shows_nothing(page, stub, shown, wait_for_text):
    page.evaluate("""() => {
        window.events = [];
        document.addEventListener("portal-message", event => events.push(event.detail));
    }""")
    stub.send("hp", 1, [2], now=3)
    stub.send_frames(["", "nonsense", "[]", "{}", '["text"', "[1, [], {}]", '["text", 1, {}]'])
    stub.send("text", "still here")
    wait_for_text(page, "still here")
    assert page.evaluate("events") == [{"name": "hp", "args": [1, [2]], "kwargs": {"now": 3}}]
    assert shown(page) == ["still here"]
