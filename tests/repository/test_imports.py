"""Who may import what, where the layers of import-linter do not reach: foreign modules.

Direct imports are enough to look at: a row cannot reach past itself through a row above it.
"""

import ast

import pytest

# Below the hub nothing knows a task, a socket or a clock.
PURE = {
    "delivery",
    "roster",
    "session",
    "wire",
    "markup",
    "messages",
    "lifecycle",
    "throttle",
    "holding",
    "config",
    "metrics",
    "errors",
}
WORLD = {"trio", "socket", "ssl", "time", "select", "selectors", "asyncio", "threading", "random"}

# Foreign module -> the only modules of ours that may import it (a name covers what is below it).
RESERVED = {
    "portal._native": ("portal.amp.boxes", "portal.amp.payload", "portal.wire", "portal.markup"),
    "pickle": ("portal.amp.payload",),
    "django": ("portal.evennia.worker",),
    "tomllib": ("portal.config",),
    "argon2": ("portal.demo",),
    "sqlite3": ("portal.demo",),
}


def imports(tree):
    """Dotted names of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name, package):
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b, c", ["a.b", "c"]),
        ("from a import b, c", ["a.b", "a.c"]),
        ("def f():\n    import a", ["a"]),
    ],
)
def test_what_is_found(source, expected):
    assert list(imports(ast.parse(source))) == expected


def test_pure_rows_know_no_world(modules):
    worldly = [
        f"{module.name} imports {name}"
        for module in modules
        if module.row in PURE
        for name in imports(module.tree)
        if name.split(".")[0] in WORLD
    ]
    assert worldly == []


@pytest.mark.parametrize("foreign", RESERVED)
def test_reserved_modules(modules, foreign):
    strangers = [
        f"{module.name} imports {name}"
        for module in modules
        for name in imports(module.tree)
        if is_below(name, foreign)
        and not any(is_below(module.name, owner) for owner in RESERVED[foreign])
    ]
    assert strangers == []


def test_relative_imports_are_not_used(modules):
    relative = [
        module.name
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
