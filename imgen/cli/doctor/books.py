"""Check of the books: prints where jobs, ledger, sums and packs do not agree. Changes nothing."""

import typer
from rich.markup import escape
from rich.table import Table

from imgen.archive import sqlite_file
from imgen.cli.table import show
from imgen.domain.errors import ConfigurationError
from imgen.records import books, schema
from imgen.records.database import Database
from imgen.settings import Settings

SHOWN = 100
"""Number of differences of each kind that are shown."""


def check_books(loaded: Settings) -> None:
    """Prints all differences, and ends with exit code 1 if there are any.

    Raises:
        ConfigurationError: there is no database, or it is of another version.
    """
    file = sqlite_file(loaded)
    if file is not None and not file.exists():
        raise ConfigurationError(f"{file} is not there yet: there are no books")
    database = Database(loaded.database_url)
    try:
        if (state := schema.state(database)) is not schema.State.CURRENT:
            raise ConfigurationError(f"The database is {state.value}: run `imgen migrate`")
        with database.snapshot() as connection:
            found = books.differences(connection, limit=SHOWN)
            number = books.count_entries(connection)
    finally:
        database.close()
    if not found:
        typer.echo(f"The books balance: {number} entries")
        return
    table = Table("kind", "subject", "recorded", "recomputed", title=f"Differences in the books of {number} entries")
    for one in found:
        table.add_row(*map(escape, (one.kind, one.subject, one.recorded, one.recomputed)))
    show(table)
    raise typer.Exit(1)
