"""People's passwords: Argon2id with the library's parameters (RFC 9106, low-memory profile)."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()


def new_password() -> str:
    """A first password: 96 random bits that can be typed."""
    return secrets.token_urlsafe(12)


def hashed(password: str) -> str:
    """What may be stored. Takes some 30 ms and 64 MiB: keep it off the event loop."""
    return _hasher.hash(password)


def fits(password: str, password_hash: str) -> bool:
    """Whether the password is the one that was hashed."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
