"""Change of a tenant's plan by an administrator: with its row in the audit, effective at once in every API process."""

import contextlib

from sqlalchemy import Connection

from imgen.domain.account import Plan, Tenant
from imgen.domain.errors import Invalid, Unavailable
from imgen.domain.user import User
from imgen.live import epochs
from imgen.records import audit, tenants
from imgen.services.core import Core


async def change(core: Core, by: User, tenant: Tenant, plan: str) -> Plan:
    """Gives a tenant another plan; returns it.

    Raises:
        Invalid: there is no such plan.
    """
    wanted = core.configured.plans.get(plan)
    if wanted is None:
        raise Invalid(f"There is no plan {plan!r}")

    def write(connection: Connection) -> None:
        tenants.set_plan(connection, tenant.id, wanted.key)
        detail = audit.change(tenant.name, before={"plan": tenant.plan}, after={"plan": wanted.key})
        audit.by_person(connection, by, action="changed plan", tenant_id=tenant.id, subject=tenant.id, detail=detail)

    await core.database.writing(write)
    with contextlib.suppress(Unavailable):  # without Redis no process uses its memory of tenants
        await core.live.run(epochs.bump(epochs.KEYS))
    return wanted
