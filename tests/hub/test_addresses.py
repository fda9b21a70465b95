import pytest

from portal.hub.addresses import Tally, find_network


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", bytes.fromhex("20010db8 00000001")),
        ("2001:db8:0:1:ffff::2", bytes.fromhex("20010db8 00000001")),
        ("2001:db8:0:2::1", bytes.fromhex("20010db8 00000002")),
        ("fe80::1%eth0", bytes.fromhex("fe800000 00000000")),
        ("127.0.0.1", ""),
        ("127.8.9.1", ""),
        ("::1", ""),
        ("", ""),
    ],
)
def test_what_counts(address, expected):
    assert find_network(address) == expected


def test_each_address_has_its_share():
    tally = Tally(2, lambda _: False)
    first = [tally.enter("192.0.2.1") for _ in range(3)]
    assert first == ["192.0.2.1", "192.0.2.1", None]
    other = tally.enter("192.0.2.2")
    assert other == "192.0.2.2"
    tally.leave(first[0])
    assert tally.enter("192.0.2.1") is not None
    assert tally.enter("192.0.2.1") is None
    assert len(tally) == 2
    for network in (first[0], first[1], other):
        tally.leave(network)
    assert len(tally) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "10.0.0.1"])
def test_who_is_not_counted(address):
    exempt = {"10.0.0.1"}
    tally = Tally(1, exempt.__contains__)
    entered = [tally.enter(address) for _ in range(5)]
    assert entered == [""] * 5
    exempt.clear()  # what is true when one leaves does not matter
    for network in entered:
        tally.leave(network)
    assert len(tally) == 0


def test_another_limit_counts_from_then_on():
    tally = Tally(1, lambda _: False)
    assert tally.enter("192.0.2.1") is not None
    assert tally.enter("192.0.2.1") is None
    tally.limit = 2
    assert tally.enter("192.0.2.1") is not None
