"""Who may ask, and how much: plans, tenants, keys and the principal that a request acts as."""

import hashlib
import secrets

from msgspec import Struct

KEY_PREFIXES = {"action": "imgen_", "forge": "imgf_"}
"""Surface → what its keys begin with. 64 hex digits follow: 256 random bits."""

GENERATE, READ = SCOPES = ("generate", "read")


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a tenant, one entry of plans.toml. 0 means unlimited."""

    key: str
    label: str
    requests_per_minute: int = 0
    """For each key."""
    pictures_per_day: int = 0
    pictures_per_month: int = 0
    open_jobs: int = 0
    """Jobs of the tenant that wait or run at one time."""
    priority: int = 3
    """0 is served first; 0, 3, 6 and 9 are the buckets the broker keeps."""


class Tenant(Struct, frozen=True, kw_only=True):
    """Who pays and who owns the pictures."""

    id: str
    name: str
    plan: str


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as it is kept: the raw key is not here and cannot be had again."""

    id: str
    tenant_id: str
    name: str
    prefix: str
    """The first characters of the raw key, enough to tell keys apart."""
    scopes: tuple[str, ...]
    enabled: bool
    created_at: float
    last_used_at: float | None = None
    expires_at: float | None = None
    """From then on nobody may use it; for the old half of a rotated key, the end of its grace."""


class Principal(Struct, frozen=True, kw_only=True):
    """The key, its tenant and plan that a request acts as."""

    key: ApiKey
    tenant: Tenant


def new_raw_key(surface: str = "action") -> str:
    """A fresh key. Show it once; keep only `hash_key` of it."""
    return KEY_PREFIXES[surface] + secrets.token_hex(32)


def hash_key(raw: str) -> str:
    """SHA-256 in hex: a key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()


def visible_prefix(raw: str) -> str:
    """What may be shown of a key after its creation: its surface's prefix and eight digits."""
    return raw[: raw.index("_") + 9]
