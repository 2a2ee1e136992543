"""`POST /api/v1/generate`: reads the body strictly, makes an order of its mode and submits it."""

from msgspec import UNSET

from imgen.asgi.answer_headers import answer_context, note_replay, note_warning
from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.errors import InvalidField, JobNotFound, ObjectNotFound, PromptRequired
from imgen.domain.idempotency import Once, json_fingerprint
from imgen.domain.ids import is_job_id, is_upload_id, stored_id, uuid_form
from imgen.domain.job import Job, State
from imgen.domain.principal import GENERATE, Principal
from imgen.domain.request import PictureSource, ResolvedRequest
from imgen.domain.studio import ENHANCE, EXPORTS, SOURCE_ASPECT
from imgen.records import jobs
from imgen.services import inputs, job_facts
from imgen.services.studio_orders import studio_order
from imgen.services.submit import Submitted, find_submitted, submit
from imgen.surfaces.call import Call
from imgen.surfaces.strict import decode
from imgen.surfaces.studio.answers import StudioAccepted, StudioRateLimit, StudioStarted
from imgen.surfaces.studio.job_answers import JOBS, STATUSES
from imgen.surfaces.studio.pictures import in_words_of_the_wire, picture_of
from imgen.surfaces.studio.quota import quota_of
from imgen.surfaces.studio.wire import StudioGenerate

PATH = "/api/v1/generate"
ACCEPTED = 202
SOURCES = ("imageBase64", "imageKey", "sourceGenerationId")
_NAMES = {
    "export": "exportSize",
    "aspect": "outputAspect",
    "n": "count",
    "image_strength": "strength",
}
"""Field or argument of the core → the wire's name."""
_IDLE_IN_ENHANCE = ("prompt", "strength", "seed")
"""Fields that have no effect where nothing is drawn."""


async def generate(call: Call) -> Answer:
    """Makes a job for each picture."""
    core, principal = call.core, await call.principal(needs=GENERATE)
    body = await call.body()
    sent = decode(body, StudioGenerate)
    key = call.idempotency_key()
    once = Once(route=PATH, key=key, fingerprint=json_fingerprint(body)) if key else None
    submitted = await find_submitted(core, principal, once) or await _submitted(call, principal, sent, once)
    if submitted.is_replayed:
        note_replay()
    for job in submitted.jobs:
        core.job_facts.put(job.id, job_facts.facts_of(job))
    if not await core.is_served(submitted.job.queue):
        note_warning(f"no worker serves the queue {submitted.job.queue}")
    return json_answer(await _accepted(call, principal, sent, submitted), ACCEPTED)


async def _submitted(call: Call, principal: Principal, sent: StudioGenerate, once: Once | None) -> Submitted:
    request_id = answer_context(call.scope).request_id
    try:
        order = await _order(call, principal, sent)
        return await submit(call.core, principal, order, surface=call.surface, once=once, request_id=request_id)
    except PromptRequired as exc:
        raise InvalidField("prompt", "prompt has no words") from exc
    except InvalidField as exc:
        raise _in_words_of_the_wire(exc, sent) from exc


async def _order(call: Call, principal: Principal, sent: StudioGenerate) -> ResolvedRequest:
    """Makes the order of a body.

    Raises:
        InvalidField: a value is wrong, in the names of the wire or of the core.
        ExportNotInPlan: the tenant's plan does not include the size.
        JobNotFound, ObjectNotFound: the tenant has no such picture to start from.
    """
    return await studio_order(
        call.core,
        principal,
        mode=sent.mode,
        source=await _source(call, principal, sent),
        prompt=(sent.prompt or "").strip(),
        preset=sent.preset or "",
        export=sent.export_size or EXPORTS[0],
        aspect=sent.output_aspect or SOURCE_ASPECT,
        count=1 if sent.count is None else sent.count,
        strength=sent.strength,
        seed=sent.seed,
    )


async def _source(call: Call, principal: Principal, sent: StudioGenerate) -> PictureSource:
    """Returns the picture to start from.

    Raises:
        InvalidField: none is named, or several are; or a job has no picture.
        JobNotFound, ObjectNotFound: the tenant has none of that name.
    """
    named = [one for one in (sent.image_base64, sent.image_key, sent.source_generation_id) if one is not None]
    if len(named) != 1:
        raise InvalidField("image", f"Send exactly one of {', '.join(SOURCES)}")
    if sent.source_generation_id is not None:
        return await _picture_of_job(call, principal, stored_id(sent.source_generation_id))
    if sent.image_key is not None:
        return await _upload(call, principal, sent.image_key)
    return picture_of(named[0])


async def _picture_of_job(call: Call, principal: Principal, job_id: str) -> str:
    if not is_job_id(job_id):
        raise JobNotFound
    job = await call.core.database.reading(jobs.find, job_id, tenant_id=principal.tenant.id)
    if job.state is not State.COMPLETED or job.outcome is None or not job.outcome.images:
        raise InvalidField("image", "The job has no picture to start from")
    return job.id


async def _upload(call: Call, principal: Principal, key: str) -> str:
    found = await inputs.find_upload(call.core, principal, key) if is_upload_id(key) else None
    if found is None:
        raise ObjectNotFound("There is no such picture")
    return found.id


async def _accepted(call: Call, principal: Principal, sent: StudioGenerate, submitted: Submitted) -> StudioAccepted:
    job, made = submitted.job, submitted.jobs
    rate = answer_context(call.scope).rate
    is_charged = job.state is State.COMPLETED
    ids = [one.id for one in made]
    return StudioAccepted(
        job_id=uuid_form(job.id),
        status=STATUSES[job.state],
        status_url=_status_url(job),
        request_id=job.request_id,
        quota=await quota_of(call.core, principal, ids, cost=job.recipe.credits, charged=is_charged),
        rate_limit=StudioRateLimit(remaining_this_minute=None if rate is None else rate.remaining),
        jobs=tuple(StudioStarted(job_id=uuid_form(one.id), status_url=_status_url(one)) for one in made)
        if len(made) > 1
        else UNSET,
        warnings=_warnings(sent, submitted) or UNSET,
    )


def _status_url(job: Job) -> str:
    return JOBS + uuid_form(job.id)


def _warnings(sent: StudioGenerate, submitted: Submitted) -> tuple[str, ...]:
    """Returns the fields that have no effect, in the names of the wire."""
    idle = [name for name in _IDLE_IN_ENHANCE if sent.mode == ENHANCE and getattr(sent, name) is not None]
    if sent.mode == ENHANCE and len(submitted.jobs) > 1:  # each is the same picture
        idle.append("count")
    return tuple(dict.fromkeys((*idle, *(_NAMES.get(name, name) for name in submitted.warnings))))


def _in_words_of_the_wire(exc: InvalidField, sent: StudioGenerate) -> InvalidField:
    """Returns an error of the core with the name that the field has here."""
    if exc.field not in {"image", "source"}:
        return InvalidField(_NAMES.get(exc.field, exc.field), exc.reason)
    if sent.image_base64 is not None and sent.image_key is None and sent.source_generation_id is None:
        return in_words_of_the_wire(exc)
    return InvalidField(SOURCES[1] if sent.image_key is not None else SOURCES[2], exc.reason)
