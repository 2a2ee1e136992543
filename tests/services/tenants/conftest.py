"""Cores over each kind of database and object store."""

import pytest
from servers.local import prepare, run_with_core


@pytest.fixture(params=["sqlite and disk", "postgres and s3"])
def any_core(request, tmp_path, clean_redis):
    """Runs coroutine functions with a core over SQLite and files, or PostgreSQL and a bucket; both begin empty."""
    settings = ""
    if request.param != "sqlite and disk":
        request.getfixturevalue("empty_postgres")
        settings = f'[database]\nurl = "{request.getfixturevalue("postgres_url")}"\n'
        settings += request.getfixturevalue("s3_settings")
    loaded = prepare(tmp_path / "var", clean_redis, settings)
    return lambda work: run_with_core(loaded, work)
