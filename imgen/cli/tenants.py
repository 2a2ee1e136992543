"""Command `imgen tenants …`: lists tenants, changes their plan and name, grants packs of credits; members are beside it."""

import time
from typing import Annotated

import typer
from rich.table import Table

from imgen import settings
from imgen.cli import cli_audit, tenant_leaving, tenant_members
from imgen.cli.database import opened, writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.configuration import applied_plan, known_pack, known_plan, load_plans
from imgen.domain.errors import Invalid
from imgen.records import api_keys, audit, ledger, packs, tenants

app = typer.Typer(
    help="Make, list and delete tenants; change plan, name and members; grant packs of credits.", no_args_is_help=True
)
app.add_typer(tenant_members.app)
app.add_typer(tenant_leaving.app)

Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command(name="list")
def list_tenants(data: Data = None) -> None:
    """List all tenants with their plan, this month's pictures and credits (charged, held by open jobs, limit), and their keys."""
    loaded = settings.load(data)
    plans = load_plans(loaded)
    with opened(loaded) as database, database.read() as connection:
        found, names = tenants.all_tenants(connection), dict[str, list[str]]()
        for one in api_keys.all_keys(connection):
            names.setdefault(one.tenant.id, []).append(one.key.name)
        month, left = ledger.month_counts(connection, now=time.time()), packs.all_credits_left(connection)
    table = Table("name", "plan", "pictures", "credits", "left in packs", "keys")
    for tenant in found:
        limits, used = applied_plan(loaded, plans, tenant.plan), month.get(tenant.id, ledger.Count())
        is_known = tenant.plan in plans
        told = tenant.plan if is_known else f"{tenant.plan} (not in plans.toml; {limits.key} applies)"
        table.add_row(
            tenant.name,
            told,
            _use(used.pictures, used.held, limits.pictures_per_month),
            _use(used.credits, used.credits_held, limits.credits_per_month),
            str(left.get(tenant.id, 0)),
            ", ".join(names.get(tenant.id, ())) or "none",
        )
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
def grant(
    name: Name,
    pack: Annotated[str, typer.Argument(help="A pack of plans.toml.")],
    reference: Annotated[str, typer.Option(help="The payment's reference. Each payment counts once.")],
    data: Data = None,
) -> None:
    """Grant a tenant a pack of credits. With the reference of an earlier grant it says the same and adds nothing."""
    with writing(data) as (loaded, connection):
        wanted = known_pack(loaded, pack)
        tenant = tenants.named_tenant(connection, name)
        granted, is_new = packs.grant(connection, tenant, wanted, reference=reference)
        if is_new:
            after = {"pack": granted.name, "credits": granted.credits, "reference": reference}
            change = audit.change(tenant.name, after=after)
            cli_audit.note(connection, "granted pack", tenant_id=tenant.id, subject=granted.id, detail=change)
    typer.echo(f"{name}: {granted.credits} credits ({wanted.label}) for {reference}")


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


def _use(charged: int, held: int, limit: int) -> str:
    """Formats charged and held amounts with their limit: `12 + 3 of 100`."""
    return f"{charged}{f' + {held}' if held else ''}{f' of {limit}' if limit else ''}"
