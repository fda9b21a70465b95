"""Who is here, and who hears what."""

import pytest

from portal.demo.people import Person
from portal.demo.world import ROOMS

SQUARE, QUAY = ROOMS["square"], ROOMS["quay"]


@pytest.fixture
def make_person(town):
    def make(sessid, name, room=SQUARE):
        session = town.connect(sessid)
        session.uname = name
        person = Person(session, sessid, name, room)
        town.people.add(person)
        town.portal.take(sessid)
        return person

    return make


def test_a_name_is_here_once(town, make_person):
    older = make_person(1, "Anna")
    newer = Person(town.connect(2), 1, "ANNA", SQUARE)
    assert town.people.add(newer) is older
    assert list(town.people) == [newer]
    assert not town.people.remove(older)
    assert town.people.remove(newer)
    assert not town.people.remove(newer)
    assert list(town.people) == []


def test_they_are_listed_by_name(town, make_person):
    for sessid, name in enumerate(("bert", "Anna", "Éva"), 1):
        make_person(sessid, name)
    assert [person.name for person in town.people] == ["Anna", "bert", "Éva"]


def test_of_session(town, make_person):
    anna = make_person(1, "Anna")
    other = town.connect(2)
    assert town.people.of_session(anna.session) is anna
    assert town.people.of_session(other) is None
    other.uname = "Anna"
    assert town.people.of_session(other) is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("anna", "Anna"),
        ("ANNA", "Anna"),
        ("ann", None),  # there are two of them
        ("annab", "Annabel"),
        ("b", "Bert"),
        ("x", None),
        ("", None),
    ],
)
def test_find(town, make_person, words, found):
    for sessid, name in enumerate(("Anna", "Annabel", "Bert"), 1):
        make_person(sessid, name)
    person = town.people.find(words)
    assert (person and person.name) == found


def test_a_room_hears_it_as_one_message(town, make_person):
    anna, bert, carl = (
        make_person(number, name) for number, name in ((1, "Anna"), (2, "Bert"), (3, "Carl"))
    )
    make_person(4, "Dora", QUAY)
    assert town.people.in_room(SQUARE, but=bert) == [anna, carl]
    town.people.tell_room(SQUARE, "hello", but=bert)
    ((receivers, message),) = town.portal.sent
    assert receivers == [1, 3]
    assert message["text"][0] == ["hello"]
    anna.tell("only you")
    assert town.portal.take(1) == ["hello", "only you"]
