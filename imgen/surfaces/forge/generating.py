"""`POST /v2/generate`: reads the body strictly, makes an order of its tier, submits it, and with `sync` waits for the picture."""

from functools import partial
from urllib.parse import urlsplit

from msgspec import structs

from imgen.asgi.answer_headers import note_replay, note_warning
from imgen.asgi.endpoint import Answer, header, json_answer
from imgen.domain.capabilities import without_effect
from imgen.domain.data_uri import decode_data_uri
from imgen.domain.errors import InvalidField, JobNotFound, PromptRequired
from imgen.domain.idempotency import HEADER, Once, json_fingerprint, parse_key
from imgen.domain.ids import is_job_id, stored_id
from imgen.domain.job import ENDED, Job, State
from imgen.domain.principal import GENERATE, Principal
from imgen.domain.recipe import NEGATIVE_IGNORED
from imgen.domain.request import GenerateRequest, PictureSource, ReadPicture, ResolvedRequest
from imgen.domain.tiers import DEFAULT_TIER, TIERS
from imgen.records import jobs
from imgen.services import job_facts
from imgen.services import jobs as job_service
from imgen.services.assets import find_input
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.orders import tier_order
from imgen.services.submit import Submitted, find_submitted, submit
from imgen.surfaces.call import Call
from imgen.surfaces.forge import job_answers
from imgen.surfaces.forge.wire import MAX_PROMPT_CHARS, ForgeGenerate
from imgen.surfaces.strict import decode, one_of

PATH = "/v2/generate"
FORMAT = "png"
CREATED, ACCEPTED = 201, 202
DATA_URI = "data:;base64,"
"""Head that makes a data URI of bare base64."""


_NAMES = {
    "tier": "quality_tier",
    "ratio": "aspect_ratio",
    "negative": "negative_prompt",
    "image_strength": "input_strength",
    "mask": "mask_image",
}
"""Field of the core's request → the wire's name."""


async def generate(call: Call) -> Answer:
    """Makes a job; with `sync` answers when it has ended, or when the wait is over."""
    principal = await call.principal(needs=GENERATE)
    body = await call.body()
    sent = decode(body, ForgeGenerate)
    key = _idempotency_key(call, sent)
    once = Once(route=PATH, key=key, fingerprint=json_fingerprint(body)) if key else None
    submitted = await find_submitted(call.core, principal, once) or await _submitted(call, principal, sent, once)
    if submitted.is_replayed:
        note_replay()
    job = submitted.job
    call.core.job_facts.put(job.id, job_facts.facts_of(job))
    if sent.sync:
        return await _awaited(call, principal, job)
    if not await call.core.is_served(job.queue):
        note_warning(f"no worker serves the queue {job.queue}")
    return json_answer(job_answers.of_job(job), ACCEPTED)


async def _submitted(call: Call, principal: Principal, sent: ForgeGenerate, once: Once | None) -> Submitted:
    try:
        order = await _order(call, principal, sent)
        return await submit(call.core, principal, order, surface=call.surface, once=once)
    except PromptRequired as exc:
        raise InvalidField("prompt", "prompt has no words") from exc
    except InvalidField as exc:
        raise _in_words_of_the_wire(exc, sent) from exc


async def _awaited(call: Call, principal: Principal, job: Job) -> Answer:
    """Answers a job that ends within the wait with 201, else as one that goes on."""
    core, wait_s = call.core, call.core.settings.forge.sync_wait_s
    await call.while_connected(core.awaiting.ends(principal.tenant.id, [job.id], timeout_s=wait_s))
    status = await job_service.job_status(core, principal, job.id, job_service.get_view(core, job.id))
    facts = await job_facts.read(core, principal, job.id)
    has_ended = status.view.state in ENDED
    return json_answer(job_answers.of_status(job.id, status, facts), CREATED if has_ended else ACCEPTED)


async def _order(call: Call, principal: Principal, sent: ForgeGenerate) -> ResolvedRequest:
    """Makes the order of a body.

    Raises:
        InvalidField: a value is wrong, in the names of the wire or of the core.
        JobNotFound, ObjectNotFound: the tenant has no such picture to start from.
    """
    core, words = call.core, sent.prompt.strip()
    if not words:
        raise InvalidField("prompt", "prompt is required")
    if len(words) > MAX_PROMPT_CHARS:
        raise InvalidField("prompt", f"prompt has at most {MAX_PROMPT_CHARS:,} characters")
    source, mask = await _source(call, principal, sent), _mask(sent)
    if mask is not None and source is None:
        raise InvalidField("mask_image", "mask_image needs input_asset_url or input_job_id")
    if sent.input_strength is not None and source is None:
        note_warning("input_strength has no effect without a picture to start from")
    request = GenerateRequest(
        prompt=words,
        negative=(sent.negative_prompt or "").strip() or None,
        optimize=core.settings.enhances_for_forge,
        format=FORMAT,
        seed=sent.seed,
        image=source,
        image_strength=None if source is None else sent.input_strength,
        mask=mask,
    )
    order = await tier_order(
        core,
        principal,
        request,
        tier=DEFAULT_TIER if sent.quality_tier is None else sent.quality_tier,
        pinned=_pinned(sent),
        ratio=sent.aspect_ratio or "",
        is_plain=True,
    )
    return await _heeded(call, structs.replace(order, must_optimize=False))


