"""Access of users to tenants, read in the transaction of each change: who was removed a moment ago changes nothing any more."""

from sqlalchemy import Connection

from imgen.domain.account import ANONYMOUS_TENANT_ID, Tenant
from imgen.domain.errors import Forbidden, TenantNotFound
from imgen.domain.user import OWNER, User
from imgen.records import memberships, tenants


def visible(connection: Connection, user: User, tenant_id: str) -> tuple[Tenant, str]:
    """Finds a tenant that a user may look at, and the user's role in it; administrators may look at all.

    Raises:
        TenantNotFound: there is none of that id, or the user does not belong to it.
    """
    tenant = tenants.find_tenant_by_id(connection, tenant_id)
    role = memberships.role_of(connection, user.id, tenant_id)
    if tenant is None or not (role or user.is_admin):
        raise TenantNotFound
    return tenant, role


def seen(connection: Connection, user: User, tenant_id: str) -> tuple[Tenant, str]:
    """Finds a tenant with members, and a user's role in it: not the one of callers without a credential.

    Raises:
        TenantNotFound: there is none of that id, or the user does not belong to it.
    """
    tenant, role = visible(connection, user, tenant_id)
    if tenant.id == ANONYMOUS_TENANT_ID:
        raise TenantNotFound
    return tenant, role


def managed(connection: Connection, user: User, tenant_id: str) -> Tenant:
    """Finds a tenant that a user manages.

    Raises:
        TenantNotFound: there is none of that id, or the user does not belong to it.
        Forbidden: the user is a member, but no owner.
    """
    tenant, role = seen(connection, user, tenant_id)
    if role != OWNER and not user.is_admin:
        raise Forbidden("Only owners of a tenant may do this")
    return tenant
