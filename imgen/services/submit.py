"""From a request to a job: parse, repair, look into the cache, enhance, write row and hold in one transaction, publish."""

import asyncio
import contextlib
import math

import structlog
from msgspec import Struct, structs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import Plan, Principal
from imgen.domain.errors import (
    CacheMiss,
    GenerationFailed,
    InvalidCharacter,
    InvalidField,
    QueueFull,
    RateLimited,
    Retryable,
    Unavailable,
)
from imgen.domain.job import (
    FINISHER,
    Job,
    State,
    new_cached_id,
    new_gen_id,
    new_job_id,
    new_watermark_id,
    render_queue,
    view_of,
)
from imgen.domain.prompt import Parsed, compose, parse, unparse
from imgen.domain.recipe import Brand, Diffusion, Recipe, Reused, Words
from imgen.domain.request import Ask, Order, repair
from imgen.live import block_penalty, job_views
from imgen.records import cache as cache_records
from imgen.records import job_transitions, jobs, ledger
from imgen.records.cache import Entry, PendingEntry
from imgen.services import cache, marks
from imgen.services.core import Core
from imgen.services.enhance import enhance

log = structlog.get_logger(__name__)

INSERT_TRIES = 3


class Submitted(Struct, frozen=True, kw_only=True):
    """What the caller is told of a new job."""

    job: Job
    warnings: tuple[str, ...]


class _EntryGone(Exception):
    """What was found in the cache has been purged meanwhile."""


async def submit(core: Core, principal: Principal, ask: Ask, *, surface: str) -> Submitted:
    """Makes a job.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters, InvalidField: the request.
        EnhancementFailed: `optimize` was asked for and the enhancer did not answer; no job is made.
        CacheMiss: only a cached picture was wanted.
        QueueFull, QuotaExceeded, RateLimited: try again later; the last after too many blocked pictures.
        Unavailable: Redis does not answer, so that nothing could be queued; no job is made.
        GenerationFailed: the job could not be written.
    """
    parsed = parse_prompt(core, ask.prompt)
    if len(ask.negative or "") > core.settings.jobs.max_prompt_chars:
        raise InvalidField("negative")
    order = repair(ask, core.catalog, core.rulesets)
    check_character(core, parsed, order)
    slowed = core.live.run(block_penalty.remaining_ms(principal.tenant.id))
    waiting = core.live.run(job_views.count_waiting())
    if (slowed_ms := await slowed) > 0:
        raise RateLimited(retry_after_s=math.ceil(slowed_ms / 1000))
    brand = await marks.store(core, principal, ask.wm_image, order.brand)
    draft, entry = await _look_up(core, principal, ask, order, parsed)
    if entry is not None:
        waiting = asyncio.ensure_future(asyncio.to_thread(core.publisher.depth, FINISHER))
    if await waiting >= core.settings.jobs.max_queued:
        raise QueueFull(retry_after_s=10)
    final = parsed
    if ask.optimize and entry is None:
        final = await enhance(core.enhancer, parsed, order.model, order.model.styles[order.style])
    recipe = _recipe(core, ask, order, brand, parsed=parsed, final=final)
    plan = core.plan_of(principal.tenant.plan)
    job = _job(core, principal, recipe, plan, surface)
    if entry is not None:
        job = _finished_anew(job, entry)
    elif draft is not None:
        job = structs.replace(job, recipe=structs.replace(recipe, keep_as=cache_records.new_entry_id()))
    try:
        job = await _insert(core, job, plan, draft, is_looked_up=bool(ask.use_cache))
    except _EntryGone:
        return await submit(core, principal, ask, surface=surface)  # which finds it no more
    await _publish(core, job)
    prompt = {"prompt": recipe.words.prompt} if core.settings.logs.prompts else {}
    log.info(
        "job submitted",
        job=job.id,
        gen_id=job.gen_id,
        tenant=job.tenant_id,
        model=recipe.model,
        surface=surface,
        **prompt,
    )
    return Submitted(job=job, warnings=order.warnings)


async def again(core: Core, principal: Principal, job: Job, *, surface: str) -> Job:
    """A new job with the recipe of an earlier one, seed included: rendered, reviewed and charged anew.

    Raises:
        QueueFull, QuotaExceeded, RateLimited, Unavailable, GenerationFailed: as for `submit`.
        InvalidField: its model or ruleset is not configured any more.
    """
    recipe = structs.replace(job.recipe, reused=None, keep_as="")
    if recipe.model not in core.catalog.models or recipe.ruleset not in core.rulesets:
        raise InvalidField("model")
    slowed_ms = await core.live.run(block_penalty.remaining_ms(principal.tenant.id))
    if slowed_ms > 0:
        raise RateLimited(retry_after_s=math.ceil(slowed_ms / 1000))
    if await core.live.run(job_views.count_waiting()) >= core.settings.jobs.max_queued:
        raise QueueFull(retry_after_s=10)
    plan = core.plan_of(principal.tenant.plan)
    made = await _insert(core, _job(core, principal, recipe, plan, surface), plan, None, is_looked_up=False)
    await _publish(core, made)
    return made


def parse_prompt(core: Core, prompt: str | None) -> Parsed:
    """The prompt in its parts.

    Raises:
        PromptRequired, InvalidCharacter, TooManyCharacters: see domain.prompt.parse.
        InvalidField: it is longer than the configured limit.
    """
    text = prompt or ""
    if len(text) > core.settings.jobs.max_prompt_chars:
        raise InvalidField("prompt")
    return parse(text, core.catalog.characters)


def check_character(core: Core, parsed: Parsed, order: Order) -> None:
    """Raises InvalidCharacter if the chosen model does not have the prompt's character."""
    if parsed.character and parsed.character not in core.catalog.characters_of(order.model):
        raise InvalidCharacter


