"""Description of the Action API for the reference, put together from the wire's Structs and this folder's tables."""

from collections import defaultdict
from typing import Any

from msgspec import Struct, structs

from imgen.services.core import Core
from imgen.surfaces.action import PATH, answers, examples
from imgen.surfaces.action.actions import ACTIONS, POLL_EVERY_S, POLLING, Action
from imgen.surfaces.action.failures import FAILURES
from imgen.surfaces.action.fields import REQUIRED, fields
from imgen.surfaces.description import REF, Description, FailureRow, Operation, Schema, json_content, schemas_of

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
_META = {
    "time": "When the picture was made: UTC, to the second.",
    "original_prompt": "The prompt as it was sent.",
    "positive": "The prompt's positive terms.",
    "negative": "The prompt's negative terms and the field `negative`.",
    "character": "The prompt's character; empty: none.",
    "optimized": "Whether the prompt was improved.",
    "compliance": "`safe`.",
    "compliance_codes": "What the reviewer noted all the same: ids of rules.",
    "fingerprint": "PDQ perceptual hash, 64 hex digits: similar pictures have similar hashes.",
    "enable_invisimark": "Whether it carries an invisible watermark.",
    "enable_c2pa": "Whether it carries Content Credentials.",
    "compute_pdq": "Whether its fingerprint was taken.",
    "watermark_id": "What the invisible watermark carries.",
    "watermark_verified": "Whether the watermark was read back from the finished file.",
    "sha256": "Of the signed file.",
    "manifest_id": "Of the C2PA manifest.",
    "timings": "Seconds spent in each part.",
}
"""Fields of `meta` that do not repeat the request."""
ABOUT: dict[type[Struct], dict[str, str]] = {
    answers.PictureMeta: _META,
    answers.UsageAnswer: {
        "key": "Of this key, by period: `today` and `month`.",
        "tenant": "Of all keys of the tenant, by period: `today` and `month`.",
        "limits": "What the plan allows. Null: no limit.",
        "remaining": "What is left of it. Null: no limit, or an unknown value.",
    },
}
"""Answer → field → words, for Structs that other parts of the house share."""


def describe(core: Core) -> Description:
    """Describes requests, answers and failures, with examples out of the running catalog."""
    url = core.settings.public_url
    sent, answered = examples.requests(core), examples.responses(core)
    return Description(
        tag="Action API",
        about="Everything there is to ask for.",
        paths={PATH: {"post": _operation(sent, answered)}},
        schemas=request_schemas(core) | answer_schemas(),
        overview=OVERVIEW.format(polling=POLLING, url=url),
        summary=(
            f"One address: `POST {url}{PATH}` with `Authorization: Bearer <key>` and a JSON object.",
            f"Its `action` is one of {', '.join(f'`{name}`' for name in ACTIONS)}.",
            f"To make a picture send `generate`, then `status` with its id every {POLL_EVERY_S} seconds until it has ended.",
        ),
        operations_title="Actions",
        operations_intro=f"All go to `POST {url}{PATH}` with the headers `Authorization: Bearer <key>` and "
        "`Content-Type: application/json`.\nA field that may be left out may be null as well.",
        operations=tuple(
            Operation(name=name, request=request_name(action), example=sent[name], answers=tuple(answered[name]))
            for name, action in ACTIONS.items()
        ),
        failures_intro='Each is `{"error": "<text>"}`. 429 and 503 have a `Retry-After` header with whole seconds.',
        failures=FAILURES,
        page="action",
        sections=("Requests and answers", "Prompts", "The cache", "Polling", "From a browser", "Not there yet"),
    )


def request_schemas(core: Core) -> dict[str, Schema]:
    """Returns the schema of each action's request by name, with every field of its Struct."""
    words = fields(core)
    return {
        request_name(action): {
            "title": name,
            "description": action.description,
            "type": "object",
            "required": ["action", *REQUIRED.get(action.request, ())],
            "properties": {
                "action": {"type": "string", "const": name},
                **{field.name: words[action.request][field.name] for field in structs.fields(action.request)},
            },
        }
        for name, action in ACTIONS.items()
    }


def answer_schemas() -> dict[str, Schema]:
    """Returns the schema of each answer by name, and of what it is made of."""
    schemas = schemas_of((*(answer for action in ACTIONS.values() for answer in action.answers), answers.Failure))
    for answer, about in ABOUT.items():
        for field, words in about.items():
            schemas[answer.__name__]["properties"][field]["description"] = words
    return schemas


def request_name(action: Action) -> str:
    """Returns the name of its request's schema."""
    return f"{action.request.__name__}Request"


def _operation(sent: dict[str, Schema], answered: dict[str, list[Schema]]) -> Schema:
    refs = {name: REF + request_name(action) for name, action in ACTIONS.items()}
    kinds: dict[type[Struct], None] = {answer: None for action in ACTIONS.values() for answer in action.answers}
    request = {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "action", "mapping": refs},
    }
    answer = {"anyOf": [{"$ref": REF + kind.__name__} for kind in kinds]}
    examples_of_answers = {
        name: {"summary": name.replace("_", " "), "value": value}
        for action in ACTIONS
        for name, value in _named(action, answered[action]).items()
    }
    return {
        "operationId": "call",
        "tags": ["Action API"],
        "summary": "Ask for one of the actions",
        "description": "\n".join(f"- `{name}`: {action.description}" for name, action in ACTIONS.items()),
        "requestBody": {
            "required": True,
            "content": json_content(request, {name: {"summary": name, "value": sent[name]} for name in ACTIONS}),
        },
        "responses": {
            "200": {"description": "What the action answers.", "content": json_content(answer, examples_of_answers)},
            **_failures(),
        },
    }


def _named(name: str, values: list[Schema]) -> dict[str, Schema]:
    """Names each answer: by the action, followed by the answer's kind where there are several."""
    kinds = [answer.__name__.removesuffix("Answer").lower() for answer in ACTIONS[name].answers]
    names = [name] if len(kinds) == 1 else [f"{name}_{kind}" for kind in kinds]
    return dict(zip(names, values, strict=True))


def _failures() -> dict[str, Any]:
    by_status: dict[int, list[FailureRow]] = defaultdict(list)
    for row in FAILURES:
        by_status[row.status].append(row)
    return {
        str(status): {
            "description": f"{REASONS[status]}\n\n"
            + "\n".join(f"- `{row.text}`: {row.when} {row.advice}" for row in rows),
            "content": json_content(
                {"$ref": REF + answers.Failure.__name__},
                {
                    row.text.lower().replace(" ", "_").strip("<>"): {"summary": row.text, "value": {"error": row.text}}
                    for row in rows
                },
            ),
        }
        | ({"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}} if rows[0].has_retry_after else {})
        for status, rows in sorted(by_status.items())
    }
