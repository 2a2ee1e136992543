"""Retention over a real database and object store."""

import asyncio
import os
import time

import msgspec
import pytest
from factories import PLAN, make_job
from msgspec import structs
from records.test_stored_json import COMPLETED
from sqlalchemy import update

from imgen.domain.errors import Retryable, Unavailable
from imgen.domain.job import State
from imgen.domain.outcome import Outcome, StoredImage
from imgen.domain.remote_engine import parse_remote_engine
from imgen.objects.disk import DiskStore
from imgen.records import engine_calls, job_events, job_transitions, jobs, ledger, picture_records, users
from imgen.records.tables.events import job_events as event_rows
from imgen.records.tables.jobs import jobs as table
from imgen.records.tables.users import sessions
from imgen.services import retention
from imgen.settings.sections import Provenance


def add(connection, job):
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)


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


def test_a_picture_that_is_deleted_on_request_leaves_a_tombstone(core):
    """Files, thumbnail, manifest store and prompt are gone at once."""

    async def work(core):
        job, _ = ended_long_ago(core, days=1)
        outcome = structs.replace(msgspec.json.decode(COMPLETED, type=Outcome), images=job.outcome.images)
        core.database.attempt(picture_records.add, structs.replace(job, outcome=outcome), manifest_key="")
        core.objects.put(f"manifests/{job.tenant_id}/{job.gen_id}/1/a.c2pa", b"x", "application/c2pa")
        await retention.delete_job(core, job)
        left = await core.database.reading(picture_records.find_by_watermark, job.watermark_id)
        rows = await core.database.reading(jobs.find_readable, [job.id])
        return [stored.key for stored in core.objects.list("")], rows, left.removed_at is not None, left.fingerprint

    assert core(work) == ([], [], True, "")


class StuckStore(DiskStore):
    """A store on a file system that keeps some files, as files marked immutable stay."""

    stuck: frozenset[str] = frozenset()

    def delete(self, key):
        if key in self.stuck:
            raise Retryable("Operation not permitted")
        super().delete(key)


def stick(core, *keys):
    core.objects = StuckStore(core.settings.data_dir / "objects", base_url="http://127.0.0.1:1", secret=bytes(32))
    core.objects.stuck = frozenset(keys)


def ended_long_ago(core, number=0, days=40):
    """A completed job with one file, ended that many days ago."""
    job = make_job(state=State.FINISHING)
    core.database.attempt(add, job)
    key = f"pictures/{job.tenant_id}/{job.gen_id}/1/a.jpg"
    core.objects.put(key, b"x", "image/jpeg")
    outcome = Outcome(images=(StoredImage(key=key, filename="a.jpg", type="signed"),))
    at = time.time() - days * 86400 + number
    return core.database.attempt(job_transitions.end, job, State.COMPLETED, outcome, now=at), key


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


def test_a_job_whose_file_stays_is_not_deleted(core):
    """The caller is told, and can delete it again: no row goes before its files."""

    async def work(core):
        job, key = ended_long_ago(core)
        stick(core, key)
        with pytest.raises(Unavailable):
            await retention.delete_job(core, job)
        with core.database.read() as connection:
            return jobs.find(connection, job.id).id == job.id

    assert core(work)


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
