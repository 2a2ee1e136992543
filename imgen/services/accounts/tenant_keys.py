"""Tenants that are made together with a key, and the replacement of that key."""

import contextlib
import secrets
from collections.abc import Callable

from msgspec import Struct, structs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Tenant
from imgen.domain.errors import Forbidden, Invalid, Unavailable
from imgen.domain.principal import OPERATE, ApiKey, new_raw_key, visible_prefix
from imgen.domain.user import User
from imgen.live import epochs
from imgen.records import api_keys, audit
from imgen.services.accounts import members, tenant_access
from imgen.services.core import Core

NoteMade = Callable[[Connection, Tenant], None]
"""Called in the transaction of a change; what it raises is raised."""
FIRST_KEY = "First key"
"""Name of the key that a tenant is made with, by which its replacement finds it."""


class TenantWithKey(Struct, frozen=True, kw_only=True):
    """Tenant with its first key."""

    tenant: Tenant
    key: ApiKey
    raw: str
    """Raw form of the key, which cannot be shown again."""


async def make(core: Core, user: User, name: str, *, surface: str, note_made: NoteMade | None = None) -> TenantWithKey:
    """Makes a tenant that a user owns, and its first key.

    Args:
        core: the core.
        user: the owner.
        name: of the tenant; empty: one is made up.
        surface: the surface whose prefix the key gets.
        note_made: called in the transaction that makes both.

    Raises:
        Invalid: the name is taken or too long.
        TooManyTenants: the user owns as many as a person may.
    """
    raw = new_raw_key(surface)

    def write(connection: Connection) -> TenantWithKey:
        tenant = members.add_tenant(connection, core, user, name or f"{user.name} {secrets.token_hex(4)}")
        if note_made is not None:
            note_made(connection, tenant)
        return TenantWithKey(tenant=tenant, key=_add(connection, user, tenant, raw), raw=raw)

    try:
        made = await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"The name {name!r} is taken") from exc
    await _keys_changed(core)
    return made


async def replace(
    core: Core, user: User, tenant_id: str, *, surface: str, note_made: NoteMade | None = None
) -> TenantWithKey:
    """Replaces the secret of a tenant's first key: the old one is refused at once in every process. Other keys stay.

    The new one works: a first key that was switched off is switched on, one that was revoked is made anew.

    Raises:
        TenantNotFound, Forbidden: the user does not manage the tenant.
    """
    raw = new_raw_key(surface)

    def write(connection: Connection) -> TenantWithKey:
        tenant = tenant_access.managed(connection, user, tenant_id)
        if note_made is not None:
            note_made(connection, tenant)
        old = api_keys.find_key_named(connection, tenant.id, FIRST_KEY)
        if old is not None and OPERATE in old.scopes:
            raise Forbidden("This key is an administrator's")
        if old is None:
            return TenantWithKey(tenant=tenant, key=_add(connection, user, tenant, raw), raw=raw)
        api_keys.rotate_key(connection, old, raw, old_until=core.clock())
        api_keys.end_old_secret(connection, old.id)
        api_keys.set_enabled(connection, old.id, enabled=True)
        key = structs.replace(old, prefix=visible_prefix(raw), enabled=True)
        before, after = ({"prefix": one.prefix, "enabled": one.enabled} for one in (old, key))
        detail = audit.change(old.name, before=before, after=after)
        audit.by_person(connection, user, action="rotated key", tenant_id=tenant.id, subject=old.id, detail=detail)
        return TenantWithKey(tenant=tenant, key=key, raw=raw)

    made = await core.database.writing(write)
    await _keys_changed(core)
    return made


async def _keys_changed(core: Core) -> None:
    """Has every process read keys again: a new one works at once even where unknown keys are throttled."""
    with contextlib.suppress(Unavailable):  # without Redis no process uses its cache of keys
        await core.live.run(epochs.bump(epochs.KEYS))


def _add(connection: Connection, user: User, tenant: Tenant, raw: str) -> ApiKey:
    key = api_keys.add_key(connection, raw, tenant=tenant, name=FIRST_KEY, made_by=user.id)
    detail = audit.change(key.name, after=audit.key_fields(key, tenant))
    audit.by_person(connection, user, action="made key", tenant_id=tenant.id, subject=key.id, detail=detail)
    return key
