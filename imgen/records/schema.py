"""Upgrade of the database to the tables of this version. Safe to call from several processes at once, any number of times.

A database that is up to date is told by one small read: Alembic takes 9 MB, which an API process would keep.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from imgen.domain.errors import ConfigurationError
from imgen.records.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 7_361_204_518  # any number that nothing else in the database uses
_REVISION_DIGITS = 4


def upgrade(database: Database, revision: str = "head") -> None:
    """Runs the missing migrations in one transaction, one process at a time.

    Raises:
        ConfigurationError: the tables are those of a newer version.
    """
    if revision == "head" and not pending(database):
        return
    from alembic import command
    from alembic.util import CommandError

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
        present = _present(connection)
    known = revisions()
    if not present:
        return State.FRESH
    if present == {known[-1]}:
        return State.CURRENT
    return State.OLDER if present <= set(known) else State.NEWER


def pending(database: Database) -> bool:
    """Returns whether the database lacks a migration of this version."""
    return state(database) is not State.CURRENT


def revisions() -> list[str]:
    """Returns the revisions of this version, oldest first: each migration's file name begins with its own."""
    return sorted(path.name[:_REVISION_DIGITS] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _present(connection: Connection) -> set[str]:
    """Reads the revision from the table that Alembic keeps; empty: there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.scalars(text("SELECT version_num FROM alembic_version")))


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
