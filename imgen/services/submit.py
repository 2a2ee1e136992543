"""Submission of a request: resolve, check load, look up, enhance, make the recipe, enqueue. Read `submit` from top to bottom."""

import structlog
from msgspec import UNSET, Struct, structs

from imgen.domain.errors import InvalidField
from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.domain.repair import fit_source, resolve
from imgen.domain.request import GenerateRequest, in_order
from imgen.records.cache import new_entry_id
from imgen.services import inputs, limits, logos, recipes
from imgen.services.core import Core
from imgen.services.enhance import enhance
from imgen.services.enqueue import CacheEntryPurged, enqueue
from imgen.services.semantic_cache.lookup import look_up

log = structlog.get_logger(__name__)


class Submitted(Struct, frozen=True, kw_only=True):
    """New job, and the fields of its request that were repaired or have no effect."""

    job: Job
    warnings: tuple[str, ...]


async def submit(core: Core, principal: Principal, request: GenerateRequest, *, surface: str) -> Submitted:
    """Makes a job of a request.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: the request is wrong.
        EnhancementFailed: the request has `optimize` and the enhancer did not answer; no job is made.
        CacheMiss: the request has `cache_only` and nothing was found.
        QueueFull, QuotaExceeded, RateLimited: try again later; the last after too many blocked pictures.
        Retryable: Redis, the database or, with a picture, the object store does not answer or is full; no job is made.
        GenerationFailed: the job could not be handed on.
    """
    limit = core.settings.jobs.max_prompt_chars
    resolved = resolve(request, core.catalog, core.rulesets, max_prompt_chars=limit)
    await limits.check_principal(core, principal)
    await limits.check_queue(core, is_cache_hit=None if request.use_cache else False)
    logo = await logos.read_logo(request.wm_image, field="wm_image") if request.wm_image else None
    pictures = await inputs.read_inputs(core, principal, request)
    if pictures.size:
        resolved = fit_source(resolved, request, pictures.size)
    pending, entry, weights = await look_up(core, principal, request, resolved)
    if request.use_cache:  # known now
        await limits.check_queue(core, is_cache_hit=entry is not None)
    final = resolved.parsed
    if request.optimize and entry is None:
        final = await enhance(core.enhancer, final, resolved.model, resolved.model.styles[resolved.style])
    visible_watermark = resolved.visible_watermark
    if logo is not None:  # stored last: a refused request leaves no file
        image_key = await logos.store_logo(core, principal, logo)
        visible_watermark = structs.replace(visible_watermark, image_key=image_key)
    given = await inputs.store_inputs(core, principal, pictures, strength=resolved.image_strength)
    cache_entry_id = new_entry_id() if pending is not None and entry is None else ""
    recipe = recipes.make_recipe(
        core,
        resolved,
        final=final,
        visible_watermark=visible_watermark,
        inputs=given,
        cache_entry_id=cache_entry_id,
        weights=weights,
    )
    is_looked_up = bool(request.use_cache) and not given
    plan = core.plan_of(principal.tenant.plan)
    job = recipes.make_job(core, principal, recipe, plan, surface)
    if entry is not None:
        job = recipes.cache_hit_job(job, entry)
    try:
        job = await enqueue(core, job, plan, pending=pending, is_looked_up=is_looked_up)
    except CacheEntryPurged:
        return await submit(core, principal, request, surface=surface)  # the next look-up does not find it
    prompt = {"prompt": recipe.prompt_parts.prompt} if core.settings.logs.prompts else {}
    log.info(
        "job submitted",
        job=job.id,
        gen_id=job.gen_id,
        tenant=job.tenant_id,
        model=recipe.model,
        surface=surface,
        **prompt,
    )
    unused = () if entry is None else recipes.unused_fields(request, resolved, entry)
    return Submitted(job=job, warnings=in_order((*resolved.warnings, *unused)))


async def resubmit(core: Core, principal: Principal, job: Job, *, surface: str) -> Job:
    """Makes a job with the recipe of an earlier one, seed included; it is rendered, reviewed and charged again.

    Raises:
        QueueFull, QuotaExceeded, RateLimited, Retryable, GenerationFailed: as for `submit`.
        InvalidField: its model or ruleset is not configured any more.
        Invalid: its logo, source or mask is not stored any more.
    """
    recipe = structs.replace(job.recipe, cache_hit=None, cache_entry_id="", weights=UNSET)
    if recipe.model not in core.catalog.models or recipe.ruleset not in core.rulesets:
        raise InvalidField("model")
    await limits.check_principal(core, principal)
    await limits.check_queue(core, is_cache_hit=False)
    if recipe.visible_watermark.image_key:
        image_key = await logos.store_again(core, principal, recipe.visible_watermark.image_key)
        visible_watermark = structs.replace(recipe.visible_watermark, image_key=image_key)
        recipe = structs.replace(recipe, visible_watermark=visible_watermark)
    given = await inputs.store_again(core, principal, recipe.diffusion.inputs)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, inputs=given))
    plan = core.plan_of(principal.tenant.plan)
    return await enqueue(core, recipes.make_job(core, principal, recipe, plan, surface), plan)
