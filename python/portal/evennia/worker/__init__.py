"""What needs the game's database: one process of its own, with Django in it.

The Portal asks it by a pipe (`portal.evennia.worker_process`), and starts it with the first
question. Nothing outside of this package imports Django.
"""
