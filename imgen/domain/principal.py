"""Principals that requests act as: one value for all kinds, made only here; and the API keys of one kind."""

import hashlib
import secrets
from enum import StrEnum

from msgspec import Struct

from imgen.domain.account import Tenant, quota_owner
from imgen.domain.errors import Forbidden, Invalid, OutOfScope
from imgen.domain.remote_ip import network_of
from imgen.domain.user import User

DAY_S = 86_400
LONGEST_LIFETIME_DAYS = 3650
LONGEST_GRACE_DAYS = 30
KEY_PREFIXES = {"action": "imgen_", "forge": "imgf_"}
"""Surface → prefix of its keys. 64 hex digits follow: 256 random bits."""


GENERATE, READ = SCOPES = ("generate", "read")
"""Scopes of tenants' keys; a new key has both, unless it is made with one."""
OPERATE = "operate"
"""Scope of operators' keys, which change the plans and packs of any tenant: made and changed by administrators alone."""
ALL_SCOPES = (*SCOPES, OPERATE)


class ApiKey(Struct, frozen=True, kw_only=True):
    """API key as it is stored, without the raw key, which cannot be recovered."""

    id: str
    tenant_id: str
    name: str
    prefix: str
    """First characters of the raw key, enough to tell keys apart."""
    scopes: tuple[str, ...]
    enabled: bool
    created_at: float
    last_used_at: float | None = None
    expires_at: float | None = None
    """End of its validity; for the old secret of a rotated key, the end of its grace."""
    old_secret_until: float | None = None
    """End of the grace of the old secret, if the key was rotated."""
    made_by: str = ""
    """Id of the user who made it in the panel; empty: it was made on the command line."""


class TenantKey(Struct, frozen=True, kw_only=True):
    """API key with its tenant."""

    key: ApiKey
    tenant: Tenant


class Kind(StrEnum):
    """Kinds of principals, by their proof of identity."""

    API_KEY = "api_key"
    USER = "user"
    """Session of a user of the web face."""
    CONNECTED_APP = "connected_app"
    """Application that a person allowed to act for a tenant, by its OAuth access token."""
    ANONYMOUS = "anonymous"
    """IP address of a caller without a credential."""


class Principal(Struct, frozen=True, kw_only=True):
    """Party that a request acts as. A further kind is a line in Kind and a function below."""

    kind: Kind
    counted_as: str
    """Owner of its counts and jobs: the id of the key, user or connected application, or `ip_` and the network of an address."""
    tenant: Tenant
    scopes: tuple[str, ...]

    @property
    def quota_owner(self) -> str:
        """Owner of the sums that the plan limits."""
        return quota_owner(self.tenant.id, self.counted_as)

    def require(self, scope: str) -> None:
        """Raises OutOfScope if the principal lacks a scope; empty: none is needed."""
        if scope and scope not in self.scopes:
            raise OutOfScope(scope)


def key_principal(found: TenantKey) -> Principal:
    """Makes the principal of an API key."""
    return Principal(kind=Kind.API_KEY, counted_as=found.key.id, tenant=found.tenant, scopes=found.key.scopes)


def user_principal(user: User, tenant: Tenant) -> Principal:
    """Makes the principal of a user: counted under the user's own id, within the tenant's plan.

    Raises:
        Forbidden: the user is no member of the tenant.
    """
    if user.scope is not None and tenant.id not in user.scope:
        raise Forbidden
    return Principal(kind=Kind.USER, counted_as=user.id, tenant=tenant, scopes=SCOPES)


def connected_principal(connection_id: str, tenant: Tenant, scopes: tuple[str, ...]) -> Principal:
    """Makes the principal of a connected application: counted by itself, over all of its tokens."""
    return Principal(kind=Kind.CONNECTED_APP, counted_as=connection_id, tenant=tenant, scopes=scopes)


def anonymous_principal(remote_ip: str, tenant: Tenant) -> Principal:
    """Makes the principal of an address: counted by the whole of an IPv4 address, by the /64 network of an IPv6 one."""
    return Principal(kind=Kind.ANONYMOUS, counted_as="ip_" + network_of(remote_ip), tenant=tenant, scopes=SCOPES)


def new_raw_key(surface: str = "action") -> str:
    """Makes a raw key. Show it once; store only `hash_key` of it."""
    return KEY_PREFIXES[surface] + secrets.token_hex(32)


def hash_key(raw: str) -> str:
    """Returns SHA-256 in hex: a key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()


def visible_prefix(raw: str) -> str:
    """Returns the part of a raw key that may be shown later: its surface's prefix and eight digits."""
    return raw[: raw.index("_") + 9]


def key_lifetime_s(days: int) -> int:
    """Returns the lifetime of a new key in seconds.

    Raises:
        Invalid: the days are out of range.
    """
    if not 1 <= days <= LONGEST_LIFETIME_DAYS:
        raise Invalid(f"A key lasts 1 to {LONGEST_LIFETIME_DAYS} days")
    return days * DAY_S


def grace_period_s(days: int) -> int:
    """Returns how long the old secret of a rotated key is valid, in seconds.

    Raises:
        Invalid: the days are out of range.
    """
    if not 0 <= days <= LONGEST_GRACE_DAYS:
        raise Invalid(f"A grace is 0 to {LONGEST_GRACE_DAYS} days")
    return days * DAY_S
