"""The file that `portal init` writes: every setting with its default, commented out.

It is made of the classes in `portal.config.sections` and of the comments beside their fields, so
that it cannot say anything else than they do.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping

from portal.config.addresses import AMP_SECRET_VARIABLE
from portal.config.sections import Config, Section
from portal.config.settings import Setting, list_settings, list_tables
from portal.config.values import SECRETS, write

WIDTH = 100
# Where a short comment stands beside its setting.
COLUMN = 36

HEADING = """\
The configuration of a Portal: every setting, with its default and what it is for.

A line that begins with "#" and a setting shows the default: take the "#" away and change the
value. What is not set here may stay as it is, or be deleted. Paths are relative to the directory
in which the Portal is started.

  portal check --config FILE    names every mistake
  portal run --config FILE      starts the Portal; or set PORTAL_CONFIG=FILE

The environment stands above this file (PORTAL_TELNET_PORT=4000), flags stand above both. A
running Portal reads it again on SIGHUP, and says in its log what it has taken over.
"""


def make_template() -> str:
    """Write the file. Raises OSError where the source of the classes is not at hand."""
    lines = [*_comment(HEADING), "", *_write_settings("", Config)]
    for table, section in list_tables().items():
        about = _comment(inspect.getdoc(section) or "")
        lines += ["", "", *about, f"[{table}]", *_write_settings(f"{table}.", section)]
    return "\n".join(lines) + "\n"


def read_comments(section: type[Section]) -> Mapping[str, tuple[str, str]]:
    """Return the comments of the fields of a class: those above a field, and that beside it.

    Raises OSError where its source is not at hand.
    """
    source = textwrap.dedent(inspect.getsource(section))
    comments = dict(_list_comments(source))
    (definition,) = ast.parse(source).body
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(definition):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = []
            line = node.lineno - 1
            while comments.get(line, ("", False))[1]:
                above.append(comments[line][0])
                line -= 1
            beside = comments.get(node.end_lineno or node.lineno, ("", False))[0]
            found[node.target.id] = (" ".join(reversed(above)), beside)
    return found


def _list_comments(source: str) -> Iterator[tuple[int, tuple[str, bool]]]:
    """List the comments of a source by their line, each with whether it has the line to itself."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = token.line.lstrip().startswith("#")
            yield token.start[0], (token.string.lstrip("# "), alone)


def _write_settings(prefix: str, section: type[Section]) -> Iterator[str]:
    apart = False  # a comment above a setting wants a blank line above it, but for the first
    for name, (above, beside) in read_comments(section).items():
        setting = list_settings().get(prefix + name)
        if setting is not None:
            first, *rest = _write_setting(setting, name, above, beside)
            if apart and rest:
                yield ""
            yield from (first, *rest)
            apart = True


def _write_setting(setting: Setting, name: str, above: str, beside: str) -> list[str]:
    lines = _comment(above)
    if setting.key in SECRETS:
        where = f"Not in this file, but in the environment, as {AMP_SECRET_VARIABLE}."
        return [*lines, *_comment(f"{name}: {beside}. {where}")]
    line = f"#{name} = {write(setting, setting.default)}"
    if not beside:
        return [*lines, line]
    together = f"{line:{COLUMN}}  # {beside}"
    return [*lines, together] if len(together) <= WIDTH else [*lines, *_comment(beside), line]


def _comment(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        lines += textwrap.wrap(line, WIDTH - 2) or [""]
    return [f"# {line}".rstrip() for line in lines]
