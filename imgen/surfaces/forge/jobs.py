"""Jobs over Forge: one, a page of them, and their cancelling."""

from urllib.parse import parse_qs

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.errors import BadId, InvalidField, JobNotFound, Unauthorized
from imgen.domain.ids import stored_id
from imgen.domain.principal import GENERATE, READ
from imgen.services import job_facts
from imgen.services import jobs as job_service
from imgen.surfaces import tier_jobs
from imgen.surfaces.call import Call
from imgen.surfaces.forge.answers import ForgeJobs

PATH = "/v2/jobs"
PAGE, MAX_PAGE = 20, 100
MAX_CURSOR_CHARS = 512


async def read(call: Call) -> Answer:
    """Answers the state of a job."""
    job_id = stored_id(call.path("job_id"))
    cached = job_service.get_view(call.core, job_id)
    principal = await call.principal(needs=READ)
    try:
        status = await job_service.job_status(call.core, principal, job_id, cached)
        facts = await job_facts.read(call.core, principal, job_id)
    except BadId as exc:
        raise JobNotFound from exc
    return json_answer(tier_jobs.of_status(job_id, status, facts))


async def cancel(call: Call) -> Answer:
    """Cancels a job; one that has ended does not change."""
    principal = await call.principal(needs=GENERATE)
    try:
        job = await job_service.cancel(call.core, principal, stored_id(call.path("job_id")))
    except BadId as exc:
        raise JobNotFound from exc
    return json_answer(tier_jobs.of_job(job))


async def list_own(call: Call) -> Answer:
    """Lists a page of the tenant's jobs, newest first; anonymous callers share a tenant, so they have no list."""
    principal = await call.principal(needs=READ)
    if call.is_anonymous:
        raise Unauthorized
    query = parse_qs(call.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    limit, cursor = _limit(query.get("limit", [str(PAGE)])), _only("cursor", query.get("cursor", [""]))
    page = await job_service.list_jobs(call.core, principal, limit=limit, cursor=cursor, states=frozenset())
    return json_answer(ForgeJobs(jobs=tuple(map(tier_jobs.of_job, page.jobs)), cursor=page.cursor or None))


def _limit(sent: list[str]) -> int:
    text = _only("limit", sent)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE)) and 1 <= int(text) <= MAX_PAGE):
        raise InvalidField("limit", f"limit is a whole number from 1 to {MAX_PAGE}")
    return int(text)


def _only(name: str, sent: list[str]) -> str:
    if len(sent) != 1 or len(sent[0]) > MAX_CURSOR_CHARS:
        raise InvalidField(name)
    return sent[0]
