"""The budget of the house: modules of at most 400 lines, function bodies of at most 50.

Complexity is held by ruff (C901) and clippy, and clippy counts the lines of Rust functions.
"""

import ast

MODULE_LINES = 400
BODY_LINES = 50
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def body_lines(function):
    """Lines of a function's body, its docstring apart."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_a_docstring_is_not_part_of_a_body():
    source = "def f():\n    '''One.\n\n    Two.\n    '''\n    a = 1\n\n    return a\n"
    assert body_lines(ast.parse(source).body[0]) == 3


def test_python_modules(modules):
    sizes = {module.name: len(module.source.splitlines()) for module in modules}
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_python_functions(modules):
    sizes = {
        f"{module.name}.{node.name}": body_lines(node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS)
    }
    assert {name: size for name, size in sizes.items() if size > BODY_LINES} == {}


def test_rust_files(root):
    # Unit tests at the end of a file are not the module that a reader has to hold in mind.
    sizes = {
        str(path.relative_to(root)): len(path.read_text().split("#[cfg(test)]")[0].splitlines())
        for path in sorted((root / "crates").glob("*/src/**/*.rs"))
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}
