from portal.game import GameServer

game = GameServer("twelve lines")


@game.at_connect
def welcome(session):
    session.msg("|gWelcome!|n What is your name?")


@game.inputfunc
def text(session, line, **_options):
    if not session.logged_in:
        session.login(session.sessid, line.strip())
        line = "(has arrived)"
    game.sessions.msg(game.sessions.logged_in(), f"{session.uname}: {line}")


game.run()
