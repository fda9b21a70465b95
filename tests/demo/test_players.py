"""Names, rooms and passwords, kept in a file."""

import sqlite3
import stat

import pytest

from portal.demo.players import FILE, FORGET_SECONDS, Passwords, Player, PlayerStore


def test_a_player_is_made_once_and_found_in_any_case(store):
    anna = store.visit("Anna", "square", 1.0)
    assert anna == Player(anna.uid, "Anna", "square", None)
    assert store.visit("ANNA", "quay", 2.0) == anna
    assert store.find("aNNa") == anna
    assert store.find("Bert") is None
    assert store.visit("Bert", "square", 1.0).uid != anna.uid


def test_what_is_noted_outlives_the_process(tmp_path):
    store = PlayerStore(tmp_path)
    anna = store.visit("Anna", "square", 1.0)
    store.move(anna.uid, "quay", 2.0)
    store.protect(anna.uid, "hash")
    # Killed: nothing is closed, and the next process opens the same file.
    again = PlayerStore(tmp_path)
    assert again.find("anna") == Player(anna.uid, "Anna", "quay", "hash")
    again.close()
    store.close()


def test_the_directory_is_for_its_owner(tmp_path):
    PlayerStore(tmp_path / "deep" / "data").close()
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700
    assert (tmp_path / "deep" / "data" / FILE).is_file()


def test_guests_are_forgotten_after_a_month_and_protected_names_never(store):
    now = 10 * FORGET_SECONDS
    for name, seen in (("Old", 1.0), ("Kept", 1.0), ("New", now - 1)):
        player = store.visit(name, "square", seen)
        if name == "Kept":
            store.protect(player.uid, "hash")
    newest = store.find("New").uid
    assert store.forget_guests(now) == 1
    assert [store.find(name) is None for name in ("Old", "Kept", "New")] == [True, False, False]
    assert store.forget_guests(now + FORGET_SECONDS) == 1
    # A number is never given to somebody else: a session may still hold it.
    assert store.visit("Next", "square", now).uid > newest


def test_a_failed_transaction_changes_nothing(store):
    anna = store.visit("Anna", "square", 1.0)
    with pytest.raises(sqlite3.IntegrityError):
        store.move(anna.uid, None, 2.0)
    assert store.find("Anna") == anna
    store.move(anna.uid, "quay", 2.0)
    assert store.find("Anna").room == "quay"


def test_a_closed_store_says_so(tmp_path):
    store = PlayerStore(tmp_path)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.find("Anna")


async def test_passwords():
    passwords = Passwords(memory_kib=8, passes=1)
    stored = await passwords.hash("sesame")
    assert stored.startswith("$argon2id$")
    assert "sesame" not in stored
    assert stored != await passwords.hash("sesame")
    assert await passwords.check(stored, "sesame")
    assert not await passwords.check(stored, "Sesame")
    assert not await passwords.check("no hash at all", "sesame")


async def test_the_real_parameters_are_those_that_are_recommended():
    assert "m=19456,t=2,p=1$" in await Passwords().hash("sesame")
