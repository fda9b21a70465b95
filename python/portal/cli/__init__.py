"""The command `portal`: start a Portal, and talk to one that runs.

`demo` and `run` become the Portal; `init` and `check` are about its configuration. The others are
a question each: they dial the Portal's AMP port on this machine, ask by PortalQuery, show the
answer and are gone. Everything heavy is imported where it is used, so that `portal --help` comes
at once; and nothing that only parses stays in the memory of the Portal, which is why the parser is
the standard library's.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from portal.cli import asking, configuring, serving
from portal.cli.parser import make_parser
from portal.cli.serving import WrongCommandLine
from portal.errors import PortalError

COMMANDS: Mapping[str, Callable[[dict[str, Any]], int]] = {
    "demo": serving.demo,
    "run": serving.run,
    "init": configuring.init,
    "check": configuring.check,
    "status": asking.status,
    "sessions": asking.sessions,
    "reload": asking.reload,
    "stop": asking.stop,
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; it exits with the code that the help names."""
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    try:
        code = COMMANDS[options["command"]](options)
    except WrongCommandLine as error:
        parser.error(str(error))
    except PortalError as error:
        sys.stderr.write(f"{error}\n")
        code = 1
    except KeyboardInterrupt:
        code = 1
    except BrokenPipeError:
        # Whoever was reading has left; the interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
