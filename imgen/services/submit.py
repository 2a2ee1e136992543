"""From a request to a job: parse, repair, enhance, open the mark, write row and hold in one transaction, publish."""

import asyncio
import base64
import binascii
import hashlib
import math
import re

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
from imgen.domain.job import Job, State, new_gen_id, new_job_id, new_watermark_id, render_queue, view_of
from imgen.domain.prompt import Parsed, compose, parse, unparse
from imgen.domain.recipe import Brand, Diffusion, Recipe, Words
from imgen.domain.request import Ask, Order, repair
from imgen.live import polls, slowdown
from imgen.records import jobs, ledger
from imgen.services.core import Core
from imgen.services.enhance import enhance

log = structlog.get_logger(__name__)

MAX_MARK_BYTES = 4 * 1024 * 1024
_DATA_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
INSERT_TRIES = 3
_opening_marks = asyncio.Semaphore(2)
"""A mark may take 64 MB while it is decoded, so only so many are at one time."""


class Submitted(Struct, frozen=True, kw_only=True):
    """What the caller is told of a new job."""

    job: Job
    warnings: tuple[str, ...]


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
    if ask.use_cache and ask.cache_only:
        raise CacheMiss  # there is no semantic cache yet: every look-up is a miss
    brand = await _store_mark(core, principal, ask.wm_image, order.brand)
    slowed = core.live.run(slowdown.remaining_ms(principal.tenant.id))
    if await core.live.run(polls.waiting()) >= core.settings.jobs.max_queued:
        raise QueueFull(retry_after_s=10)
    if (slowed_ms := await slowed) > 0:
        raise RateLimited(retry_after_s=math.ceil(slowed_ms / 1000))
    final = parsed
    if ask.optimize:
        final = await enhance(core.enhancer, parsed, order.model, order.model.styles[order.style])
    recipe = _recipe(core, ask, order, brand, parsed=parsed, final=final)
    plan = core.plan_of(principal.tenant.plan)
    job = await _insert(core, _job(core, principal, recipe, plan, surface), plan)
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
        deadline_at=now + core.settings.jobs.deadline_s,
    )


async def _insert(core: Core, job: Job, plan: Plan) -> Job:
    def write(connection: Connection, job: Job) -> None:
        jobs.add(connection, job)
        ledger.hold(connection, job, plan)

    for _ in range(INSERT_TRIES):
        try:
            await core.database.writing(write, job)
        except IntegrityError:  # one of the random ids is taken: 48 bits of watermark id are few after millions of jobs
            job = structs.replace(job, id=new_job_id(), gen_id=new_gen_id(), watermark_id=new_watermark_id())
        except Retryable as exc:
            raise GenerationFailed from exc
        else:
            return job
    raise GenerationFailed


async def _publish(core: Core, job: Job) -> None:
    """Sends the message; where that fails the row is left to the reconciler, for the job is already answered for."""
    try:
        await asyncio.gather(
            asyncio.to_thread(core.publisher.publish, job.queue, job.id, job.priority),
            core.live.run(polls.enter(job.id, priority=job.priority, created_at=job.created_at)),
            core.live.run(polls.remember(job.id, view_of(job))),
        )
        await core.database.writing(jobs.published, job.id, job.queue, now=core.clock())
    except (Unavailable, Retryable) as exc:
        log.warning("job not published yet", job=job.id, reason=str(exc))


async def _store_mark(core: Core, principal: Principal, data_uri: str | None, brand: Brand) -> Brand:
    """Decodes, checks and stores the caller's mark under its hash, once for each tenant."""
    if not data_uri or not data_uri.strip():
        return brand
    body = _decode_data_uri(data_uri)
    async with _opening_marks:
        await asyncio.to_thread(_check_mark, body)
    key = f"brands/{principal.tenant.id}/{hashlib.sha256(body).hexdigest()}"
    try:
        await asyncio.to_thread(core.objects.put, key, body, "application/octet-stream")
    except Retryable as exc:
        raise GenerationFailed from exc
    return structs.replace(brand, image_key=key)


def _decode_data_uri(text: str) -> bytes:
    match = _DATA_URI.match(text.strip()[:200])
    if match is None:
        raise InvalidField("wm_image")
    encoded = text.strip()[match.end() :]
    if len(encoded) > MAX_MARK_BYTES * 4 / 3 + 1024:
        raise InvalidField("wm_image")
    try:
        body = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidField("wm_image") from exc
    if not body or len(body) > MAX_MARK_BYTES:
        raise InvalidField("wm_image")
    return body


def _check_mark(body: bytes) -> None:
    from imgen.provenance.branding import open_mark  # Pillow is not needed before the first mark

    open_mark(body)
