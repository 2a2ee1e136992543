"""Usage of a key and its tenant, and the rest of their plan."""

from dataclasses import replace

from msgspec import structs
from submitting import submit_repaired

from imgen.domain.account import Plan
from imgen.domain.job import FINISH_QUEUE, State
from imgen.domain.outcome import Outcome
from imgen.domain.request import GenerateRequest
from imgen.live import request_gate
from imgen.records import job_transitions, packs
from imgen.services.accounts.usage import PackLeft, usage


def claim(core, job, waiting):
    """Takes a job as a worker does."""
    return core.database.attempt(job_transitions.claim, job.id, waiting=waiting, lease_s=60, max_attempts=3)


def test_open_jobs_and_charged_pictures_are_counted(core, caller):
    """A job is open from its submission on and a picture once it is completed; one that failed costs nothing."""

    async def work(opened):
        principal = caller(opened, plan="standard")
        before = await usage(opened, principal)
        made = [
            (await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")).job
            for _ in range(2)
        ]
        waiting = await usage(opened, principal)
        assert waiting.remaining.open_jobs == before.remaining.open_jobs - 2
        drawn, failed = (claim(opened, job, State.QUEUED) for job in made)
        opened.database.attempt(job_transitions.end, failed, State.FAILED, Outcome(error="Generation failed"))
        opened.database.attempt(job_transitions.hand_on, drawn, queue=FINISH_QUEUE, master_key="work/1.png", timings={})
        opened.database.attempt(job_transitions.end, claim(opened, drawn, State.RENDERED), State.COMPLETED, Outcome())
        after = await usage(opened, principal)
        assert after.remaining.open_jobs == before.remaining.open_jobs
        for period in ("today", "month"):
            assert (after.key[period].pictures, after.tenant[period].pictures) == (1, 1)
        assert after.plan == "standard"

    core(work)


def test_credits_are_told_beside_pictures(core, caller):
    """Charged and held ones of key and tenant, the rest of the plan, and what is left of packs in the order of their use."""

    async def work(opened):
        models = {key: structs.replace(model, credits=3) for key, model in opened.catalog.models.items()}
        catalog = structs.replace(opened.catalog, models=models)
        plans = {"small": Plan(key="small", label="Small", credits_per_day=8, credits_per_month=7)}
        plans = {**opened.configured.plans, **plans}
        opened.configured = replace(opened.configured, catalog=catalog, plans=plans)
        principal, pack = caller(opened, plan="small"), opened.configured.packs["pack_500"]
        opened.database.attempt(packs.grant, principal.tenant, pack, reference="inv-1", now=0.0)
        made = [
            (await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")).job
            for _ in range(3)
        ]
        drawn = claim(opened, made[2], State.QUEUED)
        opened.database.attempt(job_transitions.hand_on, drawn, queue=FINISH_QUEUE, master_key="work/1.png", timings={})
        opened.database.attempt(job_transitions.end, claim(opened, drawn, State.RENDERED), State.COMPLETED, Outcome())
        told = await usage(opened, principal)
        for count in (told.key["today"], told.key["month"], told.tenant["today"], told.tenant["month"]):
            assert (count.credits, count.credits_held) == (3, 6)
        assert (told.limits.credits_per_day, told.limits.credits_per_month) == (8, 7)
        assert (told.remaining.credits_per_day, told.remaining.credits_per_month) == (1, 0)
        assert told.packs == (
            PackLeft(name="pack_500", label="Starter", credits=500, held=0, left=498, bought="1970-01-01T00:00:00Z"),
        )

    core(work)


def test_a_plan_without_limits_has_none_left(core, caller):
    """No limit is None, of the plan as of what remains."""

    async def work(opened):
        told = await usage(opened, caller(opened))
        assert (told.limits.pictures_per_day, told.remaining.pictures_per_day) == (None, None)

    core(work)


def test_the_rest_of_the_rate_is_the_keys(core, caller):
    """Requests of the last minute are taken off the plan's rate; over it nothing is left."""

    async def work(opened):
        principal, now = caller(opened, plan="trial"), opened.clock()
        rate = opened.plan_of("trial").requests_per_minute
        assert (await usage(opened, principal)).remaining.requests_per_minute == rate
        for left in (rate - 1, rate - 2):
            await opened.live.run(request_gate.hit(principal.counted_as, now))
            assert (await usage(opened, principal)).remaining.requests_per_minute == left
        for _ in range(rate):
            await opened.live.run(request_gate.hit(principal.counted_as, now))
        assert (await usage(opened, principal)).remaining.requests_per_minute == 0
        assert (await usage(opened, caller(opened, name="free"))).remaining.requests_per_minute is None

    core(work)
