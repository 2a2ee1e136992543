"""Migrations."""

import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

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


def test_the_revisions_are_those_that_alembic_finds(database):
    """The names of the files and what is in them agree: the last one is Alembic's only head."""
    config = Config()
    config.set_main_option("script_location", "imgen/records/migrations")
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()] == schema.revisions()[::-1]
    assert scripts.get_heads() == schema.revisions()[-1:]


def test_a_database_that_is_up_to_date_loads_no_alembic(database):
    """A process that finds nothing to upgrade does without it."""
    code = (
        "import sys; from imgen.records import schema; from imgen.records.database import Database; "
        "schema.upgrade(Database(sys.argv[1])); assert 'alembic' not in sys.modules"
    )
    url = database.engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", code, url], check=True)
