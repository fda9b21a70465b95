import pytest

from portal.config import HttpConfig
from portal.wire.forwarded import Proxies, is_in, is_passed_on, parse_networks

PROXY = "10.0.0.1"
TRUSTED = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")


def find(peer, *headers, trusted=TRUSTED, header="x-forwarded-for"):
    proxies = Proxies(HttpConfig(trusted_proxies=trusted, forwarded_header=header))
    return proxies.find_client(peer, iter(headers))


@pytest.mark.parametrize(
    ("peer", "values", "expected"),
    [
        (PROXY, [], PROXY),
        (PROXY, ["192.0.2.1"], "192.0.2.1"),
        (PROXY, [" 192.0.2.1:4711 "], "192.0.2.1"),
        (PROXY, ["2001:db8::1"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]"], "2001:db8::1"),
        (PROXY, ["2001:DB8:0::1"], "2001:db8::1"),
        (PROXY, ["fe80::1%eth0"], "fe80::1"),
        (PROXY, ["::ffff:192.0.2.1"], "192.0.2.1"),
        # What a client wrote itself stands before what the proxy added.
        (PROXY, ["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        (PROXY, ["198.51.100.9", "192.0.2.1"], "192.0.2.1"),
        (PROXY, ["198.51.100.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (PROXY, ["192.0.2.1, 10.0.0.2", "fd00::7, 127.0.0.1"], "192.0.2.1"),
        (PROXY, ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # The last that can be believed, where something is no address.
        (PROXY, ["unknown"], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, ["192.0.2.1, "], PROXY),
        (PROXY, ["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (PROXY, ["192.0.2.1, <script>"], PROXY),
        (PROXY, ["192.0.2.256"], PROXY),
        (PROXY, ["[192.0.2.1"], "192.0.2.1"),
        # Nobody else is believed.
        ("192.0.2.7", ["198.51.100.9"], "192.0.2.7"),
        ("127.0.0.2", ["198.51.100.9"], "127.0.0.2"),
        ("::1", ["198.51.100.9"], "::1"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        # On a UNIX socket only this machine can be.
        ("", ["192.0.2.1"], "192.0.2.1"),
        ("", [], ""),
    ],
)
def test_x_forwarded_for(peer, values, expected):
    assert find(peer, *(("x-forwarded-for", value) for value in values)) == expected


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        (PROXY, [], ["game"]),
        (PROXY, [("x-forwarded-host", "a.example")], ["game", "a.example"]),
        (
            PROXY,
            [("x-forwarded-host", "a, b:80"), ("x-forwarded-host", "c")],
            ["game", "a", " b:80", "c"],
        ),
        (PROXY, [("host", "d")], ["game"]),
        ("192.0.2.7", [("x-forwarded-host", "a.example")], ["game"]),
    ],
)
def test_hosts(peer, headers, expected):
    proxies = Proxies(HttpConfig(trusted_proxies=TRUSTED))
    assert proxies.find_hosts(peer, "game", iter(headers)) == expected


@pytest.mark.parametrize("peer", ["", "127.0.0.1", "192.0.2.7"])
def test_where_nobody_is_trusted(peer):
    assert find(peer, ("x-forwarded-for", "198.51.100.9"), trusted=()) == peer


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ("proto=https; for=192.0.2.1", "192.0.2.1"),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=198.51.100.9, for=192.0.2.1", "192.0.2.1"),
        ('for=192.0.2.1, For="10.0.0.2"', "192.0.2.1"),
        ("for=192.0.2.1, by=10.0.0.1", PROXY),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("xfor=192.0.2.1", PROXY),
        ("by=for=192.0.2.1", PROXY),
        ('for=""', PROXY),
        ("for=", PROXY),
        # An open quote of the client's does not swallow what the proxy adds.
        ('for="x, for=192.0.2.1', "192.0.2.1"),
    ],
)
def test_forwarded(value, expected):
    assert find(PROXY, ("forwarded", value), header="forwarded") == expected


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_only_the_header_of_the_proxy_counts(header):
    """The other one comes from the client: a proxy passes on what it does not write."""
    headers = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")]
    expected = {"x-forwarded-for": "192.0.2.1", "forwarded": "192.0.2.2"}
    assert find(PROXY, *headers, header=header) == expected[header]
    other = [each for each in headers if each[0] != header]
    assert find(PROXY, *other, header=header) == PROXY


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["host", "accept"], False),
        ([], False),
        (["x-forwarded"], False),
        (["host", "x-forwarded-for"], True),
        (["x-forwarded-proto"], True),
        (["forwarded"], True),
        (["via"], True),
        (["x-real-ip"], True),
    ],
)
def test_the_signs_of_a_proxy(names, expected):
    assert is_passed_on(names) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.255.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("127.0.0.1", True),
        ("fd12::1", True),
        ("11.0.0.1", False),
        ("127.0.0.2", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_networks(address, expected):
    assert is_in(address, parse_networks(TRUSTED)) is expected
