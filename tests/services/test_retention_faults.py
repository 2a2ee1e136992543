"""Retention where a file, a row or a part fails: it stops no other."""

import os

from factories import make_job
from services.ended_jobs import add, ended_long_ago, stick
from sqlalchemy import update

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions, jobs, users
from imgen.records.tables.jobs import jobs as table
from imgen.records.tables.users import sessions
from imgen.services import retention


def stored(core, jobs_of):
    with core.database.read() as connection:
        return [bool(jobs.find(connection, job.id).outcome.images) for job, _ in jobs_of]


def test_a_file_that_cannot_be_deleted_stops_no_other(core):
    """The job keeps its file's name and is tried again in the next round; those after it are swept, and so is the rest."""

    async def work(core):
        made = [ended_long_ago(core, number) for number in range(4)]
        core.objects.put("work/run_old/1.tiff", b"x", "image/tiff")
        old = core.settings.data_dir / "objects" / "work" / "run_old" / "1.tiff"
        os.utime(old, (0, 0))
        stick(core, made[0][1], made[1][1])
        first = await retention.sweep(core)
        after_first = stored(core, made), [info.key for info in core.objects.list("")]
        stick(core)
        return first, after_first, await retention.sweep(core), stored(core, made), made

    first, (kept, left), second, at_last, made = core(work)
    assert (first, kept) == (2, [True, True, False, False])
    assert left == sorted(key for _, key in made[:2])
    assert (second, at_last) == (2, [False] * 4)


def test_more_than_a_batch_goes_in_one_round(core):
    """A round goes through the whole backlog, pictures and rows, past a batch in which nothing can be deleted."""

    async def work(core):
        made = [make_job(state=State.FINISHING) for _ in range(retention.BATCH + 20)]
        stuck = [f"pictures/{job.tenant_id}/{job.gen_id}/1" for job in made[: retention.BATCH]]

        def write(connection):
            for number, job in enumerate(made):
                add(connection, job)
                job_transitions.end(connection, job, State.COMPLETED, Outcome(), now=1.0 + number)

        core.database.attempt(write)
        for key in stuck:  # without `put`, which waits for the disk with each
            path = core.settings.data_dir / "objects" / key
            path.parent.mkdir(parents=True)
            path.touch()
        stick(core, *stuck)
        return await retention.sweep(core)

    assert core(work) == 40


def test_a_job_with_a_broken_row_is_swept_too(core):
    """A recipe or an outcome that cannot be read keeps neither its own files nor those of others."""

    async def work(core):
        made = [ended_long_ago(core, number) for number in range(2)]
        broken = update(table).where(table.c.id == made[0][0].id).values(recipe="{", outcome="[")
        core.database.attempt(lambda connection: connection.execute(broken))
        return await retention.sweep(core), [info.key for info in core.objects.list("")]

    assert core(work) == (2, [])


def test_a_part_that_fails_stops_no_other(core):
    """Sessions are ended and masters are swept while the store of the pictures' rows cannot be read."""

    async def work(core):
        job, key = ended_long_ago(core)
        stick(core, key)
        core.objects.check = lambda: (_ for _ in ()).throw(Retryable("away"))
        core.database.attempt(
            lambda connection: users.open_session(
                connection, "hash", make_user(connection), remote_ip="", agent="", now=0, lasts_s=1
            )
        )
        swept = await retention.sweep(core)
        with core.database.read() as connection:
            return swept, connection.execute(sessions.select()).all(), stored(core, [(job, key)])

    assert core(work) == (0, [], [True])


def make_user(connection):
    return users.add(connection, name="mira", role="admin", password_hash="x", must_change_password=False).id
