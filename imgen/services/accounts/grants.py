"""Plans and packs of credits that operators give to tenants: each with its row in the audit, a pack once for a payment."""

import contextlib

from sqlalchemy import Connection

from imgen.domain.account import ANONYMOUS_TENANT_ID, Plan, Tenant
from imgen.domain.errors import Invalid, TenantNotFound, Unavailable
from imgen.domain.user import Actor
from imgen.live import epochs
from imgen.records import audit, packs, tenants
from imgen.records.packs import GrantedPack
from imgen.services.core import Core


async def change_plan(core: Core, by: Actor, tenant_id: str, plan: str) -> tuple[Tenant, Plan]:
    """Gives a tenant another plan, in every API process from the next request on; returns the tenant and the plan.

    Raises:
        Invalid: there is no such plan.
        TenantNotFound: there is no such tenant.
    """
    wanted = core.configured.plans.get(plan)
    if wanted is None:
        raise Invalid(f"There is no plan {plan!r}")

    def write(connection: Connection) -> Tenant:
        tenant = next(iter(tenants.locked_tenants(connection, [tenant_id])), None)
        if tenant is None:
            raise TenantNotFound
        if tenant.plan != wanted.key:
            tenants.set_plan(connection, tenant.id, wanted.key)
            detail = audit.change(tenant.name, before={"plan": tenant.plan}, after={"plan": wanted.key})
            audit.by_person(
                connection, by, action="changed plan", tenant_id=tenant.id, subject=tenant.id, detail=detail
            )
        return tenant

    tenant = await core.database.writing(write)
    with contextlib.suppress(Unavailable):  # without Redis no process uses its memory of tenants
        await core.live.run(epochs.bump(epochs.KEYS))
    return tenant, wanted


async def grant_pack(core: Core, by: Actor, tenant_id: str, pack: str, *, reference: str) -> tuple[GrantedPack, bool]:
    """Gives a tenant a pack of credits for a payment; returns it, and whether it is new. A payment counts once.

    Raises:
        Invalid: there is no such pack, the reference is empty or too long, or its payment was for another pack or tenant.
        TenantNotFound: there is no such tenant, or it is the one of callers without a credential.
    """
    wanted = core.configured.packs.get(pack)
    if wanted is None:
        raise Invalid(f"There is no pack {pack!r}")

    def write(connection: Connection) -> tuple[GrantedPack, bool]:
        tenant = tenants.find_tenant_by_id(connection, tenant_id)
        if tenant is None or tenant.id == ANONYMOUS_TENANT_ID:
            raise TenantNotFound
        granted, is_new = packs.grant(connection, tenant, wanted, reference=reference, now=core.clock())
        if is_new:
            after = {"pack": granted.name, "credits": granted.credits, "reference": reference}
            detail = audit.change(tenant.name, after=after)
            audit.by_person(
                connection, by, action="granted pack", tenant_id=tenant.id, subject=granted.id, detail=detail
            )
        return granted, is_new

    return await core.database.writing(write)
