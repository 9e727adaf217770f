"""What an address counts as in every limit."""

import pytest

from chatserver.net.addresses import network, readable


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fd00:1::5", "fd00:1::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%eth1", "fe80::1%eth1"),
        ("fe80::2%eth0", "fe80::2%eth0"),
        ("::1", "::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
        ("64:ff9b:1::192.0.2.1", "64:ff9b:1::c000:201"),
        ("2002:c000:201:1::1", "192.0.2.1 by 6to4"),
        ("2002:c000:201:2::1", "192.0.2.1 by 6to4"),
        ("no address", "no address"),
    ],
)
def test_what_an_address_counts_as(address: str, counted: str) -> None:
    assert network(address) == counted


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_ipv4_address_looks_like_one(address: str, shown: str) -> None:
    assert readable(address) == shown
