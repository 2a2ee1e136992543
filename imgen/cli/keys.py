"""Command `imgen keys …`: API keys. A raw key is printed once, when it is made."""

import time
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from imgen import settings
from imgen.cli import cli_audit
from imgen.cli.database import opened, writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.configuration import known_plan
from imgen.domain.errors import Invalid
from imgen.domain.job import utc_text
from imgen.domain.principal import SCOPES, ApiKey, grace_period_s, key_lifetime_s, new_raw_key, visible_prefix
from imgen.records import api_keys, audit, tenants

app = typer.Typer(help="Make, list, switch, rotate and delete API keys.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="The key's name, or the beginning of the key.")]
Within = Annotated[
    str,
    typer.Option("--tenant", help="The key's tenant; needed if keys of several go by that name.", show_default=False),
]
Exactly = Annotated[str, typer.Argument(help="The key's whole name, or its prefix as `imgen keys list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the key; must be new within its tenant.")],
    tenant: Annotated[str, typer.Option(help="Tenant of the key; made if there is none of that name.")] = "default",
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="Scope: generate, read or, for plans and packs of tenants, operate; may be repeated. Default: the first two.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[str, typer.Option(help="Plan of a new tenant; default: default_plan.", show_default=False)] = "",
    expires: Annotated[
        int | None, typer.Option(help="Days until the key expires; default: never.", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """Make a key and print it, alone, on stdout. It cannot be shown again."""
    raw = new_raw_key()
    expires_at = None if expires is None else time.time() + key_lifetime_s(expires)
    with writing(data) as (loaded, connection):
        owner = cli_audit.tenant(connection, tenant, known_plan(loaded, plan))
        if plan and owner.plan != plan:
            raise Invalid(
                f"Tenant {tenant!r} has the plan {owner.plan}; change it with: imgen tenants plan {tenant} {plan}"
            )
        cli_audit.key(connection, raw, owner=owner, name=name, scopes=scope or SCOPES, expires_at=expires_at)
    typer.echo(raw)


@app.command(name="list")
def list_keys(data: Data = None) -> None:
    """List all keys."""
    with opened(settings.load(data)) as database, database.read() as connection:
        found = api_keys.all_keys(connection)
    table = Table(
        "name", "begins with", "tenant", "plan", "scopes", "enabled", "made", "last used", "expires", "old secret until"
    )
    now = time.time()
    for one in found:
        key, tenant = one.key, one.tenant
        enabled, made = "yes" if key.enabled else "no", utc_text(key.created_at)
        used = utc_text(key.last_used_at) if key.last_used_at else "never"
        expires = utc_text(key.expires_at) if key.expires_at else "never"
        until = key.old_secret_until or 0
        old = utc_text(until) if until > now else ""
        scopes = ", ".join(key.scopes)
        table.add_row(key.name, key.prefix, tenant.name, tenant.plan, scopes, enabled, made, used, expires, old)
    show(table)


@app.command()
def disable(which: Which, tenant: Within = "", data: Data = None) -> None:
    """Switch a key off; it stops working with the next request."""
    _switch(which, tenant, data, enabled=False)


@app.command()
def enable(which: Which, tenant: Within = "", data: Data = None) -> None:
    """Switch a key on again."""
    _switch(which, tenant, data, enabled=True)


@app.command()
def rotate(
    which: Exactly,
    grace_days: Annotated[int, typer.Option(help="Days that the old secret goes on working; 0: it ends at once.")] = 1,
    tenant: Within = "",
    data: Data = None,
) -> None:
    """Give a key a new secret and print it, alone, on stdout. Name, scopes, tenant and counts stay."""
    raw, old_until = new_raw_key(), time.time() + grace_period_s(grace_days)
    with writing(data) as (_, connection):
        key = api_keys.find_key_exactly(connection, which, tenant_id=_tenant_id(connection, tenant))
        api_keys.rotate_key(connection, key, raw, old_until=old_until)
        change = audit.change(key.name, before={"prefix": key.prefix}, after={"prefix": visible_prefix(raw)})
        _note(connection, "rotated key", key, {**change, "old_works_until": old_until})
    typer.echo(raw)


@app.command()
def delete(which: Exactly, tenant: Within = "", data: Data = None) -> None:
    """Delete a key for good."""
    with writing(data) as (_, connection):
        key = api_keys.find_key_exactly(connection, which, tenant_id=_tenant_id(connection, tenant))
        owner = tenants.find_tenant_by_id(connection, key.tenant_id)
        assert owner is not None  # a foreign key
        api_keys.delete_key(connection, key)
        _note(connection, "revoked key", key, audit.change(key.name, before=audit.key_fields(key, owner)))
    typer.echo(f"Deleted {key.name} ({key.prefix}…)")


def _switch(which: str, tenant: str, data: Data, *, enabled: bool) -> None:
    with writing(data) as (_, connection):
        key = api_keys.find_key(connection, which, tenant_id=_tenant_id(connection, tenant))
        api_keys.set_enabled(connection, key.id, enabled=enabled)
        change = audit.change(key.name, before={"enabled": key.enabled}, after={"enabled": enabled})
        _note(connection, "switched key", key, change)
    typer.echo(f"{'Enabled' if enabled else 'Disabled'} {key.name} ({key.prefix}…)")


def _tenant_id(connection: Connection, name: str) -> str:
    """Returns the id of the tenant of that name; empty for an empty one."""
    return tenants.named_tenant(connection, name).id if name else ""


def _note(connection: Connection, action: str, key: ApiKey, detail: dict[str, object]) -> None:
    cli_audit.note(connection, action, tenant_id=key.tenant_id, subject=key.id, detail=detail)
