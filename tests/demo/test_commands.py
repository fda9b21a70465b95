"""What players can do, line by line: typed by one, read by one and by the other."""

import pytest

from portal.amp.commands import Operation
from portal.demo.commands import COLOURS, COMMANDS, TABLE
from portal.demo.world import ROOMS

SQUARE_WAYS = (
    "You can go north to The Library, east to The Blue Kettle, south to The Quay "
    "or west to The Walled Garden."
)


@pytest.mark.parametrize(
    ("line", "anna_reads", "bert_reads"),
    [
        ("", [], []),
        ("  \n", [], []),
        ("say hello there", ['You say, "hello there"'], ['Anna says, "hello there"']),
        ("'hello", ['You say, "hello"'], ['Anna says, "hello"']),
        ('" hello', ['You say, "hello"'], ['Anna says, "hello"']),
        ("SAY Hello", ['You say, "Hello"'], ['Anna says, "Hello"']),
        ("say", ["Say what? Write for example: say hello"], []),
        ("tell bert hello you", ['You tell Bert, "hello you"'], ['Anna tells you, "hello you"']),
        ("whisper BERT, psst", ['You tell Bert, "psst"'], ['Anna tells you, "psst"']),
        ("t be hi", ['You tell Bert, "hi"'], ['Anna tells you, "hi"']),
        ("tell bert", ["Tell whom what? Write for example: tell anna hello"], []),
        ("tell", ["Tell whom what? Write for example: tell anna hello"], []),
        ("tell carl hi", ['Nobody called "carl" is here. who shows who is.'], []),
        ("tell anna hi", ["You talk to yourself for a while."], []),
        ("emote waves.", ["Anna waves."], ["Anna waves."]),
        ("pose waves.", ["Anna waves."], ["Anna waves."]),
        (":waves.", ["Anna waves."], ["Anna waves."]),
        ("emote", ["Do what? Write for example: emote waves"], []),
        ("look bert", ["Bert looks back at you."], ["Anna looks at you."]),
        ("look at bert", ["Bert looks back at you."], ["Anna looks at you."]),
        ("look anna", ["You look at yourself. Not bad at all."], []),
        ("look carl", ['You see no "carl" here.'], []),
        ("exits", [SQUARE_WAYS], []),
        ("ways", [SQUARE_WAYS], []),
        ("go", [f"Go where? {SQUARE_WAYS}"], []),
        ("go up", [f"There is no such way. {SQUARE_WAYS}"], []),
        ("up", [f"There is no way in that direction. {SQUARE_WAYS}"], []),
        ("d", [f"There is no way in that direction. {SQUARE_WAYS}"], []),
        (
            "lok",
            ['I do not know "lok". Did you mean look? help lists what you can do.'],
            [],
        ),
        ("xyzzy plugh", ['I do not know "xyzzy". help lists what you can do.'], []),
        (
            "who",
            ["2 people are in the town.\nAnna: Market Square\nBert: Market Square"],
            [],
        ),
        ("help who", ["who: see who is in the town"], []),
        ("help WHISPER", ["tell PERSON WORDS: say it to one person only"], []),
        ("help magic", ['There is no help on "magic". help lists everything.'], []),
    ],
)
async def test_lines(town, anna, bert, line, anna_reads, bert_reads):
    await town.type(anna, line)
    assert town.portal.take(1) == anna_reads
    assert town.portal.take(2) == bert_reads


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("say |rred||", 'says, "||rred||||"'),
        ("say a\x1b[31mb\x07", 'says, "a[31mb"'),
        ("tell bert |rred", 'tells you, "||rred"'),
        ("emote is |rred", "|n is ||rred"),
    ],
)
async def test_what_players_type_is_text_and_no_markup(town, anna, bert, line, reads):
    await town.type(anna, line)
    (text,) = town.portal.take_raw(2)
    assert text.endswith(reads)


@pytest.mark.parametrize("line", ["|rfoo", "tell |rfoo hi", "look |rfoo", "help |rfoo"])
async def test_nor_is_it_in_answers(town, anna, line):
    await town.type(anna, line)
    (text,) = town.portal.take_raw(1)
    assert '"||rfoo"' in text


