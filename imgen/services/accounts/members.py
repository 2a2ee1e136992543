"""Members of tenants, and tenants that people make for themselves: each change with its row in the audit."""

import secrets

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid
from imgen.domain.user import MEMBER, OWNER, TENANT_ROLES, User
from imgen.records import audit, memberships, tenants, users
from imgen.services.accounts import known_keys, tenant_access
from imgen.services.core import Core


async def make_tenant(core: Core, user: User, name: str) -> Tenant:
    """Makes a tenant that the user owns, on the plan of sign-ups.

    Raises:
        Invalid: the name is taken, empty or too long.
        TooManyTenants: the user owns as many as a person may.
    """
    try:
        return await core.database.writing(add_tenant, core, user, name)
    except IntegrityError as exc:
        raise Invalid(f"The name {name!r} is taken") from exc


def add_tenant(connection: Connection, core: Core, user: User, name: str) -> Tenant:
    """Adds a tenant that the user owns, in a transaction.

    Raises:
        Invalid, TooManyTenants: as for `make_tenant`.
    """
    if not user.is_admin:
        memberships.check_may_own(connection, user.id, limit=core.settings.accounts.tenants_per_person)
    if tenants.find_tenant(connection, name) is not None:
        raise Invalid(f"The name {name!r} is taken")
    made = tenants.ensure_tenant(connection, name, core.settings.accounts.sign_up_plan)
    memberships.join(connection, user.id, made.id, OWNER)
    detail = audit.change(made.name, after={"plan": made.plan, "owner": user.name})
    audit.by_person(connection, user, action="made tenant", tenant_id=made.id, subject=made.id, detail=detail)
    return made


def free_name(connection: Connection, user: User) -> str:
    """Returns a free name for a tenant of a person's own: the person's, or one like it."""
    is_taken = tenants.find_tenant(connection, user.name) is not None
    return f"{user.name[:180]} ({secrets.token_hex(4)})" if is_taken else user.name


async def rename_tenant(core: Core, user: User, tenant_id: str, name: str) -> None:
    """Gives a tenant another name.

    Raises:
        Invalid: the name is taken, empty or too long.
        TenantNotFound, Forbidden: the user does not manage it.
    """

    def write(connection: Connection) -> None:
        tenant = tenant_access.managed(connection, user, tenant_id)
        if tenants.find_tenant(connection, name) is not None:
            raise Invalid(f"The name {name!r} is taken")
        tenants.rename_tenant(connection, tenant.id, name)
        detail = audit.change(name, before={"name": tenant.name}, after={"name": name})
        audit.by_person(
            connection, user, action="renamed tenant", tenant_id=tenant.id, subject=tenant.id, detail=detail
        )

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"The name {name!r} is taken") from exc
    await known_keys.forget(core)


async def set_role(core: Core, by: User, tenant_id: str, user_id: str, role: str) -> None:
    """Makes a member an owner, or an owner a member.

    Raises:
        Invalid: there is no such role or member, or it is the last owner.
        TooManyTenants: the member owns as many tenants as a person may.
        TenantNotFound, Forbidden: `by` does not manage the tenant.
    """
    if role not in TENANT_ROLES:
        raise Invalid(f"A role is one of {', '.join(TENANT_ROLES)}")

    def write(connection: Connection) -> None:
        tenant = tenant_access.managed(connection, by, tenant_id)
        member, before = _member(connection, tenant, user_id)
        if before == role:
            return
        if role == MEMBER:
            memberships.step_down(connection, member.id, tenant.id, MEMBER)
        else:
            if not by.is_admin:
                memberships.check_may_own(connection, member.id, limit=core.settings.accounts.tenants_per_person)
            memberships.join(connection, member.id, tenant.id, OWNER)
        detail = audit.change(member.name, before={"role": before}, after={"role": role})
        _note(connection, by, "changed member's role", tenant, detail)

    await core.database.writing(write)


async def remove(core: Core, by: User, tenant_id: str, user_id: str) -> None:
    """Takes a member out of a tenant; everybody may leave. The member's sessions and applications lose the tenant at once.

    Raises:
        Invalid: there is no such member, or it is the last owner.
        TenantNotFound, Forbidden: `by` does not manage the tenant.
    """

    def write(connection: Connection) -> None:
        tenant, _ = tenant_access.seen(connection, by, tenant_id)
        if not (is_leaving := by.id == user_id):
            tenant_access.managed(connection, by, tenant_id)
        member, before = _member(connection, tenant, user_id)
        memberships.step_down(connection, member.id, tenant.id)
        action = "left tenant" if is_leaving else "removed member"
        _note(connection, by, action, tenant, audit.change(member.name, before={"role": before}))

    await core.database.writing(write)
    await known_keys.forget(core)


def _member(connection: Connection, tenant: Tenant, user_id: str) -> tuple[User, str]:
    user, role = users.find_user_by_id(connection, user_id), memberships.role_of(connection, user_id, tenant.id)
    if user is None or not role:
        raise Invalid("There is no such member")
    return user, role


def _note(connection: Connection, by: User, action: str, tenant: Tenant, detail: dict[str, object]) -> None:
    audit.by_person(
        connection, by, action=action, tenant_id=tenant.id, subject=tenant.id, detail={**detail, "tenant": tenant.name}
    )
