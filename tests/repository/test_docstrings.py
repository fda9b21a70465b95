"""Every public name has a docstring, and it begins with one line that is a sentence."""

import ast

import pytest

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_public(name):
    return not name.startswith("_")


def is_overload(node):
    # `@x.setter` documents the property once more; `@override` and overloads speak elsewhere.
    names = {getattr(d, "attr", getattr(d, "id", "")) for d in node.decorator_list}
    return bool(names & {"setter", "overload", "override"})


def undocumented(tree, where):
    """Names below `tree` that anybody may use and nobody explains."""
    for node in tree.body:
        if not isinstance(node, DEFINITIONS) or not is_public(node.name) or is_overload(node):
            continue
        text = ast.get_docstring(node)
        if not text or not text.splitlines()[0].rstrip().endswith((".", ":", "?")):
            yield f"{where}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{where}.{node.name}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    'Does it.'", []),
        ("def f(): pass", ["m.f"]),
        ("def f():\n    'No sentence'", ["m.f"]),
        ("def _f(): pass", []),
        (
            "class C:\n    'Is it.'\n    def f(self): pass\n    async def g(self): pass",
            ["m.C.f", "m.C.g"],
        ),
        ("class C:\n    'Is it.'\n    @x.setter\n    def x(self): pass", []),
    ],
)
def test_what_is_found(source, expected):
    assert list(undocumented(ast.parse(source), "m")) == expected


def test_public_names(modules):
    missing = [name for module in modules for name in undocumented(module.tree, module.name)]
    assert missing == []


def test_modules(modules):
    bare = [m.name for m in modules if m.tree.body and not ast.get_docstring(m.tree)]
    assert bare == []
