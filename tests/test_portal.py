"""The package itself: cheap to import, with one name that is imported when it is asked for."""

import subprocess
import sys

import pytest

import portal
from portal import embedding


def test_the_name_is_the_function():
    assert portal.open_portal is embedding.open_portal
    assert set(portal.__all__) <= {*vars(portal), "open_portal"}


def test_other_names_are_none():
    with pytest.raises(AttributeError, match="has no attribute 'open_door'"):
        _ = portal.open_door


def test_importing_the_package_imports_nothing_heavy():
    source = (
        "import sys; before = set(sys.modules); import portal; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) <= {"portal", "typing"} | set(sys.stdlib_module_names)
