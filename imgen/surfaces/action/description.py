"""Description of the Action API for the reference, made from the wire's Structs and this folder's tables."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from imgen.domain.account import POLL_EVERY_S
from imgen.domain.idempotency import HEADER
from imgen.services import uploads
from imgen.services.core import Core
from imgen.surfaces.action import EVENTS_PATH, PATH, UPLOAD_PATH, answers, streams_description
from imgen.surfaces.action.actions import ACTIONS, POLLING, Action
from imgen.surfaces.action.events import event_items, event_schemas
from imgen.surfaces.action.failures import EVENTS_FAILURES, FAILURES, UPLOAD_FAILURES
from imgen.surfaces.action.fields import REQUIRED, fields
from imgen.surfaces.description import (
    REF,
    Description,
    FailureRow,
    Operation,
    Schema,
    Variant,
    json_content,
    schemas_of,
)
from imgen.surfaces.idempotency_headers import REPLAYED, once

REASONS = {
    400: "The request is wrong.",
    401: "The key is missing, unknown or disabled.",
    403: "The key lacks the action's scope.",
    404: "There is no such job or cached picture.",
    405: "The method is another one.",
    408: "The request did not arrive completely in time.",
    409: "The same request is being answered.",
    413: "The request is too large.",
    422: "The idempotency key was used for another request.",
    429: "A limit is reached.",
    500: "A fault of the server.",
    502: "A part behind the server failed.",
    503: "A part of the server is down.",
}
"""Status → its general meaning."""
OVERVIEW = """\
One URL, `POST /api/v2`; the body is a JSON object with an `action`. Send `generate`, then poll `status` until the job has \
ended, or read `GET /api/v2/events`.

**Polling.** {polling}

**Prompts.** Commas separate terms. `@name` selects a character, at most one per prompt; a term that begins with `-` is negative \
and should not appear in the picture.

Ignore unknown fields of an answer: new ones may be added. More: [Action API]({url}/docs/action). \
For language models: [llms.txt]({url}/llms.txt).
"""
_META = {
    "time": "Completion time: UTC, to the second.",
    "original_prompt": "Prompt as it was sent.",
    "positive": "Positive terms of the prompt.",
    "negative": "Negative terms of the prompt and the field `negative`. Empty, too, if the model made no use of them.",
    "character": "Character of the prompt; empty: none.",
    "optimized": "Whether the prompt was improved.",
    "compliance": "`safe`.",
    "compliance_codes": "Ids of rules that the review only noted.",
    "fingerprint": "PDQ perceptual hash, 64 hex digits: similar pictures have similar hashes.",
    "enable_invisimark": "Whether an invisible watermark was embedded.",
    "enable_c2pa": "Whether Content Credentials were added.",
    "compute_pdq": "Whether the fingerprint was computed.",
    "seed": "Seed of the picture. Null: the engine took none, and tells none.",
    "steps": "Denoising steps. Null: the engine took none.",
    "guidance": "Guidance scale. Null: the model was made without one.",
    "watermark_id": "Payload of the watermark.",
    "watermark_verified": "Whether the watermark was decoded from the finished file.",
    "sha256": "SHA-256 digest of the signed file.",
    "manifest_id": "Id of the C2PA manifest.",
    "timings": "Seconds spent in each phase.",
    "upscale": "Factor by which the picture was enlarged; `width` and `height` are those after it.",
    "upscaler": "What enlarged it: the file of a network, or `lanczos`; empty: nothing did.",
    "engine": "Engine elsewhere that drew it; empty: it was drawn here.",
    "drawn_width": "Width that the engine drew; another one than was asked for was scaled and cut. Null: it was drawn here.",
    "drawn_height": "Height that the engine drew.",
    "revised_prompt": "Prompt that the engine drew in place of `positive`; empty: it tells none.",
}
"""Fields of `meta` that do not repeat the request."""
ABOUT: dict[type[Struct], dict[str, str]] = {
    answers.PictureMeta: _META,
    answers.UsageAnswer: {
        "key": "Counts of this key by period: `today` and `month`.",
        "tenant": "Counts of all keys of the tenant by period: `today` and `month`.",
        "limits": "Limits of the plan. Null: no limit.",
        "remaining": "Remaining part of each limit. Null: no limit, or an unknown value.",
    },
}
"""Answer → field → description, for Structs shared with other parts."""


def describe(core: Core) -> Description:
    """Describes requests, answers and failures, with examples from the running catalog."""
    url = core.settings.public_url
    examples = {name: action.examples(core) for name, action in ACTIONS.items()}
    sent = {name: {"action": name, **each.request} for name, each in examples.items()}
    variants = {
        name: tuple(one._replace(request={"action": name, **one.request}) for one in each.variants)
        for name, each in examples.items()
    }
    answered = {name: each.answers for name, each in examples.items()}
    return Description(
        tag="Action API",
        about="Actions for pictures, prompts, jobs and usage.",
        paths={
            PATH: {"post": _operation(sent, answered, variants)},
            UPLOAD_PATH: {"post": _upload(answered["upload"])},
            EVENTS_PATH: {
                "get": streams_description.operation(core, failures=_failures(EVENTS_FAILURES), headers=_headers(()))
            },
        },
        webhooks=event_items(core),
        schemas=request_schemas(core) | answer_schemas() | event_schemas() | streams_description.schemas(),
        overview=OVERVIEW.format(polling=POLLING, url=url),
        summary=(
            f"One URL: `POST {url}{PATH}` with `Authorization: Bearer <key>` and a JSON object.",
            f"Its `action` is one of {', '.join(f'`{name}`' for name in ACTIONS)}.",
            f"To make a picture send `generate`, then `status` with its id every {POLL_EVERY_S} seconds until it has ended.",
            f"Or name a `webhook_url`: the end of each job is sent there, signed. See {url}/docs/webhooks.",
            "`n` makes several at once: poll each of `ids`. `upscale` enlarges by 2 or 4.",
            "`image` makes a picture from a picture, which it leaves as far as `image_strength` says; `mask` redraws a part.",
            "`verify` tells whose picture this is, also without its metadata; so does the page `/verify`, for people.",
            f"An `{HEADER}` header of random text makes `generate` and `upload` safe to repeat after a broken connection.",
            f"Pictures are data URIs, or sent once as the body of `POST {url}{UPLOAD_PATH}`, whose answer names them for a day.",
            streams_description.SUMMARY.format(url=url),
        ),
        operations_title="Actions",
        operations_intro=f"All go to `POST {url}{PATH}` with the headers `Authorization: Bearer <key>` and "
        "`Content-Type: application/json`.\nOptional fields may also be null.",
        operations=tuple(
            Operation(
                name=name,
                request=request_name(action),
                example=sent[name],
                answers=answered[name],
                variants=variants[name],
            )
            for name, action in ACTIONS.items()
        ),
        failures_intro='Each is `{"error": "<text>"}`. 409, 429 and 503 have a `Retry-After` header with whole seconds.',
        failures=FAILURES,
        page="action",
        sections=(
            "Requests and answers",
            "Prompts",
            "Webhooks",
            "Semantic cache",
            "Repeating a request",
            "Polling",
            "Events",
            "From a browser",
        ),
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
    """Returns the schema of each answer by name, and of the Structs in it."""
    schemas = schemas_of((*(answer for action in ACTIONS.values() for answer in action.answers), answers.Failure))
    for answer, about in ABOUT.items():
        for field, words in about.items():
            schemas[answer.__name__]["properties"][field]["description"] = words
    return schemas


def request_name(action: Action) -> str:
    """Returns the name of the schema of an action's request."""
    return f"{action.request.__name__}Request"


