"""Authentication of raw keys: finds the principal and counts the request against its plan's rate."""

import math

from imgen.domain.errors import InvalidKey, KeyDisabled, OutOfScope, RateLimited, Unavailable
from imgen.domain.principal import Principal, TenantKey, hash_key, key_principal
from imgen.live import request_gate
from imgen.records import api_keys
from imgen.services.core import Core

UNKNOWN_EPOCH = b"unknown"
"""Epoch while Redis does not answer; equal to none that Redis has."""


async def authenticate(core: Core, raw_key: str, *, scope: str = "") -> Principal:
    """Finds the principal of a raw key, and counts the request against its plan's rate.

    Args:
        core: the core.
        raw_key: as sent.
        scope: the scope that the request needs; empty: none.

    Raises:
        InvalidKey: there is no such key.
        KeyDisabled: it is disabled or has expired.
        OutOfScope: it lacks the scope.
        RateLimited: more requests in a minute than the plan allows.
    """
    principal = key_principal(await _counted(core, raw_key))
    if scope and scope not in principal.scopes:
        raise OutOfScope(scope)
    return principal


async def _counted(core: Core, raw_key: str) -> TenantKey:
    key_hash = hash_key(raw_key)
    now = core.clock()
    found = _checked(core.principal_cache.get(key_hash) or await _look_up(core, key_hash), now)
    key_id = found.key.id
    try:
        check = await core.live.run(request_gate.hit(key_id, now))
    except Unavailable:
        # Without Redis changes of keys are not visible, so SQL is read each time. The cache is emptied, because the epoch
        # may be the old one afterwards. Rates are not counted meanwhile.
        core.principal_cache.clear(UNKNOWN_EPOCH)
        return _checked(await core.database.reading(api_keys.find_key_by_hash, key_hash), now)
    if check.epoch != core.principal_cache.epoch:
        core.principal_cache.clear(check.epoch)
        found = _checked(await _look_up(core, key_hash), now)
    if check.is_first:
        await core.live.run(request_gate.expire(found.key.id, now))
    core.request_counts.note(found.key.id, found.tenant.id)
    limit = core.plan_of(found.tenant.plan).requests_per_minute
    if limit and check.requests > limit:
        raise RateLimited(retry_after_s=max(1, round(request_gate.WINDOW_S * (1 - limit / check.requests))))
    return found


async def _look_up(core: Core, key_hash: str) -> TenantKey | None:
    epoch = core.principal_cache.epoch
    found = await core.database.reading(api_keys.find_key_by_hash, key_hash)
    # Only enabled keys are cached: the epoch changes when a key is enabled. If keys changed during the read, the result is
    # valid now but must not be cached under the new epoch.
    if found is not None and found.key.enabled and epoch == core.principal_cache.epoch:
        core.principal_cache.put(key_hash, found)
    return found


def _checked(found: TenantKey | None, now: float) -> TenantKey:
    if found is None:
        raise InvalidKey
    if not found.key.enabled or (found.key.expires_at or math.inf) <= now:
        raise KeyDisabled
    return found
