"""Fixtures that several folders share: a running stack, a Redis, databases of both kinds."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import hypothesis
import pytest
import redis
import structlog
from bombs import make_bombs
from groups import pytest_collection_modifyitems, pytest_xdist_make_scheduler  # noqa: F401 - pytest's hooks
from servers.bucket import bucket
from servers.local import prepare, run_with_core
from servers.postgres import start_postgres
from servers.stack import Stack, start_stack
from servers.swift import start_swift
from servers.tables import empty_tables, make_tables

from imgen.records.database import Database
from imgen.services.core import Core
from imgen.settings import Settings
from imgen.stack.redis import find_server

# Until the tests are collected nothing dies; a look for cycles among all that they import takes up to half a second.
gc.disable()

# A busy machine is no failure, and the same commit has the same examples.
hypothesis.settings.register_profile(
    "imgen", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("imgen")

# Where nothing else is configured, servers in threads of the test process log: not into the output of a command that a test reads.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))

SMALL_PLANS = """
[one]
label = "One picture a month"
pictures_per_month = 1

[slow]
label = "Two requests a minute"
requests_per_minute = 2
"""
"""Plans of the shared stack whose limits a test reaches at once."""


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undoes what a test, or a program that it runs in its own process, does to the log: others look into it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Stack]:
    """The whole stack with an instant engine, shared by tests that leave it as they found it."""
    settings = "[review]\nfree_blocks = 100000\n"  # tests of blocked prompts are not to slow the others down
    data = tmp_path_factory.mktemp("stack") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(SMALL_PLANS)
    with start_stack(data, settings=settings) as stack:
        # Hundreds of tests poll with this key: the first run's has a rate
        stack.key = stack.imgen("keys", "create", "tests", "--tenant", "tests", "--plan", "unlimited")
        yield stack


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A real Redis on a socket, in memory alone."""
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    process = subprocess.Popen(
        [find_server(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--loglevel", "warning"]
    )
    url = f"unix://{socket}?db=0"
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            break
        except redis.RedisError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    yield url
    client.close()
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def bombs() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Pictures built to exhaust, by name: those that must be refused, and those that are opened all the same."""
    return make_bombs()


@pytest.fixture
def clean_redis(redis_url: str) -> Iterator[str]:
    """The Redis, empty."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture
def core(tmp_path, clean_redis) -> Callable[..., Any]:
    """Runs coroutine functions with a Core over one SQLite file and an empty Redis; `settings` are those of its first run."""
    loaded: list[Settings] = []

    def run(work: Callable[[Core], Awaitable[Any]], settings: str = "") -> Any:
        loaded or loaded.append(prepare(tmp_path / "var", clean_redis, settings))
        return run_with_core(loaded[0], work)

    return run


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory) -> Iterator[str]:
    """A real PostgreSQL."""
    with start_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def empty_postgres(postgres_url) -> str:
    """URL of the PostgreSQL with our tables, empty."""
    opened = Database(postgres_url)
    make_tables(opened)
    empty_tables(opened)
    opened.close()
    return postgres_url


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory) -> Iterator[str]:
    """Settings of a real S3 server with an empty bucket."""
    with start_swift(tmp_path_factory.mktemp("swift")) as server:
        yield bucket(server)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path) -> str:
    """URL of a database with our tables, empty; each test that takes it runs on both kinds."""
    if request.param != "sqlite":
        return request.getfixturevalue("empty_postgres")
    url = f"sqlite:///{tmp_path / 'imgen.db'}"
    opened = Database(url)
    make_tables(opened)
    opened.close()
    return url


@pytest.fixture
def database(database_url) -> Iterator[Database]:
    """The database, opened."""
    opened = Database(database_url)
    yield opened
    opened.close()


def pytest_collection_finish():
    """Has the collector look at what tests make alone: modules and the tests themselves live to the end."""
    gc.freeze()
    gc.enable()


def pytest_runtest_makereport(item, call):
    """A skip is a failure if none is allowed."""
    if (
        call.excinfo is not None
        and call.excinfo.errisinstance(pytest.skip.Exception)
        and os.environ.get("IMGEN_TEST_NO_SKIP")
    ):
        raise pytest.fail.Exception(f"skipped where no skip is allowed: {call.excinfo.value}", pytrace=False)
