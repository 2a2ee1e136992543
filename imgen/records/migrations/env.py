"""What Alembic runs: brings the database that records/schema.py hands over to the newest version."""

from alembic import context

from imgen.records.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
context.run_migrations()
