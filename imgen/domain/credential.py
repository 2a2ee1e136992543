"""Credentials: proofs of identity that a request brings, before a principal is made of one. A further kind is a Struct here."""

from msgspec import Struct

from imgen.domain.user import User


class KeyCredential(Struct, frozen=True):
    """API key, from whatever header it came."""

    key_hash: str
    """`hash_key` of the key as sent."""


class SessionCredential(Struct, frozen=True):
    """Session of a user of the web face, and the tenant that the user acts for."""

    user: User
    tenant_id: str = ""
    """Tenant that the request names; empty: the user's only or oldest one."""


class AddressCredential(Struct, frozen=True):
    """Nothing but the IP address of the caller: the peer's, or behind a trusted proxy the one that it names."""

    remote_ip: str


Credential = KeyCredential | SessionCredential | AddressCredential
