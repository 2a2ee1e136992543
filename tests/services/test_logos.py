"""Logos: stored when nothing can refuse the request any more, once a day for a tenant, and deleted when no job needs them."""

import io
import os
import time
from dataclasses import replace

import pytest
from factories import make_job
from msgspec import structs
from PIL import Image
from sqlalchemy import update
from submitting import submit_repaired

from imgen.domain.errors import EnhancementFailed, ImgenError, Invalid
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.request import GenerateRequest
from imgen.live import block_penalty
from imgen.records import job_transitions, jobs
from imgen.records.tables.jobs import jobs as table
from imgen.services import retention, submit

DAY_S = 86400


def logo(number=0) -> bytes:
    """A small PNG, a different one for each number."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 7)).save(file, "PNG")
    return file.getvalue()


async def make(core, principal, number=0, **fields):
    request = GenerateRequest(prompt="vase", wm_image=lambda: logo(number), **fields)
    return (await submit_repaired(core, principal, request, surface="action")).job


def stored(core):
    return [one.key for one in core.objects.list("brands/")]


def key_of(job):
    return job.recipe.visible_watermark.image_key


def age(core, key, days):
    at = time.time() - days * DAY_S
    os.utime(core.settings.data_dir / "objects" / key, (at, at))


def end(core, job, *, days_ago=0.0):
    """Ends a job that many days ago, as if it had been made then."""
    at = time.time() - days_ago * DAY_S
    claimed = core.database.attempt(job_transitions.claim, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=3)
    return core.database.attempt(job_transitions.end, claimed, State.FAILED, Outcome(error="Generation failed"), now=at)


def change_all(core, **values):
    """Changes columns of all jobs."""
    with core.database.write() as connection:
        connection.execute(update(table).values(**values))


class BrokenEnhancer:
    """An enhancer that never answers."""

    async def terms(self, positive, model, style):
        raise EnhancementFailed

    async def close(self):
        pass


@pytest.mark.parametrize(
    ("plan", "fields"),
    [
        ({"pictures_per_day": 1}, {}),
        ({"pictures_per_month": 1}, {}),
        ({"open_jobs": 1}, {}),
        ({}, {"compliance_ruleset": "nobody's"}),
        ({}, {"use_cache": True, "cache_only": True}),
        ({}, {"optimize": True}),
    ],
    ids=str,
)
def test_a_refused_request_leaves_no_file(core, caller, plan, fields):
    """Whatever refuses it: the logo of each is good, and none is stored."""

    async def work(opened):
        opened.enhancer = BrokenEnhancer()
        principal = caller(opened)
        await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")
        plans = {name: structs.replace(one, **plan) for name, one in opened.configured.plans.items()}
        opened.configured = replace(opened.configured, plans=plans)
        for number in range(5):
            with pytest.raises(ImgenError):
                await make(opened, principal, number, **fields)
        assert stored(opened) == []

    core(work)


def test_a_full_queue_and_a_penalty_leave_no_file_either(core, caller):
    """Nor do they read the logo: it is the last thing to be looked at before the dear ones."""

    async def work(opened):
        principal, slow = caller(opened), caller(opened, "slow")
        await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")
        await opened.live.run(block_penalty.penalize(slow.tenant.id, 30))

        def read():
            raise AssertionError("the logo was read")

        for who in (principal, slow):
            with pytest.raises(ImgenError):
                await submit_repaired(opened, who, GenerateRequest(prompt="vase", wm_image=read), surface="action")

    core(work, "[jobs]\nmax_queued = 1\n")


def test_a_logo_is_stored_once_for_a_tenant(core, caller):
    """By its content; two tenants share nothing."""

    async def work(opened):
        first, second = caller(opened), caller(opened, "other")
        made = [await make(opened, who, number) for who in (first, second) for number in (0, 0, 1)]
        assert len(stored(opened)) == 4
        assert {key_of(job) for job in made} == set(stored(opened))

    core(work)


def test_a_sweep_keeps_what_a_job_of_the_last_day_needs(core, caller):
    """Open jobs, however old, and jobs that ended within a day keep their logo; the others lose it, as do files of no job."""

    async def work(opened):
        principal = caller(opened)
        made = {name: await make(opened, principal, number) for number, name in enumerate(("open", "recent", "old"))}
        end(opened, made["recent"], days_ago=0.9)
        old = await make(opened, principal, 2)
        for job in (made["old"], old):
            end(opened, job, days_ago=1.1)
        stray, fresh, legacy = (
            f"brands/{principal.tenant.id}/{name}" for name in ("2020-01-01/a", "2020-01-01/b", "c")
        )
        for key in (stray, fresh, legacy):
            opened.objects.put(key, b"x", "image/png")
        for key in stored(opened):
            age(opened, key, 0.5 if key == fresh else 1.5)
        change_all(opened, created_at=time.time() - 3 * DAY_S)
        await retention.sweep(opened)
        assert stored(opened) == sorted([key_of(made["open"]), key_of(made["recent"]), fresh])

    core(work)


def test_a_job_of_another_version_keeps_its_logo(core, caller):
    """A process of version 0.2 writes no column for it, and its open jobs need theirs all the same."""

    async def work(opened):
        principal = caller(opened)
        key = f"brands/{principal.tenant.id}/{'ab' * 32}"
        opened.objects.put(key, b"x", "image/png")
        age(opened, key, 3)
        recipe = make_job().recipe
        mark = structs.replace(recipe.visible_watermark, image_key=key)
        job = make_job(tenant_id=principal.tenant.id, recipe=structs.replace(recipe, visible_watermark=mark))
        opened.database.attempt(jobs.add, job)
        change_all(opened, logo_key="")
        await retention.sweep(opened)
        assert stored(opened) == [key]

    core(work)


def test_the_last_job_takes_its_logo_along(core, caller):
    """Deleting one of two jobs leaves the file, deleting the other deletes it."""

    async def work(opened):
        principal = caller(opened)
        first, second = [end(opened, await make(opened, principal)) for _ in range(2)]
        await retention.delete_job(opened, first)
        assert stored(opened) == [key_of(second)]
        await retention.delete_job(opened, second)
        assert stored(opened) == []

    core(work)


def test_a_retry_has_a_logo_of_its_own_day(core, caller):
    """An earlier job's logo is stored anew for the new job; where it is gone the caller is told to send it again."""

    async def work(opened):
        principal = caller(opened)
        job = end(opened, await make(opened, principal), days_ago=1.1)
        now = opened.clock()
        opened.clock = lambda: now + DAY_S
        again = await submit.resubmit(opened, principal, job, surface="panel")
        assert key_of(again) != key_of(job)
        assert opened.objects.get(key_of(again)) == logo()
        opened.objects.delete(key_of(job))
        with pytest.raises(Invalid, match="logo of this job is not stored any more"):
            await submit.resubmit(opened, principal, job, surface="panel")

    core(work)
