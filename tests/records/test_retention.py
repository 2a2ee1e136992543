"""Retention in SQL: jobs past their time are found page by page; files go first, rows later."""

from factories import PLAN, make_job
from msgspec import structs
from sqlalchemy import update

from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Outcome, StoredImage
from imgen.records import job_transitions, jobs, ledger, retention
from imgen.records.tables.jobs import jobs as table

NOW = 1_800_000_000.0
OUTCOME = Outcome(
    images=(StoredImage(key="pictures/a", filename="a", type="signed"),),
    blocked=Blocked(names=("x",), categories=("x",), unsafe_key="withheld/a"),
)


def ended(database, at=NOW, **changes):
    job = structs.replace(make_job(state=State.FINISHING), **changes)

    def write(connection):
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
        return job_transitions.end(connection, job, State.BLOCKED, OUTCOME, now=at)

    return database.attempt(write)


def find(database, **wanted):
    with database.read() as connection:
        return retention.expired(connection, **{"ended_before": NOW + 1, "rows_too": False, **wanted})


def test_old_jobs_lose_their_pictures_and_then_themselves(database):
    """Retention strips files first and keeps the ledger for ever."""
    job = ended(database)
    with database.write() as connection:
        retention.drop_files(connection, [job.id])
        bare = jobs.find(connection, job.id).outcome
        assert (bare.images, bare.blocked.unsafe_key, bare.blocked.names) == ((), "", ("x",))
    assert find(database) == []
    (old,) = find(database, rows_too=True)
    assert (old.id, old.stripped_at is None) == (job.id, False)
    with database.write() as connection:
        retention.delete_jobs(connection, [job.id])
        assert len(connection.execute(ledger.ledger.select()).all()) == 2
    assert find(database, rows_too=True) == []


def test_open_jobs_are_never_past_their_time(database):
    """An open job is neither found nor deleted, whatever its age."""
    job = make_job(created_at=1.0)
    database.attempt(jobs.add, job)
    assert find(database, rows_too=True) == []
    with database.write() as connection:
        retention.delete_jobs(connection, [job.id])
        assert retention.open_among(connection, [job.id, "run_x"]) == {job.id}


def test_pages_go_on_where_the_last_one_ended(database):
    """Each job is seen once, oldest first, also where times are equal and where the jobs before are still there."""
    made = [ended(database, NOW - 10 + n // 3) for n in range(8)]
    seen, after = [], None
    while page := find(database, after=after, limit=3):
        seen += [job.id for job in page]
        after = (page[-1].ended_at, page[-1].id)
    assert seen == [job.id for job in sorted(made, key=lambda job: (job.ended_at, job.id))]


def test_fields_of_another_version_survive(database):
    """Things that a newer version stored beside the files stay in the outcome; a text that is no JSON stays as it is."""
    newer, broken = ended(database), ended(database)
    texts = {newer.id: '{"images":[{"key":"x"}],"later":{"a":1}}', broken.id: "{"}
    with database.write() as connection:
        for job_id, text in texts.items():
            connection.execute(update(table).where(table.c.id == job_id).values(outcome=text))
        retention.drop_files(connection, texts)
        left = {row.id: row.outcome for row in connection.execute(table.select())}
    assert left == {newer.id: '{"images":[],"later":{"a":1}}', broken.id: "{"}
    assert find(database) == []
