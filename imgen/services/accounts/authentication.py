"""Authentication: makes the principal of any credential, and counts the request against its plan's rate.

A further kind of credential is a function here and a line in `_AUTHENTICATORS`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection

from imgen.domain.account import ANONYMOUS_TENANT_ID, Tenant
from imgen.domain.credential import AddressCredential, Credential, KeyCredential, SessionCredential, TokenCredential
from imgen.domain.errors import Forbidden, Unauthorized
from imgen.domain.principal import (
    Principal,
    TenantKey,
    anonymous_principal,
    connected_principal,
    key_principal,
    user_principal,
)
from imgen.domain.remote_ip import network_of
from imgen.domain.user import User
from imgen.live.request_gate import RateCheck
from imgen.records import audit, memberships, tenants
from imgen.services.accounts import known_keys, rates
from imgen.services.accounts.known_keys import Known, Secret
from imgen.services.accounts.rates import NoteRate
from imgen.services.core import Core

UNKNOWN_EPOCH = b"unknown"
"""Epoch while Redis does not answer; equal to none that Redis has."""


async def authenticate(
    core: Core, credential: Credential, *, remote_ip: str = "", note: NoteRate = rates.ignore
) -> Principal:
    """Makes the principal of a credential, and counts the request. Nothing is counted while Redis does not answer.

    Args:
        core: the core.
        credential: the proof of identity.
        remote_ip: the client's, for the limits of unknown keys.
        note: takes the use of the rate, if the plan has one.

    Raises:
        InvalidKey: there is no such key.
        KeyDisabled: it is disabled or has expired.
        InvalidToken: the access token is unknown, expired, revoked, or for another resource.
        Forbidden: the user is no member of the tenant.
        Unauthorized: callers without a credential are not served.
        RateLimited: more requests in a minute than the plan allows, or too many unknown keys from this IP.
    """
    return await _AUTHENTICATORS[type(credential)](core, credential, remote_ip, note)


async def authenticate_again(core: Core, credential: Secret) -> Principal:
    """Makes the principal of a key or token once more, in the middle of a long answer; the request is not counted again.

    Raises:
        InvalidKey, KeyDisabled, InvalidToken: the key or token is not valid any more.
        Retryable: the database does not answer.
    """
    return _principal_of(await known_keys.find_again(core, credential, now=core.clock()))


async def session_principal(core: Core, credential: SessionCredential) -> Principal:
    """Makes the principal of a session; the request is not counted.

    Raises:
        Forbidden: the user is no member of the tenant, or there is none.
    """
    user, named = credential.user, credential.tenant_id
    tenant = (
        await core.database.reading(tenants.find_tenant_by_id, named)
        if named
        else await core.database.reading(memberships.default_tenant, user)
    )
    if tenant is None:
        raise Forbidden
    return user_principal(user, tenant)


async def count_person(core: Core, user: User, *, note: NoteRate = rates.ignore) -> None:
    """Counts a request of a person that is for no tenant: under the user's own id, like those for one.

    The rate is that of the tenant that the user acts for without naming one; without any, of the plan that a new one gets.

    Raises:
        RateLimited: more requests in a minute than the plan allows.
    """
    tenant, now = await core.database.reading(memberships.default_tenant, user), core.clock()
    check = await rates.hit(core, user.id, now)
    if check is not None:
        plan = core.plan_of(core.settings.accounts.sign_up_plan if tenant is None else tenant.plan)
        rates.keep(check, user.id, plan.requests_per_minute, now=now, note=note)


async def count_address(core: Core, remote_ip: str, *, limit: int, note: NoteRate = rates.ignore) -> None:
    """Counts a request of a caller without a credential, for what is public: by the network of its address.

    Raises:
        RateLimited: more requests in a minute than the limit.
    """
    now, owner = core.clock(), f"public_{network_of(remote_ip)}"
    check = await rates.hit(core, owner, now)
    if check is not None:
        rates.keep(check, owner, limit, now=now, note=note)


async def _by_key(core: Core, credential: Secret, remote_ip: str, note: NoteRate) -> Principal:
    now = core.clock()
    principal = _principal_of(await known_keys.find(core, credential, remote_ip=remote_ip, now=now))
    check = await rates.hit(core, principal.counted_as, now)
    if check is None:
        # Without Redis changes of keys are not visible, so SQL is read each time. The cache is emptied, because the epoch
        # may be the old one afterwards.
        core.principal_cache.clear(UNKNOWN_EPOCH)
        return _principal_of(await known_keys.read(core, credential, now=now))
    if check.epoch != core.principal_cache.epoch:
        known_keys.begin_epoch(core, check.epoch)
        principal = _principal_of(await known_keys.find(core, credential, remote_ip=remote_ip, now=now))
    return _counted(core, principal, check, now, note)


async def _by_session(core: Core, credential: SessionCredential, _remote_ip: str, note: NoteRate) -> Principal:
    now, principal = core.clock(), await session_principal(core, credential)
    check = await rates.hit(core, principal.counted_as, now)
    return principal if check is None else _counted(core, principal, check, now, note)


async def _by_address(core: Core, credential: AddressCredential, _remote_ip: str, note: NoteRate) -> Principal:
    if not core.settings.serves_anonymous or not credential.remote_ip:
        raise Unauthorized
    now = core.clock()
    principal = anonymous_principal(credential.remote_ip, await _anonymous_tenant(core))
    check = await rates.hit(core, principal.counted_as, now)
    if check is None:
        core.principal_cache.clear(UNKNOWN_EPOCH)
        return principal
    if check.epoch != core.principal_cache.epoch:
        known_keys.begin_epoch(core, check.epoch)
        principal = anonymous_principal(credential.remote_ip, await _anonymous_tenant(core))
    return _counted(core, principal, check, now, note)


_AUTHENTICATORS: dict[type[Credential], Callable[[Core, Any, str, NoteRate], Awaitable[Principal]]] = {
    KeyCredential: _by_key,
    TokenCredential: _by_key,
    SessionCredential: _by_session,
    AddressCredential: _by_address,
}


def _principal_of(found: Known) -> Principal:
    if isinstance(found, TenantKey):
        return key_principal(found)
    return connected_principal(found.grant.connection_id, found.tenant, found.grant.scopes)


def _counted(core: Core, principal: Principal, check: RateCheck, now: float, note: NoteRate) -> Principal:
    limit = core.plan_of(principal.tenant.plan).requests_per_minute
    rates.keep(check, principal.counted_as, limit, now=now, note=note)
    core.request_counts.note(principal)
    return principal


def _make_anonymous_tenant(connection: Connection) -> Tenant:
    if (found := tenants.find_tenant_by_id(connection, ANONYMOUS_TENANT_ID)) is not None:
        return found
    made = tenants.ensure_anonymous_tenant(connection)
    detail = audit.change(made.name, after={"plan": made.plan})
    audit.note(connection, actor="anonymous", action="made tenant", tenant_id=made.id, subject=made.id, detail=detail)
    return made


async def _anonymous_tenant(core: Core) -> Tenant:
    """Returns the tenant of anonymous callers, from memory under this epoch; the first of them makes it."""
    cache = core.principal_cache
    if (known := cache.tenant(ANONYMOUS_TENANT_ID)) is not None:
        return known
    epoch = cache.epoch
    tenant = await core.database.reading(tenants.find_tenant_by_id, ANONYMOUS_TENANT_ID)
    if tenant is None:
        tenant = await core.database.writing(_make_anonymous_tenant)
    if epoch == cache.epoch:
        cache.put_tenant(tenant)
    return tenant
