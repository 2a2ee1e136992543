"""API keys in SQL: only their hash and visible prefix, never a raw key."""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import Column, Connection, Row, Select, insert, or_, select, update

from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid
from imgen.domain.principal import ALL_SCOPES, SCOPES, ApiKey, TenantKey, hash_key, visible_prefix
from imgen.domain.user import User
from imgen.records import name_pages
from imgen.records.database import locked_in_order
from imgen.records.name_pages import NamePlace
from imgen.records.tables.accounts import IS_KEPT, api_keys, tenants
from imgen.records.tenants import keep

MAX_NAMED = 10
"""Tenants that an error names."""


def add_key(
    connection: Connection,
    raw: str,
    *,
    tenant: Tenant,
    name: str,
    scopes: Collection[str] = SCOPES,
    expires_at: float | None = None,
    made_by: str = "",
) -> ApiKey:
    """Stores a new key.

    Raises:
        Invalid: the tenant has a key of that name, the name is empty or too long, or there is no such scope, or none.
        TenantNotFound: the tenant was deleted.
    """
    wanted = tuple(scope for scope in ALL_SCOPES if scope in set(scopes))
    if not wanted or set(scopes) - set(ALL_SCOPES):
        raise Invalid(f"A key's scopes are {', '.join(ALL_SCOPES)}: one or more of them")
    if not name.strip() or len(name) > 200:  # noqa: PLR2004 - longer names break the tables that show them
        raise Invalid("A key needs a name of 1 to 200 characters")
    keep(connection, tenant.id)
    same = select(api_keys.c.id).where(api_keys.c.tenant_id == tenant.id, api_keys.c.name == name)
    if connection.execute(same).first():
        raise Invalid(f"There is a key named {name!r} already in the tenant {tenant.name!r}")
    key = ApiKey(
        id="key_" + secrets.token_hex(8),
        tenant_id=tenant.id,
        name=name,
        prefix=visible_prefix(raw),
        scopes=wanted,
        enabled=True,
        created_at=time.time(),
        expires_at=expires_at,
        made_by=made_by,
    )
    connection.execute(
        insert(api_keys).values(
            id=key.id,
            tenant_id=tenant.id,
            name=name,
            hash=hash_key(raw),
            prefix=key.prefix,
            scopes=" ".join(key.scopes),
            enabled=True,
            created_at=key.created_at,
            expires_at=expires_at,
            made_by=made_by,
        )
    )
    return key


def find_key_by_hash(connection: Connection, key_hash: str) -> TenantKey | None:
    """Finds the key with that hash and its tenant, disabled ones included; None: there is no such key."""
    known_by = or_(api_keys.c.hash == key_hash, api_keys.c.old_hash == key_hash)
    row = connection.execute(_keys_and_tenants().where(known_by)).first()
    if row is None:
        return None
    found = _tenant_key(row)
    if row.hash == key_hash or row.old_until is None:
        return found
    ends_at = min(row.old_until, found.key.expires_at or row.old_until)
    return structs.replace(found, key=structs.replace(found.key, expires_at=ends_at))


def all_keys(connection: Connection) -> list[TenantKey]:
    """Lists all keys that are not deleted, oldest first: for the command line alone, since there may be very many."""
    return [_tenant_key(row) for row in connection.execute(_keys_and_tenants().order_by(api_keys.c.created_at))]


def has_keys(connection: Connection) -> bool:
    """Returns whether there is a key that is not deleted."""
    return connection.execute(select(api_keys.c.id).where(IS_KEPT).limit(1)).first() is not None


def page(
    connection: Connection,
    *,
    scope: Collection[str] | None,
    prefix: str = "",
    after: NamePlace | None = None,
    limit: int,
) -> tuple[list[TenantKey], NamePlace | None]:
    """Lists keys by name, those that begin with `prefix`; returns them, and the place of the next page if there is one."""
    streams = _streams(scope)
    places = name_pages.page(connection, api_keys, streams, (IS_KEPT,), prefix=prefix, after=after, limit=limit + 1)
    shown = [place.id for place in places[:limit]]
    rows = connection.execute(_keys_and_tenants().where(api_keys.c.id.in_(shown)))
    found = {row.id: _tenant_key(row) for row in rows}
    return [found[key_id] for key_id in shown if key_id in found], places[limit - 1] if len(places) > limit else None


def keys_of_user(connection: Connection, user: User, *, limit: int) -> list[str]:
    """Returns the ids of a user's own keys, last used first, deleted ones included.

    They are keys of visible tenants that this user made in the panel, or that were made on the command line.
    """
    latest = select(api_keys.c.used_at, api_keys.c.id).order_by(api_keys.c.used_at.desc(), api_keys.c.id.desc())
    found = []
    for stream in _streams(user.scope):
        for maker in ("", user.id):  # each in the order of an index
            own = [column == value for column, value in {**stream, api_keys.c.made_by: maker}.items()]
            found += [(row.used_at, row.id) for row in connection.execute(latest.where(*own).limit(limit))]
    return [key_id for _, key_id in sorted(found, reverse=True)[:limit]]


def is_key_of_user(connection: Connection, user: User, key_id: str) -> bool:
    """Returns whether a key is one of `keys_of_user`."""
    return connection.execute(_own_ids(user).where(api_keys.c.id == key_id)).first() is not None


