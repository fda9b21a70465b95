"""Names at the door, passwords, and dialogues that a restart does not break."""

import pytest
from structlog.testing import capture_logs

from portal.amp.commands import Operation
from portal.demo.login import MAX_FAILURES, PASSWORD_LENGTHS

SECRET = "open sesame"


async def protect(town, session, password=SECRET):
    await town.type(session, "password", password, password)


@pytest.fixture
async def protected(town, anna):
    """The name Anna has a password, and she is not here."""
    await protect(town, anna)
    town.sessions.portal_disconnect(anna)
    town.portal.take(1)
    return town


async def test_the_greeting_asks_for_the_name(town):
    town.connect(1)
    (greeting,) = town.portal.take(1)
    assert greeting.endswith("What is your name?")


async def test_a_name_is_all_it_takes(town):
    session = town.connect(1)
    town.portal.take(1)
    await town.type(session, "anna\n")
    welcome, room = town.portal.take(1)
    assert welcome == "Welcome, Anna. help lists what you can do. password keeps your name for you."
    assert room.startswith("Market Square\n")
    assert (session.uname, session.logged_in) == ("Anna", True)
    assert session.uid == town.store.find("Anna").uid
    assert (Operation.SLOGIN, 1) in [entry[:2] for entry in town.portal.admin]


async def test_a_name_that_is_none_is_asked_for_again(town):
    session = town.connect(1)
    town.portal.take(1)
    await town.type(session, "x", "Anna 1", "")
    answers = town.portal.take(1)
    assert len(answers) == 3
    assert all(answer.endswith("What is your name?") for answer in answers)
    assert not session.logged_in


@pytest.mark.parametrize("line", ["quit", " EXIT\n"])
async def test_one_may_leave_at_the_door(town, line):
    session = town.connect(1)
    await town.type(session, line)
    assert not session.connected
    assert town.store.find("quit") is None


async def test_a_protected_name_needs_its_password(protected):
    session = protected.connect(2)
    await protected.type(session, "ANNA")
    assert not session.logged_in
    assert protected.portal.take_echo(2) is False
    assert protected.portal.take(2)[-1] == "Password for Anna:"
    await protected.type(session, SECRET + "\r\n")
    empty, welcome, _ = protected.portal.take(2)
    assert (empty, welcome) == ("", "Welcome, Anna. help lists what you can do.")
    assert session.logged_in
    assert session.server_data == {}


async def test_wrong_passwords_are_counted_and_end_the_session(protected):
    session = protected.connect(2)
    with capture_logs() as logs:
        for attempt in range(1, MAX_FAILURES + 1):
            assert session.connected
            protected.portal.take(2)
            await protected.type(session, "Anna", f"guess {attempt}")
            if attempt < MAX_FAILURES:
                assert protected.portal.take_echo(2) is True
                assert protected.portal.take(2)[-1].startswith("That is not the password.")
    assert not session.connected
    assert protected.portal.admin[-1][0] == Operation.SDISCONN
    assert [entry["times"] for entry in logs] == [1, 2, 3, 4, 5]
    assert "guess" not in str(logs)
    assert "guess" not in str(protected.portal.admin)


async def test_a_restart_does_not_forget_wrong_passwords(protected):
    session = protected.connect(2)
    await protected.type(session, *["Anna", "wrong"] * (MAX_FAILURES - 1))
    protected.restart()
    session = protected.sessions.get(2)
    await protected.type(session, "Anna", "wrong")
    assert not session.connected


async def test_an_empty_password_asks_for_the_name_again(protected):
    session = protected.connect(2)
    await protected.type(session, "Anna", "")
    assert protected.portal.take_echo(2) is True
    assert protected.portal.take(2)[-1] == "What is your name?"
    await protected.type(session, "Bert")
    assert session.uname == "Bert"


async def test_a_name_that_was_forgotten_meanwhile(protected):
    session = protected.connect(2)
    await protected.type(session, "Anna")
    session.server_data["name"] = "Nobodyever"
    await protected.type(session, SECRET)
    assert protected.portal.take(2)[-1] == "What is your name?"


async def test_a_password_that_is_none_any_more(protected):
    session = protected.connect(2)
    await protected.type(session, "Anna")
    protected.store.protect(protected.store.find("Anna").uid, None)
    await protected.type(session, "anything")
    assert session.logged_in


