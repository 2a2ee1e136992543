"""Requests with an idempotency key: carried out once, however many come, whatever fails before anything is made."""

import asyncio

import pytest
from msgspec import structs
from submitting import submit_repaired
from surfaces.action.calls import png

from imgen.domain.errors import InvalidField, JobNotFound, KeyReused, PromptRequired, QuotaExceeded, RequestInProgress
from imgen.domain.idempotency import Once
from imgen.domain.request import GenerateRequest
from imgen.records import idempotency, jobs, ledger, retention
from imgen.records import uploads as upload_records
from imgen.records.idempotency import Claim
from imgen.services import jobs as service
from imgen.services import uploads

ONCE = Once(route="/api/v2", key="k", fingerprint="f")
COAT = GenerateRequest(prompt="red coat", width=5)


def send(core, principal, request=COAT, once=ONCE):
    return submit_repaired(core, principal, request, surface="action", once=once)


def counts(core, principal):
    """Jobs of the tenant, and pictures held."""
    with core.database.read() as connection:
        found = jobs.list_jobs(connection, principal.tenant.id, limit=100, before=None, states=frozenset())
        sums = ledger.counts(connection, (principal.tenant.id,), now=core.clock())
    return len(found), sums.get((principal.tenant.id, ledger.OPEN_PERIOD), ledger.Count()).held


def test_fifty_parallel_requests_make_one_job(core, caller):
    """All get the same job and the same warnings; one row, one hold, one message."""

    async def work(opened):
        principal = caller(opened)
        answers = await asyncio.gather(*(send(opened, principal) for _ in range(50)))
        assert len({answer.job.id for answer in answers}) == 1
        assert {answer.warnings for answer in answers} == {("width",)}
        assert [answer.is_replayed for answer in answers].count(False) == 1
        assert counts(opened, principal) == (1, 1)
        assert opened.publisher.depth(answers[0].job.queue) == 1

    core(work)


def test_several_pictures_are_replayed_in_their_order(core, caller):
    """A batch comes again as a whole, also in another process and after a restart."""
    first = []

    async def make(opened):
        principal = caller(opened)
        first.append((principal, await send(opened, principal, structs.replace(COAT, n=3))))

    async def again(opened):
        principal, made = first[0]
        replayed = await send(opened, principal, structs.replace(COAT, n=3))
        assert [job.id for job in replayed.jobs] == [job.id for job in made.jobs]
        assert replayed.is_replayed
        assert counts(opened, principal) == (3, 3)

    core(make)
    core(again)


def test_other_bodies_owners_and_routes(core, caller):
    """Another body is refused; another tenant and another route have keys of their own."""

    async def work(opened):
        principal, other = caller(opened), caller(opened, "other")
        made = await send(opened, principal)
        with pytest.raises(KeyReused):
            await send(opened, principal, once=structs.replace(ONCE, fingerprint="g"))
        for owner, once in ((other, ONCE), (principal, structs.replace(ONCE, route="/v2/generate"))):
            assert (await send(opened, owner, once=once)).job.id != made.job.id

    core(work)


def test_what_failed_before_anything_was_made_may_be_sent_again(core, caller):
    """A wrong prompt and a used-up quota keep no key; a request that takes long gives its key back."""

    async def work(opened):
        principal = caller(opened, plan="trial")
        with pytest.raises(PromptRequired):
            await send(opened, principal, structs.replace(COAT, prompt=""))
        slow = structs.replace(COAT, use_cache=True, prompt="@nobody")
        with pytest.raises(Exception, match="Invalid character"):
            await send(opened, principal, slow)
        limit = opened.plan_of("trial").pictures_per_day
        assert limit > 0
        with opened.database.write() as connection:
            for period in ledger.periods(opened.clock()):
                held = {(principal.tenant.id, period): ledger.Count(pictures=limit)}
                ledger._add(connection, held)
        with pytest.raises(QuotaExceeded):
            await send(opened, principal)
        assert counts(opened, principal) == (0, 0)
        paying = structs.replace(principal, tenant=structs.replace(principal.tenant, plan="unlimited"))
        assert not (await send(opened, paying)).is_replayed

    core(work)


def test_a_running_request_is_not_carried_out_twice(core, caller):
    """One that another process has claimed is told to be in progress, and nothing is made."""

    async def work(opened):
        principal = caller(opened)
        claim = Claim(owner=principal.quota_owner, once=ONCE, attempt="other process")
        await opened.database.writing(idempotency.begin, claim)
        with pytest.raises(RequestInProgress):
            await send(opened, principal)
        assert counts(opened, principal) == (0, 0)
        await opened.database.writing(idempotency.release, claim)
        assert not (await send(opened, principal)).is_replayed

    core(work)


def test_a_repetition_does_not_look_for_its_source(core, caller):
    """The upload that it began from has gone since: the first job comes again."""

    async def work(opened):
        principal = caller(opened)
        kept = await uploads.upload(opened, principal, lambda: png(64, 64))
        request = structs.replace(COAT, image=kept.upload.id)
        made = await send(opened, principal, request)
        await opened.database.writing(upload_records.delete, kept.upload.id)
        again = await send(opened, principal, request)
        assert (again.job.id, again.is_replayed) == (made.job.id, True)
        with pytest.raises(InvalidField):
            await send(opened, principal, request, once=None)

    core(work)


def test_a_deleted_job_is_told(core, caller):
    """A repetition whose job has been deleted since is not found, and no new job is made."""

    async def work(opened):
        principal = caller(opened)
        made = await send(opened, principal)
        await service.cancel(opened, principal, made.job.id)
        await opened.database.writing(retention.delete_jobs, [made.job.id])
        with pytest.raises(JobNotFound):
            await send(opened, principal)

    core(work)
