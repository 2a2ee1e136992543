"""Migrations."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from imgen.records import schema
from imgen.records.tables import metadata


def test_migrations_make_the_tables_that_the_code_uses(database):
    """Alembic builds the tables that tables/ defines."""
    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_upgrade_of_an_up_to_date_database_changes_nothing(database):
    """Upgrading twice is harmless, and nothing is pending afterwards."""
    schema.upgrade(database)
    assert not schema.pending(database)