async def test_look(town, anna, bert):
    await town.type(anna, "look")
    (room,) = town.portal.take(1)
    name, description, ways, others = room.split("\n")
    assert name == "Market Square"
    assert description == ROOMS["square"].description
    assert ways == SQUARE_WAYS
    assert others == "Bert is here."
    await town.enter(3, "Carl")
    await town.enter(4, "Dora")
    town.portal.take(1)
    await town.type(anna, "l")
    assert town.portal.take(1)[0].endswith("\nBert, Carl and Dora are here.")


@pytest.mark.parametrize("line", ["s", "south", "go south", "walk s", "quay", "go the quay"])
async def test_going(town, anna, bert, line):
    await town.type(anna, line)
    assert town.portal.take(1)[0].startswith("The Quay\n")
    assert town.portal.take(2) == ["Anna leaves for The Quay."]
    assert town.store.find("Anna").room == "quay"
    await town.type(bert, "s")
    assert town.portal.take(1) == ["Bert comes in from Market Square."]
    assert town.portal.take(2)[0].endswith("\nAnna is here.")


async def test_other_rooms_hear_nothing(town, anna, bert):
    await town.type(anna, "s")
    town.portal.take(2)
    await town.type(anna, "say hello", "emote waves")
    assert town.portal.take(2) == []
    await town.type(anna, "look bert")
    assert town.portal.take(1)[-1] == 'You see no "bert" here.'
    await town.type(anna, "tell bert I am at the quay")
    assert town.portal.take(2) == ['Anna tells you, "I am at the quay"']


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59, ""),
        (60, ", quiet for 1 minute"),
        (125, ", quiet for 2 minutes"),
        (7199, ", quiet for 119 minutes"),
        (7200, ", quiet for 2 hours"),
    ],
)
async def test_who_tells_who_is_quiet(town, anna, seconds, text):
    town.time += seconds
    await town.type(anna, "who")
    assert town.portal.take(1) == [f"You are alone in the town.\nAnna: Market Square{text}"]


async def test_colours(town, anna):
    await town.type(anna, "colors")
    (text,) = town.portal.take_raw(1)
    lines = text.split("\n")[1:]
    assert len(lines) == len(COLOURS)
    assert lines[0] == "||r |rred|n, ||R |Rdark red|n, ||[r |[rbehind|n"


async def test_help_lists_everything_that_one_may_do(town, anna, bert):
    await town.type(anna, "help")
    await town.type(bert, "?")
    (local,), (remote,) = town.portal.take(1), town.portal.take(2)
    assert len(local.split("\n")) == len(COMMANDS)
    assert set(local.split("\n")) - set(remote.split("\n")) == {
        "@reload: restart the game; nobody is dropped",
        "@crash: kill the game; nobody is dropped",
    }


def test_no_two_commands_share_a_name():
    assert len(TABLE) == sum(len(command.names) for command in COMMANDS)
    assert all(command.usage.split()[0] in command.names for command in COMMANDS)


async def test_quit(town, anna, bert):
    await town.type(anna, "quit")
    assert town.portal.admin[-1] == (
        Operation.SDISCONN,
        1,
        {"reason": "Goodbye, Anna. Your place is kept."},
    )
    assert town.portal.take(2) == ["Anna has left."]
    assert not anna.connected


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("1270.0.0.1", False),
        ("2001:db8::1", False),
    ],
)
async def test_restarts_are_for_this_machine(town, monkeypatch, address, allowed):
    killed = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    session = await town.enter(1, "Anna", address=address)
    town.portal.admin.clear()
    await town.type(session, "@reload", "@crash")
    assert len(killed) == allowed
    assert [entry[0] for entry in town.portal.admin] == [Operation.SRELOAD] * allowed
    answers = town.portal.take(1)
    assert len(answers) == (1 if allowed else 2)
    assert all(("do not know" in answer) is not allowed for answer in answers)
