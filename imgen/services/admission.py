"""Who is calling, and may they call now: the one place where a key becomes a principal, for every surface."""

import math

from imgen.domain.account import Principal, hash_key
from imgen.domain.errors import InvalidKey, KeyDisabled, OutOfScope, RateLimited, Unavailable
from imgen.live import request_gate
from imgen.records import api_keys
from imgen.services.core import Core

UNKNOWN_EPOCH = b"unknown"
"""Unlike any that Redis can answer."""


async def admit(core: Core, raw_key: str, *, scope: str = "") -> Principal:
    """The principal of a raw key, counted against its plan's rate.

    Args:
        core: the core.
        raw_key: as it was sent.
        scope: what the key must be good for; empty: any key will do.

    Raises:
        InvalidKey: nobody has this key.
        KeyDisabled: it is switched off, or has expired.
        OutOfScope: it was made for other things.
        RateLimited: more requests in a minute than the plan allows.
    """
    principal = await _counted(core, raw_key)
    if scope and scope not in principal.key.scopes:
        raise OutOfScope(scope)
    return principal


async def _counted(core: Core, raw_key: str) -> Principal:
    key_hash = hash_key(raw_key)
    now = core.clock()
    principal = _checked(core.keyring.get(key_hash) or await _look_up(core, key_hash), now)
    try:
        passage = await core.live.run(request_gate.hit(principal.key.id, now))
    except Unavailable:
        # Without Redis nobody can tell us of a changed key, so SQL is asked each time, and nothing that was known before
        # is believed after, when the epoch may be the old one. Rates are not counted meanwhile.
        core.keyring.forget_all(UNKNOWN_EPOCH)
        return _checked(await core.database.reading(api_keys.find_principal, key_hash), now)
    if passage.epoch != core.keyring.epoch:
        core.keyring.forget_all(passage.epoch)
        principal = _checked(await _look_up(core, key_hash), now)
    if passage.is_first:
        await core.live.run(request_gate.expire(principal.key.id, now))
    core.request_counts.note(principal)
    limit = core.plan_of(principal.tenant.plan).requests_per_minute
    if limit and passage.requests > limit:
        raise RateLimited(retry_after_s=max(1, round(request_gate.WINDOW_S * (1 - limit / passage.requests))))
    return principal


async def _look_up(core: Core, key_hash: str) -> Principal | None:
    epoch = core.keyring.epoch
    principal = await core.database.reading(api_keys.find_principal, key_hash)
    # Only who may pass is remembered: the epoch, which tells that a key was switched on, is read behind this door. And
    # if keys changed while we read, this is true now but not to be remembered under the new epoch.
    if principal is not None and principal.key.enabled and epoch == core.keyring.epoch:
        core.keyring.put(key_hash, principal)
    return principal


def _checked(principal: Principal | None, now: float) -> Principal:
    if principal is None:
        raise InvalidKey
    if not principal.key.enabled or (principal.key.expires_at or math.inf) <= now:
        raise KeyDisabled
    return principal
