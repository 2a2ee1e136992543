"""`POST /v2/generate`: reads the body strictly, submits its order, and with `sync` waits for the picture."""

from imgen.asgi.answer_headers import note_replay, note_warning
from imgen.asgi.endpoint import Answer, header, json_answer
from imgen.domain.errors import InvalidField
from imgen.domain.idempotency import HEADER, Once, json_fingerprint, parse_key
from imgen.domain.job import ENDED, Job
from imgen.domain.principal import GENERATE, Principal
from imgen.services import job_facts
from imgen.services import jobs as job_service
from imgen.surfaces import tier_jobs
from imgen.surfaces.call import Call
from imgen.surfaces.forge.wire import ForgeGenerate
from imgen.surfaces.strict import decode
from imgen.surfaces.tier_orders import submit_tier

PATH = "/v2/generate"
CREATED, ACCEPTED = 201, 202


async def generate(call: Call) -> Answer:
    """Makes a job; with `sync` answers when it has ended, or when the wait is over."""
    principal = await call.principal(needs=GENERATE)
    body = await call.body()
    sent = decode(body, ForgeGenerate)
    key = _idempotency_key(call, sent)
    once = Once(route=PATH, key=key, fingerprint=json_fingerprint(body)) if key else None
    host = header(call.scope, b"host")
    submitted, notes = await submit_tier(call.core, principal, sent, surface=call.surface, host=host, once=once)
    for note in notes:
        note_warning(note)
    if submitted.is_replayed:
        note_replay()
    job = submitted.job
    if sent.sync:
        return await _awaited(call, principal, job)
    if not await call.core.is_served(job.queue):
        note_warning(f"no worker serves the queue {job.queue}")
    return json_answer(tier_jobs.of_job(job), ACCEPTED)


async def _awaited(call: Call, principal: Principal, job: Job) -> Answer:
    """Answers a job that ends within the wait with 201, else as one that goes on."""
    core, wait_s = call.core, call.core.settings.forge.sync_wait_s
    await call.while_connected(core.awaiting.ends(principal.tenant.id, [job.id], timeout_s=wait_s))
    status = await job_service.job_status(core, principal, job.id, job_service.get_view(core, job.id))
    facts = await job_facts.read(core, principal, job.id)
    has_ended = status.view.state in ENDED
    return json_answer(tier_jobs.of_status(job.id, status, facts), CREATED if has_ended else ACCEPTED)


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
