"""Pre-signed URLs of stores that our API serves: HMAC over key, expiry and file name, checked by the same secret. Does no I/O."""

import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from imgen.domain.errors import ConfigurationError, Forbidden
from imgen.objects.keys import checked_expiry, checked_key

PREFIX = "/files"
"""Path of the URLs, which imgen/surfaces/files.py serves."""
MIN_SECRET_BYTES = 32
"""RFC 2104, section 3: a key shorter than the hash's output weakens the signature."""
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
"""Matches a text that `quote` would leave as it is, in a third of its time: each poll of a finished job signs two names."""


class Grant(NamedTuple):
    """Right to one object, as its URL gives it."""

    filename: str
    """Name to save the file under; empty: the key's last word."""
    expires_in_s: int


class UrlSigner:
    """Signer of URLs, and checker of those that it signed."""

    def __init__(self, *, base_url: str, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        """`base_url` is the public URL of the API; `clock` gives Unix seconds.

        Raises:
            ConfigurationError: the secret is short.
        """
        if len(secret) < MIN_SECRET_BYTES:
            raise ConfigurationError(f"The secret that signs file addresses needs {MIN_SECRET_BYTES} bytes or more")
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._clock = clock

    def url(self, key: str, *, expires_s: int, filename: str = "") -> str:
        """Returns `<base_url>/files/<key>?expires=…&signature=…[&filename=…]`; browsers save the file as `filename`."""
        checked_key(key)
        expires = str(int(self._clock()) + checked_expiry(expires_s))
        named = f"&filename={filename if _PLAIN(filename) else quote(filename, safe='')}" if filename else ""
        signature = self._signature(key, expires, filename)
        return f"{self._base_url}{PREFIX}/{key}?expires={expires}&signature={signature}{named}"

    def check(self, key: str, query: Mapping[str, str]) -> Grant:
        """Checks the query of a URL.

        Raises:
            Forbidden: absent, wrong or expired signature.
        """
        expires, filename = query.get("expires", ""), query.get("filename", "")
        given = query.get("signature", "").encode()
        if not hmac.compare_digest(given, self._signature(key, expires, filename).encode()):
            raise Forbidden("Forbidden")
        # From here on key and expiry are what `url` once wrote.
        expires_in_s = int(expires) - int(self._clock())
        if expires_in_s <= 0:
            raise Forbidden("Forbidden")
        return Grant(filename, expires_in_s)

    def _signature(self, key: str, expires: str, filename: str) -> str:
        # The file name is last: it alone may hold a line break, so no two triples give the same text.
        return hmac.digest(self._secret, f"GET\n{key}\n{expires}\n{filename}".encode(), "sha256").hex()
