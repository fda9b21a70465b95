"""Asking: where a Portal is looked for, and what becomes of its answers."""

import json

import pytest

from portal.errors import ConnectionLost


@pytest.mark.parametrize("query", ["status", "sessions", "reload", "stop"])
@pytest.mark.parametrize(
    ("words", "address"),
    [
        ([], ("127.0.0.1", 4006)),
        (["--amp-port", "5000", "--host", "::1"], ("::1", 5000)),
        (["--amp-socket", "/run/portal"], "/run/portal"),
    ],
)
def test_where_it_asks(portal, asked, query, words, address):
    assert portal(query, *words).exit_code == 0
    ((name, where, seconds, until_gone),) = asked
    assert (name, where) == (query, address)
    assert seconds >= 10
    assert until_gone == (query == "stop")


@pytest.mark.parametrize("amp", [["127.0.0.1", 4711], "/run/portal"])
def test_it_finds_the_portal_by_its_note(portal, asked, tmp_path, amp):
    (tmp_path / "portal.json").write_text(json.dumps({"amp": amp, "portal_pid": 1}))
    assert portal("status", "--data", str(tmp_path)).exit_code == 0
    assert asked[0][1] == (amp if isinstance(amp, str) else tuple(amp))


@pytest.mark.parametrize("note", [None, "", "no JSON", "{}", "[]", '{"amp": null}', '{"amp": [1]}'])
def test_a_note_that_is_none(portal, asked, tmp_path, note):
    if note is not None:
        (tmp_path / "portal.json").write_text(note)
    result = portal("status", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.startswith("no Portal answers: ")
    assert len(result.stderr.splitlines()) == 1
    assert asked == []


@pytest.mark.parametrize("query", ["status", "sessions", "reload", "stop"])
def test_when_no_portal_answers(portal, asked, query):
    asked.answers = {query: ConnectionLost("no Portal answers at 127.0.0.1:4006")}
    result = portal(query)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "no Portal answers at 127.0.0.1:4006\n"


def test_status_as_json(portal, asked):
    assert json.loads(portal("status", "--json").stdout) == asked.answers["status"]


def test_sessions_as_json(portal, asked):
    assert json.loads(portal("sessions", "--json").stdout) == asked.answers["sessions"]


def test_reload_and_stop_say_what_happened(portal, asked):
    assert portal("reload").stdout == "The game was reloaded in 1.2 s.\n"
    assert portal("stop").stdout == "The Portal has stopped.\n"


# ---- where the configuration says


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ("127.0.0.1", 4006)),
        ("[amp]\nport = 5000", ("127.0.0.1", 5000)),
        ("[amp]\nhost = '0.0.0.0'\ntrusted_networks = ['10.0.0.0/8']", ("127.0.0.1", 4006)),
        ("[amp]\nhost = '::'\ntrusted_networks = ['10.0.0.0/8']", ("::1", 4006)),
        ("[amp]\nsocket = '/nowhere/amp'", "/nowhere/amp"),
        ("[server]\ndirectory = '/nowhere'", ("127.0.0.1", 4006)),
    ],
)
def test_it_finds_the_portal_by_its_configuration(portal, asked, file, text, address):
    assert portal("status", *file(text)).exit_code == 0
    assert asked[0][1] == address


def test_by_the_directory_in_it(portal, asked, file, tmp_path):
    words = file(f"directory = '{tmp_path}'\n[amp]\nport = 5000")
    assert portal("status", *words).stderr.startswith("no Portal answers: there is no readable ")
    (tmp_path / "portal.json").write_text(json.dumps({"amp": ["127.0.0.1", 4711]}))
    assert portal("status", *words).exit_code == 0
    assert asked[0][1] == ("127.0.0.1", 4711)


def test_by_the_environment(portal, asked, file, monkeypatch):
    monkeypatch.setenv("PORTAL_CONFIG", file("[amp]\nport = 5000")[1])
    portal("status")
    monkeypatch.setenv("PORTAL_AMP_PORT", "5001")
    portal("status")
    portal("status", "--amp-port", "5002")
    portal("status", "--host", "::1")
    assert [address for _, address, *_ in asked] == [
        ("127.0.0.1", 5000),
        ("127.0.0.1", 5001),
        ("127.0.0.1", 5002),
        ("::1", 4006),
    ]


def test_a_configuration_that_is_wrong(portal, asked, file):
    words = file("[amp]\nprot = 5000")
    result = portal("status", *words)
    assert (result.exit_code, result.stdout, asked) == (1, "", [])
    reason = "amp.prot: there is no such setting; the nearest is amp.port"
    assert result.stderr == f"{words[1]}: {reason}\n"


def test_in_a_game_of_evennia_its_settings_say_where(portal, asked, collected):
    collected["settings"] |= {"AMP_PORT": 4711}
    assert portal("status", "--evennia", "game").exit_code == 0
    assert asked[0][1] == ("127.0.0.1", 4711)
    assert collected["asked"] == ["game"]


def test_a_game_whose_settings_are_wrong(portal, asked, collected):
    collected["settings"] |= {"AMP_PORT": "4711"}
    result = portal("sessions", "--evennia", "game")
    assert (result.exit_code, asked) == (1, [])
    assert "settings.py: AMP_PORT: expected a whole number" in result.stderr
