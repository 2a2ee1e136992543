"""Jobs that are deleted on request: files and rows at once."""

import msgspec
import pytest
from factories import make_job
from msgspec import structs
from records.test_stored_json import COMPLETED
from services.ended_jobs import add, ended_long_ago, stick

from imgen.domain.errors import Unavailable
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import job_transitions, jobs, ledger, picture_records
from imgen.services import retention


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
