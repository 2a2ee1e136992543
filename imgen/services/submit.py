"""Submission of an order: check load, look up, enhance, make the recipes, enqueue. Read `submit` from top to bottom."""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
from msgspec import UNSET, Struct, structs
from sqlalchemy import Connection

from imgen.domain.account import Plan
from imgen.domain.capabilities import heeding
from imgen.domain.catalog import Size
from imgen.domain.errors import EnhancementFailed, InvalidField
from imgen.domain.framing import exported_px, fit_export
from imgen.domain.idempotency import Once
from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed
from imgen.domain.recipe import ENHANCEMENT_FAILED
from imgen.domain.request import ResolvedRequest, in_order
from imgen.domain.resolution import fit_source
from imgen.records import idempotency as idempotency_records
from imgen.records import jobs
from imgen.records.idempotency import Claim, Made
from imgen.services import idempotency, inputs, limits, logos, recipes
from imgen.services.core import Core
from imgen.services.enhance import enhance
from imgen.services.enqueue import CacheEntryPurged, enqueue
from imgen.services.orders import credits_of
from imgen.services.product_masks import with_product_mask
from imgen.services.semantic_cache.lookup import look_up
from imgen.services.webhooks.addresses import own_url

log = structlog.get_logger(__name__)
Note = Callable[[Connection, Made], None]


class Submitted(Struct, frozen=True, kw_only=True):
    """New jobs of a request, and its fields that were repaired or have no effect."""

    jobs: tuple[Job, ...]
    """One for each picture, at least one, in the order of their seeds."""
    warnings: tuple[str, ...]
    is_replayed: bool = False
    """Whether an earlier request with the same idempotency key made them."""

    @property
    def job(self) -> Job:
        """First of the jobs, which stands for all of them."""
        return self.jobs[0]


async def submit(
    core: Core,
    principal: Principal,
    resolved: ResolvedRequest,
    *,
    surface: str,
    once: Once | None = None,
    request_id: str = "",
    note: Note | None = None,
) -> Submitted:
    """Makes a job for each picture of an order, all or none; with `once` a repetition gets the jobs of the first request.

    The jobs keep `request_id`. `note` is called in the transaction that makes them.

    Raises:
        RequestInProgress, KeyReused: see idempotency.run_once.
        InvalidField: a picture of the order cannot be used.
        EnhancementFailed: the request has `optimize` and the enhancer did not answer; no job is made.
        CacheMiss: the request has `cache_only` and nothing was found.
        SurfaceNotInPlan, TierNotInPlan, ExportNotInPlan: the tenant's plan does not include the surface, tier or size.
        QueueFull, QuotaExceeded, RateLimited: try again later; the last after too many blocked pictures.
        Retryable: Redis, the database or, with a picture, the object store does not answer or is full; no job is made.
        GenerationFailed: the jobs could not be handed on.
    """
    if once is None:
        return await _submit(core, principal, resolved, surface, request_id=request_id, note=note)
    return await idempotency.run_once(
        core,
        principal.quota_owner,
        once,
        make=partial(_submit, core, principal, resolved, surface, request_id=request_id, note=note),
        replay=partial(replay, core, principal),
        takes_long=_is_dear(resolved),
    )


async def find_submitted(core: Core, principal: Principal, once: Once | None) -> Submitted | None:
    """Finds the jobs that an earlier request made under the same key; None: none, or there is no key.

    For surfaces whose orders name what may be gone since, such as a job to start from: ask before the order is made.

    Raises:
        RequestInProgress, KeyReused: see records.idempotency.find.
        JobNotFound: one of the jobs has been deleted since.
    """
    if once is None:
        return None
    made = await core.database.reading(idempotency_records.find, principal.quota_owner, once)
    return None if made is None else await replay(core, principal, made)


async def _submit(
    core: Core,
    principal: Principal,
    resolved: ResolvedRequest,
    surface: str,
    claim: Claim | None = None,
    *,
    request_id: str,
    note: Note | None = None,
) -> Submitted:
    order, plan = resolved, core.plan_of(principal.tenant.plan)
    plan.require_surface(surface)
    plan.require_tier(resolved.tier)
    plan.require_export(resolved.export.long_side if resolved.export else 0)
    webhook_url = own_url(core.settings.webhooks, resolved.webhook_url)
    await limits.check_penalty(core, principal)
    if _is_dear(resolved):
        await limits.check_quota(core, principal, jobs=resolved.n, cost=resolved.n * resolved.credits)
    await limits.check_queue(core, jobs=resolved.n, cache_hits=None if resolved.use_cache else 0)
    if not resolved.is_enhance:  # which no model draws
        resolved = heeding(resolved, await core.capabilities(resolved.model))
    logo = await logos.read_logo(resolved.logo, field="wm_image") if resolved.logo else None
    pictures = await inputs.read_inputs(core, principal, resolved)
    if pictures.size:
        resolved, pictures = await _fitted(core, resolved, pictures, pictures.size, plan)
    found = await look_up(core, principal, resolved)
    hits = len(found.entries)
    number = hits if resolved.use_cache and resolved.cache_only else resolved.n
    if resolved.use_cache:  # known now
        await limits.check_queue(core, jobs=number, cache_hits=hits)
    final = resolved.parsed
    if resolved.optimize and hits < number:
        resolved, final = await _enhanced(core, resolved)
    visible_watermark = resolved.visible_watermark
    if logo is not None:  # stored last: a refused request leaves no file
        image_key = await logos.store_logo(core, principal, logo)
        visible_watermark = structs.replace(visible_watermark, image_key=image_key)
    given = await inputs.store_inputs(core, principal, pictures, strength=resolved.image_strength)

    def new_job(index: int, prompt: Parsed, *, is_kept: bool = False) -> Job:
        recipe = recipes.make_recipe(
            core,
            resolved,
            index,
            final=prompt,
            visible_watermark=visible_watermark,
            inputs=given,
            is_kept=is_kept,
            weights=found.weights,
        )
        return recipes.make_job(core, principal, recipe, plan, surface, webhook_url=webhook_url, request_id=request_id)

    batch = [recipes.cache_hit_job(new_job(at, resolved.parsed), entry) for at, entry in enumerate(found.entries)]
    batch += [new_job(at, final, is_kept=found.pending is not None) for at in range(hits, number)]
    unused = recipes.unused_fields(resolved, found.entries)
    too_many = ("n",) if number < resolved.n else ()
    keeping = ("mask",) if pictures.mask is not None and pictures.mask.is_black else ()
    warnings = in_order((*resolved.warnings, *unused, *too_many, *keeping))
    try:
        stored = await enqueue(
            core,
            batch,
            plan,
            pending=found.pending,
            is_looked_up=resolved.use_cache and not given,
            note_made=partial(_note_made, claim, note, warnings),
        )
    except CacheEntryPurged:  # the next look-up does not find it
        return await _submit(core, principal, order, surface, claim, request_id=request_id, note=note)
    for one in stored:
        _log(core, one)
    return Submitted(jobs=tuple(stored), warnings=warnings)


