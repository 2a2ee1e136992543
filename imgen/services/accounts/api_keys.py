"""Changes of API keys by users: each with its row in the audit, effective at once in every API process."""

import contextlib
from collections.abc import Callable, Collection
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Tenant
from imgen.domain.errors import Forbidden, Invalid, Unavailable
from imgen.domain.principal import (
    OPERATE,
    ApiKey,
    TenantKey,
    grace_period_s,
    key_lifetime_s,
    new_raw_key,
    visible_prefix,
)
from imgen.domain.user import User
from imgen.live import epochs
from imgen.records import api_keys, audit, tenants
from imgen.services.core import Core

T = TypeVar("T")


async def create(
    core: Core, user: User, *, name: str, tenant: str, scopes: Collection[str], days: int | None
) -> tuple[ApiKey, str]:
    """Makes a key; returns it with its raw form, which cannot be shown again.

    Args:
        core: the core.
        user: the user that makes it.
        name: must be new within the tenant.
        tenant: the tenant's name; for an administrator a new name makes a new tenant.
        scopes: at least one.
        days: validity in days; None: unlimited.

    Raises:
        Invalid: the name is taken, a number is out of range, or there is no such scope, or none.
        TenantNotFound: the tenant is deleted at that moment.
        Forbidden: the user does not own the tenant, or only administrators make a key of that scope.
    """
    if OPERATE in scopes and not user.is_admin:
        raise Forbidden
    lifetime_s = None if days is None else key_lifetime_s(days)
    raw = new_raw_key()

    def write(connection: Connection) -> ApiKey:
        owner = _find_or_make_tenant(connection, core, user, tenant)
        expires_at = None if lifetime_s is None else core.clock() + lifetime_s
        key = api_keys.add_key(
            connection, raw, tenant=owner, name=name, scopes=scopes, expires_at=expires_at, made_by=user.id
        )
        _note(connection, user, key, "made key", audit.change(key.name, after=audit.key_fields(key, owner)))
        return key

    return await _write(core, write), raw


async def switch(core: Core, user: User, key_id: str, *, enabled: bool) -> ApiKey:
    """Switches a key on or off, from the next request on.

    Raises:
        Invalid: there is no such key.
        Forbidden: the user does not own its tenant.
    """

    def write(connection: Connection) -> ApiKey:
        key = _find_own(connection, user, key_id).key
        api_keys.set_enabled(connection, key.id, enabled=enabled)
        detail = audit.change(key.name, before={"enabled": key.enabled}, after={"enabled": enabled})
        _note(connection, user, key, "switched key", detail)
        return key

    return await _write(core, write)


async def rotate(core: Core, user: User, key_id: str, *, grace_days: int) -> tuple[ApiKey, str]:
    """Gives a key a new raw form; the old one works for the grace.

    Raises:
        Invalid: there is no such key, or the grace is out of range.
        Forbidden: the user does not own its tenant.
    """
    grace_s = grace_period_s(grace_days)
    raw = new_raw_key()

    def write(connection: Connection) -> ApiKey:
        key = _find_own(connection, user, key_id).key
        old_until = core.clock() + grace_s
        api_keys.rotate_key(connection, key, raw, old_until=old_until)
        detail = audit.change(key.name, before={"prefix": key.prefix}, after={"prefix": visible_prefix(raw)})
        _note(connection, user, key, "rotated key", {**detail, "old_works_until": old_until})
        return key

    return await _write(core, write), raw


async def end_old_secret(core: Core, user: User, key_id: str) -> ApiKey:
    """Ends the grace of a rotated key: its old secret is refused from the next request on.

    Raises:
        Invalid: there is no such key.
        Forbidden: the user does not own its tenant.
    """

    def write(connection: Connection) -> ApiKey:
        key = _find_own(connection, user, key_id).key
        api_keys.end_old_secret(connection, key.id)
        _note(connection, user, key, "ended old secret", audit.change(key.name))
        return key

    return await _write(core, write)


async def revoke(core: Core, user: User, key_id: str) -> ApiKey:
    """Revokes a key.

    Raises:
        Invalid: there is no such key.
        Forbidden: the user does not own its tenant.
    """

    def write(connection: Connection) -> ApiKey:
        found = _find_own(connection, user, key_id)
        key = found.key
        api_keys.delete_key(connection, key)
        _note(connection, user, key, "revoked key", audit.change(key.name, before=audit.key_fields(key, found.tenant)))
        return key

    return await _write(core, write)


def may_change(user: User, found: TenantKey) -> bool:
    """Returns whether a user may switch, rotate and revoke a key: operators' keys are changed by administrators alone."""
    return user.is_admin or (user.may_manage(found.tenant.id) and OPERATE not in found.key.scopes)


def _find_own(connection: Connection, user: User, key_id: str) -> TenantKey:
    found = api_keys.find_key_by_id(connection, key_id)
    if found is None and user.is_admin:
        raise Invalid("There is no such key")
    if found is None or not may_change(user, found):  # unknown keys look like those of others
        raise Forbidden
    return found


def _find_or_make_tenant(connection: Connection, core: Core, user: User, name: str) -> Tenant:
    tenant = tenants.find_tenant(connection, name)
    if not user.is_admin and (tenant is None or not user.may_manage(tenant.id)):
        raise Forbidden
    if tenant is not None:
        return tenant
    made = tenants.ensure_tenant(connection, name, core.settings.default_plan)
    detail = audit.change(name, after={"plan": made.plan})
    audit.by_person(connection, user, action="made tenant", tenant_id=made.id, subject=made.id, detail=detail)
    return made


async def _write(core: Core, write: Callable[[Connection], T]) -> T:
    try:
        result = await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid("There is a key of that name in the tenant already") from exc
    with contextlib.suppress(Unavailable):  # without Redis no process uses its cache of keys
        await core.live.run(epochs.bump(epochs.KEYS))
    return result


def _note(connection: Connection, user: User, key: ApiKey, action: str, detail: dict[str, object]) -> None:
    audit.by_person(connection, user, action=action, tenant_id=key.tenant_id, subject=key.id, detail=detail)
