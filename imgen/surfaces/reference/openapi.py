"""The OpenAPI 3.1 document: put together from the wire's Structs and this package's tables. It decides nothing itself."""

from collections import defaultdict
from typing import Any

import msgspec
from msgspec import Struct, structs

from imgen import __version__
from imgen.services.core import Core
from imgen.surfaces.reference import actions, answers
from imgen.surfaces.reference.actions import ACTIONS, Action
from imgen.surfaces.reference.failures import FAILURES, Row
from imgen.surfaces.reference.fields import REQUIRED, Schema, fields

AT = "#/components/schemas/"
REASONS = {
    400: "The request is wrong.",
    401: "No key, or one that is not good.",
    403: "The key was made for other things.",
    404: "There is no such job or cached picture.",
    405: "The address takes POST alone.",
    408: "The request did not arrive whole in time.",
    413: "The request is too large.",
    429: "Too much for now.",
    500: "A fault of the server.",
    502: "A part behind the server failed.",
    503: "A part of the server is down.",
}
"""Status → what it means in general."""
OVERVIEW = """\
One address, `POST /api/v2`; the body is a JSON object whose `action` says what you want. Send `generate`, then ask `status` \
until the job has ended.

**Polling.** {polling}

**Prompts.** Commas separate terms. `@name` asks for a character, one for each prompt; a term that begins with `-` says what \
should not be in the picture.

Ignore fields of an answer that you do not know: new ones may be added. More words: [Action API]({url}/docs/action). \
For language models: [llms.txt]({url}/llms.txt).
"""


def document(core: Core) -> dict[str, Any]:
    """The whole of it, as plain values."""
    url = core.settings.public_url
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Imgen",
            "version": __version__,
            "summary": "Reviewed, branded, watermarked, fingerprinted and signed pictures from one JSON request.",
            "description": OVERVIEW.format(polling=actions.POLLING, url=url),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "tags": [
            {"name": "Action API", "description": "Everything there is to ask for."},
            {"name": "Health", "description": "For load balancers and supervisors; no key is needed."},
        ],
        "externalDocs": {"url": f"{url}/docs", "description": "The documentation"},
        "paths": {
            "/api/v2": {"post": _call(core)},
            "/healthz": {"get": _check("alive", "Whether the process lives", {200: answers.Alive})},
            "/readyz": {
                "get": _check("ready", "Whether a job can be taken now", {200: answers.Ready, 503: answers.Ready})
            },
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, `imgen_` and 64 hex digits."}
            },
            "schemas": request_schemas(core) | answer_schemas(),
            "headers": {
                "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
            },
        },
    }


def request_schemas(core: Core) -> dict[str, Schema]:
    """Name → schema of each action's request, with every field of its Struct."""
    words = fields(core)
    return {
        request_name(action): {
            "title": action.name,
            "description": action.says,
            "type": "object",
            "required": ["action", *REQUIRED.get(action.call, ())],
            "properties": {
                "action": {"type": "string", "const": action.name},
                **{field.name: words[action.call][field.name] for field in structs.fields(action.call)},
            },
        }
        for action in ACTIONS
    }


def answer_schemas() -> dict[str, Schema]:
    """Name → schema of each answer, and of what it is made of."""
    told = (*(answer for action in ACTIONS for answer in action.answers), answers.Failure, answers.Alive, answers.Ready)
    _, schemas = msgspec.json.schema_components(told, ref_template=AT + "{name}")
    for answer, about in answers.ABOUT.items():
        for field, words in about.items():
            schemas[answer.__name__]["properties"][field]["description"] = words
    return schemas


def request_name(action: Action) -> str:
    """Its component's name."""
    return f"{action.call.__name__}Request"


def _call(core: Core) -> dict[str, Any]:
    sent, told = actions.requests(core), actions.responses(core)
    schemas = [AT + request_name(action) for action in ACTIONS]
    answered: dict[type[Struct], None] = {answer: None for action in ACTIONS for answer in action.answers}
    return {
        "operationId": "call",
        "tags": ["Action API"],
        "summary": "Ask for one of the actions",
        "description": "\n".join(f"- `{action.name}`: {action.says}" for action in ACTIONS),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [{"$ref": schema} for schema in schemas],
                        "discriminator": {
                            "propertyName": "action",
                            "mapping": {action.name: schema for action, schema in zip(ACTIONS, schemas, strict=True)},
                        },
                    },
                    "examples": {
                        action.name: {"summary": action.name, "value": sent[action.name]} for action in ACTIONS
                    },
                }
            },
        },
        "responses": {
            "200": {
                "description": "What the action answers.",
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [{"$ref": AT + answer.__name__} for answer in answered]},
                        "examples": {
                            name: {"summary": name.replace("_", " "), "value": value}
                            for action in ACTIONS
                            for name, value in named(action, told[action.name]).items()
                        },
                    }
                },
            },
            **_failures(),
        },
    }


def named(action: Action, values: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each answer by a name: the action's, followed by the answer's kind where there are several."""
    kinds = [answer.__name__.removesuffix("Answer").lower() for answer in action.answers]
    names = [action.name] if len(kinds) == 1 else [f"{action.name}_{kind}" for kind in kinds]
    return dict(zip(names, values, strict=True))


def _failures() -> dict[str, Any]:
    by_status: dict[int, list[Row]] = defaultdict(list)
    for row in FAILURES:
        by_status[row.status].append(row)
    return {
        str(status): {
            "description": f"{REASONS[status]}\n\n"
            + "\n".join(f"- `{row.text}`: {row.when} {row.then}" for row in rows),
            "content": {
                "application/json": {
                    "schema": {"$ref": AT + answers.Failure.__name__},
                    "examples": {
                        row.text.lower().replace(" ", "_").strip("<>"): {
                            "summary": row.text,
                            "value": {"error": row.text},
                        }
                        for row in rows
                    },
                }
            },
        }
        | ({"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}} if rows[0].has_retry_after else {})
        for status, rows in sorted(by_status.items())
    }


def _check(name: str, summary: str, told: dict[int, type[Struct]]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["Health"],
        "summary": summary,
        "security": [],
        "responses": {
            str(status): {
                "description": (answer.__doc__ or "").strip(),
                "content": {"application/json": {"schema": {"$ref": AT + answer.__name__}}},
            }
            for status, answer in told.items()
        },
    }
