"""Command `imgen engines …`: state of the engines elsewhere, and what was spent there. Changes nothing."""

import datetime as dt
import time
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from imgen import configuration, settings
from imgen.cli.database import opened
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.domain.errors import ConfigurationError, Unavailable
from imgen.domain.remote_engine import amount_text
from imgen.live import workers
from imgen.live.executors import BlockingExecutor
from imgen.live.workers import WorkerHeartbeat
from imgen.records import engine_spending
from imgen.services.engine_standings import find_standings, month_of

app = typer.Typer(help="Look at the engines elsewhere, and at what was spent there.", no_args_is_help=True)


@app.command(name="list")
def list_engines(data: Data = None) -> None:
    """List the engines of engines.toml with their state, and this month's spending against their caps."""
    loaded, now = settings.load(data), time.time()
    engines, catalog = configuration.load_engines(loaded), configuration.load_catalog(loaded)
    with opened(loaded) as database, database.read() as connection:
        spent = engine_spending.of_month(connection, month_of(now))
    table = Table("engine", "kind", "host", "models", "state", "spent this month", "cap")
    for one in find_standings(engines, catalog, spent, _heartbeats(loaded.redis_url), now=now):
        cap = one.engine.cap_micros
        cells = one.engine.key, one.engine.kind, one.engine.host, ", ".join(one.models) or "none", one.state
        table.add_row(*map(escape, cells), amount_text(one.spent_micros), "none" if cap is None else amount_text(cap))
    show(table)


@app.command()
def spending(
    first: Annotated[
        str, typer.Option("--from", help="First day (UTC), such as 2026-11-21; default: the first of this month.")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="Last day (UTC); default: today.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,  # noqa: FBT002 - a switch
    data: Data = None,
) -> None:
    """Tell what was spent by day, engine, model and tenant, in the currency of the engines' prices."""
    today = dt.datetime.now(dt.UTC).date()
    until = _day("--to", last) if last else today
    since = _day("--from", first) if first else min(today, until).replace(day=1)
    if since > until:
        raise ConfigurationError(f"--from {since} is after --to {until}")
    with opened(settings.load(data)) as database, database.read() as connection:
        rows = engine_spending.by_day(connection, first=str(since), last=str(until))
    if as_csv:
        typer.echo(engine_spending.as_csv(rows), nl=False)
        return
    table = Table("day", "engine", "model", "tenant", "calls", "amount", title=f"Spending from {since} to {until}")
    for one in rows:
        cells = map(escape, (one.day, one.engine, one.model, one.tenant))
        table.add_row(*cells, f"{one.calls:,}", amount_text(one.amount_micros))
    calls, amount = sum(one.calls for one in rows), sum(one.amount_micros for one in rows)
    table.add_section()
    table.add_row("all", "", "", "", f"{calls:,}", amount_text(amount))
    show(table)


def _heartbeats(redis_url: str) -> list[WorkerHeartbeat] | None:
    """Returns the heartbeats of all worker processes; None: Redis does not answer."""
    live = BlockingExecutor(redis_url)
    try:
        return live.run(workers.list_workers())
    except Unavailable:
        return None
    finally:
        live.close()


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError as exc:
        raise ConfigurationError(f"{option} {text!r} is no day; write it like 2026-11-21") from exc
