"""Table of Forge's routes: path, handler, request, answers and words of each, for serving them and for the reference."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import Struct

from imgen.asgi.endpoint import Answer
from imgen.surfaces.call import Call
from imgen.surfaces.forge import answers, generating, jobs, models, tenants, wire

OK, CREATED, ACCEPTED = 200, 201, 202


class ForgeRoute(NamedTuple):
    """One row of the table. Assets, whose answers are files, are beside it (assets.py)."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Answer]]
    name: str
    """Id of the operation."""
    summary: str
    description: str
    answers: dict[int, type[Struct]]
    """Status → answer."""
    failures: tuple[int, ...]
    """Statuses of failures, beside those of every route."""
    request: type[Struct] | None = None
    query: tuple[str, ...] = ()
    """Parameters of the query, described in the reference."""
    is_once: bool = False
    """Whether it makes something, and an idempotency key keeps a repetition from making it again."""
    needs_body: bool = False
    caller: str = ""
    """Callers that it serves, in words; empty: all."""

    @property
    def security(self) -> list[dict[str, list[str]]]:
        """Returns the credentials that it takes, as OpenAPI has them."""
        if self.caller == SESSION:
            return [{"session": [], "csrf": []}]
        return [{"key": []}, {"x_api_key": []}, {"session": [], "csrf": []}, {}]


SESSION = (
    "A signed-in person: the session's cookie, and for changes the header `x-csrftoken` with the cookie `csrftoken`."
)
ROUTES: tuple[ForgeRoute, ...] = (
    ForgeRoute(
        method="POST",
        path=generating.PATH,
        handler=generating.generate,
        name="generate",
        summary="Make a picture",
        description="Starts a job and answers at once; with `sync` it waits for the picture. A wrong value is refused. "
        "The prompt is plain text.",
        request=wire.ForgeGenerate,
        needs_body=True,
        answers={ACCEPTED: answers.ForgeJob, CREATED: answers.ForgeJob},
        failures=(400, 403, 404, 409, 413, 422, 502),
        is_once=True,
    ),
    ForgeRoute(
        method="GET",
        path=jobs.PATH,
        handler=jobs.list_own,
        name="jobs",
        summary="List jobs",
        description="Lists the tenant's jobs, newest first, those of all surfaces. An anonymous caller has no list.",
        query=("limit", "cursor"),
        answers={OK: answers.ForgeJobs},
        failures=(400, 403),
    ),
    ForgeRoute(
        method="GET",
        path=jobs.PATH + "/{job_id}",
        handler=jobs.read,
        name="job",
        summary="Poll a job",
        description="Returns the state of a job. Poll every 3 seconds, at most 120 times. The id of an anonymous caller's job is "
        "all that it takes.",
        answers={OK: answers.ForgeJob},
        failures=(403, 404),
    ),
    ForgeRoute(
        method="DELETE",
        path=jobs.PATH + "/{job_id}",
        handler=jobs.cancel,
        name="cancel",
        summary="Cancel a job",
        description="Cancels a job; it is not charged. One that has ended does not change, and is answered as it is.",
        answers={OK: answers.ForgeJob},
        failures=(403, 404),
    ),
    ForgeRoute(
        method="GET",
        path=models.PATH,
        handler=models.list_all,
        name="models",
        summary="List tiers and models",
        description="Lists the quality tiers, and the models that `model` may name; those that are not there with the reason.",
        answers={OK: answers.ForgeModels},
        failures=(403,),
    ),
    ForgeRoute(
        method="GET",
        path=models.HEALTH_PATH,
        handler=models.health,
        name="health",
        summary="Ask for the server's version",
        description="Answers as long as the process serves requests.",
        answers={OK: answers.ForgeHealth},
        failures=(),
        caller="Everybody.",
    ),
    ForgeRoute(
        method="POST",
        path=tenants.PATH,
        handler=tenants.create,
        name="create_tenant",
        summary="Make a tenant",
        description="Makes a tenant with a key, which is shown this once: a repetition under an idempotency key is a 409.",
        request=wire.ForgeTenantRequest,
        answers={CREATED: answers.ForgeNewTenant},
        failures=(400, 403, 409, 413, 422),
        is_once=True,
        caller=SESSION,
    ),
    ForgeRoute(
        method="GET",
        path=tenants.PATH,
        handler=tenants.list_own,
        name="tenants",
        summary="List your tenants",
        description="Lists the tenants that a person owns or belongs to, oldest first.",
        answers={OK: answers.ForgeTenants},
        failures=(),
        caller=SESSION,
    ),
    ForgeRoute(
        method="POST",
        path=tenants.PATH + "/{tenant_id}/rotate",
        handler=tenants.rotate,
        name="rotate_key",
        summary="Replace a tenant's key",
        description="Replaces the key that the tenant was made with. The old one is refused at once; other keys stay.",
        answers={OK: answers.ForgeNewTenant},
        failures=(403, 404, 409, 422),
        is_once=True,
        caller=SESSION,
    ),
    ForgeRoute(
        method="GET",
        path=tenants.PATH + "/{tenant_id}/usage",
        handler=tenants.usage,
        name="tenant_usage",
        summary="Read a tenant's use",
        description="Returns what the tenant's plan and packs give, and what is used of it.",
        answers={OK: answers.ForgeTenantUsage},
        failures=(403, 404),
        caller="A signed-in person who belongs to the tenant, or a key of the tenant.",
    ),
)
