"""One-time links: invitations to a tenant, and links that reset a password. Each is good once, for a week."""

import hashlib
import secrets
from enum import StrEnum

from msgspec import Struct

LIFETIME_S = 7 * 86_400


class LinkKind(StrEnum):
    """Kinds of one-time links."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind, no password


PATHS = {LinkKind.INVITATION: "/invitation", LinkKind.PASSWORD_RESET: "/password-reset"}
"""Kind → page that takes its token."""


class OneTimeLink(Struct, frozen=True, kw_only=True):
    """Link as it is stored, without its token, which cannot be recovered."""

    id: str
    kind: LinkKind
    tenant_id: str
    """Tenant that an invitation is to; empty for a reset."""
    role: str
    """Role that an invitation gives; empty for a reset."""
    user_id: str
    """User whose password is reset; empty for an invitation."""
    made_by: str
    """Id of the user who made it; empty: it was made on the command line."""
    created_at: float
    expires_at: float


def new_token() -> str:
    """Makes a token of 256 random bits. Show it once; store only `hash_token` of it."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Returns SHA-256 in hex: a token has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).hexdigest()


def link_url(public_url: str, kind: LinkKind, token: str) -> str:
    """Returns the address to hand over. The token is its fragment, which browsers send to no server and in no `Referer`."""
    return f"{public_url}{PATHS[kind]}#{token}"
