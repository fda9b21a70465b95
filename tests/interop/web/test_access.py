"""The client by keyboard alone, on a phone, with a screen reader, and its colours measured."""

import json

import pytest

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

TOUCH = 44  # CSS pixels that a finger hits
READABLE = 4.5  # WCAG 2, success criterion 1.4.3
PHONES = [{"width": 390, "height": 780}, {"width": 320, "height": 568}]
# A screen reader reads the nodes that are added to a live region, but those of quiet ones within.
LISTEN = """() => {
    window.read = [];
    const seen = new Set();  // a chunk is noted with all its lines, and each line again
    const log = document.querySelector("[role=log]");
    new MutationObserver(records => {
        for (const record of records) for (const node of record.addedNodes) {
            const lines = node.matches?.(".line") ? [node] : [...node.querySelectorAll(".line")];
            for (const line of lines) if (!seen.has(line)) {
                seen.add(line);
                const live = line.closest("[aria-live]").getAttribute("aria-live");
                if (live === "polite") read.push(line.textContent);
            }
        }
    }).observe(log, { childList: true, subtree: true, characterData: true });
    window.stated = [];
    const status = document.querySelector("[role=status]");
    new MutationObserver(() => stated.push(status.textContent))
        .observe(status, { childList: true, subtree: true, characterData: true });
}"""


def open_settings(page):
    page.get_by_role("button", name="Settings").click()


def luminance(color):
    shares = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_reckoned_as_wcag_does():
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == 21


def color_of(locator, name="color"):
    return locator.evaluate(f"element => getComputedStyle(element).{name}")


# ---- by keyboard alone


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def test_everything_is_reached_by_the_tab_key_and_seen_to_be(page):
    page.get_by_role("status").click()  # from where the next tab begins
    for expected in ("help-button", "settings-button", "log", "line", "Send"):
        page.keyboard.press("Tab")
        assert focused(page) == expected
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", expected


def test_the_text_is_scrolled_from_the_input(page, stub, wait_for_text):
    for number in range(200):
        stub.send("text", f"line {number}")
    wait_for_text(page, "line 199")
    first, last = page.locator(".line").first, page.locator(".line").last
    page.keyboard.press("PageUp")
    expect(last).not_to_be_in_viewport()
    page.keyboard.press("PageDown")
    expect(last).to_be_in_viewport()
    page.keyboard.press("Control+Home")
    expect(first).to_be_in_viewport()
    page.keyboard.press("Control+End")
    expect(last).to_be_in_viewport()
    expect(page.get_by_role("textbox", name="Command")).to_be_focused()


def test_what_is_typed_over_the_text_goes_to_the_input(page):
    line = page.get_by_role("textbox", name="Command")
    page.get_by_role("log").focus()
    page.keyboard.type("look")
    expect(line).to_have_value("look")
    page.get_by_role("log").click()
    expect(line).to_be_focused()


def test_the_dialogs_by_keyboard(page):
    page.keyboard.press("F1")
    help_ = page.get_by_role("dialog", name="Help")
    expect(help_).to_be_visible()
    page.keyboard.press("F1")
    page.keyboard.press("Escape")
    expect(help_).not_to_be_visible()
    expect(page.get_by_role("textbox", name="Command")).to_be_focused()
    button = page.get_by_role("button", name="Settings")
    button.focus()
    page.keyboard.press("Enter")
    settings = page.get_by_role("dialog", name="Settings")
    expect(settings).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("ArrowDown")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Smaller")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#size")).to_have_text("14 px")
    page.keyboard.press("Escape")
    expect(settings).not_to_be_visible()
    expect(button).to_be_focused()


def test_a_click_beside_a_dialog_closes_it(page):
    open_settings(page)
    page.mouse.click(5, 5)
    expect(page.get_by_role("dialog")).to_have_count(0)


# ---- on a phone


@pytest.fixture(params=PHONES, ids=["390", "320"])
def phone(request, open_page, stub):
    page = open_page(stub.url, viewport=request.param, is_mobile=True, has_touch=True)
    expect(page.get_by_role("status")).to_have_text("Connected.")
    return page


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth") and page.evaluate(
        "[...document.querySelectorAll('#log, dialog[open]')]"
        ".every(element => element.scrollWidth <= element.clientWidth)"
    )


def small_targets(page):
    targets = page.locator("button:visible, textarea:visible, label:visible, #password:visible")
    sizes = [
        (target.evaluate("e => e.outerHTML"), target.bounding_box()) for target in targets.all()
    ]
    assert len(sizes) >= 4
    return [(html, box) for html, box in sizes if min(box["width"], box["height"]) < TOUCH - 0.1]


