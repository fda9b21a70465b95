"""Who a browser is logged in as: two keys of its session, in the game's own session engine.

The website and the web client of Evennia share a login by them. The uid of the account is in the
first; the second changes with each page that is viewed, so that whoever logs out can see whether
a newer page has taken the login over. Nothing else of a browser's session is touched.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.contrib.sessions.backends import db
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import Error, connections, router, transaction

from portal.evennia.worker.serving import Question, Refused

UID = "webclient_authenticated_uid"
NONCE = "webclient_authenticated_nonce"

COOKIES = "django.contrib.sessions.backends.signed_cookies"
CACHE = "django.contrib.sessions.backends.cache"

IN_COOKIES = (
    "SESSION_ENGINE keeps sessions in the browser, where only the website can change them: the "
    "web client cannot share its login"
)
IN_ONE_PROCESS = (
    "SESSION_ENGINE keeps sessions in a cache of the Server's own process: the web client cannot "
    "share its login. Use a cache that processes share, or another engine"
)


def begin() -> None:
    """Load the game's settings and its applications; takes a second or two."""
    django.setup()


def rest() -> None:
    """Close the connections to databases; the next question opens them anew.

    Between questions they stay open, whatever CONN_MAX_AGE says: a page that is loaded asks one,
    and opening them takes longer than the answer.
    """
    connections.close_all()


def read(csessid: str) -> dict[str, Any]:
    """Return who a browser is logged in as (`uid`, or None) and its `nonce`."""
    with _opened(csessid) as store:
        return {"uid": store.get(UID), "nonce": store.get(NONCE, 0)}


def log_in(csessid: str, uid: int) -> dict[str, Any]:
    """Note that a browser is logged in; returns its `nonce`, None where the session is gone."""
    with _changed(csessid) as store:
        if store is None:
            return {"nonce": None}
        store[UID] = uid
        return {"nonce": store.get(NONCE, 0)}


def log_out(csessid: str, uid: int, nonce: int | None) -> dict[str, Any]:
    """Log a browser out, if it is still logged in as `uid` and no newer page has taken that over.

    Without a nonce nobody knows of newer pages. Returns whether it was (`done`).
    """
    with _changed(csessid) as store:
        if store is None or store.get(UID) != uid:
            return {"done": False}
        if nonce is not None and store.get(NONCE, 0) != nonce:
            return {"done": False}
        store[UID] = None
        store[NONCE] = 0
        return {"done": True}


QUESTIONS: Mapping[str, Question] = {
    "read_browser_session": read,
    "log_in_browser_session": log_in,
    "log_out_browser_session": log_out,
}


@contextmanager
def _opened(csessid: str) -> Iterator[Any]:
    """Open a browser's session as it is now; a session that is not there is an empty one."""
    engine = settings.SESSION_ENGINE
    if engine == COOKIES:
        raise Refused(IN_COOKIES)
    if engine == CACHE and isinstance(caches[_cache_alias()], LocMemCache | DummyCache):
        raise Refused(IN_ONE_PROCESS)
    store = import_module(engine).SessionStore(session_key=csessid)
    # Engines put another session in the place of one that has expired; here it is just gone.
    store.create = partial(setattr, store, "_session_key", None)
    if isinstance(store, db.SessionStore) and hasattr(store, "cache_key_prefix"):
        # The cache before the database may be one of this process, and then nobody renews it.
        caches[_cache_alias()].delete(store.cache_key_prefix + csessid)
    try:
        yield store
    except Error:
        rest()  # it may be one of these that is broken
        raise


@contextmanager
def _changed(csessid: str) -> Iterator[Any]:
    """Change a browser's session in one transaction, as far as its engine has any; None if gone."""
    with _opened(csessid) as store, _locked(store, csessid):
        store.get(UID)  # loads it
        if store.session_key != csessid:
            yield None
            return
        yield store
        if store.modified:
            store.save()


@contextmanager
def _locked(store: Any, csessid: str) -> Iterator[None]:
    """Hold a session that is in a database, so that nobody changes it meanwhile."""
    if not isinstance(store, db.SessionStore):
        yield
        return
    using = router.db_for_write(store.model)
    with transaction.atomic(using=using):
        rows = store.model.objects.using(using).filter(session_key=csessid)
        if connections[using].features.has_select_for_update:
            rows.select_for_update().first()
        else:
            # SQLite: one that has read may not wait for another that writes, it fails. So it is
            # one that writes from the beginning.
            rows.update(session_key=csessid)
        yield


def _cache_alias() -> str:
    alias: str = settings.SESSION_CACHE_ALIAS
    return alias
