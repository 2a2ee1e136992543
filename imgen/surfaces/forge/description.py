"""Description of Forge for the reference, made from its table of routes and the Structs of its wire."""

from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, Schema, json_content, schemas_of
from imgen.surfaces.forge import assets, examples, failures
from imgen.surfaces.forge.failure_rows import FAILURES, REASONS
from imgen.surfaces.forge.jobs import MAX_PAGE, PAGE
from imgen.surfaces.forge.table import ROUTES, ForgeRoute
from imgen.surfaces.idempotency_headers import REPLAYED, once

TAG = "Forge"
ALWAYS = (401, 405, 408, 429, 500, 503)
"""Statuses of failures of every route."""
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
FILE = {"type": "string", "format": "binary"}
WAITING = (409, 429, 503)
"""Statuses with `Retry-After`."""
OVERVIEW = """\
**Forge**, `/v2/*`: REST with quality tiers. `POST /v2/generate` answers a job; poll `GET /v2/jobs/{job_id}` every 3 seconds \
until its state is `completed` or `failed`, or send `sync: true`. The picture is at `asset_url`. Send the key as \
`Authorization: Bearer` or `X-API-Key`. More: [Forge](/docs/forge).
"""


def describe(core: Core) -> Description:
    """Describes routes, bodies and failures, with examples from the running configuration."""
    url = core.settings.public_url
    paths: dict[str, Schema] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(core, route)
    paths[assets.PATH] = {"get": _asset(), "head": _asset(is_head=True)}
    return Description(
        tag=TAG,
        about="REST with quality tiers, tenants and pictures by their digest.",
        paths=paths,
        schemas=_schemas(),
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


def _schemas() -> dict[str, Schema]:
    kinds = [route.request for route in ROUTES if route.request is not None]
    answers = [answer for route in ROUTES for answer in route.answers.values()]
    return schemas_of(dict.fromkeys((*kinds, *answers, failures.ForgeFailure)))


def _operation(core: Core, route: ForgeRoute) -> Schema:
    words = f"{route.description}\n\n{route.caller}" if route.caller else route.description
    described: Schema = {
        "operationId": f"forge_{route.name}",
        "tags": [TAG],
        "summary": route.summary,
        "description": words,
        "security": route.security,
        "parameters": _parameters(route),
        "responses": {
            **{str(status): _answer(core, route, status) for status in route.answers},
            **_failures((*ALWAYS, *route.failures)),
        },
    }
    if route.request is not None:
        described["requestBody"] = {
            "required": route.needs_body,
            "content": json_content({"$ref": REF + route.request.__name__}, examples.requests(core)[route.name]),
        }
    return described


def _parameters(route: ForgeRoute) -> list[Schema]:
    in_path = [name for name in PATH_PARAMETERS if f"{{{name}}}" in route.path]
    return [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **PATH_PARAMETERS[name]}
            for name in in_path
        ),
        *({"name": name, "in": "query", "required": False, **QUERY[name]} for name in route.query),
        *([once("")] if route.is_once else []),
    ]


def _answer(core: Core, route: ForgeRoute, status: int) -> Schema:
    example = examples.answers(core)[route.name][status]
    return {
        "description": route.answers[status].__doc__,
        "content": json_content(
            {"$ref": REF + route.answers[status].__name__}, {route.name: {"summary": route.summary, "value": example}}
        ),
        "headers": _headers(status) | (REPLAYED if route.is_once else {}),
    }


def _asset(*, is_head: bool = False) -> Schema:
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
            "416": {"description": "The file has no such part."},
            **_failures((400, 401, 404, 405, 408, 429, 500, 503)),
        },
    }


def _failures(statuses: tuple[int, ...]) -> Schema:
    return {
        str(status): {
            "description": REASONS[status],
            "content": json_content(
                {"$ref": REF + failures.ForgeFailure.__name__},
                {
                    row.text.lower(): {
                        "summary": row.text,
                        "value": {"error": {"code": row.text, "message": row.when}},
                    }
                    for row in FAILURES
                    if row.status == status
                },
            ),
            "headers": _headers(status),
        }
        for status in sorted(set(statuses))
    }


def _headers(status: int) -> Schema:
    names = (*(["Retry-After"] if status in WAITING else []), "X-Request-Id", "RateLimit")
    return {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in names}
