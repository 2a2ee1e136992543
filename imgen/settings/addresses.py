"""Hosts of the API: which of them others can call, and the base URL where none is configured."""

import ipaddress
import socket

WILDCARDS = {
    "0.0.0.0": ("192.0.2.1", socket.AF_INET),  # noqa: S104 - compared, never bound
    "::": ("2001:db8::1", socket.AF_INET6),
    "": ("192.0.2.1", socket.AF_INET),
}
"""Host that means every interface → an address of the documentation's networks (RFC 5737, RFC 3849) outside of this one."""
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def is_wildcard(host: str) -> bool:
    """Returns whether the host means every interface: no client can call it by that name."""
    return host in WILDCARDS


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can call the host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold().rstrip(".") == "localhost"


def base_url(host: str, port: int) -> str:
    """Returns `http://host:port`; every interface is named by the address that others reach this machine at."""
    if is_wildcard(host):
        host = _outward_address(*WILDCARDS[host])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_url(host: str, port: int) -> str:
    """Returns the URL for a caller on this machine; every interface includes loopback."""
    return base_url(LOOPBACK[WILDCARDS[host][1]] if is_wildcard(host) else host, port)


def _outward_address(outside: str, family: socket.AddressFamily) -> str:
    """Returns the address of the interface that leads out; loopback if none does. Sends nothing: UDP connects locally."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return LOOPBACK[family]
