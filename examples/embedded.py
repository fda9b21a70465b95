import trio

from portal import logs, open_portal
from portal.config import Config
from portal.game import GameServer

game = GameServer("twenty lines")


@game.at_connect
def welcome(session):
    session.msg("|gWelcome!|n What is your name?")


@game.inputfunc
def text(session, line, **_options):
    if not session.logged_in:
        session.login(session.sessid, line.strip())
        line = "(has arrived)"
    game.sessions.msg(game.sessions.logged_in(), f"{session.uname}: {line}")


async def main():
    logs.configure("warning")
    async with open_portal(Config(), game=game) as portal:
        print(portal.addresses())
        await portal.stopped()


trio.run(main)
