"""Grants of OAuth 2.1: tokens and their lifetimes, scopes, resources, and the proof of a code's owner (PKCE)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from msgspec import Struct

from imgen.domain.account import Tenant
from imgen.domain.errors import InvalidScope, InvalidTarget
from imgen.domain.principal import SCOPES

CODE_S = 60
ACCESS_TOKEN_S = 3600
REFRESH_TOKEN_S = 30 * 86_400
GRACE_S = 60
"""Time for which a refresh token that was rotated away still gives an access token: two processes of a client may share it."""
CODE, ACCESS, REFRESH = PREFIXES = ("imgc_", "imgo_", "imgr_")
"""Prefixes of codes, access tokens and refresh tokens; 256 random bits follow."""
RESOURCES = ALL, MCP, FORGE = ("", "/mcp", "/v2")
"""Paths of the resources that a token can be for; an empty one is all of this server."""
S256 = "S256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Grant(Struct, frozen=True, kw_only=True):
    """Permission of a client to act for a person within a tenant; codes and tokens carry it."""

    connection_id: str
    """The connected application: a client, a person and a tenant."""
    client_id: str
    user_id: str
    tenant_id: str
    scopes: tuple[str, ...]
    resource: str
    """One of RESOURCES."""


class TenantToken(Struct, frozen=True, kw_only=True):
    """Access token that is good, with its tenant."""

    grant: Grant
    tenant: Tenant
    expires_at: float


def new_token(prefix: str) -> str:
    """Makes a raw code or token. Tell it once; store only `hash_token` of it."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(raw: str) -> str:
    """Returns SHA-256 in hex, never that of an API key of the same text."""
    return hashlib.sha256(b"oauth " + raw.encode("utf-8", "surrogatepass")).hexdigest()


def is_access_token(raw: str) -> bool:
    """Returns whether a text has the form of an access token."""
    return raw.startswith(ACCESS)


def is_challenge(text: str) -> bool:
    """Returns whether a text is an S256 challenge (RFC 7636, section 4.2)."""
    return _CHALLENGE.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Returns whether a verifier is that of a challenge (RFC 7636, section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest.decode(), challenge)


def parse_scopes(text: str, allowed: Collection[str]) -> tuple[str, ...]:
    """Parses a list of scopes; an empty one means all that are allowed.

    Raises:
        InvalidScope: one of them is unknown or not allowed.
    """
    wanted = set(text.split())
    if not wanted <= set(allowed):
        raise InvalidScope
    return tuple(scope for scope in SCOPES if scope in (wanted or allowed))


def parse_resource(text: str, base: str) -> str:
    """Parses the URL of a resource (RFC 8707); returns its path, one of RESOURCES. None given: all of this server.

    Args:
        text: as sent; one slash at its end says nothing.
        base: URL of this server, without a slash at its end.

    Raises:
        InvalidTarget: it is none of this server.
    """
    if not text:
        return ALL
    known = {_canonical(base + path): path for path in RESOURCES}
    try:
        return known[_canonical(text)]
    except (KeyError, ValueError) as exc:
        raise InvalidTarget from exc


def covers(granted: str, wanted: str) -> bool:
    """Returns whether a token for one resource is good for another: the same, or all."""
    return granted in (ALL, wanted)


def _canonical(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl().removesuffix("/")
