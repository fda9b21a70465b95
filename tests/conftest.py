"""What all tests share.

Where PORTAL_CI is set (`.ci/run` sets it), a test against a real peer may not be skipped: the
peer is part of what continuous integration has to have, so a skip there is a failure.
"""

import os

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("portal", deadline=None)
settings.load_profile("portal")

pytest_plugins = ["pytester"]

CI_VARIABLE = "PORTAL_CI"


def _refuse_skip(report):
    if report.skipped and os.environ.get(CI_VARIABLE) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{CI_VARIABLE} is set: a test against a real peer may not skip ({reason})"
        )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    return _refuse_skip(report) if item.get_closest_marker("interop") else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    # A whole module that skips itself (`pytest.importorskip`) has no items to carry the marker.
    report = yield
    return _refuse_skip(report) if "interop" in collector.path.parts else report
