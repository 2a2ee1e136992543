"""Fixtures of the tests of several surfaces."""

import functools
import secrets
from collections.abc import Awaitable, Callable, Iterator

import pytest
from servers.local import prepare, start_local_worker
from sqlalchemy import create_engine, make_url, text
from surfaces.site import Site, run_on_site

from imgen.settings import Settings


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


@pytest.fixture(scope="session")
def homes(database_section, tmp_path_factory, redis_url) -> Callable[[str], Settings]:
    """Makes the installation of each kind of database, once: its tests have addresses, people and tenants of their own."""

    @functools.cache
    def make(kind: str) -> Settings:
        settings = f"[forge]\nanonymous = true\n{database_section(kind)}"
        return prepare(tmp_path_factory.mktemp(kind) / "var", redis_url, settings)

    return make


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def home(request, homes) -> Settings:
    """Settings of an installation over each database, which serves callers without a credential."""
    return homes(request.param)


@pytest.fixture(scope="module")
def work(home) -> Iterator[Callable[[str], None]]:
    """Does both phases of a job of the installation."""
    with start_local_worker(home) as does:
        yield does


@pytest.fixture
def site(home) -> Callable[[Callable[[Site], Awaitable[None]]], None]:
    """Runs a coroutine function with a site over the installation."""
    return lambda steps: run_on_site(home, steps)