def test_a_phone_needs_no_scrolling_sideways_and_no_small_fingers(phone, stub, wait_for_text):
    stub.send("text", "w" * 500)
    stub.send("text", "https://example.org/" + "long/" * 40)
    stub.send("prompt", "p" * 300)
    stub.send("text", "end")
    wait_for_text(phone, "end")
    assert fits(phone)
    assert small_targets(phone) == []
    for name in ("Help", "Settings"):
        phone.get_by_role("button", name=name).tap()
        assert fits(phone)
        assert small_targets(phone) == []
        phone.get_by_role("dialog").get_by_role("button", name="Done").tap()
    for state in ("lost", "given_up"):
        stub.send("portal_status", state)
        expect(phone.get_by_role("status")).to_contain_text("game")
        assert fits(phone)
    stub.down = True
    stub.cut()
    expect(phone.get_by_role("button", name="Reconnect now")).to_be_visible()
    assert fits(phone)
    assert small_targets(phone) == []


def test_a_phone_does_not_zoom_or_cover_the_page_unasked(phone, stub):
    line = phone.get_by_role("textbox", name="Command")
    expect(line).not_to_be_focused()
    for _ in range(3):
        phone.evaluate("document.querySelector('#smaller').click()")
    assert color_of(phone.get_by_role("log"), "fontSize") == "12px"
    assert float(color_of(line, "fontSize").removesuffix("px")) >= 16
    stub.send("prompt", "Password:", options={"echo": False})
    password = phone.get_by_role("textbox", name="Password")
    assert float(color_of(password, "fontSize").removesuffix("px")) >= 16


def test_the_input_stays_above_the_keyboard(phone, stub, wait_for_text):
    for number in range(100):
        stub.send("text", f"line {number}")
    wait_for_text(phone, "line 99")
    line = phone.get_by_role("textbox", name="Command")
    line.tap()
    width = phone.viewport_size["width"]
    phone.set_viewport_size({"width": width, "height": 300})  # as `interactive-widget` does it
    for element in (line, phone.get_by_role("status"), phone.locator(".line").last):
        expect(element).to_be_in_viewport(ratio=0.9)


def test_a_tap_on_send_leaves_the_keyboard_open(phone, stub):
    line = phone.get_by_role("textbox", name="Command")
    line.tap()
    line.fill("look")
    phone.get_by_role("button", name="Send").tap()
    stub.wait_for_lines("look")
    expect(line).to_be_focused()


# ---- with a screen reader


def test_new_lines_are_read_once_whatever_happens_around_them(page, stub, wait_for_text):
    page.evaluate(LISTEN)
    expected = [f"line {number}" for number in range(5600)]
    frames = [json.dumps(["text", [line], {}]) for line in expected]
    stub.send_frames(frames[:3000])  # many batches
    wait_for_text(page, "line 2999")
    page.keyboard.press("PageUp")
    stub.send_frames(frames[3000:])  # the oldest go
    wait_for_text(page, "line 5599")
    page.keyboard.press("Control+End")
    page.keyboard.type("look")
    page.keyboard.press("Enter")  # what was typed is known
    stub.wait_for_lines("look")
    stub.send("text", "A room.")
    wait_for_text(page, "A room.")
    stub.cut()
    expect(page.get_by_role("status")).to_have_text("Connected again.")
    stub.send("text", "a new session")
    wait_for_text(page, "a new session")
    assert page.evaluate("read") == [*expected, "A room.", "a new session"]


def test_the_state_is_read_when_it_changes_and_seconds_are_not(page, stub):
    page.evaluate(LISTEN)
    stub.send("portal_status", "connected")
    stub.send("portal_status", "restarting")
    stub.send("portal_status", "restarting")
    stub.send("portal_status", "connected")
    expect(page.get_by_role("status")).to_have_text("Connected. The game is back.")
    stub.cut()
    expect(page.get_by_role("status")).to_have_text("Connected again.")
    assert page.evaluate("stated") == [
        "The game is restarting. What you type is kept.",
        "Connected. The game is back.",
        "Disconnected: the Portal does not answer.",
        "Connecting again…",
        "Connected again.",
    ]


def test_a_screen_reader_can_be_silenced(page, stub, wait_for_text):
    log, prompt = page.get_by_role("log"), page.locator("#prompt")
    for region in (log, prompt):
        expect(region).to_have_attribute("aria-live", "polite")
    expect(log).to_have_attribute("aria-relevant", "additions")
    open_settings(page)
    page.get_by_label("Screen reader reads new lines").uncheck()
    for region in (log, prompt):
        expect(region).to_have_attribute("aria-live", "off")
    page.reload()
    for region in (log, prompt):
        expect(region).to_have_attribute("aria-live", "off")


