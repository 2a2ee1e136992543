"""Database URLs that cannot be used, and databases that do not answer, each told in one sentence without a secret."""

import pytest

from imgen.domain.errors import ConfigurationError, Retryable
from imgen.records.database import Database


def failure(url):
    """The error of a database that is opened and read."""
    database = Database(url)
    try:
        with pytest.raises(Retryable) as caught, database.read():
            pass
    finally:
        database.close()
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://imgen:hunter2@db/imgen", "databases of the kind 'mysql' are not supported"),
        ("hunter2", "is no database URL"),
        ("postgresql+psycopg://imgen:hunter2@db:port/imgen", "is no database URL"),
        ("postgresql+asyncpg://imgen:hunter2@db/imgen", "'postgresql+asyncpg' are not supported"),
    ],
)
def test_a_url_of_another_kind_is_refused_with_the_right_form(url, said):
    """Before anything is opened, and without the password."""
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert said in str(caught.value)
    assert "postgresql+psycopg://user:password@host/database" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_schemes_of_postgresql_mean_the_installed_driver(scheme):
    """Hosting services write `postgres://`."""
    said = failure(f"{scheme}://imgen:hunter2@127.0.0.1:1/imgen")
    assert said == "The database does not answer: PostgreSQL at 127.0.0.1, port 1: Connection refused"


def test_each_way_postgresql_does_not_answer_has_its_cause(postgres_url):
    """Unknown database, role, host and option, refused TLS: the server's own words in one line."""
    base, _, _ = postgres_url.rpartition("/")
    for url, said in (
        (f"{base}/nowhere", 'database "nowhere" does not exist'),
        (postgres_url.replace("imgen@", "nobody:hunter2@"), 'role "nobody" does not exist'),
        (f"{postgres_url}?sslmode=require", "server does not support SSL, but SSL was required"),
        (f"{postgres_url}?shoe=1", 'invalid connection option "shoe"'),
        ("postgresql://imgen:hunter2@nowhere.invalid/imgen", "failed to resolve host 'nowhere.invalid'"),
    ):
        told = failure(url)
        assert said in told
        assert "\n" not in told
        assert "hunter2" not in told


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    """SQLite's own words."""
    assert failure(f"sqlite:///{tmp_path / 'no' / 'such' / 'imgen.db'}").endswith("unable to open database file")
    (tmp_path / "imgen.db").write_text("no database " * 100)
    assert failure(f"sqlite:///{tmp_path / 'imgen.db'}").endswith("file is not a database")
