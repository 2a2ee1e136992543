"""Description of the operators' API for the reference."""

from typing import Any

from imgen.domain import errors
from imgen.services.core import Core
from imgen.surfaces.description import REF, Description, Operation, Schema, json_content, schemas_of
from imgen.surfaces.operators import TENANT_PATH
from imgen.surfaces.operators.wire import PackAnswer, PackRequest, PlanRequest, TenantAnswer
from imgen.surfaces.surface import status_of

TAG = "Operators' API"
TENANT_ID = "ten_5f2d0c9e7b1a4836"
_TENANT = {
    "name": "tenant",
    "in": "path",
    "required": True,
    "description": "Id of the tenant, or its name.",
    "schema": {"type": "string"},
    "example": TENANT_ID,
}
_EXAMPLE_TENANT = {
    "id": TENANT_ID, "name": "studio", "plan": "pro", "pictures": 41, "credits": 41, "packs_left": 500,
}  # fmt: skip
_EXAMPLE_PACK = {
    "id": "pck_0a1b2c3d4e5f6071", "tenant_id": TENANT_ID, "pack": "pack_500", "label": "Starter",
    "reference": "pi_3Oq1", "credits": 500, "left": 500, "granted": "2026-11-27T09:15:00Z",
}  # fmt: skip
_FAILURES: tuple[tuple[errors.ImgenError, str], ...] = (
    (errors.Unauthorized(), "No `Authorization: Bearer` header."),
    (errors.InvalidKey(), "The key is unknown."),
    (errors.KeyDisabled(), "The key is disabled."),
    (errors.OutOfScope("operate"), "The key does not have the scope `operate`."),
    (errors.TenantNotFound(), "There is no such tenant."),
    (errors.RateLimited(), "Too many requests in a minute."),
    (errors.Unavailable(), "A part of the server is down."),
)
_WRONG: tuple[tuple[errors.ImgenError, str], ...] = (
    (errors.InvalidJson(), "The body is not JSON."),
    (errors.Invalid("There is no pack 'pack_7'"), "A value is wrong; the text says which."),
    (errors.TooLarge(), "The body is longer than any such request."),
)


def describe(_core: Core) -> Description:
    """Describes requests, answers and failures."""
    return Description(
        tag=TAG,
        about="Plans and packs of credits for tenants, by keys with the scope `operate`.",
        paths={
            TENANT_PATH: {
                "get": _operation(
                    "show_tenant", "Show a tenant", "Its plan, this month's use and what is left of its packs.", _TOLD
                )
            },
            f"{TENANT_PATH}/plan": {
                "post": _operation(
                    "change_plan",
                    "Change a tenant's plan",
                    "It holds from the next request on. The audit has the change with the name of the key.",
                    _TOLD,
                    (PlanRequest.__name__, {"plan": "pro"}),
                )
            },
            f"{TENANT_PATH}/packs": {
                "post": _operation(
                    "grant_pack",
                    "Grant a pack of credits for a payment",
                    "A payment counts once: with the reference of an earlier grant the answer is 200 and the same pack, and "
                    "nothing is added; so a request is safe to repeat. For another pack or tenant that reference is refused.",
                    {
                        "201": ("The pack that was granted.", PackAnswer.__name__, _EXAMPLE_PACK),
                        "200": ("The payment was counted before.", PackAnswer.__name__, _EXAMPLE_PACK),
                    },
                    (PackRequest.__name__, {"pack": "pack_500", "reference": "pi_3Oq1"}),
                )
            },
        },
        schemas=schemas_of((PlanRequest, PackRequest, TenantAnswer, PackAnswer)),
        operations_title="For operators",
        operations_intro="Keys with the scope `operate` change plans and packs of tenants, each by its id or name.",
        operations=(
            Operation(
                name=f"POST {TENANT_PATH}/plan",
                request=PlanRequest.__name__,
                example={"plan": "pro"},
                answers=(_EXAMPLE_TENANT,),
            ),
            Operation(
                name=f"POST {TENANT_PATH}/packs",
                request=PackRequest.__name__,
                example={"pack": "pack_500", "reference": "pi_3Oq1"},
                answers=(_EXAMPLE_PACK,),
            ),
        ),
    )


_TOLD = {"200": ("The tenant.", TenantAnswer.__name__, _EXAMPLE_TENANT)}


def _operation(
    name: str,
    summary: str,
    about: str,
    answers: dict[str, tuple[str, str, Schema]],
    request: tuple[str, Schema] | None = None,
) -> Schema:
    headers = {one: {"$ref": f"#/components/headers/{one.replace('-', '')}"} for one in ("X-Request-Id", "RateLimit")}
    told: dict[str, Any] = {
        status: {
            "description": text,
            "content": json_content({"$ref": REF + schema}, {name: {"summary": summary, "value": example}}),
            "headers": headers,
        }
        for status, (text, schema, example) in answers.items()
    }
    failures = (*(_WRONG if request else ()), *_FAILURES)
    for status in sorted({status_of(type(error)) for error, _ in failures}):
        rows = [(str(error), when) for error, when in failures if status_of(type(error)) == status]
        told[str(status)] = {
            "description": "\n".join(f"- `{text}`: {when}" for text, when in rows),
            "content": json_content(
                {"$ref": f"{REF}Failure"},
                {
                    f"{name}_{number}": {"summary": text, "value": {"error": text}}
                    for number, (text, _) in enumerate(rows)
                },
            ),
            "headers": headers
            | ({"Retry-After": {"$ref": "#/components/headers/RetryAfter"}} if status in (429, 503) else {}),
        }
    body = {}
    if request:
        schema, example = request
        body = {
            "requestBody": {
                "required": True,
                "content": json_content({"$ref": REF + schema}, {name: {"summary": summary, "value": example}}),
            }
        }
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "description": about,
        "parameters": [_TENANT],
        **body,
        "responses": told,
    }
