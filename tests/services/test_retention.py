"""Retention over a real database and object store."""

import os
import time

from factories import PLAN, make_job

from imgen.domain.job import State
from imgen.domain.outcome import Outcome, StoredImage
from imgen.records import job_transitions, jobs, ledger
from imgen.services import retention


def add(connection, job):
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)


def test_pictures_and_orphans_are_swept_at_their_time(core):
    """Old pictures go, their row stays till its own time; old masters go, fresh ones stay."""

    async def work(core):
        long_ago = time.time() - 40 * 86400
        job = make_job(state=State.FINISHING)
        core.database.attempt(add, job)
        key = f"pictures/{job.tenant_id}/{job.gen_id}/1/a.jpg"
        for name in (key, "work/run_old/1.webp", "work/run_new/1.webp"):
            core.objects.put(name, b"x", "image/jpeg")
        old = core.settings.data_dir / "objects" / "work" / "run_old" / "1.webp"
        os.utime(old, (long_ago, long_ago))
        outcome = Outcome(images=(StoredImage(key=key, filename="a.jpg", type="signed"),))
        core.database.attempt(job_transitions.end, job, State.COMPLETED, outcome, now=long_ago)
        swept = await retention.sweep(core)
        return (
            swept,
            [stored.key for stored in core.objects.list("")],
            core.database.attempt(jobs.find, job.id).outcome.images,
        )

    swept, left, images = core(work)
    assert (swept, left, images) == (1, ["work/run_new/1.webp"], ())


def test_a_deleted_job_leaves_nothing_but_its_cost(core):
    """Row and files go at once; what the ledger holds stays."""

    async def work(core):
        job = make_job(state=State.FINISHING)
        core.database.attempt(add, job)
        for folder in (
            f"pictures/{job.tenant_id}/{job.gen_id}",
            f"withheld/{job.tenant_id}/{job.gen_id}",
            "work/run_other",
        ):
            core.objects.put(f"{folder}/1", b"x", "image/jpeg")
        ended = core.database.attempt(job_transitions.end, job, State.COMPLETED, Outcome())
        await retention.delete_job(core, ended)
        with core.database.read() as connection:
            kinds = {row.kind for row in connection.execute(ledger.ledger.select())}
            left = jobs.list_jobs(connection, job.tenant_id, limit=5, before=None, states=frozenset())
        return left, kinds, [stored.key for stored in core.objects.list("")]

    assert core(work) == ([], {"hold", "charge"}, ["work/run_other/1"])
