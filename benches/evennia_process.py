"""The Portal in front of an Evennia game, as the game's launcher has it started.

The settings come as the launcher's hook hands them over; here the file has a name.

    python evennia_process.py GAME SETTINGS    prints what `portal run --json` does and serves
"""

import os
import sys

# Tools of development, which a Portal beside an Evennia does not have; Twisted it has.
for name in ("greenlet", "rich"):
    sys.modules[name] = None

from portal.cli import main  # noqa: E402

if __name__ == "__main__":
    directory, settings = sys.argv[1:]
    descriptor = os.open(settings, os.O_RDONLY)
    sys.exit(main(["run", "--evennia", directory, "--settings-fd", str(descriptor), "--json"]))
