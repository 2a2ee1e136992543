"""Who is calling, and may they call now: the one place where a key becomes a principal, for every surface."""

from imgen.domain.account import Principal, hash_key
from imgen.domain.errors import InvalidKey, KeyDisabled, RateLimited, Unavailable
from imgen.live import gate
from imgen.records import accounts
from imgen.services.core import Core


async def admit(core: Core, raw_key: str) -> Principal:
    """The principal of a raw key, counted against its plan's rate.

    Raises:
        InvalidKey: nobody has this key.
        KeyDisabled: it is switched off.
        RateLimited: more requests in a minute than the plan allows.
    """
    key_hash = hash_key(raw_key)
    principal = _checked(await _look_up(core, key_hash))
    now = core.clock()
    try:
        passage = await core.live.run(gate.enter(principal.key.id, now))
    except Unavailable:
        # Without Redis nobody can tell us of a changed key, so SQL is asked each time; rates are not counted meanwhile.
        return _checked(await core.database.reading(accounts.principal, key_hash))
    if passage.epoch != core.keyring.epoch:
        core.keyring.forget_all(passage.epoch)
        principal = _checked(await _look_up(core, key_hash))
    if passage.is_first:
        await core.live.run(gate.expire(principal.key.id, now))
    core.request_counts.note(principal)
    limit = core.plan_of(principal.tenant.plan).requests_per_minute
    if limit and passage.requests > limit:
        raise RateLimited(retry_after_s=max(1, round(gate.WINDOW_S * (1 - limit / passage.requests))))
    return principal


async def _look_up(core: Core, key_hash: str) -> Principal | None:
    if key_hash not in core.keyring:
        epoch = core.keyring.epoch
        principal = await core.database.reading(accounts.principal, key_hash)
        if epoch != core.keyring.epoch:
            return principal  # keys changed while we read: true now, but not to be remembered under the new epoch
        core.keyring.put(key_hash, principal)
    return core.keyring.get(key_hash)


def _checked(principal: Principal | None) -> Principal:
    if principal is None:
        raise InvalidKey
    if not principal.key.enabled:
        raise KeyDisabled
    return principal