def find_key(connection: Connection, name_or_prefix: str, *, tenant_id: str = "") -> ApiKey:
    """Finds a key by its name, or by its visible prefix, or by as much of the prefix as is unique: of one tenant, or of all.

    Raises:
        Invalid: no key fits, or more than one.
    """
    wanted = or_(api_keys.c.name == name_or_prefix, api_keys.c.prefix.startswith(name_or_prefix, autoescape=True))
    found = [_tenant_key(row) for row in connection.execute(_keys_of(tenant_id).where(wanted))]
    exact = [one for one in found if name_or_prefix in (one.key.name, one.key.prefix)]
    return _only(exact or found, f"No key goes by {name_or_prefix!r}", name_or_prefix)


def find_key_named(connection: Connection, tenant_id: str, name: str) -> ApiKey | None:
    """Finds a tenant's key of that name; None: there is none."""
    row = connection.execute(_keys_of(tenant_id).where(api_keys.c.name == name)).first()
    return None if row is None else _tenant_key(row).key


def find_key_exactly(connection: Connection, name_or_prefix: str, *, tenant_id: str = "") -> ApiKey:
    """Finds a key by its whole name, or by its visible prefix or more of the raw key: for what cannot be undone.

    Raises:
        Invalid: no key fits, or keys of several tenants do.
    """
    prefix = visible_prefix(name_or_prefix) if "_" in name_or_prefix else ""
    query = _keys_of(tenant_id).where(or_(api_keys.c.name == name_or_prefix, api_keys.c.prefix == prefix))
    found = [_tenant_key(row) for row in connection.execute(query)]
    missing = f"No key goes by {name_or_prefix!r}; give its whole name, or the prefix that `imgen keys list` shows"
    return _only(found, missing, name_or_prefix)


def set_enabled(connection: Connection, key_id: str, *, enabled: bool) -> None:
    """Switches a key on or off."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(enabled=enabled))


def rotate_key(connection: Connection, key: ApiKey, raw: str, *, old_until: float) -> None:
    """Gives a key a new secret; the old one works until `old_until`."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key.id)
        .values(old_hash=api_keys.c.hash, old_until=old_until, hash=hash_key(raw), prefix=visible_prefix(raw))
    )


def end_old_secret(connection: Connection, key_id: str) -> None:
    """Forgets the old secret of a rotated key."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(old_hash=None, old_until=None))


def find_key_by_id(connection: Connection, key_id: str) -> TenantKey | None:
    """Finds the key with that id and its tenant; None: there is none, or it was deleted."""
    row = connection.execute(_keys_and_tenants().where(api_keys.c.id == key_id)).first()
    return None if row is None else _tenant_key(row)


def delete_key(connection: Connection, key: ApiKey) -> None:
    """Deletes a key. The row stays for the jobs that refer to it; its name is free again."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key.id)
        .values(deleted_at=time.time(), enabled=False, name=f"{key.name} (deleted {key.id})")
    )


def note_used(connection: Connection, key_ids: Iterable[str], *, now: float) -> None:
    """Records the last use of keys."""
    used = locked_in_order(api_keys.c.id, api_keys.c.id.in_(list(key_ids)))
    connection.execute(update(api_keys).where(api_keys.c.id.in_(used)).values(last_used_at=now))


def _only(found: Sequence[TenantKey], missing: str, name: str) -> ApiKey:
    """Returns the only key found.

    Raises:
        Invalid: there is none (`missing` says so), or more than one.
    """
    if not found:
        raise Invalid(missing)
    if len(found) > 1:
        owners = sorted({one.tenant.name for one in found})
        hint = f"; name its tenant with --tenant: {', '.join(owners[:MAX_NAMED])}" if len(owners) > 1 else ""
        raise Invalid(f"More than one key goes by {name!r}{hint}")
    return found[0].key


def _streams(scope: Collection[str] | None) -> list[dict[Column[Any], object]]:
    """Returns the streams of a page (see paging.py): one for each tenant, or a single one for all."""
    return [{}] if scope is None else [{api_keys.c.tenant_id: tenant_id} for tenant_id in sorted(scope)]


def _own_ids(user: User) -> Select[tuple[str]]:
    query = select(api_keys.c.id).where(api_keys.c.made_by.in_(("", user.id)))
    return query if user.scope is None else query.where(api_keys.c.tenant_id.in_(user.scope))


def _keys_and_tenants() -> Select[tuple[object, ...]]:
    return (
        select(*api_keys.c, tenants.c.name.label("tenant_name"), tenants.c.plan)
        .join(tenants, tenants.c.id == api_keys.c.tenant_id)
        .where(api_keys.c.deleted_at.is_(None))
    )


def _keys_of(tenant_id: str) -> Select[tuple[object, ...]]:
    """Selects the keys of a tenant; empty: of all."""
    query = _keys_and_tenants()
    return query.where(api_keys.c.tenant_id == tenant_id) if tenant_id else query


def _tenant_key(row: Row[tuple[object, ...]]) -> TenantKey:
    return TenantKey(
        key=ApiKey(
            id=row.id,
            tenant_id=row.tenant_id,
            name=row.name,
            prefix=row.prefix,
            scopes=tuple(row.scopes.split()),
            enabled=row.enabled,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            old_secret_until=row.old_until,
            made_by=row.made_by,
        ),
        tenant=Tenant(id=row.tenant_id, name=row.tenant_name, plan=row.plan),
    )
