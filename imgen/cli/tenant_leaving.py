"""Commands `imgen tenants delete` and `export`: a tenant leaves, with its data or without."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Connection

from imgen import composition, settings
from imgen.cli import cli_audit
from imgen.cli.database import opened
from imgen.cli.options import Data
from imgen.domain.account import Tenant
from imgen.domain.errors import Invalid
from imgen.records import audit, memberships, tenant_data, tenants
from imgen.records.tenant_deletions import Closed
from imgen.services.tenants import closing, emptying
from imgen.services.tenants.export import Export
from imgen.settings import Settings

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
LOOK_EVERY_S = 1.0


@app.command()
def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the name to be typed.")] = False,
    people: Annotated[
        bool, typer.Option("--people", help="Remove members who belong to no other tenant, too.")
    ] = False,
    data: Data = None,
) -> None:
    """Delete a tenant with all its pictures, jobs, keys and members. Books and audit stay. It cannot be undone."""
    loaded = settings.load(data)
    composition.configure_logs(loaded.logs)
    with opened(loaded) as database:
        with database.read() as connection:
            tenant = tenants.named_tenant(connection, name)
            members = memberships.members_of(connection, tenant.id)
        if not yes:
            typer.echo(f"{name} ({tenant.id}), {len(members)} members: everything that is its own is deleted for good.")
            if typer.prompt("Type the tenant's name") != name:
                raise Invalid("That is another name; nothing is deleted")
    asyncio.run(_delete(loaded, tenant, with_people=people))


@app.command()
def export(
    name: Name,
    to: Annotated[
        Path | None, typer.Option(help="The file to write; default: tenant-DAY.zip here.", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """Write a ZIP with a tenant's members, keys, books, jobs with prompts, and pictures; no secret, none that was withheld."""
    loaded, now = settings.load(data), time.time()
    path = to or Path(f"tenant-{time.strftime('%Y-%m-%d', time.gmtime(now))}.zip")
    if path.exists():
        raise Invalid(f"{path} exists already")
    with opened(loaded) as database:
        with database.write() as connection:
            tenant = tenants.named_tenant(connection, name)
            detail = audit.change(tenant.name)
            cli_audit.note(connection, "exported tenant", tenant_id=tenant.id, subject=tenant.id, detail=detail)
        with database.read() as connection:
            number = tenant_data.count_jobs(connection, tenant.id)
        made = Export(database, composition.open_objects(loaded, database), tenant, now=now)
        _write(made, path, number)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:,.1f} MB, {made.jobs_done:,} jobs")
    if made.has_problems:
        typer.echo("Some pictures could not be read: problems.jsonl in it names them.", err=True)


def _write(made: Export, path: Path, number: int) -> None:
    """Writes an archive aside and renames it; readable by its owner alone."""
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.touch(mode=0o600)
        with aside.open("wb") as file, Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("jobs", total=number)
            for chunk in made:
                file.write(chunk)
                progress.update(bar, completed=made.jobs_done)
        aside.rename(path)
    except OSError as exc:
        raise Invalid(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        aside.unlink(missing_ok=True)


async def _delete(loaded: Settings, tenant: Tenant, *, with_people: bool) -> None:
    from imgen.app import close_core, open_core  # Starlette and the surfaces take half a second

    core = open_core(loaded)

    def write(connection: Connection) -> Closed:
        begun_by = cli_audit.actor()
        closed = closing.close(connection, tenant, begun_by=begun_by, with_people=with_people, now=core.clock())
        detail = closing.told(tenant, closed)
        cli_audit.note(connection, closing.ACTION, tenant_id=tenant.id, subject=tenant.id, detail=detail)
        return closed

    deleter = emptying.TenantDeleter(core)
    try:
        closed = await core.database.writing(write)
        await closing.announce(core, tenant, closed)
        typer.echo(f"{tenant.name} is closed: keys, sessions and webhooks have ended.")
        with Console(stderr=True).status("Deleting its pictures and jobs …"):
            counts = await _emptied(deleter, tenant)
    finally:
        await deleter.release()
        await close_core(core)
    if counts is None:
        typer.echo(
            "Not everything could be deleted yet: the log says why, and a running server goes on with it.", err=True
        )
        raise typer.Exit(1)
    typer.echo("Deleted: " + (", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items())) or "nothing"))


async def _emptied(deleter: emptying.TenantDeleter, tenant: Tenant) -> dict[str, int] | None:
    """Deletes until nothing is left, or waits for the server that does; returns the numbers. None: a part cannot be deleted."""
    while True:
        passes = await deleter.round()
        deletion = await deleter.find(tenant.id)
        if deletion is None or deletion.emptied_at is not None:
            return {} if deletion is None else deletion.counts
        if passes is None:
            await asyncio.sleep(LOOK_EVERY_S)
        else:
            return None
