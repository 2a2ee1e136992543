"""IP addresses of clients as the subjects of limits."""

import ipaddress

IPV6_PREFIX = 64
"""Prefix of an IPv6 network: a host chooses the other bits as it likes (RFC 4291, section 2.5.1)."""


def network_of(remote_ip: str) -> str:
    """Returns the address for IPv4, the /64 network for IPv6; anything else, such as an empty text, as it is."""
    try:
        address = ipaddress.ip_address(remote_ip.partition("%")[0])
    except ValueError:
        return remote_ip
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
