"""Authentication of raw keys: finds the principal and counts the request against its plan's rate."""

import math

from imgen.domain.errors import InvalidKey, KeyDisabled, RateLimited, Unavailable
from imgen.domain.principal import Principal, TenantKey, key_principal
from imgen.live import epochs, request_gate
from imgen.records import api_keys
from imgen.services.accounts import rates
from imgen.services.accounts.rates import NoteRate
from imgen.services.core import Core

UNKNOWN_EPOCH = b"unknown"
"""Epoch while Redis does not answer; equal to none that Redis has."""


async def authenticate(core: Core, key_hash: str, *, remote_ip: str = "", note: NoteRate = rates.ignore) -> Principal:
    """Finds the principal of a key, and counts the request against its plan's rate.

    Args:
        core: the core.
        key_hash: `hash_key` of the key as sent.
        remote_ip: the client's, for the limits of unknown keys.
        note: takes the use of the rate, if the plan has one.

    Raises:
        InvalidKey: there is no such key.
        KeyDisabled: it is disabled or has expired.
        RateLimited: more requests in a minute than the plan allows, or too many unknown keys from this IP.
    """
    now = core.clock()
    found = core.principal_cache.get(key_hash) or await _look_up(core, key_hash, remote_ip)
    _check_expiry(found, now)
    try:
        check = await core.live.run(request_gate.hit(found.key.id, now))
    except Unavailable:
        # Without Redis changes of keys are not visible, so SQL is read each time. The cache is emptied, because the epoch
        # may be the old one afterwards. Rates are not counted meanwhile.
        core.principal_cache.clear(UNKNOWN_EPOCH)
        found = await _read(core, key_hash)
        _check_expiry(found, now)
        return key_principal(found)
    if check.epoch != core.principal_cache.epoch:
        _begin_epoch(core, check.epoch)
        found = await _look_up(core, key_hash, remote_ip)
        _check_expiry(found, now)
    if check.is_first:
        await core.live.run(request_gate.expire(found.key.id, now))
    rates.keep(check, found.key.id, core.plan_of(found.tenant.plan), now=now, note=note)
    core.request_counts.note(found.key.id, found.tenant.id)
    return key_principal(found)


def is_known(core: Core, key_hash: str) -> bool:
    """Returns whether a key is in memory: it was valid a moment ago, and its authentication reads no SQL."""
    return core.principal_cache.get(key_hash) is not None


async def _look_up(core: Core, key_hash: str, remote_ip: str) -> TenantKey:
    """Finds an enabled key in SQL, and remembers the result for this epoch.

    Raises:
        InvalidKey, KeyDisabled, RateLimited: as for `authenticate`.
    """
    cache = core.principal_cache
    refusal = cache.refusal(key_hash)
    if refusal is not None and not await _keys_changed(core, otherwise=True):
        if refusal is InvalidKey:
            core.strangers.count_unknown(remote_ip, is_repeated=True)
        raise refusal
    if not cache.has_seen(key_hash):
        try:
            core.strangers.check_lookup(remote_ip)
        except RateLimited:
            if not await _keys_changed(core, otherwise=False):
                raise
    epoch = cache.epoch
    try:
        found = await _read(core, key_hash)
    except (InvalidKey, KeyDisabled) as exc:
        if epoch == cache.epoch:
            cache.put_refusal(key_hash, type(exc))
        if isinstance(exc, InvalidKey):
            core.strangers.count_unknown(remote_ip, is_repeated=False)
        raise
    # If keys changed during the read, the result is valid now but must not be cached under the new epoch.
    if epoch == cache.epoch:
        cache.put(key_hash, found)
    return found


async def _read(core: Core, key_hash: str) -> TenantKey:
    found = await core.database.reading(api_keys.find_key_by_hash, key_hash)
    if found is None:
        raise InvalidKey
    if not found.key.enabled:
        raise KeyDisabled
    return found


async def _keys_changed(core: Core, *, otherwise: bool) -> bool:
    """Returns whether a key has changed since the cache was filled, which is then emptied; `otherwise` without Redis."""
    try:
        epoch = await core.live.run(epochs.read(epochs.KEYS))
    except Unavailable:
        return otherwise
    if epoch == core.principal_cache.epoch:
        return False
    _begin_epoch(core, epoch)
    return True


def _begin_epoch(core: Core, epoch: bytes | None) -> None:
    core.principal_cache.clear(epoch)
    core.strangers.reset()


def _check_expiry(found: TenantKey, now: float) -> None:
    if (found.key.expires_at or math.inf) <= now:
        raise KeyDisabled
