"""Command `imgen migrate`: the database brought up to this version."""

import typer

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.records import schema


def migrate(data: Data = None) -> None:
    """Upgrade the database. `imgen up` and `imgen api` do it themselves."""
    database = composition.open_database(settings.load(data))
    schema.upgrade(database)
    typer.echo(f"Up to date: {database.check()}")
    database.close()
