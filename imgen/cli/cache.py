"""Command `imgen cache …`: statistics of the semantic cache, and purging it."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from imgen import composition, settings
from imgen.cli import cli_audit
from imgen.cli.options import Data
from imgen.domain.errors import ConfigurationError, Unavailable
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.records import cache, tenants
from imgen.records.database import Database

app = typer.Typer(help="Look at the semantic cache, and empty it.", no_args_is_help=True)

Tenant = Annotated[str, typer.Option(help="Only this tenant's entries.", show_default=False)]


@app.command()
def stats(tenant: Tenant = "", data: Data = None) -> None:
    """Show how many pictures it holds and how often it was of use."""
    database = composition.open_database(settings.load(data))
    try:
        owner = _tenant_id(database, tenant)
        with database.read() as connection:
            found = cache.statistics(connection, tenant_id=owner)
    finally:
        database.close()
    asked = found.hits + found.misses
    table = Table("entries", "MiB", "hits", "misses", "hit share")
    share = f"{found.hits / asked:.1%}" if asked else "never asked"
    table.add_row(
        f"{found.entries:,}", f"{found.size_bytes / 2**20:,.1f}", f"{found.hits:,}", f"{found.misses:,}", share
    )
    Console().print(table)


@app.command()
def purge(
    tenant: Tenant = "",
    model: Annotated[str, typer.Option(help="Only entries of this model, by its key.", show_default=False)] = "",
    everything: Annotated[bool, typer.Option("--all", help="All entries of all tenants.")] = False,  # noqa: FBT002 - a switch
    data: Data = None,
) -> None:
    """Take entries out, at once and in every API process."""
    if not (tenant or model or everything):
        raise ConfigurationError("Say which: --tenant NAME, --model KEY or --all")
    loaded = settings.load(data)
    database, live = composition.open_database(loaded), BlockingExecutor(loaded.redis_url)
    try:
        owner = _tenant_id(database, tenant)

        def write(connection: Connection) -> int:
            entries = cache.purge(connection, tenant_id=owner, model=model or None)
            told = {"tenant": tenant, "model": model, "entries": entries}
            cli_audit.note(connection, "purged cache", tenant_id=owner or "", subject=owner or "", detail=told)
            return entries

        number = database.attempt(write)
        live.run(epochs.bump(epochs.CACHE))
    except Unavailable:  # SQL is asked about whatever is found, so what is purged is never shown
        pass
    finally:
        live.close()
        database.close()
    typer.echo(f"Purged {number} {'entry' if number == 1 else 'entries'}")


def _tenant_id(database: Database, name: str) -> str | None:
    """Finds a tenant's id; None, for all tenants, if no name is given."""
    if not name:
        return None
    with database.read() as connection:
        found = tenants.find_tenant(connection, name)
    if found is None:
        raise ConfigurationError(f"There is no tenant {name!r}")
    return found.id
