"""The two keys of a browser's session, in each engine of Django's; the worker is a real one."""

import pytest

UID, NONCE = "webclient_authenticated_uid", "webclient_authenticated_nonce"
READ, LOG_IN, LOG_OUT = (f"{verb}_browser_session" for verb in ("read", "log_in", "log_out"))
UNKNOWN = "abcdefghijklmnopqrstuvwxyz012345"
EXPIRED = -1


@pytest.fixture(params=["db", "cached_db", "cached_db shared", "cache shared", "file"])
def project(request, make_project, shared_cache):
    engine, _, shared = request.param.partition(" ")
    return make_project(engine, shared_cache) if shared else make_project(engine)


def test_a_login_and_its_end(project):
    """One story for each engine, since every process takes its time to start."""
    website, worker = project.start_website(), project.start_worker()
    csessid = website.ask("make", values={"other": [1, 2], "csrf": "x"})["answer"]

    def read():
        return worker.ask(READ, csessid=csessid)["answer"]

    # A stranger, then a login.
    assert read() == {"uid": None, "nonce": 0}
    assert worker.ask(LOG_IN, csessid=csessid, uid=3) == {"answer": {"nonce": 0}}
    assert read() == {"uid": 3, "nonce": 0}
    # Another process of it: the first may have a cache of its own in front.
    seen = project.start_website().ask("look", csessid=csessid)["answer"]
    assert seen == {"other": [1, 2], "csrf": "x", UID: 3}
    # Nobody else's, and no older page's, to end.
    for wrong in ({"uid": 4, "nonce": 0}, {"uid": 3, "nonce": 1}, {"uid": 4, "nonce": None}):
        answer = worker.ask(LOG_OUT, csessid=csessid, **wrong)
        assert answer == {"answer": {"done": False}}
    assert read() == {"uid": 3, "nonce": 0}
    assert worker.ask(LOG_OUT, csessid=csessid, uid=3, nonce=0) == {"answer": {"done": True}}
    assert read() == {"uid": None, "nonce": 0}
    assert worker.ask(LOG_OUT, csessid=csessid, uid=3, nonce=0) == {"answer": {"done": False}}
    # Without a nonce.
    worker.ask(LOG_IN, csessid=csessid, uid=5)
    assert worker.ask(LOG_OUT, csessid=csessid, uid=5, nonce=None) == {"answer": {"done": True}}
    # What the website wrote is read.
    other = website.ask("make", values={UID: 7, NONCE: 12})["answer"]
    assert worker.ask(READ, csessid=other)["answer"] == {"uid": 7, "nonce": 12}


def test_sessions_that_are_not_there_are_not_made(project):
    website, worker = project.start_website(), project.start_worker()
    expired = website.ask("make", values={UID: 3}, expiry=EXPIRED)["answer"]
    files, rows = set(project.directory.rglob("sessionid*")), website.ask("count")["answer"]
    for csessid in (UNKNOWN, expired, "../settings.py", "x" * 128, "short"):
        assert worker.ask(READ, csessid=csessid)["answer"] == {"uid": None, "nonce": 0}
        assert worker.ask(LOG_IN, csessid=csessid, uid=3)["answer"] == {"nonce": None}
        answer = worker.ask(LOG_OUT, csessid=csessid, uid=3, nonce=0)
        assert answer == {"answer": {"done": False}}
    assert website.ask("count")["answer"] == rows
    assert set(project.directory.rglob("sessionid*")) <= files


def test_a_page_that_changes_the_session_meanwhile_is_waited_for(make_project):
    project = make_project("db")
    website, worker = project.start_website(), project.start_worker()
    csessid = website.ask("make", values={})["answer"]
    website.send("hold", csessid=csessid, seconds=0.3)
    while not (project.directory / "held").exists():
        pass
    assert worker.ask(LOG_IN, csessid=csessid, uid=3) == {"answer": {"nonce": 0}}
    assert website.receive() == {"answer": None}
    assert website.ask("look", csessid=csessid)["answer"] == {"slow": True, UID: 3}


@pytest.mark.parametrize(
    ("engine", "word"), [("signed_cookies", "in the browser"), ("cache", "own process")]
)
def test_engines_that_cannot_be_shared(make_project, engine, word):
    worker = make_project(engine).start_worker()
    for question in (
        {"name": READ},
        {"name": LOG_IN, "uid": 3},
        {"name": LOG_OUT, "uid": 3, "nonce": 0},
    ):
        error = worker.ask(**question, csessid=UNKNOWN)["error"]
        assert error.startswith("SESSION_ENGINE")
        assert word in error


def test_a_database_without_tables(make_project):
    project = make_project("db")
    (project.directory / "project.db").write_bytes(b"")
    worker = project.start_worker()
    error = worker.ask(READ, csessid=UNKNOWN)["error"]
    assert error == "OperationalError: no such table: django_session"
    assert UNKNOWN not in error


def test_what_the_game_prints_is_no_answer(make_project):
    worker = make_project("db").start_worker()
    code, printed = worker.end()
    assert code == 0
    assert "settings may print" in printed


def test_settings_that_cannot_be_loaded(make_project):
    project = make_project("db")
    with (project.directory / "settings.py").open("a") as file:
        file.write("raise ValueError('a mistake')\n")
    with pytest.raises(ValueError, match="Expecting value"):
        project.start_worker()
    code, printed = project.started[0].end()
    assert code == 1
    assert printed.endswith("ValueError: a mistake\n")
