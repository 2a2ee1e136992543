"""From a request to a job in SQL, in Redis and on its queue, without a worker: what is written, and what a refusal leaves."""

from dataclasses import replace

import pytest
from msgspec import structs
from submitting import submit_repaired

from imgen.domain.errors import (
    CacheMiss,
    ImgenError,
    InvalidField,
    PromptRequired,
    QueueFull,
    QuotaExceeded,
    RateLimited,
)
from imgen.domain.job import State
from imgen.domain.request import GenerateRequest
from imgen.live import block_penalty, job_views, waiting
from imgen.records import jobs, ledger
from imgen.services import submit

MAX_QUEUED = 3


def listed(core, principal):
    """The tenant's jobs, newest first, and what its ledger holds."""
    with core.database.read() as connection:
        found = jobs.list_jobs(connection, principal.tenant.id, limit=100, before=None, states=frozenset())
        counts = ledger.counts(connection, (principal.tenant.id,), now=core.clock())
    held = counts.get((principal.tenant.id, ledger.OPEN_PERIOD), ledger.Count()).held
    return [job.id for job in found], held


def test_a_job_is_written_held_and_queued(core, caller):
    """One row, one hold, one message, one view for pollers; the answer names what was repaired."""

    async def work(opened):
        principal = caller(opened)
        made = await submit_repaired(
            opened, principal, GenerateRequest(prompt="@aya red coat, -hat", width=10, height=10), surface="action"
        )
        ids, held = listed(opened, principal)
        assert (ids, held) == ([made.job.id], 1)
        assert made.job.state is State.QUEUED
        assert made.warnings == ("width", "height")
        assert (made.job.recipe.prompt_parts.prompt, made.job.recipe.prompt_parts.character) == (
            "@aya red coat, -hat",
            "aya",
        )
        assert opened.publisher.depth(made.job.queue) == 1
        assert (await opened.live.run(job_views.get_view(made.job.id))).view.state is State.QUEUED
        assert await opened.live.run(waiting.count(["render.eros"])) == 1

    core(work)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt": " "}, PromptRequired),
        ({"prompt": "x" * 10_001}, InvalidField),
        ({"prompt": "red coat", "negative": "x" * 10_001}, InvalidField),
        ({"prompt": "red coat", "wm_image": lambda: b"no picture"}, InvalidField),
        ({"prompt": "red coat", "use_cache": True, "cache_only": True}, CacheMiss),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else ",".join(value),
)
def test_a_refused_request_leaves_nothing(core, caller, fields, expected):
    """No row, no hold, no message."""

    async def work(opened):
        principal = caller(opened)
        with pytest.raises(expected):
            await submit_repaired(opened, principal, GenerateRequest(**fields), surface="action")
        assert listed(opened, principal) == ([], 0)
        assert opened.publisher.depth("render.eros") == 0

    core(work)


def test_limits_are_kept_one_after_another(core, caller):
    """A tenant that is slowed down, a plan's open jobs, its pictures of a day and a full queue: each says when to come back."""

    async def refused(opened, principal) -> ImgenError:
        with pytest.raises(ImgenError) as caught:
            await submit_repaired(opened, principal, GenerateRequest(prompt="red coat"), surface="action")
        assert caught.value.retry_after_s >= 1
        return caught.value

    async def work(opened):
        small = structs.replace(opened.plan_of("trial"), open_jobs=2)
        opened.configured = replace(opened.configured, plans={**opened.configured.plans, "trial": small})
        principal, slow, poor = caller(opened), caller(opened, "slow"), caller(opened, "poor", "trial")
        await opened.live.run(block_penalty.penalize(slow.tenant.id, 30))
        assert isinstance(await refused(opened, slow), RateLimited)
        for _ in range(2):
            await submit_repaired(opened, poor, GenerateRequest(prompt="red coat"), surface="action")
        assert isinstance(await refused(opened, poor), QueueFull)
        small = structs.replace(opened.plan_of("trial"), pictures_per_day=2, open_jobs=0)
        opened.configured = replace(opened.configured, plans={**opened.configured.plans, "trial": small})
        assert isinstance(await refused(opened, poor), QuotaExceeded)
        for _ in range(MAX_QUEUED - 2):
            await submit_repaired(opened, principal, GenerateRequest(prompt="red coat"), surface="action")
        assert isinstance(await refused(opened, principal), QueueFull)

    core(work, f"[jobs]\nmax_queued = {MAX_QUEUED}\n")


def test_the_same_again_is_a_job_of_its_own(core, caller):
    """An earlier job's recipe, seed included, under new ids, held once more."""

    async def work(opened):
        principal = caller(opened)
        first = (await submit_repaired(opened, principal, GenerateRequest(prompt="red coat"), surface="action")).job
        second = await submit.resubmit(opened, principal, first, surface="web")
        assert second.recipe == first.recipe
        assert len({first.id, second.id, first.gen_id, second.gen_id, first.watermark_id, second.watermark_id}) == 6
        assert listed(opened, principal) == ([second.id, first.id], 2)

    core(work)
