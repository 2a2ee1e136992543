"""Command `imgen users …`: users of the web face."""

import time
from functools import partial
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from imgen.cli import cli_audit
from imgen.cli.database import writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.configuration import applied_plan, load_plans
from imgen.domain.errors import Invalid
from imgen.domain.one_time_link import LinkKind, link_url, new_token
from imgen.domain.user import ADMIN, MAX_PASSWORD_CHARS, MEMBER, MIN_PASSWORD_CHARS, ROLES, User
from imgen.records import audit, users
from imgen.records.tenants import find_tenant
from imgen.records.tenants import names as tenant_names
from imgen.services.accounts import one_time_links, passwords, seats

app = typer.Typer(help="Add, list and remove users of the web face.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="The user's name.")]
Tenants = Annotated[
    list[str] | None, typer.Option("--tenant", help="A tenant whose things a member sees; may be repeated.")
]


@app.command()
def add(
    name: Who,
    role: Annotated[str, typer.Option(help=f"{ADMIN} sees all, {MEMBER} own tenants.")] = MEMBER,
    tenant: Tenants = None,
    data: Data = None,
) -> None:
    """Add a user and print a first password, alone, on stdout. It has to be changed at the first sign-in."""
    if role not in ROLES:
        raise Invalid(f"A role is one of {', '.join(ROLES)}")
    password = passwords.new_password()
    with writing(data) as (loaded, connection):
        owned = _tenant_ids(connection, tenant or [])
        user = users.add(
            connection, name=name, role=role, password_hash=passwords.hash_password(password), must_change_password=True
        )
        seats.set_memberships(connection, user.id, owned, partial(applied_plan, loaded, load_plans(loaded)))
        _note(connection, "added person", after=_find(connection, name))
    typer.echo(password)


@app.command(name="list")
def list_users(data: Data = None) -> None:
    """List all users."""
    with writing(data) as (_, connection):
        found = users.all_users(connection)
        owned = {tenant_id for one in found for tenant_id in one.tenant_ids}
        names = tenant_names(connection, owned)
    table = Table("name", "role", "tenants", "first password")
    for one in found:
        sees = "all" if one.is_admin else ", ".join(sorted(names[key] for key in one.tenant_ids)) or "none"
        table.add_row(one.name, one.role, sees, "not changed yet" if one.must_change_password else "")
    show(table)


@app.command()
def password(
    name: Who,
    password: Annotated[
        str, typer.Option(help="Set this one; default: a new first password.", show_default=False)
    ] = "",
    data: Data = None,
) -> None:
    """Give a user a new password and end all their sessions. Without one given, a first password is printed."""
    if password and not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise Invalid(f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    new = password or passwords.new_password()
    with writing(data) as (_, connection):
        user = _find(connection, name)
        users.set_password(connection, user.id, passwords.hash_password(new), must_change_password=not password)
        users.close_sessions(connection, user.id)
        _note(connection, "set password", before=user, after=_find(connection, name))
    typer.echo("Changed" if password else new)


@app.command()
def reset_link(name: Who, data: Data = None) -> None:
    """Print a link, alone, on stdout, at which a user sets a new password: once, within 7 days. It ends the links of before."""
    token = new_token()
    with writing(data) as (loaded, connection):
        user = _find(connection, name)
        one_time_links.add_reset(connection, user, token, made_by="", now=time.time())
        cli_audit.note(connection, "made reset link", subject=user.id, detail=audit.change(user.name))
    typer.echo(link_url(loaded.public_url, LinkKind.PASSWORD_RESET, token))


@app.command()
def tenants(name: Who, tenant: Tenants = None, data: Data = None) -> None:
    """Set the tenants that a member belongs to; none named: none."""
    with writing(data) as (loaded, connection):
        user, owned = _find(connection, name), _tenant_ids(connection, tenant or [])
        seats.set_memberships(connection, user.id, owned, partial(applied_plan, loaded, load_plans(loaded)))
        _note(connection, "set tenants", before=user, after=_find(connection, name))
    typer.echo(f"{name}: {', '.join(tenant or []) or 'none'}")


@app.command()
def delete(name: Who, data: Data = None) -> None:
    """Remove a user, signed out everywhere. The last administrator stays."""
    with writing(data) as (_, connection):
        user = _find(connection, name)
        _note(connection, "removed person", before=user)
        users.remove(connection, user)
    typer.echo(f"Removed {name}")


def _find(connection: Connection, name: str) -> User:
    user = users.find_user(connection, name)
    if user is None:
        raise Invalid(f"Nobody is named {name!r}")
    return user


def _tenant_ids(connection: Connection, names: list[str]) -> list[str]:
    found = {name: find_tenant(connection, name) for name in names}
    if missing := [name for name, tenant in found.items() if tenant is None]:
        raise Invalid(f"There is no tenant {', '.join(missing)}")
    return [tenant.id for tenant in found.values() if tenant is not None]


def _note(connection: Connection, action: str, *, before: User | None = None, after: User | None = None) -> None:
    told = audit.change_of_user(connection, before=before, after=after)
    cli_audit.note(connection, action, subject=next(one.id for one in (before, after) if one), detail=told)
