"""Passwords of users: Argon2id with the library's parameters (RFC 9106, low-memory profile)."""

import base64
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from imgen.domain.errors import Invalid
from imgen.domain.user import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from imgen.threads import PASSWORDS

_hasher = PasswordHasher()


def new_password() -> str:
    """Makes a first password: 96 random bits in characters that are easy to type."""
    return secrets.token_urlsafe(12)


def check_length(password: str) -> None:
    """Checks the length of a password that a person chose.

    Raises:
        Invalid: it is too short or too long.
    """
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise Invalid(f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")


def check_equal(password: str, again: str) -> None:
    """Checks that a password was typed twice alike.

    Raises:
        Invalid: the two differ.
    """
    if password != again:
        raise Invalid("The two passwords differ")


def hash_password(password: str) -> str:
    """Hashes a password for storage. Takes some 30 ms and 64 MiB: on an event loop use `hash_in_thread`."""
    return _hasher.hash(password)


def decoy_hash() -> str:
    """Makes a hash that no password has. It costs no time, while to compare a password with it costs as much as with another."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_hasher.salt_len, _hasher.hash_len)
    )
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


def verify_password(password: str, password_hash: str) -> bool:
    """Returns whether the password has this hash."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


async def hash_in_thread(password: str) -> str:
    """Hashes a password off the event loop."""
    return await PASSWORDS.run(hash_password, password)


async def verify_in_thread(password: str, password_hash: str) -> bool:
    """Returns whether the password has this hash, off the event loop; one that is too long is not hashed."""
    if len(password) > MAX_PASSWORD_CHARS:
        return False
    return await PASSWORDS.run(verify_password, password, password_hash)
