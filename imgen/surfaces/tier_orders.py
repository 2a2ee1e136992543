"""Orders of requests with quality tiers, for every surface that has tiers: made strictly, submitted, told in the wire's names."""

from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import structs

from imgen.domain.capabilities import without_effect
from imgen.domain.data_uri import as_data_uri, decode_data_uri
from imgen.domain.errors import InvalidField, JobNotFound, PromptRequired
from imgen.domain.idempotency import Once
from imgen.domain.ids import is_job_id, stored_id
from imgen.domain.job import State
from imgen.domain.principal import Principal
from imgen.domain.recipe import NEGATIVE_IGNORED
from imgen.domain.request import GenerateRequest, PictureSource, ReadPicture, ResolvedRequest
from imgen.domain.tiers import DEFAULT_TIER, TIERS
from imgen.records import jobs
from imgen.services import job_facts
from imgen.services.assets import find_input
from imgen.services.core import Core
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.orders import tier_order
from imgen.services.submit import Submitted, find_submitted, submit
from imgen.surfaces.strict import one_of
from imgen.surfaces.tier_jobs import ASSETS
from imgen.surfaces.tier_request import MAX_PROMPT_CHARS, TierRequest

FORMAT = "png"
_TOLD = {"seed": "seed", "image_strength": "input_strength"}
"""Field of the core that may have no effect with a model → its name on the wire. Steps are the tier's own."""
_NAMES = {
    "tier": "quality_tier",
    "ratio": "aspect_ratio",
    "negative": "negative_prompt",
    "image_strength": "input_strength",
    "mask": "mask_image",
}
"""Field of the core's request → the wire's name."""


class TierSubmitted(NamedTuple):
    """Job of a request, and sentences on fields of it that have no effect."""

    submitted: Submitted
    notes: tuple[str, ...]


async def submit_tier(
    core: Core, principal: Principal, sent: TierRequest, *, surface: str, host: str, once: Once | None
) -> TierSubmitted:
    """Makes the job of a request.

    Args:
        core: the core.
        principal: acts for the tenant.
        sent: the request.
        surface: over which it came.
        host: by which the caller calls this server, for addresses of assets; empty: unknown.
        once: its idempotency key; None: it has none.

    Raises:
        InvalidField: a value is wrong, in the names of the wire.
        JobNotFound, ObjectNotFound: the tenant has no such picture to start from.
        ImgenError: see `submit`.
    """
    if (known := await find_submitted(core, principal, once)) is not None:  # before its source, which may be gone since
        return TierSubmitted(known, ())
    notes: list[str] = []
    try:
        order = await _order(core, principal, sent, host, notes)
        submitted = await submit(core, principal, order, surface=surface, once=once)
    except PromptRequired as exc:
        raise InvalidField("prompt", "prompt has no words") from exc
    except InvalidField as exc:
        raise _in_words_of_the_wire(exc, sent) from exc
    core.job_facts.put(submitted.job.id, job_facts.facts_of(submitted.job))
    return TierSubmitted(submitted, tuple(notes))


async def _order(core: Core, principal: Principal, sent: TierRequest, host: str, notes: list[str]) -> ResolvedRequest:
    """Makes the order of a request, and adds to the notes.

    Raises:
        InvalidField: a value is wrong, in the names of the wire or of the core.
        JobNotFound, ObjectNotFound: the tenant has no such picture to start from.
    """
    words = sent.prompt.strip()
    if not words:
        raise InvalidField("prompt", "prompt is required")
    if len(words) > MAX_PROMPT_CHARS:
        raise InvalidField("prompt", f"prompt has at most {MAX_PROMPT_CHARS:,} characters")
    source, mask = await _source(core, principal, sent, host), _mask(sent)
    if mask is not None and source is None:
        raise InvalidField("mask_image", "mask_image needs input_asset_url or input_job_id")
    if sent.input_strength is not None and source is None:
        notes.append("input_strength has no effect without a picture to start from")
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
    return await _heeded(core, structs.replace(order, must_optimize=False), notes)


async def _heeded(core: Core, order: ResolvedRequest, notes: list[str]) -> ResolvedRequest:
    """Adds to the notes; returns the order with the note that its negative prompt is ignored, if it is.

    Raises:
        InvalidField: its model cannot draw from a picture, or not within a mask.
    """
    idle = without_effect(order, await core.capabilities(order.model))
    for field, deed in (("mask", "redraw a part of a picture"), ("image", "draw from a picture")):
        if field in idle:
            raise InvalidField(field, f"{order.model.label} cannot {deed}")
    notes += [f"{words} has no effect with this model" for field, words in _TOLD.items() if field in idle]
    if "negative" not in (*idle, *order.warnings):
        return order
    return structs.replace(order, notes=(*order.notes, NEGATIVE_IGNORED))


async def _source(core: Core, principal: Principal, sent: TierRequest, host: str) -> PictureSource | None:
    """Returns the picture to start from; None: none is asked for.

    Raises:
        InvalidField: two are named, an address is none of an asset here, or a job has no picture.
        JobNotFound, ObjectNotFound: the tenant has none of that name.
    """
    if sent.input_asset_url is not None and sent.input_job_id is not None:
        raise InvalidField("input_job_id", "input_asset_url and input_job_id exclude each other")
    if sent.input_job_id is not None:
        return await _picture_of_job(core, principal, stored_id(sent.input_job_id))
    if sent.input_asset_url is not None:
        return await _picture_of_asset(core, principal, _sha256(core, sent.input_asset_url, host))
    return None


async def _picture_of_job(core: Core, principal: Principal, job_id: str) -> str:
    if not is_job_id(job_id):
        raise JobNotFound
    job = await core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id)
    if job.state is not State.COMPLETED or job.outcome is None or not job.outcome.images:
        raise InvalidField("input_job_id", "The job has no picture to start from")
    return job.id


async def _picture_of_asset(core: Core, principal: Principal, sha256: str) -> PictureSource:
    asset = await find_input(core, sha256, principal)
    if asset.tenant_id == principal.tenant.id:
        return asset.job_id
    return partial(core.objects.get, asset.key)


def _sha256(core: Core, url: str, host: str) -> str:
    """Returns the digest that an asset's address names.

    Raises:
        InvalidField: it is no address of an asset of this server.
    """
    refusal = InvalidField("input_asset_url", "input_asset_url is the asset_url of a job here")
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # such as half of an IPv6 address
        raise refusal from exc
    own = {urlsplit(core.settings.public_url).netloc, host} - {""}
    named = parts.path.removeprefix(ASSETS)
    is_here = not parts.netloc or (parts.scheme in ("http", "https") and parts.netloc in own)
    if not (is_here and parts.path.startswith(ASSETS)):
        raise refusal
    return named


def _mask(sent: TierRequest) -> ReadPicture | None:
    if sent.mask_image is None:
        return None
    return partial(decode_data_uri, as_data_uri(sent.mask_image), field="mask", max_bytes=MAX_INLINE_BYTES)


def _pinned(sent: TierRequest) -> str:
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


def _in_words_of_the_wire(exc: InvalidField, sent: TierRequest) -> InvalidField:
    """Returns an error of the core with the name that the field has here."""
    name = _NAMES.get(exc.field, exc.field)
    if exc.field == "image":
        name = "input_job_id" if sent.input_job_id is not None else "input_asset_url"
    if exc.field == "model" and sent.model is None and sent.cf_model is not None:
        name = "cf_model"
    if name == "quality_tier" and not exc.reason:
        return one_of(name, TIERS)
    return InvalidField(name, exc.reason)
