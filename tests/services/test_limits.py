"""Cheap refusals come before dear work: enhancer, embedder and logo are asked for nothing that is refused anyway."""

from dataclasses import replace

import pytest
from msgspec import structs
from submitting import submit_repaired

from imgen.domain.errors import QueueFull, QuotaExceeded, SurfaceNotInPlan, TooManyBlocked
from imgen.domain.request import GenerateRequest
from imgen.live import block_penalty
from imgen.services import prompts, submit
from imgen.services.semantic_cache.cache import SemanticCache


class CountingEnhancer:
    """An enhancer that counts how often it is asked."""

    asked = 0

    async def terms(self, positive, model, style):
        self.asked += 1
        return (*positive, "soft light")

    async def close(self):
        pass


class CountingEmbedder:
    """An embedder that counts how often it is asked."""

    name = "counting"
    asked = 0

    async def vector(self, text):
        self.asked += 1

    async def close(self):
        pass


async def count(core):
    """Puts counting parts in the place of the real ones."""
    await core.cache.close()
    enhancer, embedder = CountingEnhancer(), CountingEmbedder()
    core.enhancer = enhancer
    core.cache = SemanticCache(core.settings.cache, core.database, core.live, embedder, None)
    return enhancer, embedder


def with_plans(core, **limits):
    plans = {name: structs.replace(one, **limits) for name, one in core.configured.plans.items()}
    core.configured = replace(core.configured, plans=plans)


DEAR = {"optimize": True, "use_cache": True}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"pictures_per_day": 1}, QuotaExceeded),
        ({"pictures_per_month": 1}, QuotaExceeded),
        ({"credits_per_day": 1}, QuotaExceeded),
        ({"credits_per_month": 1}, QuotaExceeded),
        ({"open_jobs": 1}, QueueFull),
    ],
    ids=str,
)
def test_what_the_plan_refuses_costs_nothing(core, caller, plan, expected):
    """Neither `generate` with `optimize` and `use_cache` nor the action `optimize` asks another part."""

    async def work(opened):
        enhancer, embedder = await count(opened)
        principal = caller(opened)
        await submit_repaired(opened, principal, GenerateRequest(prompt="vase", **DEAR), surface="action")
        assert (enhancer.asked, embedder.asked) == (1, 1)
        with_plans(opened, **plan)
        with pytest.raises(expected):
            await submit_repaired(opened, principal, GenerateRequest(prompt="vase", **DEAR), surface="action")
        if expected is QuotaExceeded:
            with pytest.raises(expected):
                await prompts.optimize(opened, principal, "vase", model=None, style=None, surface="action")
        assert (enhancer.asked, embedder.asked) == (1, 1)

    core(work)


def test_a_full_queue_and_a_penalty_cost_nothing(core, caller):
    """Whoever is refused for either has asked nobody."""

    async def work(opened):
        enhancer, embedder = await count(opened)
        principal, slow = caller(opened), caller(opened, "slow")
        await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")
        await opened.live.run(block_penalty.penalize(slow.tenant.id, 30))
        for who, expected in ((slow, TooManyBlocked), (principal, QueueFull)):
            with pytest.raises(expected):
                await submit_repaired(opened, who, GenerateRequest(prompt="vase", optimize=True), surface="action")
            with pytest.raises(expected):
                await prompts.optimize(opened, who, "vase", model=None, style=None, surface="action")
        assert (enhancer.asked, embedder.asked) == (0, 0)
        # A picture of the cache needs no place in the queue of renders: it may still be looked up
        with pytest.raises(QueueFull):
            await submit_repaired(opened, principal, GenerateRequest(prompt="vase", **DEAR), surface="action")
        assert (enhancer.asked, embedder.asked) == (0, 1)

    core(work, "[jobs]\nmax_queued = 1\n")


@pytest.mark.parametrize("surface", ["playground", "panel"])
def test_a_surface_outside_the_plan_makes_nothing(core, caller, surface):
    """Neither a job nor a prompt, and no other part is asked."""

    async def work(opened):
        enhancer, embedder = await count(opened)
        principal = caller(opened)
        job = (await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface=surface)).job
        with_plans(opened, surfaces=("action",))
        for refused in (
            submit_repaired(opened, principal, GenerateRequest(prompt="vase", **DEAR), surface=surface),
            submit.resubmit(opened, principal, job, surface=surface),
            prompts.optimize(opened, principal, "vase", model=None, style=None, surface=surface),
        ):
            with pytest.raises(SurfaceNotInPlan):
                await refused
        assert (enhancer.asked, embedder.asked) == (0, 0)

    core(work)


def test_open_jobs_stop_no_prompt(core, caller):
    """`optimize` makes no job: it is for the next one, while the tenant's own are under way."""

    async def work(opened):
        enhancer, _ = await count(opened)
        principal = caller(opened)
        with_plans(opened, open_jobs=1)
        await submit_repaired(opened, principal, GenerateRequest(prompt="vase"), surface="action")
        made = await prompts.optimize(opened, principal, "vase", model=None, style=None, surface="action")
        assert (made.prompt, enhancer.asked) == ("vase, soft light", 1)

    core(work)
