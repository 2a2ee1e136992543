"""Soft bindings: the algorithms of those in our manifests, and their values as clients of a resolver send them (C2PA 2.4)."""

import base64
import binascii
import re
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

DEFAULT_DOMAIN = "internal.imgen"
"""Reverse domain that names begin with. ICANN keeps `internal` for private use: it is nobody's."""


class Algorithm(StrEnum):
    """Algorithm, by the name that follows the reverse domain."""

    WATERMARK = "dwtDctSvd.bch127"
    FINGERPRINT = "pdq"


class SoftBinding(Struct, frozen=True, kw_only=True):
    """Value that may be bound to a picture."""

    algorithm: Algorithm
    value: str
    """Lower-case hex digits, as the assertion has them."""


DIGITS: Mapping[Algorithm, int] = {Algorithm.WATERMARK: 12, Algorithm.FINGERPRINT: 64}
"""Hex digits of a value."""
_FORMER: Mapping[str, Algorithm] = {
    "imgen.dwtDctSvd.bch127": Algorithm.WATERMARK,
    "com.facebook.pdq": Algorithm.FINGERPRINT,
}
"""Names in manifests of 0.2 and before."""
_HEX = re.compile(r"[0-9a-fA-F]+")


def algorithms_by_name(domain: str) -> dict[str, Algorithm]:
    """Returns the algorithms by all names that manifests of ours may have, the present ones first.

    Args:
        domain: reverse domain of the present names.
    """
    named = {f"{each}.{algorithm}": algorithm for each in (domain, DEFAULT_DOMAIN) for algorithm in Algorithm}
    return named | dict(_FORMER)


def parse_value(algorithm: Algorithm, text: str) -> str | None:
    """Returns the value that a client sent, in hex; None: it is none of the algorithm's.

    Taken are the assertion's own text, base64 of that text, and base64 of the bytes that it writes; their lengths tell them
    apart. Base64 is either alphabet's, with or without its padding. A space stands for `+`, which a query has to escape.
    """
    digits = DIGITS[algorithm]
    if len(text) == digits and _HEX.fullmatch(text):
        return text.lower()
    decoded = _base64(text)
    if len(decoded) == digits // 2:
        return decoded.hex()
    inner = decoded.decode("latin-1")
    return inner.lower() if len(inner) == digits and _HEX.fullmatch(inner) else None


def _base64(text: str) -> bytes:
    """Decodes base64; empty: it is none."""
    plain = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
