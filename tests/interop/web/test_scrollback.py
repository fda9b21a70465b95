"""The game's text in a browser, much of it: bounded, fast, followed at its end, and measured."""

import json

import pytest

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

MOST_LINES = 5000
# Work in one piece that a player would call a freeze. Measured are 60 ms; the machine may be busy.
LONG_TASK_MS = 1000
WATCH = """() => {
    window.longest = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
    }).observe({ type: "longtask" });
}"""
FROM_END = "log => log.scrollHeight - log.scrollTop - log.clientHeight"
# The first line that is seen whole, and how far below the upper edge it is.
TOP = """log => {
    const edge = log.getBoundingClientRect().top;
    for (const line of log.querySelectorAll(".line")) {
        const below = line.getBoundingClientRect().top - edge;
        if (below >= 0) return [line.textContent, below];
    }
}"""


def frames(first, last):
    return [
        json.dumps(["text", [f'<span class="color-{n % 256:03d}">{n}</span> says the crier'], {}])
        for n in range(first, last)
    ]


@pytest.fixture
def log(page):
    return page.get_by_role("log")


@pytest.fixture
def say(page, stub, wait_for_text):
    """Say numbered lines, and wait until the last is there: `say(first, last)`."""

    def say(first, last):
        stub.send_frames(frames(first, last))
        wait_for_text(page, f"{last - 1} says the crier")

    return say


def end_of(log):
    return log.evaluate(FROM_END)


def numbers(page):
    return page.locator(".line").evaluate_all("all => all.map(l => parseInt(l.textContent))")


def size_of(stub):
    """What the browser told of its size last."""

    def sizes_of():
        return [kwargs for name, _, kwargs in stub.received if name == "client_options"]

    stub.wait_for(sizes_of)
    sizes = sizes_of()
    return sizes[-1]["screenwidth"], sizes[-1]["screenheight"]


def test_twenty_thousand_lines(page, stub, log, say):
    page.evaluate(WATCH)
    say(0, 20_000)
    found = numbers(page)
    assert MOST_LINES - 200 < len(found) <= MOST_LINES
    assert found == list(range(20_000 - len(found), 20_000))
    assert end_of(log) <= 1
    assert page.evaluate("longest") <= LONG_TASK_MS
    page.evaluate("longest = 0")
    for _ in range(20):
        page.keyboard.press("PageUp")
    expect(log.locator(".line").first).not_to_be_in_viewport()
    assert page.evaluate("longest") <= LONG_TASK_MS


def test_one_text_of_many_lines(page, stub, log, wait_for_text):
    stub.send("text", "\n".join(f"line {number}" for number in range(12_000)))
    wait_for_text(page, "line 11999")
    assert 0 < page.locator(".line").count() <= MOST_LINES
    assert end_of(log) <= 1


def test_very_long_lines_are_bounded_together(page, stub, log, wait_for_text):
    for _ in range(6):
        stub.send("text", "x" * 900_000)
    stub.send("text", "end")
    wait_for_text(page, "end")
    assert log.evaluate("log => log.textContent.length") <= 4_900_000


def test_nothing_is_lost_or_turned_around(page, say):
    say(0, 1000)
    say(1000, 4000)
    assert numbers(page) == list(range(4000))


def test_the_end_is_followed_until_the_player_scrolls_up(page, stub, log, say):
    newer = page.locator("#newer")
    say(0, 100)
    assert end_of(log) <= 1
    log.hover()
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.querySelector('#log').scrollTop > 0")
    expect(page.locator(".line").last).not_to_be_in_viewport()
    top = log.evaluate(TOP)
    stub.send("text", "100 says the crier")
    expect(newer).to_have_text("1 new line ↓")
    say(101, 142)
    expect(newer).to_have_text("42 new lines ↓")
    assert log.evaluate(TOP) == top
    newer.click()
    expect(newer).not_to_be_visible()
    assert end_of(log) <= 1
    expect(page.get_by_role("textbox", name="Command")).to_be_focused()
    say(142, 150)
    assert end_of(log) <= 1
    expect(newer).not_to_be_visible()


def test_scrolling_back_to_the_end_follows_again(page, log, say):
    say(0, 100)
    page.keyboard.press("PageUp")
    expect(page.locator(".line").last).not_to_be_in_viewport()
    say(100, 110)
    page.keyboard.press("Control+End")
    expect(page.locator("#newer")).not_to_be_visible()
    say(110, 150)
    assert end_of(log) <= 1


def test_what_the_player_sends_shows_the_end(page, stub, log, say):
    say(0, 100)
    page.keyboard.press("Control+Home")
    expect(page.locator(".line").first).to_be_in_viewport()
    page.keyboard.type("look")
    page.keyboard.press("Enter")
    expect(page.locator(".echo")).to_be_in_viewport()


def test_what_is_read_stays_in_its_place_while_old_lines_go(page, log, say):
    say(0, MOST_LINES)
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(page.locator(".line").last).not_to_be_in_viewport()
    text, below = log.evaluate(TOP)
    say(MOST_LINES, MOST_LINES + 1500)
    assert numbers(page)[0] > 1000
    text_after, below_after = log.evaluate(TOP)
    assert text_after == text
    assert abs(below_after - below) <= 2


@pytest.mark.parametrize("change", ["size", "letters"])
def test_the_end_stays_when_sizes_change(page, log, say, change):
    say(0, 300)
    if change == "size":
        page.set_viewport_size({"width": 500, "height": 300})
    else:
        page.get_by_role("button", name="Settings").click()
        for _ in range(3):
            page.get_by_role("button", name="Larger").click()
    expect(page.locator(".line").last).to_be_in_viewport()
    page.wait_for_function(f"({FROM_END})(document.querySelector('#log')) <= 1")


def test_the_text_can_be_cleared(page, say):
    say(0, 300)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Clear the text").click()
    expect(page.locator(".line")).to_have_count(0)
    say(300, 310)
    assert numbers(page) == list(range(300, 310))


def test_the_size_in_characters_is_told(page, stub, log, wait_for_text):
    columns, rows = size_of(stub)
    line_height = log.evaluate("log => parseFloat(getComputedStyle(log).lineHeight)")
    inside = log.evaluate("log => log.clientHeight - 16")  # the padding
    assert rows == int(inside / line_height)
    for length, lines in ((columns, 1), (columns + 1, 2)):
        stub.send("text", "m" * length)
        wait_for_text(page, "m" * length)
        height = page.locator(".line").last.evaluate("line => line.offsetHeight")
        assert round(height / line_height) == lines


def test_the_size_is_told_again_when_it_has_changed(page, stub):
    before = size_of(stub)
    told = len(stub.received)
    for width in (880, 840, 800, 600):
        page.set_viewport_size({"width": width, "height": 500})
    stub.wait_for(lambda: len(stub.received) > told and size_of(stub)[0] < before[0] * 0.8)
    # Not with every step of a window that is drawn smaller.
    assert len(stub.received) - told <= 3
    smaller = size_of(stub)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Larger").click()
    stub.wait_for(lambda: size_of(stub)[0] < smaller[0])