def test_everything_has_a_name(page, stub):
    stub.send("prompt", "HP 10 &gt;")
    expect(page.locator("#prompt")).to_be_visible()
    expect(page.get_by_role("log", name="Game")).to_be_visible()
    expect(page.get_by_role("textbox", name="Command")).to_have_accessible_description("HP 10 >")
    for role in ("button", "textbox", "dialog", "radio", "checkbox"):
        for element in page.get_by_role(role, include_hidden=True).all():
            name = element.evaluate(
                "e => (e.ariaLabel ?? '') + (e.labels?.[0]?.innerText ?? '') + e.textContent"
            )
            assert name.strip() or not element.is_visible(), element
    assert page.evaluate("document.documentElement.lang") == "en"


# ---- colours


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_is_to_be_read_can_be_read(open_page, stub, theme):
    page = open_page(stub.url, color_scheme=theme)
    expect(page.get_by_role("status")).to_have_text("Connected.")
    for number in range(16):
        stub.send("text", f'<span class="color-{number:03d}">{number}</span>')
        stub.send("text", f'<span class="bgcolor-{number:03d}">{number}</span>')
    stub.send("error", "an error")
    page.keyboard.type("look")
    page.keyboard.press("Enter")
    for line in (page.locator(".echo"), page.locator(".error")):
        expect(line).to_be_visible()
    background = color_of(page.locator("html"), "backgroundColor")
    before = [page.locator(".line span").nth(2 * number) for number in range(16)]
    for text in [*before, page.locator(".echo"), page.get_by_role("status")]:
        assert contrast(color_of(text), background) >= READABLE, text
    for number in range(16):
        text = page.locator(".line span").nth(2 * number + 1)
        assert contrast(color_of(text), color_of(text, "backgroundColor")) >= READABLE, text
    for raised in [page.get_by_role("button", name="Send"), page.locator(".error")]:
        assert contrast(color_of(raised), color_of(raised, "backgroundColor")) >= READABLE
    assert (
        contrast(
            page.locator(".error").evaluate("e => getComputedStyle(e, '::before').color"),
            color_of(page.locator(".error"), "backgroundColor"),
        )
        >= READABLE
    )
    stub.down = True
    stub.cut()
    expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
    page.keyboard.press("Enter")
    for text in [page.locator("#seconds"), page.get_by_role("alert")]:
        expect(text).not_to_be_empty()
        assert contrast(color_of(text), background) >= READABLE


def theme_of(page):
    return page.evaluate("document.documentElement.dataset.theme")


def test_the_theme_follows_the_system_until_the_player_chooses(page):
    dark = color_of(page.locator("html"), "backgroundColor")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = color_of(page.locator("html"), "backgroundColor")
    assert light != dark
    open_settings(page)
    page.get_by_label("Dark").check()
    expect(page.locator("html")).to_have_css("background-color", dark)
    page.reload()
    expect(page.locator("html")).to_have_css("background-color", dark)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_size_of_letters_is_remembered_and_bounded(page):
    open_settings(page)
    for _ in range(20):
        page.get_by_role("button", name="Larger").click()
    assert color_of(page.get_by_role("log"), "fontSize") == "32px"
    page.reload()
    expect(page.get_by_role("log")).to_have_css("font-size", "32px")
    open_settings(page)
    for _ in range(20):
        page.get_by_role("button", name="Smaller").click()
    expect(page.get_by_role("log")).to_have_css("font-size", "12px")


def test_who_wants_no_motion_gets_none(open_page, stub):
    page = open_page(stub.url, reduced_motion="reduce")
    moving = (
        "[...document.querySelectorAll('*')].map(e => getComputedStyle(e))"
        ".filter(s => parseFloat(s.transitionDuration) || s.animationName !== 'none').length"
    )
    assert page.evaluate(moving) == 0


def test_the_colours_of_the_system(open_page, stub):
    page = open_page(stub.url, forced_colors="active")
    expect(page.get_by_role("status")).to_have_text("Connected.")
    lamp = page.locator(".lamp")
    connected = color_of(lamp, "borderRadius")
    assert color_of(lamp, "borderTopStyle") == "solid"
    stub.down = True
    stub.cut()
    expect(page.get_by_role("button", name="Reconnect now")).to_be_visible()
    assert color_of(lamp, "borderRadius") != connected  # told by form, not by colour alone
