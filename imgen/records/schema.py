"""Upgrade of the database to the tables of this version. Safe to call from several processes at once, any number of times."""

from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from imgen.domain.errors import ConfigurationError
from imgen.records.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 7_361_204_518  # any number that nothing else in the database uses


def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the missing migrations in one transaction, one process at a time.

    Raises:
        ConfigurationError: the tables are those of a newer version.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            command.upgrade(_config(connection), revision)
        except CommandError as exc:  # it cannot find the revision that the database has
            raise ConfigurationError("The database is of a newer version of Imgen; install that one") from exc


class State(StrEnum):
    """Age of a database's tables beside this version's."""

    FRESH = "fresh"
    """There are none."""
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    """They have a migration that this version does not know."""


def state(database: Database) -> State:
    """Returns the state of the database's tables."""
    with database.read() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
        scripts = ScriptDirectory.from_config(_config(connection))
        if not present:
            return State.FRESH
        if present == set(scripts.get_heads()):
            return State.CURRENT
        known = {script.revision for script in scripts.walk_revisions()}
        return State.OLDER if present <= known else State.NEWER


def pending(database: Database) -> bool:
    """Returns whether the database lacks a migration of this version."""
    return state(database) is not State.CURRENT


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
