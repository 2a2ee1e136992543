"""Credentials: proofs of identity that a request brings, before a principal is made of one. A further kind is a Struct here."""

from msgspec import Struct

from imgen.domain.oauth.grants import hash_token, is_access_token
from imgen.domain.principal import hash_key
from imgen.domain.user import User


class KeyCredential(Struct, frozen=True):
    """API key, from whatever header it came."""

    key_hash: str
    """`hash_key` of the key as sent."""


class TokenCredential(Struct, frozen=True):
    """OAuth access token, and the resource that it is to be good for."""

    key_hash: str
    """`hash_token` of the token as sent."""
    resource: str
    """One of `grants.RESOURCES`."""


class SessionCredential(Struct, frozen=True):
    """Session of a user of the web face, and the tenant that the user acts for."""

    user: User
    tenant_id: str = ""
    """Tenant that the request names; empty: the user's only or oldest one."""


class AddressCredential(Struct, frozen=True):
    """Nothing but the IP address of the caller: the peer's, or behind a trusted proxy the one that it names."""

    remote_ip: str


Credential = KeyCredential | TokenCredential | SessionCredential | AddressCredential


def secret_credential(raw: str, *, resource: str) -> KeyCredential | TokenCredential:
    """Makes the credential of a Bearer header: an access token, or an API key.

    Args:
        raw: the key or token as sent.
        resource: one of `grants.RESOURCES`, the one that a token has to be good for.
    """
    if is_access_token(raw):
        return TokenCredential(hash_token(raw), resource)
    return KeyCredential(hash_key(raw))
