"""What a Portal and the processes around it tell each other by the environment."""

import os

from portal.config.sections import AmpConfig
from portal.errors import ConfigError

# How a Server that the Portal starts learns where to dial in.
AMP_ADDRESS_VARIABLE = "PORTAL_AMP"
# Where both ends find the shared secret of an AMP port that is not loopback.
AMP_SECRET_VARIABLE = "PORTAL_AMP_SECRET"  # noqa: S105 - the name of a variable
# Whose child a Server is: it leaves when that process is gone.
PORTAL_PID_VARIABLE = "PORTAL_PID"
# What a running Portal notes in its directory, and the command line reads there.
NOTE_NAME = "portal.json"


def parse_amp_address(text: str) -> tuple[str, int] | str:
    """Read `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH`.

    Returns the host and port, or the path of the UNIX socket.
    Raises ConfigError when it is none of these.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text[len("unix:") :]
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError("environment", AMP_ADDRESS_VARIABLE, "expected HOST:PORT or unix:PATH")
    return host.strip("[]"), int(port)


def amp_address_to_text(address: tuple[str, int] | str) -> str:
    """Write what `parse_amp_address` reads."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def amp_address_from_environment() -> tuple[str, int] | str:
    """Where a Server finds its Portal: the variable PORTAL_AMP, or the default port."""
    text = os.environ.get(AMP_ADDRESS_VARIABLE)
    return parse_amp_address(text) if text else (AmpConfig().host, AmpConfig().port)


def portal_pid_from_environment() -> int | None:
    """Read the pid of the Portal that started this process, if one did.

    Raises ConfigError when it is none.
    """
    text = os.environ.get(PORTAL_PID_VARIABLE)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise ConfigError("environment", PORTAL_PID_VARIABLE, "expected the pid of a process")
    return int(text)


def amp_secret_from_environment() -> str | None:
    """Read the shared secret of an AMP port that is not loopback, if there is one."""
    return os.environ.get(AMP_SECRET_VARIABLE) or None
