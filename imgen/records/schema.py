"""Upgrade of the database to the tables of this version. Safe to call from several processes at once, any number of times."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from imgen.records.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 7_361_204_518  # any number that nothing else in the database uses


def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the missing migrations in one transaction, one process at a time."""
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        command.upgrade(_config(connection), revision)


def pending(database: Database) -> bool:
    """Returns whether the database lacks a migration of this version."""
    with database.read() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
        return set(present) != set(ScriptDirectory.from_config(_config(connection)).get_heads())


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
