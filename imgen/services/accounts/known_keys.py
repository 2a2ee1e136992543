"""API keys and access tokens by their hash: from the memory of this process, else from SQL, which strangers may read rarely."""

import contextlib
import math
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from imgen.domain.credential import KeyCredential, TokenCredential
from imgen.domain.errors import InvalidKey, InvalidToken, KeyDisabled, RateLimited, Unavailable
from imgen.domain.oauth.grants import TenantToken, covers
from imgen.domain.principal import TenantKey
from imgen.live import epochs
from imgen.records import api_keys, oauth_tokens
from imgen.services.core import Core

Secret = KeyCredential | TokenCredential
Known = TenantKey | TenantToken
"""Key or token with its tenant, as it is remembered."""
_READERS: Mapping[type[Secret], Callable[[Connection, str], Known | None]] = {
    KeyCredential: api_keys.find_key_by_hash,
    TokenCredential: oauth_tokens.find_access_token,
}
_UNKNOWN: Mapping[type[Secret], type[InvalidKey]] = {KeyCredential: InvalidKey, TokenCredential: InvalidToken}
"""Kind of credential → function that finds it in SQL, and the error where there is none."""


def is_known(core: Core, key_hash: str) -> bool:
    """Returns whether a key is in memory: it was valid a moment ago, and its authentication reads no SQL."""
    return core.principal_cache.get(key_hash) is not None


async def find(core: Core, secret: Secret, *, remote_ip: str, now: float) -> Known:
    """Finds an enabled key or a good token, and remembers the result for this epoch.

    Raises:
        InvalidKey: there is no such key.
        KeyDisabled: it is disabled or has expired.
        InvalidToken: there is no such token, it has expired, or it is for another resource.
        RateLimited: too many unknown keys came from this IP.
    """
    found = core.principal_cache.get(secret.key_hash) or await _look_up(core, secret, remote_ip)
    return _good(found, secret, now)


async def find_again(core: Core, secret: Secret, *, now: float) -> Known:
    """Finds a key or token that was valid before, as it is now: in memory if no key has changed, else in SQL.

    Raises:
        InvalidKey, KeyDisabled, InvalidToken: as for `find`.
    """
    found = None if await _keys_changed(core, otherwise=True) else core.principal_cache.get(secret.key_hash)
    if found is None:
        epoch, found = core.principal_cache.epoch, await _read(core, secret)
        if epoch == core.principal_cache.epoch:
            core.principal_cache.put(secret.key_hash, found)
    return _good(found, secret, now)


async def read(core: Core, secret: Secret, *, now: float) -> Known:
    """Reads an enabled key or a good token from SQL.

    Raises:
        InvalidKey, KeyDisabled, InvalidToken: as for `find`.
    """
    return _good(await _read(core, secret), secret, now)


async def forget(core: Core) -> None:
    """Has every process read keys, tokens and tenants anew, after a change. Without Redis they trust no memory."""
    with contextlib.suppress(Unavailable):
        await core.live.run(epochs.bump(epochs.KEYS))


def begin_epoch(core: Core, epoch: bytes | None) -> None:
    """Forgets keys, tenants and strangers of the epoch before."""
    core.principal_cache.clear(epoch)
    core.strangers.reset()


async def _look_up(core: Core, secret: Secret, remote_ip: str) -> Known:
    cache, key_hash = core.principal_cache, secret.key_hash
    refusal = cache.refusal(key_hash)
    if refusal is not None and not await _keys_changed(core, otherwise=True):
        if issubclass(refusal, InvalidKey):
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
        found = await _read(core, secret)
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


async def _read(core: Core, secret: Secret) -> Known:
    found = await core.database.reading(_READERS[type(secret)], secret.key_hash)
    if found is None:
        raise _UNKNOWN[type(secret)]
    if isinstance(found, TenantKey) and not found.key.enabled:
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


def _good(found: Known, secret: Secret, now: float) -> Known:
    if isinstance(found, TenantKey):
        if (found.key.expires_at or math.inf) <= now:
            raise KeyDisabled
        return found
    is_for = isinstance(secret, TokenCredential) and covers(found.grant.resource, secret.resource)
    if found.expires_at <= now or not is_for:
        raise InvalidToken
    return found
