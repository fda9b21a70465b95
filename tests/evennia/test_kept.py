"""What is read for ways in that are still to come."""

import pytest

from portal.evennia.given import Given
from portal.evennia.kept import Kept, read_kept


@pytest.fixture
def read(collect):
    def read(mssp=(), locked=(), **changes):
        given = Given("settings.py", collect(**changes)["settings"])
        return read_kept(given, dict(mssp), locked=locked), given.problems

    return read


def test_by_default_nothing_is_on(read):
    issuer = {"C": "EV", "ST": "Evennia", "CN": "evennia"}
    assert read() == (Kept(certificate_issuer=issuer, mssp={}), [])


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"SSL_ENABLED": True}, {"tls_ports": (4003,), "tls_hosts": ("0.0.0.0",)}),
        ({"SSL_ENABLED": True, "SSL_PORTS": []}, {"tls_ports": (), "tls_hosts": ()}),
        ({"SSL_ENABLED": True, "SSL_INTERFACES": []}, {"tls_ports": (), "tls_hosts": ()}),
        ({"SSL_ENABLED": True, "locked": ("127.0.0.1",)}, {"tls_hosts": ("127.0.0.1",)}),
        (
            {"SSH_ENABLED": True, "SSH_PORTS": [22, 23], "SSH_INTERFACES": ["::1"]},
            {"ssh_ports": (22, 23), "ssh_hosts": ("::1",)},
        ),
        ({"SSL_CERTIFICATE_ISSUER": None}, {"certificate_issuer": None}),
        ({"TELNET_OOB_ENABLED": True}, {"oob_enabled": True}),
        ({"MXP_ENABLED": False}, {"mxp_enabled": False}),
        ({"MXP_OUTGOING_ONLY": False}, {"mxp_outgoing_only": False}),
        ({"mssp": {"PORT": [4000, "23"]}}, {"mssp": {"PORT": ("4000", "23")}}),
    ],
)
def test_each(read, changes, values):
    kept, problems = read(**changes)
    assert {name: getattr(kept, name) for name in values} == values
    assert problems == []


@pytest.mark.parametrize("changes", [{"SSL_ENABLED": "x"}, {"SSH_PORTS": 22}, {"MXP_ENABLED": 3}])
def test_mistakes_are_found(read, changes):
    _, problems = read(**changes)
    assert [problem.key for problem in problems] == list(changes)
