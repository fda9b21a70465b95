"""What continuous integration runs is there, and a tag publishes the version that it names."""

import re
import tomllib

import pytest

WORKFLOWS = {"check.yml", "wheels.yml"}


@pytest.fixture(scope="module")
def workflows(root):
    return {path.name: path.read_text() for path in (root / ".github/workflows").iterdir()}


def test_there_are_these(workflows):
    assert workflows.keys() == WORKFLOWS


def test_every_file_that_a_step_runs_is_there(root, workflows):
    steps = re.findall(r"run: (.*)$", "\n".join(workflows.values()), re.MULTILINE)
    words = [word for step in steps for word in step.split()]
    files = {word for word in words if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", word)}
    assert files == {".ci/run", "tests/interop/smoke.py"}
    assert [name for name in files if not (root / name).is_file()] == []


def test_wheels_are_for_both_machines_and_are_published_by_tags_alone(workflows):
    text = workflows["wheels.yml"]
    assert re.findall(r"target: (\w+),", text) == ["x86_64", "aarch64"]
    publish = text.partition("  publish:")[2]
    assert "if: startsWith(github.ref, 'refs/tags/v')" in publish
    assert "needs: [wheel, sdist]" in publish
    assert 'ls "dist/mudportal-${GITHUB_REF_NAME#v}.tar.gz"' in publish
    assert text.count("id-token: write") == publish.count("id-token: write") == 1


def test_the_oldest_python_is_tried(root, workflows):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    assert all(f'"{oldest}"' in text for text in workflows.values())
    assert f"Programming Language :: Python :: {oldest}" in project["classifiers"]