def _operation(
    sent: dict[str, Schema], answered: dict[str, tuple[Schema, ...]], variants: dict[str, tuple[Variant, ...]]
) -> Schema:
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
        for name, value in _by_name(action, answered[action]).items()
    }
    examples_of_requests = {name: {"summary": name, "value": value} for name, value in sent.items()}
    for action, others in variants.items():
        for one in others:
            examples_of_requests[one.name] = {"summary": f"{action}: {one.about}", "value": one.request}
            examples_of_answers[one.name] = {"summary": one.name.replace("_", " "), "value": one.answer}
    return {
        "operationId": "call",
        "tags": ["Action API"],
        "summary": "Call an action",
        "description": "\n".join(f"- `{name}`: {action.description}" for name, action in ACTIONS.items()),
        "parameters": [_once()],
        "requestBody": {
            "required": True,
            "content": json_content(request, examples_of_requests),
        },
        "responses": {
            "200": {
                "description": "Answer of the action.",
                "content": json_content(answer, examples_of_answers),
                "headers": _headers(()) | REPLAYED,
            },
            **_failures(FAILURES),
        },
    }


def _upload(answered: tuple[Schema, ...]) -> Schema:
    """Describes the route whose body is a picture."""
    picture = {"schema": {"type": "string", "format": "binary"}}
    types = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
    examples = {"upload": {"summary": "upload", "value": answered[0]}}
    return {
        "operationId": "upload",
        "tags": ["Action API"],
        "summary": "Upload a picture",
        "description": "Keeps a picture for a day, like the action `upload`. The body is the file: a PNG, JPEG or WebP of at "
        f"most {uploads.MAX_BYTES // 2**20} MiB. Its type is told by its content; `Content-Type` does not count.",
        "parameters": [_once()],
        "requestBody": {"required": True, "content": dict.fromkeys(types, picture)},
        "responses": {
            "200": {
                "description": "The kept picture.",
                "content": json_content({"$ref": REF + answers.UploadAnswer.__name__}, examples),
                "headers": _headers(()) | REPLAYED,
            },
            **_failures(UPLOAD_FAILURES),
        },
    }


def _once() -> Schema:
    """Returns the parameter of idempotency keys, with the actions that heed it."""
    return once(f", for {' and '.join(f'`{name}`' for name, action in ACTIONS.items() if action.is_once)}")


def _by_name(name: str, values: tuple[Schema, ...]) -> dict[str, Schema]:
    """Returns the answers by name: the action, followed by the kind of answer if there are several."""
    kinds = [answer.__name__.removesuffix("Answer").lower() for answer in ACTIONS[name].answers]
    names = [name] if len(kinds) == 1 else [f"{name}_{kind}" for kind in kinds]
    return dict(zip(names, values, strict=True))


def _failures(table: Sequence[FailureRow]) -> dict[str, Any]:
    by_status: dict[int, list[FailureRow]] = defaultdict(list)
    for row in table:
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
            "headers": _headers(rows),
        }
        for status, rows in sorted(by_status.items())
    }


def _headers(rows: Sequence[FailureRow]) -> Schema:
    names = ["Retry-After"] if any(row.has_retry_after for row in rows) else []
    return {
        name: {"$ref": f"#/components/headers/{name.replace('-', '')}"}
        for name in (*names, "X-Request-Id", "RateLimit")
    }
