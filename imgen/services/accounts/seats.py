"""Seats: members of a tenant, as many as its plan has. A plan that was made smaller sends nobody away."""

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from imgen.domain.account import Plan, Tenant
from imgen.domain.errors import Invalid
from imgen.records import memberships, tenants, users

PlanOf = Callable[[str], Plan]
"""Returns the plan of a key; see `Core.plan_of`."""


def set_memberships(connection: Connection, user_id: str, tenant_ids: Collection[str], plan_of: PlanOf) -> None:
    """Makes a user a member of these tenants and no others; an owner of one of them stays its owner.

    Raises:
        Invalid: a tenant that the user joins has no seat left.
    """
    joined = set(tenant_ids) - users.memberships_of(connection, user_id)
    users.set_memberships(connection, user_id, tenant_ids)
    for tenant in tenants.locked_tenants(connection, joined):
        _check(connection, tenant, plan_of)


def join(connection: Connection, user_id: str, tenant: Tenant, role: str, plan_of: PlanOf) -> None:
    """Makes a user a member of one tenant more, or gives a member another role.

    Raises:
        Invalid: the tenant has no seat left for a new member.
    """
    tenants.locked_tenants(connection, [tenant.id])
    is_new = not memberships.role_of(connection, user_id, tenant.id)
    memberships.join(connection, user_id, tenant.id, role)
    if is_new:
        _check(connection, tenant, plan_of)


def _check(connection: Connection, tenant: Tenant, plan_of: PlanOf) -> None:
    seats = plan_of(tenant.plan).seats
    if seats and users.count_members(connection, tenant.id) > seats:
        raise Invalid(f"The plan {tenant.plan} of tenant {tenant.name!r} has {seats} seats, and all are taken")
