"""URLs that tenants name: parsed strictly, once, into the parts that are connected to. Names are resolved later (network.py)."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import idna

from imgen.domain.errors import UnsafeUrl
from imgen.outgoing.addresses import Network, may_connect, parse_address

MAX_URL_CHARS = 2000
PORTS = {"https": 443, "http": 80}
"""Scheme → its own port. Other ports begin at FIRST_FREE_PORT: below it, mail and other services read what they get."""
FIRST_FREE_PORT, LAST_PORT = 1024, 65_535
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]@:/%]+))(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")
_MAX_NAME_CHARS = 253
_LOCAL_NAMES = ("localhost", "local", "internal", "home.arpa", "lan", "intranet", "corp", "home", "localdomain")
"""Ends of names that only a local network has."""
_SAFE = "!$&'()*+,;=:@/?%~-._"
"""Characters of path and query that are sent as they are."""


class OutgoingUrl(NamedTuple):
    """Parts of a URL that may be connected to, if its name resolves to public addresses."""

    scheme: str
    host: str
    """Name in ASCII, or an address without brackets."""
    port: int
    target: str
    """Path and query."""

    @property
    def text(self) -> str:
        """The whole URL, in ASCII."""
        return self.origin + self.target

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


def parse_url(text: str, *, allow: Sequence[Network] = ()) -> OutgoingUrl:
    """Parses a URL that a tenant named.

    Args:
        text: the URL; its fragment is dropped.
        allow: networks that the operator opened; with any, http and local names are taken as well, and may lead to these alone.

    Raises:
        UnsafeUrl: it is no https URL, has a user or password, a port of another service, or an address that is not public, or
            it is longer than MAX_URL_CHARS, as it is or in ASCII.
    """
    if len(text) > MAX_URL_CHARS or not text.isprintable() or any(sign in text for sign in ' \\<>"'):
        raise UnsafeUrl
    try:
        parts = urlsplit(text)
        found = _HOST_AND_PORT.fullmatch(parts.netloc)
        if parts.scheme not in (PORTS if allow else ("https",)) or found is None:
            raise UnsafeUrl
        host = found["v6"] or _ascii_name(found["name"])
        address = parse_address(host)
    except (ValueError, idna.IDNAError) as exc:
        raise UnsafeUrl from exc
    port = PORTS[parts.scheme] if found["port"] is None else int(found["port"])
    if port not in PORTS.values() and not FIRST_FREE_PORT <= port <= LAST_PORT:
        raise UnsafeUrl
    if address is not None:
        if not may_connect(address, allow=allow, opened_only=parts.scheme != "https"):
            raise UnsafeUrl
        host = str(address)
    elif not allow and _is_local(host):
        raise UnsafeUrl
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    parsed = OutgoingUrl(parts.scheme, host, port, target)
    if len(parsed.text) > MAX_URL_CHARS:  # its text is kept, and parsed again before each request
        raise UnsafeUrl
    return parsed


def _ascii_name(name: str) -> str:
    """Returns a name as resolvers get it: full-width digits and dots, and other compatible signs, are what they look like.

    Raises:
        ValueError, IDNAError: it is no name.
    """
    ascii_name = (name if name.isascii() else idna.encode(name, uts46=True).decode()).lower()
    if len(ascii_name) > _MAX_NAME_CHARS or not _NAME.fullmatch(ascii_name):
        raise ValueError(name)
    return ascii_name


def _is_local(name: str) -> bool:
    bare = name.removesuffix(".")
    return "." not in bare or any(bare.endswith(f".{end}") for end in _LOCAL_NAMES)
