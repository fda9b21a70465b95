"""What of a new configuration a running Portal takes over, and what waits for its next start.

Every setting is in exactly one of the two tables. What stands in LIVE is read afresh by whoever
goes by it, or handed on by `Portal.reconfigure` and the `reconfigure` of its parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from portal.config.sections import Config
from portal.config.settings import find_value, list_settings


def _name(tables: Mapping[str, str]) -> frozenset[str]:
    """Return the dotted names of settings that are listed by their tables."""
    return frozenset(
        f"{table}.{name}" if table else name
        for table, names in tables.items()
        for name in names.split()
    )


LIVE = _name(
    {
        "": "name",
        "telnet": """encoding more_encodings handshake_seconds keepalive_seconds idle_command
            answer_seconds""",
        "websocket": "origins ping_seconds pong_seconds errors_per_second error_burst",
        "http": """head_bytes head_seconds half_open half_open_per_address keep_alive_seconds
            send_seconds connections connections_per_address body_bytes body_seconds trusted_proxies
            forwarded_header metrics_networks upstream_seconds upload_bytes""",
        "server": """command directory autostart pid_file output restart_seconds restart_factor
            restart_max_seconds failed_starts connect_seconds stop_seconds portal_stop_seconds
            portal_kill_seconds stranger_stop_seconds resend_uncertain""",
        "amp": "trusted_networks",
        "limits": """connections connections_per_address connections_per_second connection_burst
            commands_per_second command_burst oob_per_second oob_burst pause_seconds line_bytes
            line_characters too_fast_text too_long_text
            subnegotiation_bytes negotiations_per_second negotiation_burst held_lines held_bytes
            unanswered_messages""",
        "markup": """only_own codes bright_backgrounds foregrounds backgrounds grey_foregrounds
            grey_backgrounds screenreader_strip""",
        "log": "level path http_path max_bytes days json",
        "hub": """tick_events tick_events_crowded tick_guests phase_seconds receive_bytes
            accept_batch accept_pause_seconds refusals unsent_soft_bytes unsent_grace_seconds
            unsent_hard_bytes unsent_total_bytes close_seconds close_cap_seconds close_discard_bytes
            sweep_seconds drain_seconds""",
    }
)

NEEDS_RESTART = _name(
    {
        "": "directory pid_file",
        # A listening socket is opened once, so that no connection is ever refused.
        "telnet": "enabled hosts port more_ports",
        "websocket": "enabled hosts port",
        "http": "enabled hosts port more_ports upstream ajax",
        "hub": "backlog",
        # Both ends of a link go by what they began with.
        "amp": """host port socket secret connections compression window_bytes own_window_bytes
            window_messages box_bytes box_keys box_seconds payload_bytes payload_bytes_per_session
            unknown_answers authentication_seconds""",
    }
)


@dataclass(frozen=True, slots=True)
class Changes:
    """The settings, by their dotted names, that were taken over, and those that could not be."""

    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


def take_over(running: Config, wanted: Config) -> tuple[Config, Changes]:
    """Return what a Portal that runs by one configuration becomes when another is wanted."""
    changed = [
        key for key in list_settings() if find_value(running, key) != find_value(wanted, key)
    ]
    changes = Changes(
        applied=tuple(key for key in changed if key in LIVE),
        needs_restart=tuple(key for key in changed if key not in LIVE),
    )
    tables: dict[str, dict[str, Any]] = {}
    for key in changes.applied:
        table, _, name = key.rpartition(".")
        tables.setdefault(table, {})[name] = find_value(wanted, key)
    top = tables.pop("", {})
    for table, values in tables.items():
        top[table] = msgspec.structs.replace(getattr(running, table), **values)
    return msgspec.structs.replace(running, **top), changes
