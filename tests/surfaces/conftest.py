"""Fixtures of the tests of several surfaces."""

import secrets
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, make_url, text


@pytest.fixture(scope="session")
def database_section(request) -> Callable[[str], str]:
    """Makes the settings of a new database of a kind."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return ""
        shared, name = request.getfixturevalue("postgres_url"), f"surface_{secrets.token_hex(4)}"
        engine = create_engine(shared, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f'[database]\nurl = "{make_url(shared).set(database=name).render_as_string(hide_password=False)}"\n'

    return make
