"""The configuration of a Portal: frozen, typed, and the only place that reads settings.

In the order in which a setting travels:

    sections        what settings there are, with types, defaults and reasons
    layers          what a file says, as it stands there; `environment` does it for variables
    values          one value: read, checked, and what is wrong with it in plain words
    building        layers upon each other become a `Config`, or the list of all problems
    rules           what settings must be to each other and to the machine
    changes         what of a new configuration a running Portal can take over

A program of one's own makes a `Config(...)` directly, or has a file above its defaults:
`load(flatten(defaults, "defaults"), read_file(path), read_environment(os.environ))`.
"""

from portal.config.addresses import (
    AMP_ADDRESS_VARIABLE,
    AMP_SECRET_VARIABLE,
    NOTE_NAME,
    PORTAL_PID_VARIABLE,
    amp_address_from_environment,
    amp_address_to_text,
    amp_secret_from_environment,
    parse_amp_address,
    portal_pid_from_environment,
)
from portal.config.building import build, examine, load
from portal.config.changes import LIVE, NEEDS_RESTART, Changes, take_over
from portal.config.environment import CONFIG_VARIABLE, ENVIRONMENT, read_environment
from portal.config.layers import Layer, flatten, read_file
from portal.config.rules import is_open
from portal.config.sections import (
    KIB,
    LOG_LEVELS,
    MIB,
    AmpConfig,
    Config,
    HttpConfig,
    HubConfig,
    LimitsConfig,
    LogConfig,
    MarkupConfig,
    Section,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
)

__all__ = [
    "AMP_ADDRESS_VARIABLE",
    "AMP_SECRET_VARIABLE",
    "CONFIG_VARIABLE",
    "ENVIRONMENT",
    "KIB",
    "LIVE",
    "LOG_LEVELS",
    "MIB",
    "NEEDS_RESTART",
    "NOTE_NAME",
    "PORTAL_PID_VARIABLE",
    "AmpConfig",
    "Changes",
    "Config",
    "HttpConfig",
    "HubConfig",
    "Layer",
    "LimitsConfig",
    "LogConfig",
    "MarkupConfig",
    "Section",
    "ServerConfig",
    "TelnetConfig",
    "WebSocketConfig",
    "amp_address_from_environment",
    "amp_address_to_text",
    "amp_secret_from_environment",
    "build",
    "examine",
    "flatten",
    "is_open",
    "load",
    "parse_amp_address",
    "portal_pid_from_environment",
    "read_environment",
    "read_file",
    "take_over",
]