async def _look_up(
    core: Core, principal: Principal, ask: Ask, order: Order, parsed: Parsed
) -> tuple[PendingEntry | None, Entry | None]:
    """What to look for, or to keep the new picture under, and what was found. A cache that does not answer is a miss.

    Raises:
        CacheMiss: only a cached picture was wanted.
    """
    draft, entry = None, None
    if core.cache.wants(is_asked=bool(ask.use_cache)):
        owner = "" if core.settings.cache.shared else principal.tenant.id
        ruleset, negative = core.rulesets[order.ruleset], ask.negative or ""
        partition = cache.partition_of(
            core.catalog, order, parsed, owner=owner, negative=negative, ruleset=f"{order.ruleset} {ruleset}"
        )
        draft = await core.cache.draft(
            tenant_id=principal.tenant.id,
            model=order.model.key,
            partition=partition,
            text=", ".join(parsed.positive),
        )
    if draft is not None and ask.use_cache:
        try:
            entry = await core.cache.find(draft, pick=order.cache_pick, force=bool(ask.cache_force), rng=core.rng)
        except Retryable as exc:
            log.warning("cache not searched", reason=str(exc))
    if entry is None and ask.use_cache and ask.cache_only:
        with contextlib.suppress(Retryable):
            await core.database.writing(cache_records.count_lookup, principal.tenant.id, is_hit=False, now=core.clock())
        raise CacheMiss
    return draft, entry


def _finished_anew(job: Job, entry: Entry) -> Job:
    """The job as one that is rendered and reviewed already: what it is told to have been drawn with is the truth."""
    made = entry.made_with
    diffusion = structs.replace(
        job.recipe.diffusion,
        seed=made.seed,
        num_inference_steps=made.num_inference_steps,
        guidance_scale=made.guidance_scale,
        lora_scale=made.lora_scale,
    )
    reused = Reused(entry_id=entry.id, codes=entry.codes, judged_by=entry.judged_by)
    return structs.replace(
        job,
        id=new_cached_id(),
        state=State.RENDERED,
        queue=FINISHER,
        master_key=entry.master_key,
        recipe=structs.replace(job.recipe, diffusion=diffusion, reused=reused),
    )


def _recipe(core: Core, ask: Ask, order: Order, brand: Brand, *, parsed: Parsed, final: Parsed) -> Recipe:
    negative = (ask.negative or "").strip()
    character = core.catalog.characters.get(final.character)
    positive_text, negative_text = compose(
        final, model=order.model, style=order.model.styles[order.style], character=character, negative=negative
    )
    return Recipe(
        model=order.model.key,
        style=order.style,
        words=Words(
            prompt=unparse(final),
            original_prompt=unparse(parsed),
            character=final.character,
            positive=", ".join(final.positive),
            negative=", ".join(part for part in (*final.negative, negative) if part),
            optimized=final != parsed,
        ),
        diffusion=Diffusion(
            positive=positive_text,
            negative=negative_text,
            width=order.width,
            height=order.height,
            seed=order.seed,
            num_inference_steps=order.num_inference_steps,
            guidance_scale=order.guidance_scale,
            lora=character.loras.get(order.model.key, "") if character else "",
            lora_scale=order.lora_scale,
        ),
        output=order.output,
        brand=brand,
        claim=order.claim,
        ruleset=order.ruleset,
        precompliance=order.precompliance,
    )


def _job(core: Core, principal: Principal, recipe: Recipe, plan: Plan, surface: str) -> Job:
    now = core.clock()
    return Job(
        id=new_job_id(),
        gen_id=new_gen_id(),
        tenant_id=principal.tenant.id,
        key_id=principal.key.id,
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


async def _insert(core: Core, job: Job, plan: Plan, draft: PendingEntry | None, *, is_looked_up: bool) -> Job:
    reused = job.recipe.reused

    def write(connection: Connection, job: Job) -> None:
        jobs.add(connection, job)
        ledger.hold(connection, job, plan)
        if is_looked_up:
            cache_records.count_lookup(connection, job.tenant_id, is_hit=reused is not None, now=job.created_at)
        if reused is not None:
            if not cache_records.use(connection, reused.entry_id, now=job.created_at):
                raise _EntryGone
        elif draft is not None:
            cache_records.add_pending(connection, draft, job)

    for _ in range(INSERT_TRIES):
        try:
            await core.database.writing(write, job)
        except IntegrityError:  # one of the random ids is taken: 48 bits of watermark id are few after millions of jobs
            new_id = new_job_id if reused is None else new_cached_id
            job = structs.replace(job, id=new_id(), gen_id=new_gen_id(), watermark_id=new_watermark_id())
        except Retryable as exc:
            raise GenerationFailed from exc
        else:
            return job
    raise GenerationFailed


async def _publish(core: Core, job: Job) -> None:
    """Sends the message that the row says is sent; where that fails the row is left to the reconciler, with a word that it did.

    The job is already answered for. If this process dies before it says so, the reconciler finds the message missing.
    """
    news = [core.live.run(job_views.set_view_if_absent(job.id, view_of(job)))]
    if job.state is State.QUEUED:
        news.append(core.live.run(job_views.enqueue(job.id, priority=job.priority, created_at=job.created_at)))
    try:
        await asyncio.gather(asyncio.to_thread(core.publisher.publish, job.queue, job.id, job.priority), *news)
    except (Unavailable, Retryable) as exc:
        log.warning("job not published yet", job=job.id, reason=str(exc))
        with contextlib.suppress(Retryable):
            await core.database.writing(job_transitions.note_unpublished, job)
