"""Several pictures of one request: sibling jobs that are made all or none, and that end one by one."""

import asyncio
import io
from dataclasses import replace

import pytest
from msgspec import structs
from PIL import Image
from servers.local import start_local_worker
from servers.redis_server import start_redis
from submitting import submit_repaired

from imgen.domain.errors import GenerationFailed, ImgenError, QueueFull, QuotaExceeded
from imgen.domain.job import State
from imgen.domain.request import MAX_SEED, GenerateRequest
from imgen.live import waiting
from imgen.live.queue import Publisher
from imgen.records import jobs, ledger, reconcile
from imgen.services import jobs as job_service
from imgen.services import submit
from imgen.services.publishing import MessageSender
from workers import tasks
from workers.resources import open_resources


async def generate(core, principal, prompt="red coat", **fields):
    return await submit_repaired(core, principal, GenerateRequest(prompt=prompt, **fields), surface="action")


def stored(core, made):
    """The siblings as the database has them."""
    with core.database.read() as connection:
        return jobs.of_batch(connection, made.job.batch_id)


def sums(core, principal):
    """Pictures that the tenant has on hold and was charged for today; entries and sums of the ledger agree."""
    with core.database.read() as connection:
        counts = ledger.counts(connection, (principal.tenant.id,), now=core.clock())
        kinds = list(connection.execute(ledger.ledger.select()).mappings())
    day, _ = ledger.periods(core.clock())
    open_, today = (counts.get((principal.tenant.id, period), ledger.Count()) for period in (ledger.OPEN_PERIOD, day))
    named = [row["kind"] for row in kinds if row["tenant_id"] == principal.tenant.id]
    assert open_.held == today.held == named.count("hold") - named.count("charge") - named.count("release")
    assert today.pictures == named.count("charge")
    return open_.held, today.pictures


def with_plan(core, **limits):
    plans = {name: structs.replace(one, **limits) for name, one in core.configured.plans.items()}
    core.configured = replace(core.configured, plans=plans)


def test_siblings_have_all_of_their_own_but_the_batch(core, caller):
    """Four jobs with ids, seeds, marks, holds and messages of their own, in one order everywhere; the first stands for all."""

    async def work(opened):
        principal = caller(opened)
        made = await generate(opened, principal, n=4, seed=MAX_SEED - 1)
        assert stored(opened, made) == list(made.jobs)
        assert [job.recipe.diffusion.seed for job in made.jobs] == [MAX_SEED - 1, MAX_SEED, 0, 1]
        assert [(job.batch_id, job.batch_index) for job in made.jobs] == [(made.job.id, index) for index in range(4)]
        assert len({name for job in made.jobs for name in (job.id, job.gen_id, job.watermark_id)}) == 12
        same = {structs.replace(job.recipe.diffusion, seed=0) for job in made.jobs}
        assert same == {structs.replace((await generate(opened, principal)).job.recipe.diffusion, seed=0)}
        assert sums(opened, principal) == (5, 0)
        assert opened.publisher.depth("render.eros") == 5
        places = [
            (await job_service.job_status(opened, principal, job.id, job_service.get_view(opened, job.id))).position
            for job in made.jobs
        ]
        assert places == [1, 2, 3, 4]
        page = await job_service.list_jobs(opened, principal, limit=9, cursor="", states=frozenset())
        assert [job.id for job in page.jobs[1:]] == [job.id for job in made.jobs[::-1]]

    core(work)


def test_a_job_alone_has_no_batch(core, caller):
    """`n` of 1 and none at all; also a sibling that is made again."""

    async def work(opened):
        principal = caller(opened)
        for fields in ({}, {"n": 1}):
            made = await generate(opened, principal, **fields)
            assert [(job.batch_id, job.batch_index) for job in made.jobs] == [(None, 0)]
        several = await generate(opened, principal, n=2)
        again = await submit.resubmit(opened, principal, several.jobs[1], surface="panel")
        assert (again.batch_id, again.batch_index) == (None, 0)
        assert again.recipe == several.jobs[1].recipe

    core(work)


@pytest.mark.parametrize(
    ("sent", "open_jobs", "made"),
    [(4, 0, 4), (0, 0, 1), (-3, 0, 1), (11, 0, 10), (2.4, 0, 2), (10, 3, 3), (3, 3, 3)],
)
def test_a_number_beyond_what_is_possible_is_clamped(core, caller, sent, open_jobs, made):
    """To 1–10 and to the plan's open jobs, and told."""

    async def work(opened):
        with_plan(opened, open_jobs=open_jobs)
        answer = await generate(opened, caller(opened), n=sent)
        assert (len(answer.jobs), answer.warnings) == (made, () if sent == made else ("n",))

    core(work)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"open_jobs": 4}, QueueFull),
        ({"pictures_per_day": 4}, QuotaExceeded),
        ({"pictures_per_month": 4}, QuotaExceeded),
    ],
    ids=str,
)
def test_a_batch_that_does_not_fit_leaves_nothing(core, caller, limits, expected):
    """One picture is open and four more would be one too many: none is made, held or queued. Three are taken."""

    async def work(opened):
        principal = caller(opened)
        with_plan(opened, **limits)
        await generate(opened, principal)
        with pytest.raises(expected) as caught:
            await generate(opened, principal, n=4)
        assert caught.value.retry_after_s >= 1
        assert (sums(opened, principal), opened.publisher.depth("render.eros")) == ((1, 0), 1)
        await generate(opened, principal, n=3)
        assert (sums(opened, principal), opened.publisher.depth("render.eros")) == ((4, 0), 4)

    core(work)


