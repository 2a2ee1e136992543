"""Orders of quality tiers, from the request to the hold."""

from dataclasses import replace

import pytest
from msgspec import UNSET, structs
from settings.test_tiers import ORIGINAL

from imgen.domain.errors import InvalidField, PromptRequired, QuotaExceeded, TierNotInPlan
from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.request import GenerateRequest
from imgen.domain.tiers import TIERS, Tiers
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.records import job_transitions
from imgen.services.accounts.usage import usage
from imgen.services.orders import strict_order, tier_order
from imgen.services.served_queues import ServedQueues
from imgen.services.submit import resubmit, submit
from imgen.services.tiers import model_offers, tier_candidate, tier_offers


def ask(core, principal, prompt="red coat", tier="standard", pinned="", ratio="", **fields):
    request = GenerateRequest(prompt=prompt, **fields)
    return tier_order(core, principal, request, tier=tier, pinned=pinned, ratio=ratio, is_plain=True)


def configure(core, *, models=("eros", "other"), models_of=("*",), plans=None, **tier):
    """Gives the core copies of its first model under these names, and changes the tier `ultra`, its models and all plans."""
    first = core.catalog.model("")
    catalog = structs.replace(core.catalog, models={key: structs.replace(first, key=key) for key in models})
    ultra = structs.replace(core.tiers.tiers["ultra"], models=models_of, **tier)
    tiers = Tiers(tiers={**core.tiers.tiers, "ultra": ultra}, selectable=core.tiers.selectable)
    plans = {key: structs.replace(plan, **(plans or {})) for key, plan in core.configured.plans.items()}
    core.configured = replace(core.configured, catalog=catalog, tiers=tiers, plans=plans)


def test_a_tiers_order_becomes_a_job_of_its_figures(core, caller):
    """The recipe has tier, size, steps, credits and time limit; the prompt is plain."""

    async def work(opened):
        principal = caller(opened)
        order = await ask(opened, principal, "@aya, -hat", tier="ultra", seed=5)
        recipe = (await submit(opened, principal, order, surface="forge")).job.recipe
        assert (recipe.tier, recipe.credits, recipe.time_limit_s, recipe.pinned) == ("ultra", 8, 60, UNSET)
        assert (recipe.diffusion.width, recipe.diffusion.height) == (1024, 1024)
        assert (recipe.diffusion.num_inference_steps, recipe.diffusion.seed) == (20, 5)
        assert (recipe.plain_prompt, recipe.prompt_parts.character) == ("@aya, -hat", "")
        assert recipe.diffusion.positive.startswith("@aya, -hat")
        assert recipe.diffusion.negative.count("hat") == 0

    core(work)


def test_a_dialect_with_the_prompt_syntax_has_characters(core, caller):
    """And negative terms; nothing is kept beside the prompt itself."""

    async def work(opened):
        request = GenerateRequest(prompt="@aya red coat, -hat")
        order = strict_order(opened, caller(opened), request)
        assert (order.parsed.character, order.parsed.negative, order.plain_prompt) == ("aya", ("hat",), None)
        with pytest.raises(PromptRequired):
            strict_order(opened, caller(opened, "other"), GenerateRequest(prompt=" ,"), is_plain=True)

    core(work)


