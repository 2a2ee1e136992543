"""Closing of a tenant: from that moment nobody acts for it, in no process; emptying.py deletes the rest."""

import contextlib

from sqlalchemy import Connection

from imgen.domain.account import ANONYMOUS_TENANT_ID, Tenant
from imgen.domain.errors import Forbidden, Invalid, Unavailable
from imgen.domain.user import User
from imgen.live import epochs, tenant_traces
from imgen.records import audit, tenant_deletions
from imgen.records.tenant_deletions import Closed
from imgen.services.accounts import tenant_access
from imgen.services.core import Core

ACTION = "began deleting tenant"
"""Action in the audit."""


async def delete_tenant(core: Core, user: User, tenant_id: str, *, typed: str, with_people: bool = False) -> Tenant:
    """Closes a tenant for good, for a user who has typed its name; all that it has is deleted within minutes.

    Args:
        core: the core.
        user: an owner of the tenant, or an administrator.
        tenant_id: the tenant.
        typed: its name, to confirm.
        with_people: whether members who belong to no other tenant are removed, too; for administrators.

    Raises:
        Invalid: another name was typed.
        TenantNotFound, Forbidden: the user does not manage it, or may not remove people.
    """
    if with_people and not user.is_admin:
        raise Forbidden("Only administrators remove people")

    def write(connection: Connection) -> tuple[Tenant, Closed]:
        tenant = tenant_access.managed(connection, user, tenant_id)
        if typed.strip() != tenant.name:
            raise Invalid("Type the name of the tenant to delete it")
        closed = close(connection, tenant, begun_by=user.name, with_people=with_people, now=core.clock())
        detail = told(tenant, closed)
        audit.by_person(connection, user, action=ACTION, tenant_id=tenant.id, subject=tenant.id, detail=detail)
        return tenant, closed

    tenant, closed = await core.database.writing(write)
    await announce(core, tenant, closed)
    return tenant


def close(connection: Connection, tenant: Tenant, *, begun_by: str, with_people: bool, now: float) -> Closed:
    """Closes a tenant in the caller's transaction, which adds the row to the audit; `announce` comes after the commit.

    Raises:
        Invalid: it is that of callers without a credential.
    """
    if tenant.id == ANONYMOUS_TENANT_ID:
        raise Invalid("The tenant of anonymous callers cannot be deleted; [forge] anonymous = false closes it")
    return tenant_deletions.close(connection, tenant, begun_by=begun_by, with_people=with_people, now=now)


def told(tenant: Tenant, closed: Closed) -> dict[str, object]:
    """Returns the detail of a closing for the audit."""
    detail = audit.change(tenant.name, before={"plan": tenant.plan})
    return detail | {"keys": len(closed.key_ids), "people removed": len(closed.people)}


async def announce(core: Core, tenant: Tenant, closed: Closed) -> None:
    """Has every process forget the tenant's keys at once. Without Redis they trust no memory, so nothing is missed."""
    with contextlib.suppress(Unavailable):
        await core.live.run(epochs.bump(epochs.KEYS))
        await core.live.run(tenant_traces.forget_counts(tenant.id, closed.key_ids, core.clock()))
