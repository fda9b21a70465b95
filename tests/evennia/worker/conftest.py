"""Small projects of Django, the worker in front of them, and a website that shares their sessions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 60

SETTINGS = """
print("settings may print")
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.sessions"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "project.db"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
SESSION_FILE_PATH = "."
CACHES = {{"default": {cache}}}
SESSION_ENGINE = "django.contrib.sessions.backends.{engine}"
"""

WEBSITE = '''
import time
from contextlib import suppress
import django
from importlib import import_module
from portal.evennia.worker.serving import serve, take_pipe

questions, answers = take_pipe()
django.setup()
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections, transaction
engine = import_module(settings.SESSION_ENGINE)

def make(values, expiry=None):
    store = engine.SessionStore()
    store.update(values)
    if expiry is not None:
        store.set_expiry(expiry)
    store.create()
    with suppress(UpdateError):  # a cache has forgotten at once what expires at once
        store.save()
    return store.session_key

def look(csessid):
    return dict(engine.SessionStore(session_key=csessid).items())

def count():
    from django.contrib.sessions.models import Session
    return Session.objects.count()

def hold(csessid, seconds):
    """Change a session slowly, as a page does that is in the middle of its work."""
    with transaction.atomic():
        store = engine.SessionStore(session_key=csessid)
        connections["default"].cursor().execute("UPDATE django_session SET session_key=session_key")
        store["slow"] = True
        open("held", "w").close()
        time.sleep(seconds)
        store.save()

serve(questions, answers, {"make": make, "look": look, "count": count, "hold": hold}, lambda: None)
'''

LOCMEM = '{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}'
SHARED = '{"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "cache"}'


class Piped:
    """A process that is asked by a pipe."""

    def __init__(self, directory, *words, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=directory,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.last = 0
        self.printed = None

    def say(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def send(self, name, **arguments):
        self.last += 1
        self.say(json.dumps({"id": self.last, "ask": name, "with": arguments}).encode() + b"\n")

    def receive(self):
        answer = self.read()
        assert answer.pop("id") == self.last
        return answer

    def ask(self, name, **arguments):
        self.send(name, **arguments)
        return self.receive()

    def end(self):
        """End its input; returns its exit code and what it printed."""
        if self.printed is None:
            _, printed = self.process.communicate(timeout=PATIENCE)
            self.printed = printed.decode()
        return self.process.returncode, self.printed


class Project:
    """A project whose sessions are in this engine."""

    def __init__(self, directory, engine, cache=LOCMEM):
        self.directory = Path(directory)
        self.started = []
        (self.directory / "settings.py").write_text(SETTINGS.format(engine=engine, cache=cache))
        (self.directory / "website.py").write_text(WEBSITE)

    def start(self, *words):
        process = Piped(self.directory, *words)
        self.started.append(process)
        assert process.read() == {"ready": True}
        return process

    def start_worker(self):
        return self.start("-m", "portal.evennia.worker")

    def start_website(self):
        return self.start("website.py")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The tables of a project, made once."""
    directory = tmp_path_factory.mktemp("tables")
    Project(directory, "db")
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(
        command, cwd=directory, env=environment, check=True, timeout=PATIENCE, capture_output=True
    )
    return (directory / "project.db").read_bytes()


@pytest.fixture
def make_project(tmp_path, empty_database):
    made = []

    def make(engine, cache=LOCMEM):
        project = Project(tmp_path, engine, cache)
        (tmp_path / "project.db").write_bytes(empty_database)
        made.append(project)
        return project

    yield make
    for project in made:
        for piped in project.started:
            piped.end()


@pytest.fixture
def shared_cache():
    return SHARED
