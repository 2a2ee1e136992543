"""Command `imgen tenants …`: lists tenants, changes their plan and name."""

from typing import Annotated

import typer
from rich.table import Table

from imgen import settings
from imgen.cli import cli_audit
from imgen.cli.database import opened, writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.configuration import known_plan, load_plans
from imgen.domain.errors import Invalid
from imgen.records import api_keys, audit, tenants

app = typer.Typer(help="List tenants; change their plan and name.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command(name="list")
def list_tenants(data: Data = None) -> None:
    """List all tenants with their plan and keys."""
    loaded = settings.load(data)
    plans = load_plans(loaded)
    with opened(loaded) as database, database.read() as connection:
        found, keys = tenants.all_tenants(connection), api_keys.all_keys(connection)
    table = Table("name", "plan", "keys")
    for one in found:
        plan = one.plan if one.plan in plans else f"{one.plan} (not in plans.toml; {loaded.default_plan} applies)"
        table.add_row(one.name, plan, ", ".join(key.key.name for key in keys if key.tenant.id == one.id) or "none")
    show(table)


@app.command()
def plan(name: Name, plan: Annotated[str, typer.Argument(help="A plan of plans.toml.")], data: Data = None) -> None:
    """Give a tenant another plan. It holds from the next request on."""
    with writing(data) as (loaded, connection):
        wanted = known_plan(loaded, plan)
        tenant = tenants.named_tenant(connection, name)
        tenants.set_plan(connection, tenant.id, wanted)
        change = audit.change(tenant.name, before={"plan": tenant.plan}, after={"plan": wanted})
        cli_audit.note(connection, "changed plan", tenant_id=tenant.id, subject=tenant.id, detail=change)
    typer.echo(f"{name}: {tenant.plan} → {wanted}")


@app.command()
def rename(name: Name, new: Annotated[str, typer.Argument(help="The new name.")], data: Data = None) -> None:
    """Give a tenant another name. Keys, pictures and counts stay with it."""
    with writing(data) as (_, connection):
        tenant = tenants.named_tenant(connection, name)
        if tenants.find_tenant(connection, new) is not None:
            raise Invalid(f"There is a tenant named {new!r} already")
        tenants.rename_tenant(connection, tenant.id, new)
        change = audit.change(new, before={"name": name}, after={"name": new})
        cli_audit.note(connection, "renamed tenant", tenant_id=tenant.id, subject=tenant.id, detail=change)
    typer.echo(f"{name} → {new}")
