"""The configuration of a Portal: frozen, typed, and the only place that reads settings.

A program puts it together from layers, the later above the earlier (its own defaults, a file,
flags): `build(layer(defaults, read_file(path), flags))`.
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
from portal.config.reading import build, layer, read_file
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
    Section,
    ServerConfig,
    TelnetConfig,
    WebSocketConfig,
)

__all__ = [
    "AMP_ADDRESS_VARIABLE",
    "AMP_SECRET_VARIABLE",
    "KIB",
    "LOG_LEVELS",
    "MIB",
    "NOTE_NAME",
    "PORTAL_PID_VARIABLE",
    "AmpConfig",
    "Config",
    "HttpConfig",
    "HubConfig",
    "LimitsConfig",
    "LogConfig",
    "Section",
    "ServerConfig",
    "TelnetConfig",
    "WebSocketConfig",
    "amp_address_from_environment",
    "amp_address_to_text",
    "amp_secret_from_environment",
    "build",
    "layer",
    "parse_amp_address",
    "portal_pid_from_environment",
    "read_file",
]
