"""A database for property tests, which cannot take one that is made anew for each example."""

import pytest
from servers.tables import make_tables

from imgen.records.database import Database


@pytest.fixture(scope="session")
def sqlite_database(tmp_path_factory):
    """SQLite with our tables, shared by all examples."""
    opened = Database(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'imgen.db'}")
    make_tables(opened)
    yield opened
    opened.close()
