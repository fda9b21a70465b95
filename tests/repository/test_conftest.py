"""A skipped test against a real peer is a failure where PORTAL_CI is set, and only there."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SKIPS = """
import pytest

@pytest.mark.interop
def test_peer():
    pytest.skip("no peer")

def test_other():
    pytest.skip("no matter")

@pytest.mark.interop
@pytest.mark.xfail(reason="known")
def test_known():
    raise AssertionError
"""
IMPORTS = "import pytest\npytest.importorskip('a_peer_that_is_not_there')\n"


@pytest.fixture
def project(pytester):
    source = CONFTEST.read_text().replace('pytest_plugins = ["pytester"]\n', "")
    pytester.makeconftest(source)
    pytester.makeini("[pytest]\nmarkers = interop: runs against a real peer\n")
    return pytester


def test_a_skip_is_a_skip_without_the_variable(project, monkeypatch):
    monkeypatch.delenv("PORTAL_CI", raising=False)
    project.makepyfile(SKIPS)
    project.inline_run().assertoutcome(skipped=3)


def test_a_skipped_peer_fails_with_the_variable(project, monkeypatch):
    monkeypatch.setenv("PORTAL_CI", "1")
    project.makepyfile(SKIPS)
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*PORTAL_CI is set*no peer*"])


@pytest.mark.parametrize(("value", "errors"), [("1", 1), ("", 0)])
def test_a_module_that_skips_itself(project, monkeypatch, value, errors):
    monkeypatch.setenv("PORTAL_CI", value)
    folder = project.mkdir("interop")
    (folder / "test_peer.py").write_text(IMPORTS)
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=errors, skipped=1 - errors)
