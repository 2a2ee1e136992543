"""Data URIs: pictures in JSON, as base64 text."""

import base64
import binascii
import re

from imgen.domain.errors import InvalidField

_PREFIX = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_PREFIX_CHARS = 200
_SPACES = b" \t\r\n\v\f"


def decode_data_uri(text: str, *, field: str, max_bytes: int) -> bytes:
    """Decodes a base64 data URI of any media type.

    Raises:
        InvalidField: `field` holds no such URI, no bytes or too many of them.
    """
    stripped = text.strip()
    match = _PREFIX.match(stripped[:_PREFIX_CHARS])
    if match is None:
        raise InvalidField(field)
    encoded = stripped[match.end() :]
    if len(encoded) > max_bytes * 4 / 3 + 1024:
        raise InvalidField(field)
    try:
        # Not str.split: two megabytes of single letters between spaces would become as many objects
        body = base64.b64decode(encoded.encode("ascii").translate(None, _SPACES), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidField(field) from exc
    if not body or len(body) > max_bytes:
        raise InvalidField(field)
    return body
