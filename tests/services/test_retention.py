"""Retention over a real database and object store."""

import asyncio
import os
import time

import msgspec
from factories import make_job
from records.test_stored_json import COMPLETED
from services.ended_jobs import add, ended_long_ago
from sqlalchemy import update

from imgen.domain.job import State
from imgen.domain.outcome import Outcome, StoredImage
from imgen.domain.remote_engine import parse_remote_engine
from imgen.records import engine_calls, job_events, job_transitions, jobs, picture_records
from imgen.records.tables.events import job_events as event_rows
from imgen.services import retention
from imgen.settings.sections import Provenance


def test_events_are_swept_after_a_day(core):
    """All that are older go, in several pieces, and no later one; the numbers go on."""

    async def work(core):
        old, later = make_job(), make_job()
        made = retention.EVENTS_AT_ONCE + 1
        with core.database.write() as connection:
            for _ in range(made):
                job_events.note(connection, old)
        with core.database.write() as connection:
            connection.execute(update(event_rows).values(at=event_rows.c.at - 2 * job_events.KEPT_S))
            job_events.note(connection, later)
        await retention.sweep(core)
        kept = await core.database.reading(job_events.since, old.tenant_id, 0, limit=10)
        assert [(event.number, event.job_id) for event in kept] == [(made + 1, later.id)]

    core(work)


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


def test_engines_calls_that_nobody_ends_are_paid(core):
    """A cancelled job's call is ended a while after it; one of a job that is open stays."""

    async def work(core):
        engine = parse_remote_engine("cloud", {"kind": "openai"})

        def call(connection):
            job = make_job()
            add(connection, job)
            job = job_transitions.claim(connection, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=9)
            return job, engine_calls.open_call(connection, job, engine=engine, price_micros=1)

        (cancelled, _), (waiting, kept) = core.database.attempt(call), core.database.attempt(call)
        long_ago = time.time() - retention.CALL_GRACE_S - 60
        core.database.attempt(job_transitions.end, cancelled, State.CANCELLED, Outcome(), now=long_ago)
        await retention.sweep(core)
        read = core.database.reading
        return [await read(engine_calls.find_open, one.id) for one in (cancelled, waiting)], kept

    found, kept = core(work)
    assert found == [None, kept]


def recorded_long_ago(core, days):
    """A record of a picture whose job is gone, with its manifest store."""
    outcome = msgspec.json.decode(COMPLETED, type=Outcome)
    job = make_job(state=State.COMPLETED, outcome=outcome, ended_at=time.time() - days * 86400)
    key = f"manifests/{job.tenant_id}/{job.gen_id}/1/a.c2pa"
    core.objects.put(key, b"x", "application/c2pa")
    core.database.attempt(picture_records.add, job, manifest_key=key)
    return job, key


def test_records_and_manifest_stores_outlive_jobs_until_their_own_time(core):
    """For ever as it ships; with a limit those past it go."""

    async def work(core):
        (old, _), (_, kept_key) = recorded_long_ago(core, 500), recorded_long_ago(core, 300)
        await retention.sweep(core)
        all_kept = [stored.key for stored in core.objects.list("manifests/")]
        core.settings = core.settings.model_copy(update={"provenance": Provenance(keep_records_days=365)})
        await retention.sweep(core)
        left = [stored.key for stored in core.objects.list("manifests/")]
        gone = await core.database.reading(picture_records.find_by_watermark, old.watermark_id)
        return len(all_kept), left == [kept_key], gone

    assert core(work) == (2, True, None)


def test_a_manifest_store_of_an_attempt_that_was_not_the_last_goes_with_its_job(core):
    """Nobody would ever find it."""

    async def work(core):
        job, _ = ended_long_ago(core, days=400)
        core.objects.put(f"manifests/{job.tenant_id}/{job.gen_id}/1/a.c2pa", b"x", "application/c2pa")
        await retention.sweep(core)
        return [stored.key for stored in core.objects.list("")]

    assert core(work) == []


def test_one_process_sweeps_at_a_time(core):
    """A sweeper leaves the round to the one that holds the lock, and takes it over once that one has stopped."""

    async def work(core):
        first, second = retention.Sweeper(core), retention.Sweeper(core)
        ended_long_ago(core)
        rounds = [await first.round()]
        ended_long_ago(core)
        rounds.append(await second.round())
        task = asyncio.create_task(first.run())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        rounds.append(await second.round())
        return rounds

    assert core(work) == [1, 0, 1]


def test_the_master_of_an_open_job_stays(core):
    """However long a job waits, its rendered master is there when it goes on."""

    async def work(core):
        job = make_job(state=State.RENDERED)
        core.database.attempt(add, job)
        core.objects.put(f"work/{job.id}/1.tiff", b"x", "image/tiff")
        os.utime(core.settings.data_dir / "objects" / "work" / job.id / "1.tiff", (0, 0))
        await retention.sweep(core)
        return core.objects.exists(f"work/{job.id}/1.tiff")

    assert core(work)
