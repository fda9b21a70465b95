"""docs/operations.md tells of everything that there is, and of nothing else."""

import ast
import re

import pytest

from portal.app import Portal
from portal.cli.parser import make_parser
from portal.config import Config
from portal.exposition import OF_EVERY_PROCESS
from portal.gauges import describe_log
from portal.metrics import help_texts

BELOW_INFO = {"debug"}


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs/operations.md").read_text()


def section(page, title):
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def describe_metrics():
    """The rows of the table as they have to be."""
    for gauge in [*Portal(Config()).gauges, *describe_log(int)]:
        known = gauge.name.startswith(OF_EVERY_PROCESS)
        name = gauge.name if known else f"portal_{gauge.name}"
        total = "_total" if gauge.total else ""
        label = f"{{{gauge.label}}}" if gauge.label else ""
        yield f"| `{name}{total}{label}` | {gauge.help} |"
    for name, text in help_texts().items():
        yield f"| `portal_{name}_total` | {text} |"


def test_every_metric(page):
    rows = [line for line in section(page, "Every metric").splitlines() if line.startswith("| `")]
    assert rows == list(describe_metrics())


def test_alarms_are_on_metrics_that_exist(page):
    names = {row.split("`")[1].partition("{")[0] for row in describe_metrics()}
    named = set(re.findall(r"\b(?:portal|process)_[a-z_]*[a-z]\b", section(page, "Metrics")))
    assert named
    assert named <= names


def find_events(tree):
    """Names of the events that a module logs at INFO and above."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function, name = node.func, node.args[0]
        if isinstance(function, ast.Name):
            logs = function.id == "note"  # where the level is chosen before
        else:
            owner = getattr(function, "value", None)
            logs = isinstance(owner, ast.Name) and owner.id == "log"
            logs = logs and function.attr not in BELOW_INFO
        if logs and isinstance(name, ast.Constant):
            yield name.value


def test_every_event(page, modules):
    logged = {name for module in modules for name in find_events(module.tree)}
    logged.add("log_line_failed")  # made by the log itself
    rows = re.findall(r"^\| (`.*?) \|", section(page, "Every event of the log"), re.MULTILINE)
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(logged)


def test_the_unit_starts_a_portal_that_there_is(root, page):
    unit = (root / "examples/portal.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *words = line.split()
    options = vars(make_parser().parse_args(words))
    assert (options["command"], options["directory"]) == ("run", "/var/lib/portal")
    assert program in unit
    assert "RestartPreventExitStatus=2" in unit
    assert "RestartPreventExitStatus=2" in page


def test_links_lead_somewhere(root, page):
    targets = re.findall(r"\]\(([^)#:]+)\)", page)
    assert targets
    assert [target for target in targets if not (root / "docs" / target).exists()] == []
    anchors = {
        title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", page, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors
