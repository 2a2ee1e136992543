"""Description of Forge for the reference, made from its table of routes and the Structs of its wire."""

from imgen.services.core import Core
from imgen.surfaces.description import Description, FailureRow, Schema
from imgen.surfaces.forge import assets, examples, failures
from imgen.surfaces.forge.failure_rows import FAILURES, REASONS
from imgen.surfaces.forge.jobs import MAX_PAGE, PAGE
from imgen.surfaces.forge.table import ROUTES
from imgen.surfaces.rest_description import FILE, RestWords, failures_of, paths_of, schemas_of_routes

TAG = "Forge"
QUERY: dict[str, Schema] = {
    "limit": {
        "description": "Jobs of a page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE},
    },
    "cursor": {"description": "`cursor` of the page before.", "schema": {"type": "string"}},
}
PATH_PARAMETERS: dict[str, Schema] = {
    "job_id": {"description": "Id of the job.", "example": examples.JOB_ID},
    "tenant_id": {"description": "Id of the tenant.", "example": examples.TENANT_ID},
    "sha256": {"description": "SHA-256 digest of the file, 64 hex digits.", "example": examples.SHA256},
}
OVERVIEW = """\
**Forge**, `/v2/*`: REST with quality tiers. `POST /v2/generate` answers a job; poll `GET /v2/jobs/{job_id}` every 3 seconds \
until its state is `completed` or `failed`, or send `sync: true`. The picture is at `asset_url`. Send the key as \
`Authorization: Bearer` or `X-API-Key`. More: [Forge](/docs/forge).
"""


def describe(core: Core) -> Description:
    """Describes routes, bodies and failures, with examples from the running configuration."""
    url, words = core.settings.public_url, _words(core)
    paths = paths_of(ROUTES, words)
    paths[assets.PATH] = {"get": _asset(words), "head": _asset(words, is_head=True)}
    return Description(
        tag=TAG,
        about="REST with quality tiers, tenants and pictures by their digest.",
        paths=paths,
        schemas=schemas_of_routes(ROUTES, words),
        overview=OVERVIEW,
        summary=(
            f"Forge is REST over the same jobs (/docs/forge): `POST {url}/v2/generate` with `prompt` and `quality_tier`.",
            f"Its jobs: `GET {url}/v2/jobs/<job_id>` until `state` is `completed` or `failed`; the picture is at `asset_url`.",
        ),
        failures=FAILURES,
        failures_intro='Forge: `{"error": {"code", "message", "field"?}}`.',
        failures_title="Errors of Forge",
        page="forge",
        sections=("Make a picture", "Poll a job", "From a picture", "Tiers and models", "Assets", "Tenants"),
    )


def _words(core: Core) -> RestWords:
    return RestWords(
        tag=TAG,
        prefix="forge",
        failure=failures.ForgeFailure,
        failures=FAILURES,
        failure_example=_failure_example,
        reasons=REASONS,
        requests=examples.requests(core),
        answers=examples.answers(core),
        path_parameters=PATH_PARAMETERS,
        query=QUERY,
    )


def _failure_example(row: FailureRow) -> Schema:
    return {"error": {"code": row.text, "message": row.when}}


def _asset(words: RestWords, *, is_head: bool = False) -> Schema:
    """Describes the route of files."""
    content = {} if is_head else {"content": {kind: {"schema": FILE} for kind in assets.CONTENT_TYPES}}
    headers = {
        "ETag": {"description": "The digest in quotes.", "schema": {"type": "string"}},
        "Cache-Control": {"description": "`public, max-age=3600`, or of private assets `private, no-store`."}
        | {"schema": {"type": "string"}},
    }
    return {
        "operationId": "forge_asset_head" if is_head else "forge_asset",
        "tags": [TAG],
        "summary": "Ask for a picture's headers" if is_head else "Get a picture",
        "description": "The file of a finished picture, to everybody or to its tenant alone, as the server is set. `Range` and "
        "`If-None-Match` are heeded.",
        "security": [{}, {"key": []}, {"x_api_key": []}],
        "parameters": [
            {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string"}}
            | PATH_PARAMETERS["sha256"],
        ],
        "responses": {
            "200": {"description": "The file.", "headers": headers, **content},
            "206": {"description": "A part of the file.", "headers": headers, **content},
            "304": {"description": "The file that the caller has.", "headers": headers},
            **failures_of((400, 401, 404, 405, 408, 416, 429, 500, 503), words),
        },
    }
