"""`python -m portal.evennia.worker`, in the directory of a game: answers until its input ends."""

from portal.evennia.worker.browser_sessions import QUESTIONS, begin, rest
from portal.evennia.worker.serving import serve, take_pipe

if __name__ == "__main__":
    questions, answers = take_pipe()
    begin()
    serve(questions, answers, QUESTIONS, rest)
