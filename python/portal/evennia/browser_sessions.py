"""The logins of browsers, as the game's website knows them: asked of the worker.

What comes back is looked at before it is believed: a game may put anything into its sessions.
"""

from collections.abc import Callable
from typing import Any

import structlog

from portal.evennia.worker_process import WorkerProcess

log = structlog.get_logger(__name__)

Read = Callable[[int | None, int | None], None]
Noted = Callable[[int | None], None]


class BrowserSessions:
    """Reads and writes who a browser is logged in as (`portal.protocols.browser.Logins`).

    A `csessid` is the key of a browser's session: whoever knows it is that browser, so it is in no
    log. What cannot be had is logged here, and is as if nobody were logged in.
    """

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    def read(self, csessid: str, answered: Read) -> None:
        """Find out who a browser is logged in as: `answered(uid, nonce)`, None for what is not."""

        def take(answer: Any, error: str) -> None:
            self._note("read", error)
            answered(_to_uid(answer), _to_nonce(answer))

        self._worker.ask("read_browser_session", {"csessid": csessid}, take)

    def log_in(self, csessid: str, uid: int, answered: Noted) -> None:
        """Note that a browser is logged in: `answered(nonce)`, None where that failed."""

        def take(answer: Any, error: str) -> None:
            self._note("log_in", error)
            answered(_to_nonce(answer))

        self._worker.ask("log_in_browser_session", {"csessid": csessid, "uid": uid}, take)

    def log_out(self, csessid: str, uid: int, nonce: int | None) -> None:
        """Log a browser out, unless it is logged in as another, or by a page that is newer."""

        def take(_answer: Any, error: str) -> None:
            self._note("log_out", error)

        arguments = {"csessid": csessid, "uid": uid, "nonce": nonce}
        self._worker.ask("log_out_browser_session", arguments, take)

    def _note(self, question: str, error: str) -> None:
        if error:
            log.warning("browser_session_failed", question=question, reason=error)


def _to_uid(answer: Any) -> int | None:
    uid = answer.get("uid") if isinstance(answer, dict) else None
    return uid if type(uid) is int and uid > 0 else None


def _to_nonce(answer: Any) -> int | None:
    nonce = answer.get("nonce") if isinstance(answer, dict) else None
    return nonce if type(nonce) is int else None
