"""Jobs that the address of the playground or of Studio names: one to show, or one whose picture is the source."""

from starlette.requests import Request

from imgen.domain.job import Job
from imgen.domain.user import User
from imgen.records import job_search
from imgen.services.core import Core
from imgen.services.links import urls_by_kind
from imgen.surfaces.web import playground_tenant


async def asked_for(core: Core, request: Request, user: User, name: str) -> Job | None:
    """Returns the job that a parameter of the query names; None: it names none that the user may see."""
    job_id = request.query_params.get(name, "")
    return await core.database.reading(job_search.find_visible, job_id, scope=user.scope) if job_id else None


async def as_source(core: Core, user: User, job: Job) -> dict[str, str]:
    """Returns the values with which the page takes a job's picture as source; one without a picture is told there."""
    url = urls_by_kind(core, job.outcome).get("signed", "")
    chosen = await playground_tenant.choice(core, user, job.tenant_id)
    return {"source": job.id, "tenant": chosen["tenant_value"], "url": url}
