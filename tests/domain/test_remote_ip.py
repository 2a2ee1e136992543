"""Addresses as subjects of limits."""

import pytest

from imgen.domain.remote_ip import network_of


@pytest.mark.parametrize(
    ("remote_ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_a_host_has_one_network(remote_ip, network):
    """A host with IPv6 has 2^64 addresses, which count as one."""
    assert network_of(remote_ip) == network
