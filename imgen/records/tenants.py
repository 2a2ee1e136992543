"""Tenants in SQL."""

import secrets
import time

from sqlalchemy import Connection, insert, select

from imgen.domain.account import Tenant
from imgen.records.tables.accounts import tenants


def find_tenant(connection: Connection, name: str) -> Tenant | None:
    """Finds the tenant of that name; None: there is none."""
    row = connection.execute(select(tenants).where(tenants.c.name == name)).first()
    return None if row is None else Tenant(id=row.id, name=row.name, plan=row.plan)


def ensure_tenant(connection: Connection, name: str, plan: str) -> Tenant:
    """Finds or makes the tenant of that name."""
    tenant = find_tenant(connection, name)
    if tenant is None:
        tenant = Tenant(id="ten_" + secrets.token_hex(8), name=name, plan=plan)
        connection.execute(insert(tenants).values(id=tenant.id, name=name, plan=plan, created_at=time.time()))
    return tenant


def all_tenants(connection: Connection) -> list[Tenant]:
    """Lists all tenants by name."""
    found = connection.execute(select(tenants).order_by(tenants.c.name))
    return [Tenant(id=row.id, name=row.name, plan=row.plan) for row in found]
