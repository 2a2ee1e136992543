"""Network addresses: the public ones, every spelling of a literal one, and the networks that an operator opened."""

import ipaddress
import socket
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # "this network"; Linux connects 0.0.0.0 to itself
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata server is 100.100.100.200
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent, reached from within alone
            "169.254.0.0/16",  # link-local; most clouds' metadata servers
            "172.16.0.0/12",
            "192.0.0.0/24",  # Oracle's metadata server is 192.0.0.192
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
"""IANA's registry of IPv4 special-purpose addresses (RFC 6890), multicast, and hosts of clouds that are reached from within."""
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is assigned for global unicast; loopback, unique local, link-local and multicast lie outside."""
_NOT_PUBLIC_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo's tunnels among them
            "2001:db8::/32",
            "2002::/16",  # 6to4: a tunnel to any IPv4 address
            "3fff::/20",
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Well-known prefix of NAT64 (RFC 6052): on a host with IPv6 alone, names of IPv4 hosts resolve to it."""


def parse_address(host: str) -> Address | None:
    """Parses the host of a URL as an address, in every spelling that a resolver takes: decimal, octal, hex, shortened.

    Returns:
        None: the host is a name.

    Raises:
        ValueError: it ends in a number as an address does, and is none.
    """
    if ":" in host:
        return ipaddress.IPv6Address(host)
    bare = host.removesuffix(".")
    last = bare.rpartition(".")[2]
    if not (last.isdigit() or last.startswith("0x")):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except OSError as exc:
        raise ValueError(host) from exc


def may_connect(address: Address, *, allow: Sequence[Network], opened_only: bool = False) -> bool:
    """Returns whether a request of a tenant may go to an address.

    Args:
        address: to connect to.
        allow: networks that the operator opened.
        opened_only: whether it must lie in one of those.
    """
    inner = _unwrapped(address)
    if any(inner in network for network in allow):
        return True
    return not opened_only and _is_public(inner)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def _unwrapped(address: Address) -> Address:
    """Returns the IPv4 address that a packet ends at, for one that is mapped or translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
