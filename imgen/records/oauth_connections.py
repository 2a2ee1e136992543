"""Connected applications in SQL: each is a client that a person allowed to act within a tenant.

Its row is the lock of all its codes and tokens: whatever makes, rotates or ends them takes it first.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, insert, or_, select, update

from imgen.domain.oauth.clients import Client, document_host
from imgen.domain.oauth.grants import covers
from imgen.domain.principal import SCOPES
from imgen.domain.user import ADMIN
from imgen.records.database import locked_in_order
from imgen.records.tables.accounts import tenants
from imgen.records.tables.oauth import oauth_codes, oauth_connections, oauth_tokens
from imgen.records.tables.users import memberships, users

MAX_SHOWN = 200


class Connected(Struct, frozen=True, kw_only=True):
    """Connected application, for its person."""

    id: str
    client_id: str
    client_name: str
    host: str
    """Host of its metadata document; empty: it registered, and nothing of its name is proven."""
    tenant_id: str
    tenant_name: str
    scopes: tuple[str, ...]
    created_at: float
    used_at: float | None


def connect(
    connection: Connection,
    client: Client,
    *,
    user_id: str,
    tenant_id: str,
    scopes: tuple[str, ...],
    resource: str,
    now: float,
) -> str:
    """Stores a consent, or adds to an earlier one of the same person, client and tenant; returns its id."""
    same = (
        oauth_connections.c.user_id == user_id,
        oauth_connections.c.client_id == client.id,
        oauth_connections.c.tenant_id == tenant_id,
    )
    known = connection.execute(select(oauth_connections).where(*same).with_for_update()).first()
    before = _decode("{}" if known is None or known.revoked_at is not None else known.allowed)
    allowed = {**before, resource: _together(before.get(resource, ()), scopes)}
    encoded = msgspec.json.encode(allowed).decode()
    values = {"client_name": client.name, "scopes": " ".join(_together(*allowed.values())), "allowed": encoded}
    if known is None:
        made = "app_" + secrets.token_hex(8)
        row = {"id": made, "user_id": user_id, "client_id": client.id, "tenant_id": tenant_id, "created_at": now}
        connection.execute(insert(oauth_connections).values(**row, **values))
        return made
    change = update(oauth_connections).where(oauth_connections.c.id == known.id)
    connection.execute(change.values(**values, revoked_at=None))
    return str(known.id)


def allowed_scopes(connection: Connection, client_id: str, *, user_id: str, resource: str) -> dict[str, frozenset[str]]:
    """Returns tenant id → scopes that a person has allowed a client there, for a resource or for all."""
    of_both = oauth_connections.c.user_id == user_id, oauth_connections.c.client_id == client_id
    query = select(oauth_connections.c.tenant_id, oauth_connections.c.allowed).where(*of_both, _is_on())
    return {
        row.tenant_id: frozenset(
            scope for one, scopes in _decode(row.allowed).items() if covers(one, resource) for scope in scopes
        )
        for row in connection.execute(query)
    }


def lock(connection: Connection, connection_id: str) -> bool:
    """Locks a connected application until the transaction ends; returns whether its grants are good.

    They are not if it was revoked, or its person is gone, left the tenant, or has to choose a new password.
    """
    row = oauth_connections.c.id == connection_id
    locked = connection.execute(select(oauth_connections.c.id).where(row, _is_on()).with_for_update()).first()
    if locked is None:
        return False
    query = of_those_who_may(select(oauth_connections.c.id).select_from(oauth_connections), oauth_connections)
    return connection.execute(query.where(row)).first() is not None


def revoke(connection: Connection, connection_id: str, *, user_id: str, now: float) -> Connected | None:
    """Revokes a connected application of a person, with all its codes and tokens; None: there is none."""
    own = oauth_connections.c.id == connection_id, oauth_connections.c.user_id == user_id
    found = next(iter(_connected(connection, *own)), None)
    change = update(oauth_connections).where(*own, _is_on()).values(revoked_at=now)
    if found is None or not connection.execute(change).rowcount:
        return None
    _end_grants(connection, [connection_id])
    return found


def revoke_applications(connection: Connection, *, user_id: str, tenant_ids: Collection[str], now: float) -> None:
    """Revokes the connected applications of a person who leaves tenants: they stay revoked if the person comes back."""
    own = oauth_connections.c.user_id == user_id, oauth_connections.c.tenant_id.in_(tenant_ids)
    found = connection.execute(locked_in_order(oauth_connections.c.id, *own, _is_on())).scalars().all()
    if found:
        connection.execute(update(oauth_connections).where(oauth_connections.c.id.in_(found)).values(revoked_at=now))
        _end_grants(connection, found)


def of_user(connection: Connection, user_id: str) -> list[Connected]:
    """Lists the connected applications of a person, the latest first."""
    return _connected(connection, oauth_connections.c.user_id == user_id)


def count(connection: Connection) -> int:
    """Counts the connected applications of all people."""
    return connection.execute(select(func.count()).select_from(oauth_connections).where(_is_on())).scalar_one()


def note_used(connection: Connection, connection_ids: Iterable[str], *, now: float) -> None:
    """Records the last use of connected applications."""
    used = locked_in_order(oauth_connections.c.id, oauth_connections.c.id.in_(list(connection_ids)))
    connection.execute(update(oauth_connections).where(oauth_connections.c.id.in_(used)).values(used_at=now))


def of_those_who_may(query: Select[Any], table: Table) -> Select[Any]:
    """Restricts rows that have a person and a tenant to those where the person may act for the tenant now."""
    is_same = (memberships.c.user_id == table.c.user_id) & (memberships.c.tenant_id == table.c.tenant_id)
    joined = query.join(users, users.c.id == table.c.user_id).outerjoin(memberships, is_same)
    is_member = or_(users.c.role == ADMIN, memberships.c.user_id.is_not(None))
    return joined.where(is_member, users.c.must_change_password.is_(False))


def _end_grants(connection: Connection, connection_ids: Sequence[str]) -> None:
    for table in (oauth_codes, oauth_tokens):
        rows = locked_in_order(table.c.hash, table.c.connection_id.in_(connection_ids))
        connection.execute(delete(table).where(table.c.hash.in_(rows)))


def _connected(connection: Connection, *conditions: ColumnElement[bool]) -> list[Connected]:
    query = (
        select(oauth_connections, tenants.c.name.label("tenant_name"))
        .join(tenants, tenants.c.id == oauth_connections.c.tenant_id)
        .where(*conditions, _is_on())
        .order_by(oauth_connections.c.created_at.desc(), oauth_connections.c.id)
        .limit(MAX_SHOWN)
    )
    return [
        Connected(
            **{name: row[name] for name in Connected.__struct_fields__ if name not in ("host", "scopes")},
            scopes=tuple(row["scopes"].split()),
            host=document_host(row["client_id"]),
        )
        for row in connection.execute(query).mappings()
    ]


def _decode(allowed: str) -> Mapping[str, tuple[str, ...]]:
    """Decodes resource → scopes."""
    return msgspec.json.decode(allowed, type=dict[str, tuple[str, ...]])


def _together(*scopes: Iterable[str]) -> tuple[str, ...]:
    named = {scope for some in scopes for scope in some}
    return tuple(scope for scope in SCOPES if scope in named)


def _is_on() -> ColumnElement[bool]:
    return oauth_connections.c.revoked_at.is_(None)
