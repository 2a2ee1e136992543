"""Status of a job, with Redis and without it; a tenant's list of jobs; cancellation."""

import pytest
import redis
from submitting import submit_repaired

from imgen.domain.errors import BadId, CacheExpired, InvalidField, JobNotFound
from imgen.domain.job import State
from imgen.domain.request import GenerateRequest
from imgen.services import jobs as job_service


async def standing(core, principal, job_id):
    return await job_service.job_status(core, principal, job_id, job_service.get_view(core, job_id))


async def make(core, principal, number=1):
    """Jobs of a principal, oldest first."""
    asked = [
        submit_repaired(core, principal, GenerateRequest(prompt="red coat"), surface="action") for _ in range(number)
    ]
    return [(await one).job.id for one in asked]


def test_waiting_jobs_know_their_place(core, caller, clean_redis):
    """The place counts all waiting jobs; with Redis emptied the state comes from SQL."""

    async def work(opened):
        principal = caller(opened)
        ids = await make(opened, principal, 3)
        opened.average_seconds["eros"] = 4.0
        stood = [await standing(opened, principal, job_id) for job_id in ids]
        assert [(one.position, one.eta_s, one.progress) for one in stood] == [(1, 4, 0.0), (2, 8, 0.0), (3, 12, 0.0)]
        with redis.Redis.from_url(clean_redis) as client:
            client.flushall()
        assert (await standing(opened, principal, ids[0])).view.state is State.QUEUED

    core(work)


def test_a_place_is_told_in_the_order_of_work(core, caller):
    """Another tenant's first job stands before the second of a flood, and its estimate goes by that."""

    async def work(opened):
        flooding, other = caller(opened), caller(opened, "other")
        flood = await make(opened, flooding, 3)
        (lone,) = await make(opened, other)
        opened.average_seconds["eros"] = 4.0
        stood = [await standing(opened, flooding, job_id) for job_id in flood]
        assert [one.position for one in stood] == [1, 3, 4]
        told = await standing(opened, other, lone)
        assert (told.position, told.eta_s) == (2, 8)

    core(work)


def test_a_job_is_its_tenants_alone(core, caller):
    """Another tenant's job, one that never was and a malformed id are each refused."""

    async def work(opened):
        owner, stranger = caller(opened), caller(opened, "stranger")
        (job_id,) = await make(opened, owner)
        for asked, expected in (
            (
                "nonsense",
                BadId,
            ),  # first: its answer from Redis is awaited by none, and must be there before the core is closed
            (job_id, JobNotFound),
            ("run_" + "A" * 22, JobNotFound),
            ("cache_" + "0" * 32, CacheExpired),
        ):
            with pytest.raises(expected):
                await standing(opened, stranger, asked)

    core(work)


def test_a_list_goes_on_where_its_page_ended(core, caller):
    """Newest first, each job once, other tenants' none; a cursor that nobody gave is refused."""

    async def work(opened):
        principal = caller(opened)
        ids = await make(opened, principal, 5)
        await make(opened, caller(opened, "stranger"))
        walked, cursor = [], ""
        while True:
            page = await job_service.list_jobs(opened, principal, limit=2, cursor=cursor, states=frozenset())
            walked += [job.id for job in page.jobs]
            if not (cursor := page.cursor):
                break
        assert walked == ids[::-1]
        with pytest.raises(InvalidField):
            await job_service.list_jobs(opened, principal, limit=2, cursor="nonsense", states=frozenset())

    core(work)


def test_a_cancelled_job_ends_and_stays(core, caller):
    """Pollers hear of it at once, its place is free again, and a second time changes nothing."""

    async def work(opened):
        principal = caller(opened)
        first, second = await make(opened, principal, 2)
        assert (await job_service.cancel(opened, principal, first)).state is State.CANCELLED
        assert (await standing(opened, principal, first)).view.state is State.CANCELLED
        assert (await standing(opened, principal, second)).position == 1
        assert (await job_service.cancel(opened, principal, first)).state is State.CANCELLED

    core(work)
