"""Jobs over Studio: the state of one, and its cancelling."""

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.errors import BadId, JobNotFound
from imgen.domain.ids import stored_id
from imgen.domain.job import State, view_of
from imgen.domain.principal import GENERATE, READ
from imgen.services import job_facts
from imgen.services import jobs as job_service
from imgen.surfaces.call import Call
from imgen.surfaces.studio import job_answers
from imgen.surfaces.studio.quota import quota_of

PATH = job_answers.JOBS + "{job_id}"


async def read(call: Call) -> Answer:
    """Answers the state of a job."""
    core, job_id = call.core, stored_id(call.path("job_id"))
    cached = job_service.get_view(core, job_id)
    principal = await call.principal(needs=READ)
    try:
        status = await job_service.job_status(core, principal, job_id, cached)
    except BadId as exc:
        raise JobNotFound from exc
    facts = await job_facts.read(core, principal, job_id)
    view = status.view
    is_charged = view.state is State.COMPLETED
    quota = await quota_of(core, principal, [job_id], cost=facts.credits, charged=is_charged)
    return json_answer(
        job_answers.of_view(core, job_id, view, request_id=facts.request_id, progress=status.progress, quota=quota)
    )


async def cancel(call: Call) -> Answer:
    """Cancels a job; one that has ended does not change."""
    core = call.core
    principal = await call.principal(needs=GENERATE)
    try:
        job = await job_service.cancel(core, principal, stored_id(call.path("job_id")))
    except BadId as exc:
        raise JobNotFound from exc
    is_charged = job.state is State.COMPLETED
    quota = await quota_of(core, principal, [job.id], cost=job.recipe.credits, charged=is_charged)
    return json_answer(job_answers.of_view(core, job.id, view_of(job), request_id=job.request_id, quota=quota))
