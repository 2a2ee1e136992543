"""Description of Studio for the reference, made from its table of routes and the Structs of its wire."""

from imgen.services.core import Core
from imgen.surfaces.description import Description, FailureRow, Schema, schemas_of
from imgen.surfaces.rest_description import RestWords, paths_of, schemas_of_routes
from imgen.surfaces.studio import examples, failures
from imgen.surfaces.studio.answers import StudioEnded
from imgen.surfaces.studio.failure_rows import FAILURES, REASONS
from imgen.surfaces.studio.table import ROUTES

TAG = "Studio"
OVERVIEW = """\
**Studio**, `/api/v1/*`: REST that makes pictures of a source. `POST /api/v1/generate` answers a job; poll \
`GET /api/v1/jobs/{jobId}` until its status is `succeeded`, `failed` or `canceled`; the picture is at `downloadUrl`. More: \
[Studio](/docs/studio).
"""


def describe(core: Core) -> Description:
    """Describes routes, bodies and failures."""
    url = core.settings.public_url
    words = RestWords(
        tag=TAG,
        prefix="studio",
        failure=failures.StudioFailure,
        failures=FAILURES,
        failure_example=_failure_example,
        reasons=REASONS,
        requests=examples.requests(),
        answers=examples.answers(url),
        path_parameters={"job_id": {"description": "Id of the job.", "example": examples.JOB_ID}},
    )
    return Description(
        tag=TAG,
        about="REST that restyles or enhances a source.",
        paths=paths_of(ROUTES, words),
        schemas=schemas_of_routes(ROUTES, words) | schemas_of((StudioEnded,)),
        webhook_data=StudioEnded.__name__,
        overview=OVERVIEW,
        summary=(
            f"Studio makes pictures of a source (/docs/studio): `POST {url}/api/v1/generate` with `mode` and `imageBase64`.",
            f"Its jobs: `GET {url}/api/v1/jobs/<jobId>` until `status` is final; the picture is at `downloadUrl`.",
        ),
        failures=FAILURES,
        failures_intro='Studio: `{"error": {"code", "message"}, "requestId"}`.',
        failures_title="Errors of Studio",
        page="studio",
        sections=("Make pictures", "Poll a job", "Sources", "Plans and quota"),
    )


def _failure_example(row: FailureRow) -> Schema:
    return {"error": {"code": row.text, "message": row.when}, "requestId": examples.REQUEST_ID}