def test_the_limit_of_the_queue_counts_pictures(core, caller):
    """Three places are left: four jobs are refused, three taken; then one is too many."""

    async def work(opened):
        principal = caller(opened)
        await generate(opened, principal)
        for n, expected in ((4, QueueFull), (3, None), (1, QueueFull)):
            if expected is None:
                await generate(opened, principal, n=n)
            else:
                with pytest.raises(expected):
                    await generate(opened, principal, n=n)
        assert sums(opened, principal) == (4, 0)

    core(work, "[jobs]\nmax_queued = 4\n")


def test_a_race_for_the_quota_ends_in_whole_batches(core, caller):
    """Twenty requests for three pictures each, of which ten are left: three are taken whole, and a tenth picture is left."""

    async def work(opened):
        principal = caller(opened)
        with_plan(opened, pictures_per_day=10)
        answers = await asyncio.gather(*(generate(opened, principal, n=3) for _ in range(20)), return_exceptions=True)
        made = [answer for answer in answers if not isinstance(answer, ImgenError)]
        assert [len(answer.jobs) for answer in made] == [3, 3, 3]
        assert all(isinstance(answer, QuotaExceeded) for answer in answers if answer not in made)
        assert (sums(opened, principal), opened.publisher.depth("render.eros")) == ((9, 0), 9)

    core(work)


def test_each_picture_is_the_one_made_alone_with_its_seed(core, caller):
    """The masters of four siblings are four different ones, pixel for pixel those of four single jobs with their seeds."""

    async def work(opened):
        principal = caller(opened)
        four = (await generate(opened, principal, n=4, seed=7, steps=1)).jobs
        alone = [(await generate(opened, principal, seed=7 + index, steps=1)).job for index in range(4)]
        return [job.id for job in (*four, *alone)], opened.settings

    ids, settings = core(work)
    masters = rendered(settings, ids)
    assert len(set(masters[:4])) == 4
    assert masters[:4] == masters[4:]


def rendered(settings, ids):
    """Pixels of the masters that a worker makes of the jobs."""
    resources = open_resources(settings)
    try:
        for job_id in ids:
            tasks.run_phase(resources, tasks.RENDER, job_id)
        with resources.database.read() as connection:
            found = [jobs.find(connection, job_id) for job_id in ids]
        assert all(job.state is State.RENDERED for job in found)
        return [Image.open(io.BytesIO(resources.objects.get(job.master_key))).tobytes() for job in found]
    finally:
        resources.close()


def test_a_cancel_of_one_leaves_three(core, caller):
    """The others are rendered, finished and charged; the cancelled one costs nothing."""

    async def begin(opened):
        principal = caller(opened)
        made = await generate(opened, principal, n=4)
        await job_service.cancel(opened, principal, made.jobs[1].id)
        return principal, made, opened.settings

    principal, made, settings = core(begin)
    with start_local_worker(settings) as finish:
        for job in made.jobs:
            finish(job.id)

    async def end(opened):
        states = [job.state for job in stored(opened, made)]
        assert states == [State.COMPLETED, State.CANCELLED, State.COMPLETED, State.COMPLETED]
        assert sums(opened, principal) == (0, 3)

    core(end)


def test_a_broker_that_is_away_leaves_all_of_them_to_the_reconciler(core, caller, tmp_path):
    """The jobs are there and wait; those whose message was not sent are found as unpublished."""
    with start_redis(tmp_path) as broker:

        async def work(opened):
            opened.publisher.close()
            opened.publisher = Publisher(broker.url)
            opened.messages = MessageSender(opened.publisher)
            broker.kill()
            made = await generate(opened, caller(opened), n=3)
            with opened.database.read() as connection:
                unpublished = reconcile.unpublished(connection, grace_s=-60)
            assert {job.id for job in unpublished} == {job.id for job in made.jobs}
            assert await opened.live.run(waiting.count(["render.eros"])) == 3

        core(work)


def test_a_row_that_is_refused_takes_its_siblings_along(core, caller):
    """The database refuses the third of four rows, each time it is tried: no row, no hold, no message."""

    async def work(opened):
        principal = caller(opened)
        with opened.database.write() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON jobs WHEN NEW.batch_index = 2 BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with pytest.raises(GenerationFailed):
            await generate(opened, principal, n=4)
        page = await job_service.list_jobs(opened, principal, limit=9, cursor="", states=frozenset())
        assert (page.jobs, sums(opened, principal), opened.publisher.depth("render.eros")) == ([], (0, 0), 0)

    core(work)
