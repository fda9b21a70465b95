"""The command line in this process, between a Portal that is asked and one that is served."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from portal import cli

EVENNIA = Path(__file__).parents[1] / "vectors" / "evennia" / "settings-5.0.1.json"

STATUS = {
    "name": "Portal demo",
    "version": "1.2",
    "pid": 10,
    "uptime": 3723.5,
    "server": {"state": "CONNECTED", "pid": 11, "info": {"servername": "demo", "version": "3"}},
    "sessions": {"telnet": 2, "websocket": 1},
    "addresses": {"telnet": [["127.0.0.1", 4000], ["::1", 4000]], "amp": ["127.0.0.1", 4006]},
    "counters": {"messages_in": 5, "messages_out": 0},
}
SESSIONS = [
    {
        "sessid": 1,
        "protocol_key": "telnet",
        "address": "10.0.0.9",
        "uname": "Ann",
        "logged_in": True,
        "conn_time": 1.0,
        "idle": 90061.0,
    },
    {
        "sessid": 12,
        "protocol_key": "websocket",
        "address": "",
        "uname": None,
        "logged_in": False,
        "conn_time": 2.0,
        "idle": 0.2,
    },
]


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def portal(monkeypatch, capsys):
    """Run the command line in this process; it neither dials nor serves."""
    for variable in [name for name in os.environ if name.startswith("PORTAL_")]:
        monkeypatch.delenv(variable)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return Result(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def asked(monkeypatch):
    """What was asked, as (query, address, seconds, until_gone); `answers` are the answers."""

    class Asked(list):
        def __call__(self, query, address, seconds, *, until_gone=False):
            self.append((query, address, seconds, until_gone))
            answer = self.answers[query]
            if isinstance(answer, BaseException):
                raise answer
            return answer

    made = Asked()
    made.answers = {
        "status": STATUS,
        "sessions": {"sessions": SESSIONS},
        "reload": {"state": "CONNECTED", "seconds": 1.25},
        "stop": {},
    }
    monkeypatch.setattr("portal.amp.query.ask", made)
    return made


@pytest.fixture
def served(monkeypatch):
    """The configurations that were served; `result` is the exit code, or what is raised.

    `reread` makes the configuration of the last one anew.
    """

    class Served(list):
        def __call__(self, config, ready, reread, *, evennia=None):
            self.append(config)
            self.reread = reread
            self.evennia = evennia
            if isinstance(self.result, Exception):
                raise self.result
            ready(self.info)
            return self.result

    made = Served()
    made.result = 0
    made.info = {
        "name": "Portal",
        "version": "1",
        "portal_pid": 5,
        "server_pid": 6,
        "telnet": [("127.0.0.1", 4000), ("::1", 4000)],
        "websocket": [("127.0.0.1", 4002)],
        "http": [("127.0.0.1", 4001)],
        "amp": ("127.0.0.1", 4006),
    }
    monkeypatch.setattr("portal.process.run_process", made)
    return made


@pytest.fixture
def file(tmp_path):
    """Write a configuration file; the flags that name it are returned."""

    def write(text):
        (tmp_path / "portal.toml").write_text(text)
        return ["--config", str(tmp_path / "portal.toml")]

    return write


@pytest.fixture
def collected(monkeypatch, tmp_path):
    """What is collected of an Evennia game with its own defaults; `asked` is where that was."""
    (tmp_path / "server" / "logs").mkdir(parents=True)
    settings = json.loads(EVENNIA.read_text())
    settings |= {"PORTAL_LOG_FILE": str(tmp_path / "server" / "logs" / "portal.log")}
    made = {
        "settings": settings | {"WEB_PLUGINS_MODULE": None, "PORTAL_SERVICES_PLUGIN_MODULES": []},
        "directory": str(tmp_path),
        "evennia": "/python/evennia",
        "version": "5.0.1",
        "settings_module": "server.conf.settings",
        "path": [],
        "mssp": {},
        "asked": [],
    }

    def collect_from(directory):
        made["asked"].append(directory)
        return made

    monkeypatch.setattr("portal.evennia.reading.collect_from", collect_from)
    return made
