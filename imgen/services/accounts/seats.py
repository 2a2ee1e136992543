"""Seats: members of a tenant, as many as its plan has. A plan that was made smaller sends nobody away."""

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from imgen.domain.account import Plan
from imgen.domain.errors import Invalid
from imgen.records import tenants, users


def set_memberships(
    connection: Connection, user_id: str, tenant_ids: Collection[str], plan_of: Callable[[str], Plan]
) -> None:
    """Makes a user a member of these tenants and no others.

    Raises:
        Invalid: a tenant that the user joins has no seat left.
    """
    joined = set(tenant_ids) - users.memberships_of(connection, user_id)
    users.set_memberships(connection, user_id, tenant_ids)
    for tenant in tenants.locked_tenants(connection, joined):
        seats = plan_of(tenant.plan).seats
        if seats and users.count_members(connection, tenant.id) > seats:
            raise Invalid(f"The plan {tenant.plan} of tenant {tenant.name!r} has {seats} seats, and all are taken")
