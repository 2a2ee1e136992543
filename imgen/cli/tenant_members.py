"""Commands of `imgen tenants …` for people: makes a tenant, lists, adds, invites and removes its members."""

import time
from functools import partial
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from imgen import settings
from imgen.cli import cli_audit
from imgen.cli.database import opened, writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.configuration import applied_plan, known_plan, load_plans
from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid
from imgen.domain.job import utc_text
from imgen.domain.one_time_link import LinkKind, link_url, new_token
from imgen.domain.user import MEMBER, OWNER, User
from imgen.records import audit, memberships, one_time_links, tenants, users
from imgen.services.accounts import invitations, seats
from imgen.settings import Settings

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
Person = Annotated[str, typer.Argument(help="The user's name.")]
Owner = Annotated[bool, typer.Option("--owner", help="As owner, who manages keys, members and invitations.")]


@app.command()
def add(
    name: Name,
    plan: Annotated[str, typer.Option(help="Its plan; default: default_plan.", show_default=False)] = "",
    owner: Annotated[str, typer.Option(help="A user who owns it.", show_default=False)] = "",
    data: Data = None,
) -> None:
    """Make a tenant."""
    with writing(data) as (loaded, connection):
        if tenants.find_tenant(connection, name) is not None:
            raise Invalid(f"There is a tenant named {name!r} already")
        tenant = cli_audit.tenant(connection, name, known_plan(loaded, plan))
        if owner:
            _join(connection, loaded, tenant, _find(connection, owner), OWNER)
    typer.echo(f"Made {name} ({tenant.plan})")


@app.command()
def members(name: Name, data: Data = None) -> None:
    """List the members of a tenant, and its open invitations."""
    with opened(settings.load(data)) as database, database.read() as connection:
        tenant = tenants.named_tenant(connection, name)
        found = memberships.members_of(connection, tenant.id)
        open_ones = one_time_links.open_invitations(connection, tenant.id, now=time.time())
    table = Table("member", "role", "until")
    for one in found:
        table.add_row(one.name, one.role, "")
    for link in open_ones:
        table.add_row(f"invitation {link.id}", link.role, utc_text(link.expires_at))
    show(table)


@app.command()
def add_member(name: Name, person: Person, *, owner: Owner = False, data: Data = None) -> None:
    """Make a user a member of a tenant, or give a member another role."""
    role = OWNER if owner else MEMBER
    with writing(data) as (loaded, connection):
        tenant = tenants.named_tenant(connection, name)
        _join(connection, loaded, tenant, _find(connection, person), role)
    typer.echo(f"{person}: {role} of {name}")


@app.command()
def remove_member(name: Name, person: Person, data: Data = None) -> None:
    """Take a user out of a tenant: their sessions lose it at once. The tenant may be left without an owner."""
    with writing(data) as (_, connection):
        tenant, user = tenants.named_tenant(connection, name), _find(connection, person)
        before = memberships.role_of(connection, user.id, tenant.id)
        if not before:
            raise Invalid(f"{person} is no member of {name}")
        memberships.step_down(connection, user.id, tenant.id, last_may=True)
        _note(connection, "removed member", tenant, user, audit.change(user.name, before={"role": before}))
    typer.echo(f"Removed {person} from {name}")


@app.command()
def invite(name: Name, *, owner: Owner = False, data: Data = None) -> None:
    """Print an invitation to a tenant, alone, on stdout: a link that one person can use, once, within 7 days."""
    token, role = new_token(), OWNER if owner else MEMBER
    with writing(data) as (loaded, connection):
        tenant = tenants.named_tenant(connection, name)
        link = invitations.add(connection, tenant, token, role=role, made_by="", now=time.time())
        detail = audit.change(tenant.name, after={"role": role})
        cli_audit.note(connection, "invited", tenant_id=tenant.id, subject=link.id, detail=detail)
    typer.echo(link_url(loaded.public_url, LinkKind.INVITATION, token))


@app.command()
def revoke_invitation(
    name: Name,
    link: Annotated[str, typer.Argument(help="The invitation, as `imgen tenants members` lists it.")],
    data: Data = None,
) -> None:
    """Revoke an invitation that was not accepted yet."""
    with writing(data) as (_, connection):
        tenant = tenants.named_tenant(connection, name)
        one_time_links.revoke_invitation(connection, tenant.id, link, now=time.time())
        detail = audit.change(tenant.name)
        cli_audit.note(connection, "revoked invitation", tenant_id=tenant.id, subject=link, detail=detail)
    typer.echo(f"Revoked {link}")


def _join(connection: Connection, loaded: Settings, tenant: Tenant, user: User, role: str) -> None:
    before = memberships.role_of(connection, user.id, tenant.id)
    if before == role:
        raise Invalid(f"{user.name} is {role} of {tenant.name} already")
    if before == OWNER:
        memberships.step_down(connection, user.id, tenant.id, role, last_may=True)
    else:
        seats.join(connection, user.id, tenant, role, partial(applied_plan, loaded, load_plans(loaded)))
    change = audit.change(user.name, before={"role": before or None}, after={"role": role})
    _note(connection, "added member" if not before else "changed member's role", tenant, user, change)


def _find(connection: Connection, name: str) -> User:
    user = users.find_user(connection, name)
    if user is None:
        raise Invalid(f"Nobody is named {name!r}")
    return user


def _note(connection: Connection, action: str, tenant: Tenant, user: User, detail: dict[str, object]) -> None:
    told = {**detail, "tenant": tenant.name}
    cli_audit.note(connection, action, tenant_id=tenant.id, subject=user.id, detail=told)
