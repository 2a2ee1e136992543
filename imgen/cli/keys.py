"""Command `imgen keys …`: API keys. A raw key is printed once, when it is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from imgen import composition, settings
from imgen.cli import cli_audit
from imgen.cli.options import Data
from imgen.domain.errors import Unavailable
from imgen.domain.job import utc_text
from imgen.domain.principal import SCOPES, ApiKey, new_raw_key
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.records import api_keys, audit, schema, tenants
from imgen.records.database import Database
from imgen.settings import Settings

app = typer.Typer(help="Make, list, switch and delete API keys.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="The key's name, or the beginning of the key.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it; must be new.")],
    tenant: Annotated[str, typer.Option(help="Whose it is; made if it is not there.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it is good for: generate or read; name each. Default: both.", show_default=False),
    ] = None,
    plan: Annotated[str, typer.Option(help="Plan of a new tenant; default: default_plan.", show_default=False)] = "",
    data: Data = None,
) -> None:
    """Make a key and print it, alone, on stdout. It cannot be shown again."""
    with _database(data) as (loaded, database):
        raw = new_raw_key()
        with database.write() as connection:
            owner = cli_audit.tenant(connection, tenant, plan or loaded.default_plan)
            cli_audit.key(connection, raw, owner=owner, name=name, scopes=scope or SCOPES)
        _announce(loaded)
    typer.echo(raw)


@app.command(name="list")
def list_keys(data: Data = None) -> None:
    """List all keys."""
    with _database(data) as (_, database), database.read() as connection:
        found = api_keys.all_keys(connection)
    table = Table("name", "begins with", "tenant", "plan", "scopes", "enabled", "made", "last used")
    for who in found:
        key, last_used = who.key, who.key.last_used_at
        enabled, used = "yes" if key.enabled else "no", utc_text(last_used) if last_used else "never"
        owner, scopes, made = who.tenant, ", ".join(key.scopes), utc_text(key.created_at)
        table.add_row(key.name, key.prefix, owner.name, owner.plan, scopes, enabled, made, used)
    console = Console()
    console.width = max(console.width, 160 if not console.is_terminal else 0)  # a pipe has no width: cut nothing
    console.print(table)


@app.command()
def disable(which: Which, data: Data = None) -> None:
    """Switch a key off; it stops working with the next request."""
    _switch(which, data, enabled=False)


@app.command()
def enable(which: Which, data: Data = None) -> None:
    """Switch a key on again."""
    _switch(which, data, enabled=True)


@app.command()
def delete(which: Which, data: Data = None) -> None:
    """Delete a key for good."""
    with _database(data) as (loaded, database):
        with database.write() as connection:
            key = api_keys.find_key(connection, which)
            owner = next(one for one in tenants.all_tenants(connection) if one.id == key.tenant_id)
            api_keys.delete_key(connection, key)
            _note(connection, "revoked key", key, audit.change(key.name, before=audit.key_fields(key, owner)))
        _announce(loaded)
    typer.echo(f"Deleted {key.name} ({key.prefix}…)")


def _switch(which: str, data: Data, *, enabled: bool) -> None:
    with _database(data) as (loaded, database):
        with database.write() as connection:
            key = api_keys.find_key(connection, which)
            api_keys.set_enabled(connection, key.id, enabled=enabled)
            told = audit.change(key.name, before={"enabled": key.enabled}, after={"enabled": enabled})
            _note(connection, "switched key", key, told)
        _announce(loaded)
    typer.echo(f"{'Enabled' if enabled else 'Disabled'} {key.name} ({key.prefix}…)")


def _note(connection: Connection, action: str, key: ApiKey, detail: dict[str, object]) -> None:
    cli_audit.note(connection, action, tenant_id=key.tenant_id, subject=key.id, detail=detail)


@contextmanager
def _database(data: Data) -> Iterator[tuple[Settings, Database]]:
    loaded = settings.load(data)
    database = composition.open_database(loaded)
    try:
        if schema.pending(database):
            schema.upgrade(database)
        yield loaded, database
    finally:
        database.close()


def _announce(loaded: Settings) -> None:
    """Invalidates the keys in memory of running API processes. Without Redis they trust no memory, so nothing is missed."""
    live = BlockingExecutor(loaded.redis_url)
    try:
        live.run(epochs.bump(epochs.KEYS))
    except Unavailable:
        return
    finally:
        live.close()
