"""What browsers come in by, put together: which parts there are, and that they run."""

import pytest
import trio

from portal.app import Portal
from portal.config import Config, HttpConfig, WebSocketConfig
from portal.evennia.browser_sessions import BrowserSessions
from portal.evennia.game import Game


class Logins:
    """Who browsers are logged in as: nobody."""

    def read(self, csessid, answered):
        answered(None, 0)


def make(**settings):
    return Portal(Config(**settings)).web


def make_game(directory):
    return Game(str(directory), Config(), {"PYTHONPATH": "/game"}, {})


def test_without_a_game_of_evennias_nobody_is_asked():
    web = make()
    assert (web.browsers, web.worker, web.proxy) == (None, None, None)
    assert web.websocket.browsers is None
    assert web.http is not None


def test_without_the_http_port_there_are_websockets():
    web = make(http=HttpConfig(enabled=False))
    assert (web.http, web.pages) == (None, None)


def test_in_front_of_a_web_server_of_the_games():
    web = make(http=HttpConfig(upstream="127.0.0.1:4005"))
    assert web.proxy is not None


def test_pages_may_play_without_websockets():
    assert make().ajax is None
    assert make(http=HttpConfig(ajax=True, enabled=False)).ajax is None
    web = Portal(Config(http=HttpConfig(ajax=True)), browsers=Logins()).web
    assert web.ajax.browsers is web.browsers
    assert web.ajax.proxies is web.websocket.proxies
    assert web.ajax.admission is web.admission


def test_in_front_of_a_game_of_evennias_its_worker_is_asked(tmp_path):
    web = Portal(Config(), evennia=make_game(tmp_path)).web
    assert isinstance(web.browsers.logins, BrowserSessions)
    assert web.websocket.browsers is web.browsers
    assert web.worker.pid is None


def test_whoever_knows_it_may_be_given():
    logins = Logins()
    web = Portal(Config(), browsers=logins).web
    assert web.browsers.logins is logins
    assert web.worker is None


def test_another_configuration_reaches_every_part():
    web = make(http=HttpConfig(upstream="127.0.0.1:4005", ajax=True))
    config = Config(
        http=HttpConfig(upstream="127.0.0.1:4005", ajax=True, half_open=7, connections=8),
        websocket=WebSocketConfig(ping_seconds=9),
    )
    web.reconfigure(config)
    assert web.websocket.pings.seconds == 9
    assert web.ajax.config is config
    assert web.opening.config.http.half_open == 7
    assert web.http.config.connections == web.proxy.config.connections == 8


@pytest.mark.parametrize("enabled", [True, False])
async def test_its_services_run(tmp_path, enabled):
    config = Config(http=HttpConfig(enabled=enabled))
    web = Portal(config, evennia=make_game(tmp_path)).web
    asked = []
    async with trio.open_nursery() as nursery:
        await nursery.start(web.run)
        nursery.cancel_scope.cancel()
    web.worker.ask("x", {}, lambda *answer: asked.append(answer))
    assert len(asked) == 1
