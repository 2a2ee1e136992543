"""Invitations to tenants: made and revoked by owners, accepted once."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid
from imgen.domain.one_time_link import LinkKind, OneTimeLink, hash_token, link_url, new_token
from imgen.domain.user import MEMBER, OWNER, TENANT_ROLES, User
from imgen.records import audit, memberships, one_time_links, tenants, users
from imgen.services.accounts import one_time_links as links
from imgen.services.accounts import passwords, seats, tenant_access
from imgen.services.core import Core


async def invite(core: Core, by: User, tenant_id: str, role: str) -> str:
    """Makes an invitation; returns its address, which cannot be shown again.

    Raises:
        Invalid: there is no such role, or too many invitations are open.
        TenantNotFound, Forbidden: `by` does not manage the tenant.
    """
    token = new_token()

    def write(connection: Connection) -> None:
        tenant = tenant_access.managed(connection, by, tenant_id)
        link = add(connection, tenant, token, role=role, made_by=by.id, now=core.clock())
        detail = audit.change(tenant.name, after={"role": role})
        audit.by_person(connection, by, action="invited", tenant_id=tenant.id, subject=link.id, detail=detail)

    await core.database.writing(write)
    return link_url(core.settings.public_url, LinkKind.INVITATION, token)


def add(connection: Connection, tenant: Tenant, token: str, *, role: str, made_by: str, now: float) -> OneTimeLink:
    """Stores an invitation to a tenant.

    Raises:
        Invalid: there is no such role, or too many invitations are open.
    """
    if role not in TENANT_ROLES:
        raise Invalid(f"A role is one of {', '.join(TENANT_ROLES)}")
    return one_time_links.add(
        connection,
        hash_token(token),
        LinkKind.INVITATION,
        tenant_id=tenant.id,
        role=role,
        made_by=made_by,
        now=now,
    )


async def revoke(core: Core, by: User, tenant_id: str, link_id: str) -> None:
    """Revokes an invitation that was not accepted yet.

    Raises:
        Invalid: the tenant has no such open invitation.
        TenantNotFound, Forbidden: `by` does not manage the tenant.
    """

    def write(connection: Connection) -> None:
        tenant = tenant_access.managed(connection, by, tenant_id)
        one_time_links.revoke_invitation(connection, tenant.id, link_id, now=core.clock())
        detail = audit.change(tenant.name)
        audit.by_person(
            connection, by, action="revoked invitation", tenant_id=tenant.id, subject=link_id, detail=detail
        )

    await core.database.writing(write)


async def accept(core: Core, user: User, token: str, *, remote_ip: str) -> Tenant:
    """Makes a signed-in user a member by an invitation, which is used up.

    Raises:
        Invalid: it is unknown, used, revoked or expired, gives nothing that the user does not have, or the tenant has no seat
            left.
        TooManyTenants: the user owns as many tenants as a person may.
        RateLimited, Unavailable: as for `look_at_invitation`.
    """
    await links.look_at_invitation(core, token, remote_ip=remote_ip)

    def write(connection: Connection) -> Tenant:
        return _use(connection, core, token, user, remote_ip)

    return await core.database.writing(write)


async def accept_as_new(core: Core, token: str, *, name: str, password: str, remote_ip: str) -> None:
    """Makes an account and its membership by an invitation, which is used up.

    Raises:
        Invalid: as for `accept`; or the name is taken, empty or too long, or the password too short or too long.
        RateLimited, Unavailable: as for `look_at_invitation`.
    """
    passwords.check_length(password)
    await links.look_at_invitation(core, token, remote_ip=remote_ip)  # a password is not hashed for a guess
    new_hash = await passwords.hash_in_thread(password)

    def write(connection: Connection) -> None:
        links.find(connection, core, LinkKind.INVITATION, token)  # before the name, of which a guess would learn
        user = users.add(connection, name=name, role=MEMBER, password_hash=new_hash, must_change_password=False)
        _use(connection, core, token, user, remote_ip)

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"There is a user named {name!r} already") from exc


async def open_invitations(core: Core, tenant_id: str) -> Sequence[OneTimeLink]:
    """Lists the invitations to a tenant that can be accepted, newest first."""
    return await core.database.reading(one_time_links.open_invitations, tenant_id, now=core.clock())


def _use(connection: Connection, core: Core, token: str, user: User, remote_ip: str) -> Tenant:
    link = links.find(connection, core, LinkKind.INVITATION, token)
    tenant = next(iter(tenants.locked_tenants(connection, [link.tenant_id])), None)
    if tenant is None:
        raise Invalid("The tenant of this invitation is gone")
    before = memberships.role_of(connection, user.id, tenant.id)
    if before in (OWNER, link.role):
        raise Invalid(f"You belong to {tenant.name} already")
    if link.role == OWNER:
        memberships.check_may_own(connection, user.id, limit=core.settings.accounts.tenants_per_person)
    one_time_links.use(connection, link, used_by=user.id, now=core.clock())
    seats.join(connection, user.id, tenant, link.role, core.plan_of)
    detail = {"address": remote_ip, **audit.change(user.name, after={"role": link.role, "tenant": tenant.name})}
    audit.note(connection, actor=user.name, action="joined tenant", tenant_id=tenant.id, subject=user.id, detail=detail)
    return tenant
