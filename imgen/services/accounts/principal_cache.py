"""Cache of keys, access tokens and tenants in an API process: read from SQL once, dropped when the epoch of keys changes.

The epoch is read with every request, so a disabled key stops working in every process at once. Refused keys are remembered
as well, for a shorter time, so that they do not cost a read of SQL each.
"""

import time
from collections import OrderedDict
from typing import Generic, TypeVar

from imgen.domain.account import Tenant
from imgen.domain.oauth.grants import TenantToken
from imgen.domain.principal import TenantKey

CAPACITY = 10_000
TTL_S = 30.0
"""A change of a key without Redis changes no epoch, so entries expire."""
REFUSED_TTL_S = 10.0
T = TypeVar("T")


class PrincipalCache:
    """Maps of hash → enabled key or access token with its tenant, of hash → error of a refused key, and of id → tenant."""

    def __init__(self) -> None:
        self.epoch: bytes | None = None
        self._known = _Recent[TenantKey | TenantToken](TTL_S)
        self._refused = _Recent[type[Exception]](REFUSED_TTL_S)
        self._tenants = _Recent[Tenant](TTL_S)

    def get(self, key_hash: str) -> TenantKey | TenantToken | None:
        """Returns the key or token; None: it is not cached, or too old."""
        return self._known.get(key_hash)

    def has_seen(self, key_hash: str) -> bool:
        """Returns whether the key was valid under this epoch, however long ago."""
        return key_hash in self._known

    def refusal(self, key_hash: str) -> type[Exception] | None:
        """Returns the error of a key that was refused a moment ago; None: it was not."""
        return self._refused.get(key_hash)

    def put(self, key_hash: str, found: TenantKey | TenantToken) -> None:
        """Caches a key or token read from SQL."""
        self._known.put(key_hash, found)

    def put_refusal(self, key_hash: str, error: type[Exception]) -> None:
        """Caches the error of a key that SQL does not have, or has as disabled."""
        self._refused.put(key_hash, error)

    def tenant(self, tenant_id: str) -> Tenant | None:
        """Returns a tenant; None: it is not cached, or too old."""
        return self._tenants.get(tenant_id)

    def put_tenant(self, tenant: Tenant) -> None:
        """Caches a tenant read from SQL."""
        self._tenants.put(tenant.id, tenant)

    def clear(self, epoch: bytes | None) -> None:
        """Empties the cache for another epoch."""
        self.epoch = epoch
        self._known.clear()
        self._refused.clear()
        self._tenants.clear()


class _Recent(Generic[T]):
    """Values with the time they were read; the least recently used is dropped first."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._values: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def __contains__(self, key_hash: object) -> bool:
        return key_hash in self._values

    def get(self, key_hash: str) -> T | None:
        value, read_at = self._values.get(key_hash, (None, 0.0))
        if value is None or time.monotonic() - read_at > self._ttl_s:
            return None
        self._values.move_to_end(key_hash)
        return value

    def put(self, key_hash: str, value: T) -> None:
        self._values[key_hash] = value, time.monotonic()
        if len(self._values) > CAPACITY:
            self._values.popitem(last=False)

    def clear(self) -> None:
        self._values.clear()
