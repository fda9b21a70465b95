"""The README shows what is there: its game is the example, its figures are measured ones."""

import re

import pytest


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text()


def test_the_game_is_the_example(root, readme):
    example = (root / "examples/twelve_lines.py").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert example in blocks


def test_the_example_is_twelve_lines(root):
    source = (root / "examples/twelve_lines.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 12


def test_links_lead_somewhere(root, readme):
    targets = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert targets
    assert [target for target in targets if not (root / target).exists()] == []


def test_it_warns_of_the_other_package(readme):
    assert "`portal` there is unrelated" in readme
