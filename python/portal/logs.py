"""Structured logs: one line an event, for people on a terminal and as JSON everywhere else.

Modules do `log = structlog.get_logger(__name__)` and log events by name with keyword arguments.
`configure` decides for the whole process where they go. Only a program calls it, never the
library: whoever embeds the Portal has its own configuration of structlog.

Logging never raises. A value that cannot be written is replaced, and a line that cannot be written
(a full disk, a reader that went away) is lost: the players matter more than the log.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from portal.errors import ConfigError
from portal.log_rotation import Rotation, find_begin, set_aside

LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
NEVER = Rotation()
FILE_MODE = 0o640  # addresses of players are nobody else's business


class LogFile:
    """Where the lines go: a file that is opened anew by `reopen`, or a stream.

    Every line is one write to the descriptor, whole even where several processes append. It does
    not wait for a reader either: while a pipe or a terminal takes no more, lines are lost, and
    `lost` counts them. With neither path nor stream it is standard error; `key` is the setting
    that the path comes from. `rotation` says when a file is done: it is renamed then, and a new
    one begun.
    Raises ConfigError when the file cannot be opened at the start; later there is only loss.
    """

    def __init__(
        self,
        path: str | None = None,
        stream: TextIO | None = None,
        *,
        key: str = "log.path",
        rotation: Rotation = NEVER,
        today: Callable[[], date] = date.today,
    ) -> None:
        self.path = path
        self.rotation = rotation
        self.lost = 0
        self._today = today
        self._stream = sys.stderr if stream is None else stream
        self._poll = select.poll()
        try:
            self._descriptor = self._stream.fileno() if path is None else _open(path)
        except OSError as error:
            if path is not None:
                reason = f"cannot write {path}: {error.strerror}"
                raise ConfigError("configuration", key, reason) from error
            self._descriptor = -1  # a stream that is no file of the system: StringIO
        else:
            self._poll.register(self._descriptor, select.POLLOUT)
        self._look_at_file()

    @property
    def is_terminal(self) -> bool:
        """Whether people look at it directly."""
        return self.path is None and self._stream.isatty()

    def write(self, line: str) -> None:
        """Append one line, given without its end."""
        if self._rotates:
            self._rotate_when_due()
        try:
            if self.path is None and self._descriptor < 0:
                self._stream.write(line + "\n")
            elif self._poll.poll(0) == [(self._descriptor, select.POLLOUT)]:
                data = line.encode("utf-8", "backslashreplace") + b"\n"
                self._size += os.write(self._descriptor, data)
            else:
                self.lost += 1
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.lost += 1

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was moved away."""
        if self.path is None or self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            descriptor = _open(self.path)
            # The new file under the old number: whoever knows that goes on too.
            os.dup2(descriptor, self._descriptor, inheritable=False)
            os.close(descriptor)
        self._look_at_file()

    def close(self) -> None:
        """Close the file; lines that come later are lost. A stream stays open."""
        if self.path is not None and self._descriptor >= 0:
            self._poll.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _look_at_file(self) -> None:
        """Take note of how large the file is, and of the day on which it was begun."""
        self._rotates = self.path is not None and self.rotation.is_wanted
        self._size = 0
        self._begun = self._today()
        if self.path is not None and self._rotates:
            with contextlib.suppress(OSError):
                self._size = os.fstat(self._descriptor).st_size
            self._begun = find_begin(self.path, self._begun)

    def _rotate_when_due(self) -> None:
        today = self._today()
        if self.path is None or not self.rotation.is_due(self._size, self._begun, today):
            return
        with contextlib.suppress(OSError):
            set_aside(self.path, self._descriptor, today)
        self.reopen()
        # What could not be renamed goes on for as long again.
        self._size, self._begun = 0, today


class LineLogger:
    """What structlog hands a finished line to; `name` is the module that logs."""

    __slots__ = ("file", "name")

    def __init__(self, file: LogFile, name: str = "") -> None:
        self.file = file
        self.name = name

    def msg(self, line: str) -> None:
        """Write the line; its level was looked at before."""
        self.file.write(line)

    debug = info = warning = error = critical = msg


def configure(
    level: str = "info",
    *,
    path: str | None = None,
    json: bool | None = None,
    stream: TextIO | None = None,
    rotation: Rotation = NEVER,
) -> LogFile:
    """Send every log line of this process to a file or stream, from `level` on.

    `json` None means JSON everywhere but on a terminal. Returns the file, to be reopened on SIGHUP
    and closed at the end. Raises ConfigError for an unknown level and a file that cannot be opened.
    """
    if level not in LEVELS:
        raise ConfigError("configuration", "log.level", "expected one of " + ", ".join(LEVELS))
    file = LogFile(path, stream, rotation=rotation)
    as_json = not file.is_terminal if json is None else json
    structlog.configure(
        processors=_processors(as_json=as_json, colors=file.is_terminal),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda name="", *_: LineLogger(file, name),
        # Not cached: a second `configure` in one process (tests, a restart) must reach all.
        cache_logger_on_first_use=False,
    )
    return file


def _processors(*, as_json: bool, colors: bool) -> list[Processor]:
    shared: list[Processor] = [structlog.processors.add_log_level, _add_logger]
    if as_json:
        return [
            *shared,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            Unfailing(_render_json),
        ]
    # Tracebacks are plain: the prettier ones show local variables, and passwords among them.
    # Text is shown as repr: what a player typed must not steer the operator's terminal.
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        repr_native_str=True,
        exception_formatter=structlog.dev.plain_traceback,
    )
    timestamps = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return [*shared, timestamps, Unfailing(renderer)]


class Unfailing:
    """A renderer that always gives a line, whatever the values of the event do."""

    def __init__(self, renderer: Processor) -> None:
        self.renderer = renderer

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Render the event, or no more than its name and what kept it from being rendered."""
        name = event.get("event")
        try:
            return str(self.renderer(logger, method, event))
        except Exception as error:  # noqa: BLE001 - the barrier: a log line must not end its caller
            of = ascii(name)[:100] if isinstance(name, str) else "?"
            failed = {"event": "log_line_failed", "of": of, "error": type(error).__name__}
            return str(self.renderer(logger, method, {"level": method, **failed}))


def _add_logger(
    logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if logger.name:
        event["logger"] = logger.name
    return event


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    text = msgspec.json.encode(_plain(event), enc_hook=repr)
    return text.decode("utf-8")


def _plain(event: EventDict) -> dict[str, Any]:
    """Put what a reader looks for first in front."""
    first = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return {**first, **event}


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
