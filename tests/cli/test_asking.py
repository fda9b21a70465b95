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
