"""Recipes and the jobs that hold them: made of a resolved request, or of a cached picture."""

from msgspec import UNSET, structs

from imgen.domain.account import Plan
from imgen.domain.ids import new_cached_id, new_gen_id, new_job_id, new_watermark_id
from imgen.domain.job import FINISH_QUEUE, Job, State, render_queue
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, compose, unparse
from imgen.domain.recipe import CacheHit, Diffusion, Input, PromptParts, Recipe, VisibleWatermark
from imgen.domain.repair import is_absent
from imgen.domain.request import GenerateRequest, ResolvedRequest
from imgen.records.cache import Entry
from imgen.services.core import Core


def make_recipe(
    core: Core,
    resolved: ResolvedRequest,
    *,
    final: Parsed,
    visible_watermark: VisibleWatermark,
    inputs: tuple[Input, ...],
    cache_entry_id: str,
    weights: str,
) -> Recipe:
    """Makes the recipe of a new picture.

    Args:
        core: the core.
        resolved: the request.
        final: the prompt to render, enhanced or not.
        visible_watermark: with the key of its logo.
        inputs: source and mask, stored.
        cache_entry_id: id of the cache entry to keep the picture under; empty: none.
        weights: digest of the weights that the entry's partition is of; empty: none.
    """
    model, negative = resolved.model, resolved.negative
    character = core.catalog.characters.get(final.character)
    positive_text, negative_text = compose(
        final, model=model, style=model.styles[resolved.style], character=character, negative=negative
    )
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
            seed=resolved.seed,
            num_inference_steps=resolved.num_inference_steps,
            guidance_scale=resolved.guidance_scale,
            lora=character.loras.get(model.key, "") if character else "",
            lora_scale=resolved.lora_scale,
            inputs=inputs,
            upscale=resolved.upscale,
        ),
        output=resolved.output,
        visible_watermark=visible_watermark,
        attribution=resolved.attribution,
        ruleset=resolved.ruleset,
        precompliance=resolved.precompliance,
        cache_entry_id=cache_entry_id,
        weights=weights or UNSET,
    )


def make_job(core: Core, principal: Principal, recipe: Recipe, plan: Plan, surface: str) -> Job:
    """Makes a new job that waits to be rendered."""
    now = core.clock()
    return Job(
        id=new_job_id(),
        gen_id=new_gen_id(),
        tenant_id=principal.tenant.id,
        key_id=principal.id,
        surface=surface,
        state=State.QUEUED,
        queue=render_queue(recipe.model),
        priority=plan.priority,
        fence=0,
        attempts=0,
        recipe=recipe,
        watermark_id=new_watermark_id(),
        created_at=now,
        available_at=now,
        published_at=now,
        deadline_at=now + core.settings.jobs.deadline_s,
    )


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
        id=new_cached_id(),
        state=State.RENDERED,
        queue=FINISH_QUEUE,
        master_key=entry.master_key,
        recipe=structs.replace(job.recipe, diffusion=diffusion, cache_hit=cache_hit),
    )


def unused_fields(request: GenerateRequest, resolved: ResolvedRequest, entry: Entry) -> tuple[str, ...]:
    """Returns the sampling parameters that the request sent and its cache hit was not made with."""
    made = entry.made_with
    pairs = {
        "seed": (resolved.seed, made.seed),
        "steps": (resolved.num_inference_steps, made.num_inference_steps),
        "guidance": (resolved.guidance_scale, made.guidance_scale),
        "lora_scale": (resolved.lora_scale, made.lora_scale),
    }
    return tuple(
        name for name, (wanted, used) in pairs.items() if not is_absent(getattr(request, name)) and wanted != used
    )
