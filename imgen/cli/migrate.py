"""Command `imgen migrate`: the database brought up to this version, and the development certificate made."""

import typer

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.records import schema


def migrate(data: Data = None) -> None:
    """Upgrade the database. `imgen up` and `imgen api` do it themselves."""
    loaded = settings.load(data)
    composition.prepare_credentials(loaded)
    database = composition.open_database(loaded)
    schema.upgrade(database)
    typer.echo(f"Up to date: {database.check()}")
    database.close()
