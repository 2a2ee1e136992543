"""Data URIs (RFC 2397): pictures in JSON, as base64 text or percent-encoded."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from imgen.domain.errors import InvalidField

_PREFIX = re.compile(r'data:(?:"[^"]*"|[^",])*?(;\s*base64\s*)?,', re.IGNORECASE)
_PREFIX_CHARS = 200
_SPACES = b" \t\r\n\v\f"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
"""Letters of base64url (RFC 4648, section 5)."""

_ESCAPED_LENGTH = 3
"""Characters of `%41`."""

_BLOCK = 1 << 16


def as_data_uri(text: str) -> str:
    """Returns a data URI of a text that is one, or bare base64."""
    bare = text.strip()
    return bare if bare[:5].casefold() == "data:" else "data:;base64," + bare


def decode_data_uri(text: str, *, field: str, max_bytes: int) -> bytes:
    """Decodes a data URI of any media type: base64 in either alphabet, with padding or without, or percent-encoded bytes.

    Raises:
        InvalidField: `field` holds no such URI, no bytes or too many of them.
    """
    stripped = text.strip()
    match = _PREFIX.match(stripped[:_PREFIX_CHARS])
    if match is None:
        raise InvalidField(field)
    is_base64, is_escaped = match[1] is not None, "%" in stripped
    longest = max_bytes * (4 / 3 if is_base64 else 1) * (_ESCAPED_LENGTH if is_escaped else 1) + 1024
    # Without an escape it would be text, and no picture is
    if len(stripped) - match.end() > longest or not (is_base64 or is_escaped):
        raise InvalidField(field)
    try:
        encoded = stripped[match.end() :].encode("ascii")
        if is_escaped:
            encoded = _unescaped(encoded)
        body = _decode_base64(encoded) if is_base64 else encoded
    except (binascii.Error, ValueError) as exc:
        raise InvalidField(field) from exc
    if not body or len(body) > max_bytes:
        raise InvalidField(field)
    return body


def _decode_base64(encoded: bytes) -> bytes:
    if _has_lost_pluses(encoded.strip()):
        encoded = encoded.strip().replace(b" ", b"+")
    # Not str.split: two megabytes of single letters between spaces would become as many objects
    letters = encoded.translate(_URL_SAFE, _SPACES).rstrip(b"=")
    return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)


def _has_lost_pluses(encoded: bytes) -> bool:
    """Returns whether a form's decoder has turned each `+` of base64 into a space, as PHP's does."""
    has_others = any(letter in encoded for letter in (b"+", b"-", b"\r", b"\n", b"\t"))
    return b" " in encoded and not has_others and len(encoded) % 4 == 0


def _unescaped(encoded: bytes) -> bytes:
    """Decodes percent escapes block by block: the library makes an object of each."""
    decoded, at = bytearray(), 0
    while at < len(encoded):
        end = at + _BLOCK
        if (cut := encoded.rfind(b"%", end - _ESCAPED_LENGTH + 1, end)) != -1:
            end = cut
        decoded += unquote_to_bytes(encoded[at:end])
        at = end
    return bytes(decoded)
