"""What of a game's settings the Portal cannot go by: each is a line in the log, with what to do.

The lines name the part of `docs/evennia.md` that says how to port what is left out. What stands in
the settings as Evennia's template has it is silent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.evennia.given import Given
from portal.evennia.kept import Kept
from portal.evennia.source import Source, find_source

GUIDE = "docs/evennia.md"
SERVICE_CLASS = "portal.evennia.PortalService"

# What Evennia has in these settings; anything else is a class of the game's own.
CLASSES: Mapping[str, str] = {
    "EVENNIA_PORTAL_SERVICE_CLASS": "evennia.server.portal.service.EvenniaPortalService",
    "TELNET_PROTOCOL_CLASS": "evennia.server.portal.telnet.TelnetProtocol",
    "SSL_PROTOCOL_CLASS": "evennia.server.portal.ssl.SSLProtocol",
    "SSH_PROTOCOL_CLASS": "evennia.server.portal.ssh.SshProtocol",
    "WEBSOCKET_PROTOCOL_CLASS": "evennia.server.portal.webclient.WebSocketClient",
    "AJAX_CLIENT_CLASS": "evennia.server.portal.webclient_ajax.AjaxWebClient",
    "AJAX_PROTOCOL_CLASS": "evennia.server.portal.webclient_ajax.AjaxWebClientSession",
    "BASE_SESSION_CLASS": "evennia.server.session.Session",
    "PORTAL_SESSION_HANDLER_CLASS": (
        "evennia.server.portal.portalsessionhandler.PortalSessionHandler"
    ),
    "AMP_SERVER_PROTOCOL_CLASS": "evennia.server.portal.amp_server.AMPServerProtocol",
}
START_SERVICES = "start_plugin_services"
CHANGE_PROXY = "at_webproxy_root_creation"


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log: an event with its values, and how bad it is."""

    level: str
    event: str
    values: Mapping[str, Any]


def note(event: str, section: str, level: str = "warning", **values: Any) -> Note:
    """Make a line for the log that names a section of the guide."""
    return Note(level, event, {**values, "docs": f"{GUIDE}#{section}"})


def find_notes(collected: Mapping[str, Any], given: Given, kept: Kept) -> list[Note]:
    """Find all that cannot be gone by in a game."""
    path = [str(each) for each in collected["path"]]
    return [
        *_look_at_ports(kept),
        *_look_at_classes(given),
        *_look_at_services(given, path),
        *_look_at_web_plugins(given, path),
        *_look_at_the_rest(collected, kept),
    ]


def find_services(collected: Mapping[str, Any], given: Given) -> tuple[str, ...]:
    """Return the service modules of a game that have something to start, and not by Twisted."""
    path = [str(each) for each in collected["path"]]
    return tuple(name for name, source in _list_services(given, path) if not source.uses_twisted)


def _look_at_ports(kept: Kept) -> Iterator[Note]:
    for kind, setting, ports in (
        ("telnet+ssl", "SSL_ENABLED", kept.tls_ports),
        ("ssh", "SSH_ENABLED", kept.ssh_ports),
    ):
        if ports:
            yield note(
                "evennia_ports_not_served", "tls-and-ssh", setting=setting, kind=kind, ports=ports
            )


def _look_at_classes(given: Given) -> Iterator[Note]:
    for setting, usual in CLASSES.items():
        value = given.values.get(setting) or usual
        if value not in (usual, SERVICE_CLASS):
            yield note(
                "evennia_class_ignored", "protocol-classes", setting=setting, path=str(value)
            )


def _look_at_services(given: Given, path: Sequence[str]) -> Iterator[Note]:
    setting = "PORTAL_SERVICES_PLUGIN_MODULES"
    for name in given.texts(setting, one=True):
        source = yield from _find(name, path, setting, "plugin-services")
        if source is None or not source.does_something(START_SERVICES):
            continue
        if source.uses_twisted:
            yield note("evennia_plugin_skipped", "plugin-services", module=name, path=source.path)
        else:
            yield note("evennia_service_not_run", "plugin-services", module=name, path=source.path)


def _look_at_web_plugins(given: Given, path: Sequence[str]) -> Iterator[Note]:
    setting = "WEB_PLUGINS_MODULE"
    name = given.values.get(setting)
    if isinstance(name, str) and name:
        source = yield from _find(name, path, setting, "web-plugins")
        if source is not None and source.does_something(CHANGE_PROXY):
            yield note("evennia_web_plugin_ignored", "web-plugins", module=name, path=source.path)


def _look_at_the_rest(collected: Mapping[str, Any], kept: Kept) -> Iterator[Note]:
    if kept.oob_enabled:
        yield note("evennia_setting_ignored", "settings", setting="TELNET_OOB_ENABLED")
    if failed := collected.get("mssp_failed"):
        yield note("evennia_mssp_left_out", "settings", names=failed)
    if collected.get("profiled"):
        yield note("evennia_portal_not_profiled", "running-it")


def _list_services(given: Given, path: Sequence[str]) -> Iterator[tuple[str, Source]]:
    for name in given.texts("PORTAL_SERVICES_PLUGIN_MODULES", one=True):
        try:
            source = find_source(name, path)
        except SyntaxError:
            continue
        if source is not None and source.does_something(START_SERVICES):
            yield name, source


def _find(name: str, path: Sequence[str], setting: str, section: str) -> Any:
    """Find a module; yields the note of one that is not there, or cannot be read."""
    try:
        source = find_source(name, path)
    except SyntaxError as error:
        reason = f"line {error.lineno}: {error.msg}"
        yield note(
            "evennia_module_unreadable", section, setting=setting, module=name, reason=reason
        )
        return None
    if source is None:
        yield note("evennia_module_missing", section, setting=setting, module=name)
    return source
