"""The package: what it has, and that it brings nothing of its own."""

import subprocess
import sys

import pytest
from twisted.application.service import Service

import portal.evennia


def test_the_package_itself_brings_nothing():
    probe = "import sys, portal.evennia; print('twisted' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True) == "False\n"


def test_the_package_has_nothing_else():

    with pytest.raises(AttributeError, match="no attribute 'other'"):
        portal.evennia.other  # noqa: B018


def test_what_a_game_s_settings_name():

    assert issubclass(portal.evennia.PortalService, Service)
