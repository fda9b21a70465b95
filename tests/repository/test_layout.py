"""Tests stand 1:1 with the modules, in the same folders, and the tree holds what it should."""

import ast

# Folders of tests that belong to no single module.
ACROSS = {"interop", "native", "repository", "vectors"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "constants", "misc"}


def has_code(module):
    """Whether there is anything to test: more than a docstring and plain names.

    A `__main__` hands over to the module that does the work, and is run by that one's tests.
    """
    return module.path.stem != "__main__" and any(
        not isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom))
        for node in module.tree.body
    )


def expected_test(module):
    folder, name = module.path.parent, module.path.stem
    below = module.path.parts[module.path.parts.index("portal") + 1 : -1]
    if name == "__init__":
        name = folder.name
    return "/".join([*below, f"test_{name.strip('_')}.py"])


def test_every_module_has_its_tests(modules, root):
    expected = {expected_test(module) for module in modules if has_code(module)}
    missing = sorted(name for name in expected if not (root / "tests" / name).is_file())
    assert missing == []


def test_every_test_has_its_module(modules, root):
    expected = {expected_test(module) for module in modules} | {"test_benches.py"}
    found = {
        path.relative_to(root / "tests").as_posix()
        for path in (root / "tests").rglob("test_*.py")
        if not ACROSS & set(path.relative_to(root / "tests").parts)
    }
    assert sorted(found - expected) == []


def test_no_shelf_of_odds_and_ends(modules):
    assert [m.name for m in modules if m.path.stem in FORBIDDEN_NAMES] == []


def test_no_packages_among_the_tests(root):
    assert list((root / "tests").rglob("__init__.py")) == []
