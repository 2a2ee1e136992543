"""Assets in SQL: found by digest for as long as any job has them."""

import msgspec
import pytest
from alembic import command
from factories import make_job
from msgspec import structs
from records.test_stored_json import BLOCKED, COMPLETED
from sqlalchemy import text, update

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import assets, jobs, retention, schema
from imgen.records.tables.jobs import jobs as rows

BEFORE = "0020"
OUTCOME = msgspec.json.decode(COMPLETED, type=Outcome)
SHA = "ab" * 32


def completed(connection, sha256=SHA, size_bytes=900, **changes):
    """Stores a completed job with its picture."""
    meta = structs.replace(OUTCOME.meta, sha256=sha256)
    job = make_job(state=State.COMPLETED, outcome=structs.replace(OUTCOME, meta=meta), ended_at=100.0)
    job = structs.replace(job, **changes)
    jobs.add(connection, job)
    assets.add(connection, job, size_bytes=size_bytes)
    return job


def test_a_picture_is_found_by_its_digest(database):
    """With key, type and size of the signed file; of another tenant only where nobody in particular asks."""
    with database.write() as connection:
        job = completed(connection)
        found = assets.find(connection, SHA)
        assert (found.job_id, found.key, found.media_type) == (job.id, "pictures/ten_1/g/g_d8_00001.webp", "image/webp")
        assert (found.size_bytes, found.created_at) == (900, 100.0)
        assert assets.find(connection, SHA, tenant_id="ten_1") == found
        assert assets.find(connection, SHA, tenant_id="ten_2") is None
        assert assets.find(connection, "cd" * 32) is None


@pytest.mark.parametrize("delete", [retention.delete_jobs, retention.drop_files], ids=["jobs", "files"])
def test_a_picture_stays_as_long_as_any_job_has_it(database, delete):
    """The oldest is found; once its job's files are gone, the next one is, and at the end none."""
    with database.write() as connection:
        second = completed(connection, ended_at=200.0, tenant_id="ten_2")
        first = completed(connection)
        assert assets.find(connection, SHA).job_id == first.id
        delete(connection, [first.id])
        assert assets.find(connection, SHA).job_id == second.id
        assert assets.find(connection, SHA, tenant_id="ten_1") is None
        delete(connection, [second.id])
        assert assets.find(connection, SHA) is None


def test_what_is_withheld_or_failed_is_no_asset(database):
    """Nothing of it is ever found."""
    withheld = msgspec.json.decode(BLOCKED, type=Outcome)
    with database.write() as connection:
        completed(connection, state=State.BLOCKED, outcome=withheld)
        completed(connection, state=State.FAILED, outcome=Outcome(error="Generation failed"))
        assert connection.execute(assets.assets.select()).all() == []


def test_the_look_up_reads_the_index(database):
    """It costs the same with a million pictures."""
    query = f"SELECT * FROM assets WHERE sha256 = '{SHA}' ORDER BY created_at, job_id LIMIT 1"
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # which wins in a small table
        plan = connection.execute(text(f"EXPLAIN {'QUERY PLAN' if database.is_sqlite else ''} {query}")).all()
    assert "pk_assets" in str(plan) or "sqlite_autoindex_assets_1" in str(plan)


def test_an_upgrade_finds_the_pictures_that_are_there(database):
    """In the outcomes of completed jobs whose files are kept; an outcome that nobody can read has none."""
    with database.write() as connection:
        kept, other = completed(connection), completed(connection, "cd" * 32)
        stripped, broken, blocked = (completed(connection, f"{number}0" * 32) for number in range(3))
        for job, values in (
            (stripped, {"stripped_at": 300.0}),
            (broken, {"outcome": '{"meta":{}}'}),
            (blocked, {"state": "blocked", "outcome": BLOCKED}),
        ):
            connection.execute(update(rows).where(rows.c.id == job.id).values(**values))
    with database.write() as connection:  # one of its own: events of jobs are written before the commit
        command.downgrade(schema._config(connection), BEFORE)
    schema.upgrade(database)
    with database.read() as connection:
        found = {row.job_id: row for row in connection.execute(assets.assets.select())}
        assert set(found) == {kept.id, other.id}
        assert assets.find(connection, SHA) == assets.Asset(
            sha256=SHA,
            job_id=kept.id,
            tenant_id="ten_1",
            key="pictures/ten_1/g/g_d8_00001.webp",
            media_type="image/webp",
            size_bytes=None,
            created_at=100.0,
        )
