"""`imgen doctor --books`: reads the books of a data folder, and ends with exit code 1 where a figure is wrong."""

import pytest
from factories import PLAN, make_job
from servers.command import run_command
from servers.tables import make_tables
from sqlalchemy import update

from imgen.records import jobs, ledger, schema
from imgen.records.database import Database
from imgen.records.tables.ledger import counters


@pytest.fixture
def database(tmp_path):
    """The database of a data folder, with three open jobs."""
    (tmp_path / "var").mkdir()
    opened = Database(f"sqlite:///{tmp_path / 'var' / 'imgen.db'}")
    make_tables(opened)
    with opened.write() as connection:
        for _ in range(3):
            job = make_job()
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
    yield opened
    opened.close()


def doctor(tmp_path):
    """Runs the command over the data folder."""
    return run_command("doctor", "--books", "--data", str(tmp_path / "var"))


def test_books_that_balance(database, tmp_path):
    """One line with the number of entries, and exit code 0."""
    done = doctor(tmp_path)
    assert (done.returncode, done.stdout) == (0, "The books balance: 3 entries\n")


def test_a_figure_that_is_wrong(database, tmp_path):
    """Its place, what is recorded and what is right; nothing is mended."""
    wrong = update(counters).where(counters.c.owner == "ten_1", counters.c.period == ledger.OPEN_PERIOD).values(held=7)
    database.attempt(lambda connection: connection.execute(wrong))
    for _ in range(2):
        done = doctor(tmp_path)
        assert done.returncode == 1
        (line,) = [line for line in done.stdout.splitlines() if "ten_1" in line]
        assert [cell.strip() for cell in line.strip("│ ").split("│")] == ["sum", "ten_1 in open", "held 7", "held 3"]


def test_no_books_yet(tmp_path):
    """A folder without a database is told so in one line, and none is made."""
    done = doctor(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "there are no books" in done.stderr
    assert not (tmp_path / "var").exists()


def test_books_of_another_version(tmp_path):
    """An older database is brought up to date by `imgen migrate`, not by this command."""
    (tmp_path / "var").mkdir()
    opened = Database(f"sqlite:///{tmp_path / 'var' / 'imgen.db'}")
    schema.upgrade(opened, "0012")
    opened.close()
    done = doctor(tmp_path)
    assert (done.returncode, "imgen migrate" in done.stderr) == (1, True)
