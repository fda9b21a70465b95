"""What Evennia's first start does to a game's database, without starting it: player and room.

A Server that finds none of it asks for a reset as soon as it runs, and the game is not steady for
some seconds. Runs like `evennia_portal.py`, after `evennia migrate`.

    python evennia_beginning.py NAME PASSWORD
"""

import os
import sys
from pathlib import Path


def main(name, password):
    """Makes the first player and the first room, and says that it is done."""
    sys.path.insert(0, str(Path.cwd()))
    os.environ["DJANGO_SETTINGS_MODULE"] = "server.conf.settings"
    import django  # noqa: PLC0415

    django.setup()
    import evennia  # noqa: PLC0415

    evennia._init()
    from evennia.server import initial_setup  # noqa: PLC0415

    evennia.AccountDB.objects.create_superuser(name, "", password)
    initial_setup.create_objects()
    evennia.ServerConfig.objects.conf("last_initial_setup_step", "done")


if __name__ == "__main__":
    main(*sys.argv[1:])