@pytest.mark.parametrize(
    ("asked", "field", "told"),
    [
        ({"tier": "best"}, "tier", "Invalid tier"),
        ({"pinned": "flux-2-dev"}, "model", "Model flux-2-dev is not available: engines.toml has no engine workersai"),
        ({"pinned": "@cf/nobody/nothing"}, "model", "Invalid model"),
        ({"ratio": "5:4"}, "ratio", "Invalid ratio"),
        ({"steps": 1000}, "steps", "Invalid steps"),
        ({"seed": "7"}, "seed", "Invalid seed"),
        ({"prompt": "x" * 10_001}, "prompt", "Invalid prompt"),
        ({"prompt": ["red coat"]}, "prompt", "Invalid prompt"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(core, caller, asked, field, told):
    """By the name of the field, with the reason where there is more to say."""

    async def work(opened):
        with pytest.raises(InvalidField) as refused:
            await ask(opened, caller(opened), **asked)
        assert (refused.value.field, str(refused.value)) == (field, told)

    core(work)


def test_a_tier_that_nothing_draws_is_refused(core, caller):
    """With the models that it lacks."""

    async def work(opened):
        configure(opened, models=("vast",), models_of=("huge",))
        with pytest.raises(InvalidField, match="^Unavailable: none of huge is configured$"):
            await ask(opened, caller(opened), tier="ultra")

    core(work)


def test_the_first_model_that_a_worker_serves_draws(core, caller):
    """With no worker the first one does: its job waits."""

    async def work(opened):
        configure(opened, models_of=("huge", "eros", "other"))
        ultra = opened.tiers.tiers["ultra"]
        assert (await tier_candidate(opened, ultra)).model.key == "eros"
        beat = WorkerHeartbeat(name="w", queues=("render.other",), pid=1, memory_bytes=1, since=0.0, at=opened.clock())
        await opened.live.run(workers.publish(beat))
        opened.served_queues = ServedQueues()
        assert (await tier_candidate(opened, ultra)).model.key == "other"
        order = await ask(opened, caller(opened), tier="ultra")
        assert order.model.key == "other"

    core(work)


def test_tiers_and_models_are_listed_as_they_are_now(core):
    """With the model that draws, what it can do, and the reason where there is none."""

    async def work(opened):
        fresh = await tier_offers(opened)
        assert [offer.tier.key for offer in fresh] == list(TIERS)
        assert {offer.model.key for offer in fresh} == {"eros"}
        assert all(offer.note.startswith("Drawn by ") and offer.capabilities.seed for offer in fresh)
        listed = {offer.entry.key: offer for offer in await model_offers(opened)}
        assert len(listed) == 14
        assert (listed["starter"].model.key, listed["starter"].reason) == ("eros", "")
        for name in ORIGINAL.values():
            offer = listed[name]
            assert (offer.model, offer.capabilities) == (None, None)
            assert offer.provider == "imgen"
            assert offer.reason.startswith(f"Model {offer.entry.model} is not ")
        configure(opened, models=("vast", "sdxl-base"), models_of=("huge",))
        ultra = (await tier_offers(opened))[3]
        assert (ultra.model, ultra.capabilities, ultra.note) == (None, None, "Unavailable: none of huge is configured")
        found = {offer.entry.key for offer in await model_offers(opened) if offer.model is not None}
        assert found == {"@cf/stabilityai/stable-diffusion-xl-base-1.0"}

    core(work)


@pytest.mark.parametrize(
    ("ratio", "size"), [("4:3", (1024, 768)), ("16:9", (1344, 768)), ("1:1", (1024, 1024)), ("2:3", (832, 1216))]
)
def test_a_ratio_is_a_size_of_the_model(core, caller, ratio, size):
    """Counted as sent, so that a source does not change it."""

    async def work(opened):
        principal = caller(opened)
        order = await ask(opened, principal, ratio=ratio)
        assert (order.width, order.height) == size
        assert order.sent >= {"width", "height"}
        configure(opened, ratios=("1:1",))
        if ratio != "1:1":
            with pytest.raises(InvalidField, match="Invalid ratio"):
                await ask(opened, principal, tier="ultra", ratio=ratio)

    core(work)


def test_a_tiers_credits_are_held_and_a_pinned_models_are_its_own(core, caller):
    """A tenant with too few left for the tier is refused, and may still draw what costs less."""

    async def work(opened):
        configure(opened, models=("eros",), credits=8, plans={"credits_per_month": 10})
        principal = caller(opened)
        first = (await submit(opened, principal, await ask(opened, principal, tier="ultra"), surface="forge")).job
        with pytest.raises(QuotaExceeded):
            await submit(opened, principal, await ask(opened, principal, tier="ultra"), surface="forge")
        pinned = await ask(opened, principal, tier="ultra", pinned="Starter")
        second = (await submit(opened, principal, pinned, surface="forge")).job
        assert (first.recipe.credits, second.recipe.credits, second.recipe.pinned) == (8, 1, "Starter")
        assert (await usage(opened, principal)).tenant["month"].credits_held == 9

        def end(connection):
            job = job_transitions.claim(connection, first.id, waiting=State.QUEUED, lease_s=60, max_attempts=3)
            job_transitions.end(connection, job, State.TIMED_OUT, Outcome(error="Timed out after 60 s"))

        await opened.database.writing(end)
        assert (await usage(opened, principal)).tenant["month"].credits_held == 1

    core(work)


def test_the_same_picture_again_costs_what_its_tier_costs_now(core, caller):
    """And a plan that lost the tier refuses it."""

    async def work(opened):
        principal = caller(opened)
        first = (await submit(opened, principal, await ask(opened, principal, tier="ultra"), surface="forge")).job
        configure(opened, models=("eros",), credits=5)
        again = await resubmit(opened, principal, first, surface="panel")
        assert (again.recipe.credits, again.recipe.tier, again.recipe.time_limit_s) == (5, "ultra", 60)
        configure(opened, models=("eros",), plans={"tiers": ("draft",)})
        with pytest.raises(TierNotInPlan):
            await resubmit(opened, principal, first, surface="panel")
        with pytest.raises(TierNotInPlan):
            await submit(opened, principal, await ask(opened, principal, tier="ultra"), surface="forge")
        assert (await submit(opened, principal, await ask(opened, principal, tier="draft"), surface="forge")).job

    core(work)
