"""Script that Alembic runs: upgrades the database of the connection from records/schema.py."""

from alembic import context

from imgen.records.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
context.run_migrations()
