"""What a module of a game does, decided from its source: nothing of the game is imported here.

The modules that Evennia's own Portal would have loaded (services, web plugins) are written for
Twisted. To import one in order to find that out would run it, and bring Twisted along.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TWISTED = "twisted"


@dataclass(frozen=True, slots=True)
class Source:
    """A module of a game, as its source has it; `path` is that of the file."""

    path: str
    tree: ast.Module

    @property
    def uses_twisted(self) -> bool:
        """Whether it imports Twisted, or anything of Evennia's own Portal, wherever in it."""
        return any(
            name.partition(".")[0] == TWISTED or name.startswith("evennia.server.portal")
            for name in _list_imports(self.tree)
        )

    def does_something(self, function: str) -> bool:
        """Whether a function that it defines does anything but return what it was given.

        A template's function is a docstring with `pass` or `return` behind it. Where the name comes
        from elsewhere (an import, an assignment) it counts as one that does something.
        """
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
                return not all(map(_is_idle, node.body))
            if function in _list_bound_names(node):
                return True
        return False


def find_source(name: str, path: Sequence[str]) -> Source | None:
    """Find a module as Python would, or by the path of its file; None where there is none.

    `path` are the directories to look in. Raises SyntaxError for one that Python cannot read.
    """
    if name.endswith(".py"):
        candidates = [Path(name)]
    else:
        parts = name.split(".")
        candidates = [
            file
            for directory in path
            for file in (
                Path(directory, *parts).with_suffix(".py"),
                Path(directory, *parts, "__init__.py"),
            )
        ]
    for file in candidates:
        try:
            return Source(str(file), ast.parse(file.read_bytes(), str(file)))
        except OSError:
            continue
        except ValueError as error:  # NUL bytes, in some releases of Python
            raise SyntaxError(str(error)) from error
    return None


def _list_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _list_bound_names(node: ast.stmt) -> Iterator[str]:
    """List the names that a statement of a module binds otherwise than by `def`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _is_idle(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    value = node.value if isinstance(node, ast.Return) else None
    returns = isinstance(node, ast.Return) and (
        value is None or isinstance(value, ast.Constant | ast.Name)
    )
    return returns or isinstance(node, ast.Pass)