async def _fitted(
    core: Core, resolved: ResolvedRequest, pictures: inputs.ReadInputs, size: Size, plan: Plan
) -> tuple[ResolvedRequest, inputs.ReadInputs]:
    """Gives an order the sizes that follow from its source's, and a product its mask.

    Raises:
        InvalidField, Retryable: see product_masks.
    """
    export = resolved.export
    if export is None:
        return fit_source(resolved, size), pictures
    able = await core.capabilities(resolved.model)
    if resolved.keeps_product:
        resolved, pictures = await with_product_mask(core, resolved, pictures, able)
    return fit_export(resolved, export, size, able, longest_px=plan.max_export_px), pictures


async def _enhanced(core: Core, resolved: ResolvedRequest) -> tuple[ResolvedRequest, Parsed]:
    """Returns an order, with a note if its prompt stays as it was sent, and the prompt to draw.

    Raises:
        EnhancementFailed: the enhancer did not answer, and the request must not go on without it.
    """
    try:
        style = resolved.model.styles[resolved.style]
        return resolved, await enhance(core.enhancer, resolved.parsed, resolved.model, style)
    except EnhancementFailed:
        if resolved.must_optimize:
            raise
        return structs.replace(resolved, notes=(*resolved.notes, ENHANCEMENT_FAILED)), resolved.parsed


def _note_made(
    claim: Claim | None, note: Note | None, warnings: tuple[str, ...], connection: Connection, stored: Sequence[Job]
) -> None:
    made = Made(ids=tuple(job.id for job in stored), warnings=warnings)
    if claim is not None:
        idempotency_records.finish(connection, claim, made)
    if note is not None:
        note(connection, made)


async def replay(core: Core, principal: Principal, made: Made) -> Submitted:
    """Returns the jobs that an earlier request made.

    Raises:
        JobNotFound: one has been deleted since.
        UnreadableRow: a newer version made it.
    """
    found = [await core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id) for job_id in made.ids]
    return Submitted(jobs=tuple(found), warnings=made.warnings, is_replayed=True)


async def resubmit(core: Core, principal: Principal, job: Job, *, surface: str) -> Job:
    """Makes a job with the recipe of an earlier one, seed included; it is rendered, reviewed and charged again.

    Raises:
        SurfaceNotInPlan, TierNotInPlan, ExportNotInPlan, QueueFull, QuotaExceeded, RateLimited, Retryable, GenerationFailed: as
            for `submit`.
        InvalidField: its model or ruleset is not configured any more.
        Invalid: its logo, source or mask is not stored any more.
    """
    recipe = structs.replace(job.recipe, cache_hit=None, cache_entry_id="", weights=UNSET)
    if recipe.model not in core.catalog.models or recipe.ruleset not in core.rulesets:
        raise InvalidField("model")
    plan = core.plan_of(principal.tenant.plan)
    plan.require_surface(surface)
    plan.require_tier(recipe.tier or "")
    plan.require_export(exported_px(recipe))
    recipe = structs.replace(recipe, credits=credits_of(core, recipe))
    await limits.check_penalty(core, principal)
    await limits.check_quota(core, principal, cost=recipe.credits)
    await limits.check_queue(core)
    if recipe.visible_watermark.image_key:
        image_key = await logos.store_again(core, principal, recipe.visible_watermark.image_key)
        visible_watermark = structs.replace(recipe.visible_watermark, image_key=image_key)
        recipe = structs.replace(recipe, visible_watermark=visible_watermark)
    given = await inputs.store_again(core, principal, recipe.diffusion.inputs)
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, inputs=given))
    (made,) = await enqueue(core, [recipes.make_job(core, principal, recipe, plan, surface)], plan)
    return made


def _is_dear(resolved: ResolvedRequest) -> bool:
    """Returns whether an order asks for more than rows and messages before its jobs are made."""
    pictures = (resolved.source, resolved.mask, resolved.logo)
    return resolved.optimize or resolved.use_cache or any(picture is not None for picture in pictures)


def _log(core: Core, job: Job) -> None:
    prompt = {"prompt": job.recipe.prompt_parts.prompt} if core.settings.logs.prompts else {}
    log.info(
        "job submitted",
        job=job.id,
        gen_id=job.gen_id,
        tenant=job.tenant_id,
        model=job.recipe.model,
        surface=job.surface,
        **prompt,
    )
