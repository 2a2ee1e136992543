"""Recipes and the jobs that hold them: made of a resolved request, or of a cached picture."""

from collections.abc import Sequence

from msgspec import UNSET, structs

from imgen.domain.account import Plan
from imgen.domain.ids import new_cached_id, new_gen_id, new_job_id, new_watermark_id
from imgen.domain.job import FINISH_QUEUE, Job, State, render_queue
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, compose, unparse
from imgen.domain.recipe import CacheHit, Diffusion, Input, PromptParts, Recipe, VisibleWatermark
from imgen.domain.request import MAX_SEED, ResolvedRequest
from imgen.records.cache import Entry, new_entry_id
from imgen.services.core import Core


def make_recipe(
    core: Core,
    resolved: ResolvedRequest,
    index: int = 0,
    *,
    final: Parsed,
    visible_watermark: VisibleWatermark,
    inputs: tuple[Input, ...],
    is_kept: bool = False,
    weights: str,
) -> Recipe:
    """Makes the recipe of a new picture.

    Args:
        core: the core.
        resolved: the order.
        index: place among its pictures, 0 is the first; added to the seed.
        final: the prompt to render, enhanced or not.
        visible_watermark: with the key of its logo.
        inputs: source and mask, stored.
        is_kept: whether the picture gets an entry of the semantic cache.
        weights: digest of the weights that the entry's partition is of; empty: none.
    """
    model, negative = resolved.model, resolved.negative
    character = core.catalog.characters.get(final.character)
    positive_text, negative_text = compose(
        final, model=model, style=model.styles[resolved.style], character=character, negative=negative
    )
    if resolved.is_enhance:  # nothing is drawn
        positive_text = negative_text = ""
    return Recipe(
        model=model.key,
        style=resolved.style,
        prompt_parts=PromptParts(
            prompt=unparse(final),
            original_prompt=unparse(resolved.parsed),
            character=final.character,
            positive=", ".join(final.positive),
            negative=", ".join(part for part in (*final.negative, negative) if part),
            optimized=final != resolved.parsed,
        ),
        diffusion=Diffusion(
            positive=positive_text,
            negative=negative_text,
            width=resolved.width,
            height=resolved.height,
            seed=(resolved.seed + index) % (MAX_SEED + 1),
            num_inference_steps=resolved.num_inference_steps,
            guidance_scale=resolved.guidance_scale,
            lora=character.loras.get(model.key, "") if character else "",
            lora_scale=resolved.lora_scale,
            inputs=inputs,
            upscale=resolved.upscale,
            seam_px=UNSET if resolved.seam_px is None else resolved.seam_px,
        ),
        output=resolved.output,
        visible_watermark=visible_watermark,
        attribution=resolved.attribution,
        ruleset=resolved.ruleset,
        precompliance=resolved.precompliance,
        cache_entry_id=new_entry_id() if is_kept else "",
        weights=weights or UNSET,
        credits=resolved.credits,
        tier=resolved.tier or UNSET,
        pinned=resolved.pinned or UNSET,
        time_limit_s=resolved.time_limit_s or UNSET,
        mode=resolved.mode or UNSET,
        frame=resolved.frame or UNSET,
        notes=resolved.notes,
        plain_prompt=UNSET if resolved.plain_prompt is None else resolved.plain_prompt,
    )


def make_job(
    core: Core,
    principal: Principal,
    recipe: Recipe,
    plan: Plan,
    surface: str,
    *,
    webhook_url: str = "",
    request_id: str = "",
) -> Job:
    """Makes a new job that waits to be rendered; its ids are empty until it is enqueued."""
    now = core.clock()
    return Job(
        id="",
        gen_id="",
        tenant_id=principal.tenant.id,
        counted_as=principal.counted_as,
        surface=surface,
        state=State.QUEUED,
        queue=render_queue(recipe.model),
        priority=plan.priority,
        fence=0,
        attempts=0,
        recipe=recipe,
        watermark_id="",
        created_at=now,
        available_at=now,
        published_at=now,
        deadline_at=now + core.settings.jobs.deadline_s,
        webhook_url=webhook_url,
        request_id=request_id,
    )


def with_new_ids(batch: Sequence[Job]) -> list[Job]:
    """Gives the new jobs of one request ids of their own, and several of them that of their batch.

    Ids rise with the place in the batch: lists and waiting positions order jobs of one time by id. Cache hits come first.
    """
    ids = sorted(new_job_id() if job.recipe.cache_hit is None else new_cached_id() for job in batch)
    batch_id = ids[0] if len(ids) > 1 else None
    return [
        structs.replace(
            job,
            id=job_id,
            gen_id=new_gen_id(),
            watermark_id=new_watermark_id(),
            batch_id=batch_id,
            batch_index=index,
        )
        for index, (job, job_id) in enumerate(zip(batch, ids, strict=True))
    ]


def cache_hit_job(job: Job, entry: Entry) -> Job:
    """Turns a new job into a cache hit: rendered and reviewed, with the cached master and its sampling parameters."""
    made = entry.made_with
    diffusion = structs.replace(
        job.recipe.diffusion,
        seed=made.seed,
        num_inference_steps=made.num_inference_steps,
        guidance_scale=made.guidance_scale,
        lora_scale=made.lora_scale,
    )
    cache_hit = CacheHit(entry_id=entry.id, codes=entry.codes, policy_digest=entry.policy_digest)
    return structs.replace(
        job,
        state=State.RENDERED,
        queue=FINISH_QUEUE,
        master_key=entry.master_key,
        recipe=structs.replace(job.recipe, diffusion=diffusion, cache_hit=cache_hit),
    )


def unused_fields(resolved: ResolvedRequest, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Returns the sampling parameters that the request sent and a cache hit was not made with."""
    made = [entry.made_with for entry in entries]
    pairs: dict[str, tuple[float, set[float]]] = {
        "seed": (resolved.seed, {one.seed for one in made}),
        "steps": (resolved.num_inference_steps, {one.num_inference_steps for one in made}),
        "guidance": (resolved.guidance_scale, {one.guidance_scale for one in made}),
        "lora_scale": (resolved.lora_scale, {one.lora_scale for one in made}),
    }
    return tuple(name for name, (wanted, used) in pairs.items() if name in resolved.sent and used - {wanted})
