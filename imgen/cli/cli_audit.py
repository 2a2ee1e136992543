"""Audit of the command line: writes with their audit rows, which name the operating system's account and the machine."""

import os
import platform
import pwd
from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from imgen.domain.account import Tenant
from imgen.domain.principal import SCOPES
from imgen.records import api_keys, audit, tenants


def note(
    connection: Connection, action: str, *, subject: str, detail: Mapping[str, object], tenant_id: str = ""
) -> None:
    """Adds an audit row, in the transaction of the write that it records."""
    told = {"host": platform.node(), **detail}
    audit.note(connection, actor=actor(), action=action, tenant_id=tenant_id, subject=subject, detail=told)


def actor() -> str:
    """Returns the actor of the rows: the operating system's account."""
    return f"command line: {_account()}"


def tenant(connection: Connection, name: str, plan: str) -> Tenant:
    """Finds a tenant by name; makes it, with an audit row, if it does not exist."""
    is_new = tenants.find_tenant(connection, name) is None
    found = tenants.ensure_tenant(connection, name, plan)
    if is_new:
        told = audit.change(name, after={"plan": plan})
        note(connection, "made tenant", tenant_id=found.id, subject=found.id, detail=told)
    return found


def key(
    connection: Connection,
    raw: str,
    *,
    owner: Tenant,
    name: str,
    scopes: Collection[str] = SCOPES,
    expires_at: float | None = None,
) -> None:
    """Stores a new key, with its audit row."""
    made = api_keys.add_key(connection, raw, tenant=owner, name=name, scopes=scopes, expires_at=expires_at)
    told = audit.change(name, after=audit.key_fields(made, owner))
    note(connection, "made key", tenant_id=owner.id, subject=made.id, detail=told)


def _account() -> str:
    """Returns the account's name by its user id; environment variables are ignored."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run as a number without a name
        return str(number)
