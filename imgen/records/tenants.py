"""Tenants in SQL."""

import secrets
import time
from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from imgen.domain.account import ANONYMOUS_TENANT_ID, Tenant
from imgen.domain.errors import Invalid, TenantClosed, TenantNotFound
from imgen.records import name_pages
from imgen.records.database import dialect_insert
from imgen.records.name_pages import NamePlace
from imgen.records.tables.accounts import tenants

MAX_NAME_CHARS = 200
"""Longer names break the tables that show them."""
_PRESENT = select(tenants.c.id).where(tenants.c.id == bindparam("wanted")).with_for_update(read=True, key_share=True)
"""Made once: every submission runs it."""


def find_tenant(connection: Connection, name: str) -> Tenant | None:
    """Finds the tenant of that name; None: there is none."""
    row = connection.execute(select(tenants).where(tenants.c.name == name)).first()
    return None if row is None else Tenant(id=row.id, name=row.name, plan=row.plan)


def find_tenant_by_id(connection: Connection, tenant_id: str) -> Tenant | None:
    """Finds the tenant of that id; None: there is none."""
    row = connection.execute(select(tenants).where(tenants.c.id == tenant_id)).first()
    return None if row is None else Tenant(id=row.id, name=row.name, plan=row.plan)


def named_tenant(connection: Connection, name: str) -> Tenant:
    """Finds the tenant of that name.

    Raises:
        Invalid: there is none.
    """
    tenant = find_tenant(connection, name)
    if tenant is None:
        raise Invalid(f"There is no tenant {name!r}")
    return tenant


def require(connection: Connection, tenant_id: str) -> None:
    """Checks that a tenant is there, and keeps it there until the transaction ends: its deletion waits.

    Raises:
        TenantClosed: it was deleted.
    """
    if connection.execute(_PRESENT, {"wanted": tenant_id}).first() is None:
        raise TenantClosed


def keep(connection: Connection, tenant_id: str) -> None:
    """Keeps a tenant there as `require` does, for people who change something of it.

    Raises:
        TenantNotFound: it was deleted.
    """
    try:
        require(connection, tenant_id)
    except TenantClosed as exc:
        raise TenantNotFound from exc


def ensure_tenant(connection: Connection, name: str, plan: str) -> Tenant:
    """Finds or makes the tenant of that name.

    Raises:
        Invalid: a new tenant's name is empty or too long.
    """
    tenant = find_tenant(connection, name)
    if tenant is None:
        _check_name(name)
        tenant = Tenant(id="ten_" + secrets.token_hex(8), name=name, plan=plan)
        connection.execute(insert(tenants).values(id=tenant.id, name=name, plan=plan, created_at=time.time()))
    return tenant


def ensure_anonymous_tenant(connection: Connection) -> Tenant:
    """Finds or makes the tenant of callers without a credential, on the plan `free`."""
    name = "Anonymous"
    if find_tenant(connection, name) is not None:
        name = f"Anonymous ({ANONYMOUS_TENANT_ID})"
    row = {"id": ANONYMOUS_TENANT_ID, "name": name, "plan": "free", "created_at": time.time()}
    new = dialect_insert(connection, tenants).values(row)
    connection.execute(new.on_conflict_do_nothing(index_elements=[tenants.c.id]))
    found = find_tenant_by_id(connection, ANONYMOUS_TENANT_ID)
    assert found is not None
    return found


def set_plan(connection: Connection, tenant_id: str, plan: str) -> None:
    """Gives a tenant another plan."""
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(plan=plan))


def rename_tenant(connection: Connection, tenant_id: str, name: str) -> None:
    """Gives a tenant another name, which must be free.

    Raises:
        Invalid: the name is empty or too long.
    """
    _check_name(name)
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(name=name))


def locked_tenants(connection: Connection, tenant_ids: Collection[str]) -> list[Tenant]:
    """Finds tenants by their ids, and locks their rows in the order of these."""
    query = select(tenants).where(tenants.c.id.in_(tenant_ids)).order_by(tenants.c.id).with_for_update()
    return [Tenant(id=row.id, name=row.name, plan=row.plan) for row in connection.execute(query)]


def first_tenants(connection: Connection, *, scope: frozenset[str] | None, limit: int) -> list[Tenant]:
    """Lists the first tenants by name, of these ids or of all."""
    query = select(tenants).order_by(tenants.c.name).limit(limit)
    found = connection.execute(query if scope is None else query.where(tenants.c.id.in_(scope)))
    return [Tenant(id=row.id, name=row.name, plan=row.plan) for row in found]


def all_tenants(connection: Connection) -> list[Tenant]:
    """Lists all tenants by name: for the command line alone, since there may be very many."""
    found = connection.execute(select(tenants).order_by(tenants.c.name))
    return [Tenant(id=row.id, name=row.name, plan=row.plan) for row in found]


def page(
    connection: Connection,
    *,
    scope: Collection[str] | None,
    prefix: str = "",
    after: NamePlace | None = None,
    limit: int,
) -> tuple[list[Tenant], NamePlace | None]:
    """Lists tenants by name, those that begin with `prefix`; returns them, and the place of the next page if there is one."""
    within: list[ColumnElement[bool]] = [] if scope is None else [tenants.c.id.in_(scope)]
    places = name_pages.page(connection, tenants, conditions=within, prefix=prefix, after=after, limit=limit + 1)
    found = of_ids(connection, [place.id for place in places[:limit]])
    shown = [found[place.id] for place in places[:limit] if place.id in found]
    return shown, places[limit - 1] if len(places) > limit else None


def of_ids(connection: Connection, tenant_ids: Iterable[str]) -> dict[str, Tenant]:
    """Returns id → tenant, of those that there are."""
    rows = connection.execute(select(tenants).where(tenants.c.id.in_(list(tenant_ids))))
    return {row.id: Tenant(id=row.id, name=row.name, plan=row.plan) for row in rows}


def names(connection: Connection, tenant_ids: Iterable[str]) -> dict[str, str]:
    """Returns id → name, of those that there are."""
    return {tenant.id: tenant.name for tenant in of_ids(connection, tenant_ids).values()}


def find_in_scope(connection: Connection, id_or_name: str, *, scope: Collection[str] | None) -> Tenant | None:
    """Finds a tenant by its id or its name, as forms send them; None: there is none, or it is outside the scope."""
    found = find_tenant_by_id(connection, id_or_name) or find_tenant(connection, id_or_name)
    return found if found and (scope is None or found.id in scope) else None


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARS:
        raise Invalid(f"A tenant needs a name of 1 to {MAX_NAME_CHARS} characters")