async def _heeded(call: Call, order: ResolvedRequest) -> ResolvedRequest:
    """Returns an order with the note that its negative prompt is ignored, if it is.

    Raises:
        InvalidField: its model cannot draw from a picture, or not within a mask.
    """
    idle = without_effect(order, await call.core.capabilities(order.model))
    for field, deed in (("mask", "redraw a part of a picture"), ("image", "draw from a picture")):
        if field in idle:
            raise InvalidField(field, f"{order.model.label} cannot {deed}")
    if "seed" in idle:
        note_warning("seed has no effect with this model")
    if "negative" not in (*idle, *order.warnings):
        return order
    return structs.replace(order, notes=(*order.notes, NEGATIVE_IGNORED))


async def _source(call: Call, principal: Principal, sent: ForgeGenerate) -> PictureSource | None:
    """Returns the picture to start from; None: none is asked for.

    Raises:
        InvalidField: two are named, an address is none of an asset here, or a job has no picture.
        JobNotFound, ObjectNotFound: the tenant has none of that name.
    """
    if sent.input_asset_url is not None and sent.input_job_id is not None:
        raise InvalidField("input_job_id", "input_asset_url and input_job_id exclude each other")
    if sent.input_job_id is not None:
        return await _picture_of_job(call, principal, stored_id(sent.input_job_id))
    if sent.input_asset_url is not None:
        return await _picture_of_asset(call, principal, _sha256(call, sent.input_asset_url))
    return None


async def _picture_of_job(call: Call, principal: Principal, job_id: str) -> str:
    if not is_job_id(job_id):
        raise JobNotFound
    job = await call.core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id)
    if job.state is not State.COMPLETED or job.outcome is None or not job.outcome.images:
        raise InvalidField("input_job_id", "The job has no picture to start from")
    return job.id


async def _picture_of_asset(call: Call, principal: Principal, sha256: str) -> PictureSource:
    asset = await find_input(call.core, sha256, principal)
    if asset.tenant_id == principal.tenant.id:
        return asset.job_id
    return partial(call.core.objects.get, asset.key)


def _sha256(call: Call, url: str) -> str:
    """Returns the digest that an asset's address names.

    Raises:
        InvalidField: it is no address of an asset of this server.
    """
    refusal = InvalidField("input_asset_url", "input_asset_url is the asset_url of a job here")
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # such as half of an IPv6 address
        raise refusal from exc
    own = {urlsplit(call.core.settings.public_url).netloc, header(call.scope, b"host")} - {""}
    named = parts.path.removeprefix(job_answers.ASSETS)
    is_here = not parts.netloc or (parts.scheme in ("http", "https") and parts.netloc in own)
    if not (is_here and parts.path.startswith(job_answers.ASSETS)):
        raise refusal
    return named


def _mask(sent: ForgeGenerate) -> ReadPicture | None:
    if sent.mask_image is None:
        return None
    text = sent.mask_image.strip()
    uri = text if text[:5].casefold() == "data:" else DATA_URI + text
    return partial(decode_data_uri, uri, field="mask", max_bytes=MAX_INLINE_BYTES)


def _pinned(sent: ForgeGenerate) -> str:
    """Returns the model that is pinned; empty: none is.

    Raises:
        InvalidField: two are.
    """
    named = {name for name in (sent.cf_model, sent.model) if name is not None}
    if len(named) > 1:
        raise InvalidField("model", "cf_model and model name different models")
    pinned = "".join(named)
    if named and not pinned.strip():
        raise InvalidField("model")
    return pinned


def _idempotency_key(call: Call, sent: ForgeGenerate) -> str:
    """Returns the idempotency key; empty: there is none.

    Raises:
        InvalidField: it is none, or header and body have different ones.
    """
    in_header = call.idempotency_key()
    if sent.idempotency_key is None:
        return in_header
    try:
        in_body = parse_key(sent.idempotency_key)
    except InvalidField as exc:
        raise InvalidField("idempotency_key") from exc
    if in_header and in_header != in_body:
        raise InvalidField("idempotency_key", f"idempotency_key and the header {HEADER} differ")
    return in_body


def _in_words_of_the_wire(exc: InvalidField, sent: ForgeGenerate) -> InvalidField:
    """Returns an error of the core with the name that the field has here."""
    name = _NAMES.get(exc.field, exc.field)
    if exc.field == "image":
        name = "input_job_id" if sent.input_job_id is not None else "input_asset_url"
    if exc.field == "model" and sent.model is None and sent.cf_model is not None:
        name = "cf_model"
    if name == "quality_tier" and not exc.reason:
        return one_of(name, TIERS)
    return InvalidField(name, exc.reason)
