"""One Redis and two API processes over one data folder, for all files of this folder."""

import pytest
from servers.api import start_api
from servers.redis_server import start_redis

from imgen.records.database import Database

SETTINGS = "[jobs]\nreconcile_s = 0.5\n"


@pytest.fixture(scope="package")
def redis(tmp_path_factory):
    """One Redis for all processes of this folder; a test that stops it starts it again."""
    with start_redis(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="package")
def pair(tmp_path_factory, redis):
    """Two API processes over one data folder."""
    data, environ = tmp_path_factory.mktemp("processes") / "var", {"IMGEN_REDIS__URL": redis.url}
    with (
        start_api(data, settings=SETTINGS, environ=environ) as first,
        start_api(data, environ=environ, name="second") as second,
    ):
        second.key = first.key
        yield first, second


@pytest.fixture
def api(pair):
    return pair[0]


@pytest.fixture
def shared_database(pair):
    """The truth that both processes write."""
    opened = Database(f"sqlite:///{pair[0].data / 'imgen.db'}")
    yield opened
    opened.close()
