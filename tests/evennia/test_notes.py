"""What cannot be gone by is a line in the log that names it and the part of the guide."""

import re
from pathlib import Path

import pytest

from portal.evennia.given import Given
from portal.evennia.kept import read_kept
from portal.evennia.notes import CLASSES, find_notes, find_services

ROOT = Path(__file__).parents[2]

TWISTED = "from twisted.internet import reactor\ndef start_plugin_services(portal):\n    go()\n"
OURS = "def start_plugin_services(portal):\n    portal.start(Clock())\n"
BROKEN = "def start_plugin_services(portal:\n"
CHANGED = "def at_webproxy_root_creation(web_root):\n    web_root.putChild(b'x', 1)\n"


@pytest.fixture
def look(collect):
    def look(more=(), **changes):
        collected = collect(**changes) | dict(more)
        given = Given("settings.py", collected["settings"])
        notes = find_notes(collected, given, read_kept(given, {}))
        return notes, find_services(collected, given)

    return look


@pytest.fixture
def look_at(look, game_directory):
    """Look at a game in which a module has this text."""

    def look_at(text, **changes):
        (game_directory / "server" / "conf" / "changed.py").write_text(text)
        return look(**changes)

    return look_at


@pytest.mark.parametrize("release", ["5.0.1", "6.1.0"])
def test_a_game_as_the_template_has_it_is_silent(look, release):
    assert look(release=release) == ([], ())


SERVICES = "PORTAL_SERVICES_PLUGIN_MODULES"


@pytest.mark.parametrize(
    ("text", "event", "level", "services"),
    [
        (TWISTED, "evennia_plugin_skipped", "warning", ()),
        (OURS, "evennia_service_not_run", "warning", ("server.conf.changed",)),
        (BROKEN, "evennia_module_unreadable", "warning", ()),
    ],
)
@pytest.mark.parametrize("as_list", [True, False])
def test_service_modules(look_at, text, event, level, services, as_list):
    name = "server.conf.changed"
    notes, found = look_at(text, **{SERVICES: [name] if as_list else name})
    assert [(each.event, each.level, each.values["module"]) for each in notes] == [
        (event, level, name)
    ]
    assert found == services


def test_modules_that_are_not_there(look):
    notes, services = look(**{SERVICES: ["nowhere.one"], "WEB_PLUGINS_MODULE": "nowhere.two"})
    assert [(each.event, each.values["setting"], each.values["module"]) for each in notes] == [
        ("evennia_module_missing", SERVICES, "nowhere.one"),
        ("evennia_module_missing", "WEB_PLUGINS_MODULE", "nowhere.two"),
    ]
    assert services == ()


def test_no_modules_at_all(look):
    assert look(**{SERVICES: None, "WEB_PLUGINS_MODULE": None}) == ([], ())


def test_a_changed_proxy(look_at):
    ((note,), _) = look_at(CHANGED, WEB_PLUGINS_MODULE="server.conf.changed")
    assert note.event == "evennia_web_plugin_ignored"
    assert note.values["module"] == "server.conf.changed"


@pytest.mark.parametrize("setting", CLASSES)
def test_classes_of_the_game_s_own(look, setting):
    ((note,), _) = look(**{setting: "server.conf.mine.Mine"})
    assert note.event == "evennia_class_ignored"
    assert (note.values["setting"], note.values["path"]) == (setting, "server.conf.mine.Mine")
    assert look(absent=[setting]) == ([], ())


def test_the_line_that_brings_the_portal_is_no_such_class(look):
    assert look(EVENNIA_PORTAL_SERVICE_CLASS="portal.evennia.PortalService") == ([], ())


@pytest.mark.parametrize(
    ("changes", "event", "values"),
    [
        (
            {"SSL_ENABLED": True},
            "evennia_ports_not_served",
            {"setting": "SSL_ENABLED", "kind": "telnet+ssl", "ports": (4003,)},
        ),
        (
            {"SSH_ENABLED": True},
            "evennia_ports_not_served",
            {"setting": "SSH_ENABLED", "kind": "ssh", "ports": (4004,)},
        ),
        (
            {"TELNET_OOB_ENABLED": True},
            "evennia_setting_ignored",
            {"setting": "TELNET_OOB_ENABLED"},
        ),
        ({"more": {"mssp_failed": ["PORT"]}}, "evennia_mssp_left_out", {"names": ["PORT"]}),
        ({"more": {"profiled": True}}, "evennia_portal_not_profiled", {}),
    ],
)
def test_the_rest(look, changes, event, values):
    ((note,), _) = look(**changes)
    assert note.event == event
    docs = note.values["docs"]
    assert {name: value for name, value in note.values.items() if name != "docs"} == values
    assert docs.startswith("docs/evennia.md#")


def test_each_names_a_section_that_there_is():
    guide = (ROOT / "docs" / "evennia.md").read_text()
    titles = re.findall(r"^#+ (.*)$", guide, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in titles}
    source = ROOT / "python" / "portal" / "evennia"
    text = (source / "notes.py").read_text() + (source / "bot.py").read_text()
    named = set(re.findall(r'"evennia_\w+",\s+"([a-z-]+)"', text))
    named |= set(re.findall(r'setting, "([a-z-]+)"\)', text)) | set(
        re.findall(r"#([a-z]+)\"", text)
    )
    assert named >= {"bots", "tls-and-ssh", "plugin-services", "web-plugins", "protocol-classes"}
    assert named <= anchors