async def test_somebody_who_leaves_while_the_password_is_checked(protected, nursery):
    session = protected.connect(2)
    await protected.type(session, "Anna")

    class Slow:
        async def check(self, stored, entry):
            protected.sessions.portal_disconnect(session)
            return True

    protected.demo.login._passwords = Slow()
    await protected.type(session, SECRET)
    assert not session.logged_in
    assert list(protected.people) == []


async def test_choosing_a_password(town, anna):
    await town.type(anna, "password")
    assert town.portal.take_echo(1) is False
    assert "protect the name Anna" in town.portal.take(1)[0]
    await town.type(anna, SECRET)
    assert town.portal.take_echo(1) is False
    assert town.portal.take(1) == ["Please type it once more."]
    await town.type(anna, SECRET)
    assert town.portal.take_echo(1) is True
    assert town.portal.take(1) == ["The name Anna is protected now."]
    assert town.store.find("Anna").password.startswith("$argon2id$")
    assert anna.server_data == {}
    assert anna.memory == {}
    await town.type(anna, "say hello")
    assert town.portal.take(1) == ['You say, "hello"']


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([""], "Nothing was changed."),
        (["short"], "A password has 6 to 200 characters. Please type another."),
        (["x" * 201], "A password has 6 to 200 characters. Please type another."),
        (["short", ""], "Nothing was changed."),
        ([SECRET, ""], "Nothing was changed."),
        ([SECRET, "open sesam"], "The two were not the same, so nothing was changed."),
    ],
)
async def test_passwords_that_are_not_taken(town, anna, lines, answer):
    await town.type(anna, "password", *lines)
    hidden = answer.endswith("another.")
    assert town.portal.take_echo(1) is not hidden
    assert town.portal.take(1)[-1] == answer
    assert town.demo.login.is_asking(anna) is hidden
    assert town.store.find("Anna").password is None


@pytest.mark.parametrize("length", [min(PASSWORD_LENGTHS), max(PASSWORD_LENGTHS)])
async def test_lengths_that_are_taken(town, anna, length):
    await protect(town, anna, "é" * length)
    assert town.store.find("Anna").password


async def test_a_name_taken_over_is_not_protected_by_the_one_who_lost_it(town, anna):
    class Slow:
        async def hash(self, entry):
            await town.enter(2, "Anna")
            return "hash"

    town.demo.login._passwords = Slow()
    await protect(town, anna)
    assert not anna.connected
    assert town.store.find("Anna").password is None


async def test_no_password_is_ever_written_down_at_the_portal(town, anna):
    await protect(town, anna)
    assert SECRET not in str(town.portal.admin)
    assert SECRET not in str(anna.get_sync_data())


# ---- restarts


async def test_what_is_asked_is_written_down_before_it_is_shown(town, anna):
    town.portal.admin.clear()
    town.portal.send_message = lambda *_: (
        pytest.fail("shown first") if not (town.portal.admin) else None
    )
    await town.type(anna, "password")
    ((operation, _, kwargs),) = town.portal.admin
    assert operation == Operation.SSYNC
    assert kwargs["sessiondata"][1]["server_data"] == {"asking": "new password"}


async def test_a_password_typed_during_a_restart_is_no_command(town, anna, bert):
    await town.type(anna, "password", "'first entry")
    town.restart()
    anna = town.sessions.get(1)
    assert town.portal.take_echo(1) is False
    assert town.portal.take(1)[-1] == "You were choosing a password. Please type it now."
    town.portal.take(2)
    await town.type(anna, "'a secret", "'a secret")
    assert town.portal.take(1) == ["Please type it once more.", "The name Anna is protected now."]
    assert town.portal.take(2) == []


async def test_a_restart_at_the_door(protected):
    names, passwords = protected.connect(2), protected.connect(3)
    await protected.type(passwords, "Anna")
    protected.portal.take(2)
    protected.portal.take(3)
    protected.restart()
    assert protected.portal.take(2) == ["The game is back.", "What is your name?"]
    assert protected.portal.take_echo(3) is False
    assert protected.portal.take(3) == ["The game is back.", "Password for Anna:"]
    names, passwords = protected.sessions.get(2), protected.sessions.get(3)
    await protected.type(names, "Bert")
    await protected.type(passwords, SECRET)
    assert [person.name for person in protected.people] == ["Anna", "Bert"]
