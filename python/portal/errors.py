"""Every exception that Portal raises on purpose.

One tree, so that a caller can catch as much or as little as it means to. Blame is in the type:
`LocalProtocolError` is a bug on this side, `RemoteProtocolError` is the peer's fault. Exceptions
of libraries and of the compiled codecs are translated into these once, where they enter.
"""


class PortalError(Exception):
    """The root of every error that Portal raises on purpose."""


class ConfigError(PortalError):
    """A setting is missing, unknown or out of range.

    `path` names the file (or "environment", "flags") and `key` the setting, dotted
    (`telnet.port`); the message says what was expected.
    """

    def __init__(self, path: str, key: str, expected: str) -> None:
        super().__init__(f"{path}: {key}: {expected}")
        self.path = path
        self.key = key
        self.expected = expected

    @property
    def problems(self) -> tuple["ConfigError", ...]:
        """All that is wrong: this, or the errors that it stands for."""
        return (self,)


class ConfigErrors(ConfigError):
    """Several settings are wrong: one line for each in the text, one error each in `problems`.

    `path`, `key` and `expected` are those of the first.
    """

    def __init__(self, problems: list[ConfigError]) -> None:
        first = problems[0]
        super().__init__(first.path, first.key, first.expected)
        self.args = ("\n".join(map(str, problems)),)
        self._problems = tuple(problems)

    @property
    def problems(self) -> tuple[ConfigError, ...]:
        """All that is wrong, in the order in which it was found."""
        return self._problems


class ProtocolError(PortalError):
    """Bytes or calls that break a protocol; see the two subclasses for whose fault it is."""


class LocalProtocolError(ProtocolError):
    """This side tried to send what the protocol does not allow: a bug of the caller."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol does not allow; `name` is the limit or rule it broke."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class AMPError(PortalError):
    """A remote call over AMP failed."""


class RemoteAMPError(AMPError):
    """The peer answered a call with an error box: its `code` and its `description`."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class UnhandledCommand(RemoteAMPError):
    """The peer does not know the command (code UNHANDLED); the connection stays."""


class NotBegun(AMPError):
    """A game that leaves gives a player's message back: none of it was carried out.

    Keep it for the next one, which is to get it before everything that came later.
    """


class ConnectionLost(PortalError):
    """The connection ended before the answer came, or is closed already."""


class ServerUnavailable(PortalError):
    """There is no game to send this to at the moment."""


class UpstreamFailed(PortalError):
    """The game's web server gave no answer, or not all of it.

    `status` is what its client is told (502, 503 or 504), and `text` why.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class ServiceError(PortalError):
    """A service of the Portal failed; `name` is the service's."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
