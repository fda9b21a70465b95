"""What is typed in a browser: lines, several at once, the history, and passwords."""

import pytest

pytestmark = pytest.mark.interop

expect = pytest.importorskip("playwright.sync_api").expect

LONGEST_LINE = 8192  # bytes; what the Portal takes
NO_STORE = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("The operation is insecure.", "SecurityError"); },
})"""


@pytest.fixture
def line(page):
    line = page.get_by_role("textbox", name="Command")
    expect(line).to_be_focused()
    return line


def type_lines(page, *lines):
    for line in lines:
        page.keyboard.type(line)
        page.keyboard.press("Enter")


def hide(stub, page):
    stub.send("text", "Password:", options={"echo": False})
    password = page.get_by_role("textbox", name="Password")
    expect(password).to_be_focused()
    return password


def test_a_line_is_sent_and_shown(page, stub, line, shown):
    type_lines(page, "look <b>&amp;", "")
    stub.wait_for_lines("look <b>&amp;", "")
    expect(line).to_have_value("")
    expect(page.locator(".echo")).to_have_text(["look <b>&amp;", ""])
    assert stub.received[-1] == ["text", [""], {}]


def test_what_is_typed_need_not_be_shown(page, stub, line, shown, wait_for_text):
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Show what I type").uncheck()
    page.keyboard.press("Escape")
    line.focus()
    type_lines(page, "look")
    stub.wait_for_lines("look")
    stub.send("text", "A room.")
    wait_for_text(page, "A room.")
    assert shown(page) == ["A room."]


def test_several_lines_that_are_pasted_are_several_lines(page, stub, line):
    page.keyboard.insert_text("north\nlook\n\nsouth\n")
    expect(line).to_have_attribute("rows", "5")
    page.keyboard.press("Enter")
    stub.wait_for_lines("north", "look", "", "south")
    expect(line).to_have_attribute("rows", "1")


def test_shift_and_enter_begin_another_line(page, stub, line):
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert stub.lines() == []
    page.get_by_role("button", name="Send").click()
    stub.wait_for_lines("one", "two")
    expect(line).to_be_focused()


def test_more_lines_than_the_portal_takes_at_once_stay(page, stub, line):
    lines = [f"line {number}" for number in range(130)]
    page.keyboard.insert_text("\n".join(lines))
    page.keyboard.press("Enter")
    stub.wait_for_lines(*lines[:100])
    expect(page.get_by_role("alert")).to_contain_text("100 lines were sent")
    expect(line).to_have_value("\n".join(lines[100:]))
    page.keyboard.press("Enter")
    stub.wait_for_lines(*lines)
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("letter", ["x", "ä", '"'])
def test_a_line_that_is_too_long_stays(page, stub, line, letter):
    most = LONGEST_LINE // len(letter.encode())
    line.fill(letter * (most + 1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("too long")
    expect(line).to_have_value(letter * (most + 1))
    page.keyboard.press("Backspace")
    expect(page.get_by_role("alert")).to_be_empty()
    page.keyboard.press("Enter")
    stub.wait_for_lines(letter * most)


def test_the_history_is_there_after_a_reload(page, stub, line):
    type_lines(page, "north", "look")
    page.keyboard.type("half a li")
    for key, value in [
        ("ArrowUp", "look"),
        ("ArrowUp", "north"),
        ("ArrowUp", "north"),
        ("ArrowDown", "look"),
        ("ArrowDown", "half a li"),
    ]:
        page.keyboard.press(key)
        expect(line).to_have_value(value)
    page.reload()
    expect(line).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(line).to_have_value("north")


def test_the_history_is_forgotten_on_demand(page, stub, line):
    type_lines(page, "north")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Forget what I typed").click()
    line.focus()
    page.keyboard.press("ArrowUp")
    expect(line).to_have_value("")
    assert "north" not in page.evaluate("JSON.stringify(localStorage)")


def test_up_and_down_walk_within_several_lines_first(page, line):
    type_lines(page, "north")
    page.keyboard.insert_text("one\ntwo")
    page.keyboard.press("ArrowUp")
    expect(line).to_have_value("one\ntwo")
    page.keyboard.press("ArrowUp")
    expect(line).to_have_value("north")


def test_escape_clears(page, line):
    page.keyboard.type("never mind")
    page.keyboard.press("Escape")
    expect(line).to_have_value("")


def test_enter_within_a_composition_sends_nothing(page, stub, line):
    line.fill("にほ")
    line.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    stub.wait_for_lines("にほx")


def test_a_keyboard_that_tells_of_enter_only_by_its_effect(page, stub, line):
    line.fill("look")
    line.dispatch_event("keydown", {"key": "Unidentified"})
    line.evaluate("""line => line.dispatchEvent(
        new InputEvent("beforeinput", { inputType: "insertLineBreak", bubbles: true, cancelable: true }))""")
    stub.wait_for_lines("look")


def test_a_password_is_hidden_and_nothing_remembers_it(page, stub, line, shown):
    type_lines(page, "login Anna")
    password = hide(stub, page)
    assert password.get_attribute("type") == "password"
    assert password.get_attribute("autocomplete") == "off"
    expect(line).not_to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(password).to_have_value("")
    type_lines(page, "hunter2hunter2")
    stub.wait_for_lines("login Anna", "hunter2hunter2")
    stub.send("text", "Welcome!", options={"echo": True})
    expect(line).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(line).to_have_value("login Anna")
    assert not any("hunter2" in text for text in shown(page))
    assert "hunter2" not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert "hunter2" not in page.content()


def test_what_was_typed_ahead_of_a_password_is_part_of_it(page, stub, line):
    page.keyboard.type("hunt")
    password = hide(stub, page)
    expect(password).to_have_value("hunt")
    type_lines(page, "er2")
    stub.wait_for_lines("hunter2")


def test_what_is_left_of_a_password_is_forgotten(page, stub, line):
    hide(stub, page)
    page.keyboard.type("hunter2")
    stub.send("prompt", "Too late.", options={"echo": True})
    expect(line).to_be_focused()
    expect(line).to_have_value("")
    hide(stub, page)
    expect(page.get_by_role("textbox", name="Password")).to_have_value("")


def test_a_new_session_begins_without_a_password(page, stub, line):
    hide(stub, page)
    page.keyboard.type("hunter2")
    stub.cut()
    page.get_by_role("button", name="Reconnect now").click()
    stub.wait_for_browsers()
    expect(page.get_by_role("status")).to_have_text("Connected again.")
    expect(line).to_be_visible()
    expect(line).to_have_value("")


def test_without_a_place_to_save_everything_works(open_page, stub):
    page = open_page(stub.url, prepare=lambda page: page.add_init_script(NO_STORE))
    expect(page.get_by_role("status")).to_have_text("Connected.")
    type_lines(page, "north", "look")
    stub.wait_for_lines("north", "look")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("textbox", name="Command")).to_have_value("look")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Light").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
