"""Memberships in SQL: users that own tenants or belong to them."""

import time

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update

from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid, TooManyTenants
from imgen.domain.user import OWNER, User
from imgen.records import oauth_connections, one_time_links
from imgen.records.name_pages import begins_with
from imgen.records.tables.accounts import tenants
from imgen.records.tables.users import memberships, users


class Member(Struct, frozen=True, kw_only=True):
    """Member of a tenant."""

    user_id: str
    name: str
    role: str


class OwnTenant(Struct, frozen=True, kw_only=True):
    """Tenant of a user, with the user's role."""

    tenant: Tenant
    role: str


def role_of(connection: Connection, user_id: str, tenant_id: str) -> str:
    """Returns the role of a user within a tenant; empty: there is no such membership."""
    return connection.execute(select(memberships.c.role).where(*_one(user_id, tenant_id))).scalar() or ""


def join(connection: Connection, user_id: str, tenant_id: str, role: str) -> None:
    """Makes a user a member of a tenant, or gives a member another role."""
    changed = connection.execute(update(memberships).where(*_one(user_id, tenant_id)).values(role=role))
    if not changed.rowcount:
        connection.execute(insert(memberships).values(user_id=user_id, tenant_id=tenant_id, role=role))


def check_may_own(connection: Connection, user_id: str, *, limit: int) -> None:
    """Checks whether a user may own one tenant more; of several changes at once each waits for the one before.

    Raises:
        TooManyTenants: the user owns as many as one may.
    """
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    owned = select(func.count()).where(memberships.c.user_id == user_id, memberships.c.role == OWNER)
    if connection.execute(owned).scalar_one() >= limit:
        raise TooManyTenants(f"A person may own {limit} tenant{'' if limit == 1 else 's'}, not more")


def step_down(connection: Connection, user_id: str, tenant_id: str, role: str = "", *, last_may: bool = False) -> None:
    """Takes a user out of a tenant, or makes an owner a member; invitations that the user made there are revoked.

    Applications that the user connected to the tenant end with the membership.

    Args:
        connection: a transaction.
        user_id: the user.
        tenant_id: the tenant.
        role: the new role; empty: none.
        last_may: whether the tenant may be left without an owner.

    Raises:
        Invalid: the user is its last owner.
    """
    connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update())
    owners = select(memberships.c.user_id).where(memberships.c.tenant_id == tenant_id, memberships.c.role == OWNER)
    if not last_may and connection.execute(owners).scalars().all() == [user_id]:
        raise Invalid("A tenant keeps one owner at least; make another member an owner first")
    now = time.time()
    one_time_links.revoke_made_by(connection, user_id, tenant_id=tenant_id, now=now)
    if role:
        connection.execute(update(memberships).where(*_one(user_id, tenant_id)).values(role=role))
    else:
        connection.execute(delete(memberships).where(*_one(user_id, tenant_id)))
        oauth_connections.revoke_applications(connection, user_id=user_id, tenant_ids=(tenant_id,), now=now)


def members_of(connection: Connection, tenant_id: str, *, prefix: str = "", limit: int | None = None) -> list[Member]:
    """Lists the members of a tenant whose names begin with `prefix`: owners first, by name. `limit` is the most of them."""
    query = (
        select(users.c.id, users.c.name, memberships.c.role)
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.tenant_id == tenant_id)
        .order_by(case((memberships.c.role == OWNER, 0), else_=1), users.c.folded, users.c.id)
        .limit(limit)
    )
    if prefix:
        query = query.where(begins_with(users, prefix))
    return [Member(user_id=row.id, name=row.name, role=row.role) for row in connection.execute(query)]


def tenants_of(connection: Connection, user_id: str) -> list[OwnTenant]:
    """Lists the tenants of a user, oldest first."""
    query = (
        select(tenants.c.id, tenants.c.name, tenants.c.plan, memberships.c.role)
        .join(tenants, tenants.c.id == memberships.c.tenant_id)
        .where(memberships.c.user_id == user_id)
        .order_by(tenants.c.created_at, tenants.c.id)
    )
    return [
        OwnTenant(tenant=Tenant(id=row.id, name=row.name, plan=row.plan), role=row.role)
        for row in connection.execute(query)
    ]


def default_tenant(connection: Connection, user: User) -> Tenant | None:
    """Finds the tenant that a user acts for without naming one: the only or oldest one; None: there is none."""
    return next((own.tenant for own in tenants_of(connection, user.id)), None)


def _one(user_id: str, tenant_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return memberships.c.user_id == user_id, memberships.c.tenant_id == tenant_id
