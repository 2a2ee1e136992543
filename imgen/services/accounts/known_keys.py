"""API keys by their hash: from the memory of this process, else from SQL, which strangers may read a limited number of times."""

import math

from imgen.domain.errors import InvalidKey, KeyDisabled, RateLimited, Unavailable
from imgen.domain.principal import TenantKey
from imgen.live import epochs
from imgen.records import api_keys
from imgen.services.core import Core


def is_known(core: Core, key_hash: str) -> bool:
    """Returns whether a key is in memory: it was valid a moment ago, and its authentication reads no SQL."""
    return core.principal_cache.get(key_hash) is not None


async def find(core: Core, key_hash: str, *, remote_ip: str, now: float) -> TenantKey:
    """Finds an enabled key, and remembers the result for this epoch.

    Raises:
        InvalidKey: there is no such key.
        KeyDisabled: it is disabled or has expired.
        RateLimited: too many unknown keys came from this IP.
    """
    found = core.principal_cache.get(key_hash) or await _look_up(core, key_hash, remote_ip)
    return _unexpired(found, now)


async def find_again(core: Core, key_hash: str, *, now: float) -> TenantKey:
    """Finds an enabled key that was valid before, as it is now: in memory if no key has changed, else in SQL.

    Raises:
        InvalidKey, KeyDisabled: as for `find`.
    """
    found = None if await _keys_changed(core, otherwise=True) else core.principal_cache.get(key_hash)
    if found is None:
        epoch, found = core.principal_cache.epoch, await _read(core, key_hash)
        if epoch == core.principal_cache.epoch:
            core.principal_cache.put(key_hash, found)
    return _unexpired(found, now)


async def read(core: Core, key_hash: str, *, now: float) -> TenantKey:
    """Reads an enabled key from SQL.

    Raises:
        InvalidKey, KeyDisabled: as for `find`.
    """
    return _unexpired(await _read(core, key_hash), now)


def begin_epoch(core: Core, epoch: bytes | None) -> None:
    """Forgets keys, tenants and strangers of the epoch before."""
    core.principal_cache.clear(epoch)
    core.strangers.reset()


async def _look_up(core: Core, key_hash: str, remote_ip: str) -> TenantKey:
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
    begin_epoch(core, epoch)
    return True


def _unexpired(found: TenantKey, now: float) -> TenantKey:
    if (found.key.expires_at or math.inf) <= now:
        raise KeyDisabled
    return found
